"""What is not owed of an invoice: told before, credited or asked back, by who reads it, never their own."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import retelling
from operational_api.commerce.billing.models import CreditNote
from operational_api.commerce.billing.service import collection, fees, payers, sales
from operational_api.commerce.models import Customer, Invoice, Payment, PlanPrice, RefundRequest, SessionPack
from operational_api.commerce.service import gifts, wallets
from operational_api.commerce.settings import WalletSettings
from operational_api.core.models import OutboxEvent
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking
from operational_api.scheduling.public import waive_invoiced_fee
from operational_api.scheduling.service import bookings
from operational_api.scheduling.service import fees as late_fees
from tests.factories import LONG_AGO, make_account, make_pack, make_plan
from tests.operational_api.conftest import SignIn
from tests.operational_api.scheduling.calendars.steps import hear
from tests.operational_api.scheduling.test_seats import NOW, START, slot_on
from tests.operational_api.staff.conftest import As, words

REQUESTS = "/api/commerce/refund-requests"
WHY = {"reason": "The studio was closed"}


@pytest.fixture
def mia(session: Session) -> Account:
    account = make_account(session, display_name="Mia Maier")
    session.add(Customer(id=account.id, currency="EUR"))
    session.flush()
    return account


def sold(session: Session, customer_id: UUID) -> Invoice:
    """The invoice of four sessions for 100 euros."""
    plan = make_plan(session, price=None, kind="pack", sessions_included=4, name="Four")
    session.add(PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=10_000, tax_rate_bp=1900, valid_from=LONG_AGO))
    session.flush()
    pack = sales.sell_pack(session, customer_id=customer_id, plan_code=plan.code, currency="EUR", now=datetime.now(UTC))
    return session.scalars(select(Invoice).where(Invoice.session_pack_id == pack.id)).one()


def paid(session: Session, customer_id: UUID) -> Invoice:
    """The same, paid by what was given before."""
    give(session, customer_id, 10_000)
    invoice = sold(session, customer_id)
    collection.spend_wallets(session, datetime.now(UTC))
    return invoice


def give(session: Session, customer_id: UUID, amount_minor: int) -> None:
    gifts.give(
        session, customer_id=customer_id, amount_minor=amount_minor, currency="EUR", reason="Sorry", expires_at=None,
        actor_id=None, settings=WalletSettings(), now=datetime.now(UTC),
    )  # fmt: skip


def pay_out_of_wallet(session: Session, customer_id: UUID) -> Invoice:
    """Their invoice is paid by what they are given for it."""
    give(session, customer_id, 2000)
    collection.spend_wallets(session, datetime.now(UTC))
    invoice = session.scalars(select(Invoice).where(Invoice.customer_id == customer_id)).one()
    assert invoice.status == "paid"
    return invoice


def waived(session: Session, booking: Booking) -> bool:
    session.refresh(booking)
    return booking.late_fee_waived_at is not None


class TestOpen:
    def test_is_credited_as_it_was_told(self, session: Session, mia: Account, signed_in: As) -> None:
        invoice = sold(session, mia.id)
        here = f"/staff/invoices/{invoice.id}"
        finance = signed_in(make_account(session, role="finance"))
        assert here in finance.get(f"/invoices/{invoice.id}").text
        before = session.scalars(select(OutboxEvent.event_id)).all()
        told = words(finance.get(f"{here}?what=amount&amount=30").text)
        assert "A credit note of €30.00 , now and for good: €4.79 of it is tax." in told
        assert "The card is charged €70.00 instead of €100.00." in told
        assert "1 session of the pack can be used no more." in told
        whole = words(finance.get(f"{here}?what=line-1").text)
        assert "A credit note of €100.00" in whole
        assert "no card is tried for it any more" in whole
        assert "4 sessions of the pack" in whole
        assert session.scalars(select(OutboxEvent.event_id)).all() == before  # a look changes nothing
        assert (invoice.status, session.scalars(select(CreditNote)).all()) == ("open", [])

        said = words(finance.submit(f"{here}/credit-notes", WHY | {"amount_minor": "3000"}).text)
        note = session.scalars(select(CreditNote)).one()
        assert (note.amount_minor, note.tax_minor, note.reason) == (3000, 479, WHY["reason"])
        assert f"Credited: {note.number}." in said
        assert "Still asked for €70.00" in said
        assert session.scalars(select(SessionPack.sessions_refunded)).one() == 1
        assert "more than what is left" in words(finance.get(f"{here}?what=amount&amount=70.01").text)
        for typed in ("", "0", "ten"):
            assert "Write amounts as" in words(finance.get(f"{here}?what=amount&amount={typed}").text)
        assert "more than what is left" in words(
            finance.submit(f"{here}/credit-notes", WHY | {"amount_minor": "7001"}).text
        )
        finance.submit(f"{here}/credit-notes", WHY | {"amount_minor": "7000", "line": "1"})
        session.refresh(invoice)
        assert invoice.status == "void"
        assert "Nothing is asked for" in words(finance.get(here).text)

    def test_is_not_credited_by_whom_it_is_about_or_who_pays(
        self, session: Session, mia: Account, signed_in: As
    ) -> None:
        """Somebody who trained here works here now, and paid for a friend."""
        payer = make_account(session, role="finance")
        session.add(Customer(id=payer.id, currency="EUR"))
        session.flush()
        payers.set_payer(session, customer_id=mia.id, payer_id=payer.id, actor_id=None, now=datetime.now(UTC))
        for invoice in (sold(session, payer.id), sold(session, mia.id)):
            browser = signed_in(payer)
            assert "your own money" in words(browser.get(f"/staff/invoices/{invoice.id}?what=all").text)
            form = WHY | {"amount_minor": "100"}
            assert "your own money" in words(browser.submit(f"/staff/invoices/{invoice.id}/credit-notes", form).text)
            asked = browser.post(f"/api/commerce/invoices/{invoice.id}/credit-notes", json={"amount_minor": 100} | WHY)
            assert asked.status_code == 403
        assert session.scalars(select(CreditNote)).all() == []


class TestLateCancellation:
    @pytest.fixture
    def booking(self, session: Session, mia: Account) -> Booking:
        """Cancelled too late, and charged: 15.00 on an invoice of its own, beside another fee of 5.00."""
        slot = slot_on(session, free_cancellation_minutes=60, late_fee_minor=1500, late_fee_currency="EUR")
        make_pack(session, customer_id=mia.id, now=NOW)
        booked = bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        bookings.cancel_booking(session, booking_id=booked.id, now=START - timedelta(minutes=30))
        fees.charge(
            session, booking_id=new_id(), customer_id=mia.id, amount_minor=500, currency="EUR", starts_at=START,
            now=START,
        )  # fmt: skip
        assert fees.invoice_due(session, START + timedelta(days=2)) == 1
        return booked

    def test_is_waived_where_it_was_booked_by_crediting_its_line_once(
        self, session: Session, mia: Account, booking: Booking, signed_in: As
    ) -> None:
        invoice = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id)).one()
        here, finance = f"/staff/invoices/{invoice.id}", signed_in(make_account(session, role="finance"))
        [line] = re.findall(r'value="(line-\d)"[^>]*>Late cancellation[^<]*€15\.00', finance.get(here).text)
        told = finance.get(f"{here}?what={line}").text
        assert "A credit note of €15.00" in words(told)
        assert "The card is charged €5.00 instead of €20.00" in words(told)
        assert "The fee is waived" in words(told)
        assert (booking.late_fee_waived_at, session.scalars(select(CreditNote)).all()) == (None, [])
        form = WHY | {"line": line.removeprefix("line-")}
        assert "has changed" in words(finance.submit(f"{here}/credit-notes", form | {"amount_minor": "500"}).text)
        done = finance.submit(f"{here}/credit-notes", form | {"amount_minor": "1500"}).text
        assert "Waived and credited" in words(done)
        assert f'value="{line}"' not in done
        session.refresh(booking)
        assert booking.late_fee_waived_at is not None
        again = words(finance.submit(f"{here}/credit-notes", form | {"amount_minor": "1500"}).text)
        assert "has changed" in again
        assert [one.amount_minor for one in session.scalars(select(CreditNote))] == [1500]

    def test_of_which_a_wallet_paid_a_part_is_in_it_again_and_the_rest_stays_paid(
        self, session: Session, mia: Account, booking: Booking, signed_in: As
    ) -> None:
        give(session, mia.id, 1800)
        collection.spend_wallets(session, datetime.now(UTC))
        invoice = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id)).one()
        here, finance = f"/staff/invoices/{invoice.id}", signed_in(make_account(session, role="finance"))
        seen = {line: words(finance.get(f"{here}?what={line}").text) for line in ("line-1", "line-2")}
        [(line, told)] = [one for one in seen.items() if "A credit note of €15.00" in one[1]]
        assert "A wallet has paid the rest: no card is charged for it." in told
        assert "€13.00 goes back into the wallet that had paid it." in told
        assert "comes off the next invoice" not in told
        form = WHY | {"line": line.removeprefix("line-"), "amount_minor": "1500"}
        assert "Waived and credited" in words(finance.submit(f"{here}/credit-notes", form).text)
        session.refresh(invoice)
        notes = select(CreditNote.settlement, CreditNote.amount_minor).order_by(CreditNote.amount_minor)
        assert session.execute(notes).tuples().all() == [("open", 200), ("refund", 1300)]
        [wallet] = wallets.standing(session, mia.id, datetime.now(UTC))
        assert (invoice.status, wallet.spendable_minor) == ("paid", 1300)

    def test_that_was_paid_is_waived_once_another_agrees_to_give_its_line_back(
        self, session: Session, mia: Account, booking: Booking, signed_in: As
    ) -> None:
        invoice = pay_out_of_wallet(session, mia.id)
        payment = session.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
        asks, decides = (make_account(session, role="finance") for _ in range(2))
        here, finance = f"/staff/invoices/{invoice.id}", signed_in(asks)
        [line] = re.findall(r'value="line-(\d)"[^>]*>Late cancellation[^<]*€15\.00', finance.get(here).text)
        told = words(finance.get(f"{here}?what=line-{line}").text)
        assert "€15.00 goes back into the wallet it came from" in told
        assert "The fee is waived with it" in told
        form = WHY | {"payment_id": str(payment.id), "line": line}
        assert "has changed" in words(finance.submit(f"{here}/refunds", form | {"amount_minor": "1400"}).text)
        form |= {"amount_minor": "1500"}

        def ask() -> RefundRequest:
            finance = signed_in(asks)
            assert "somebody else decides" in words(finance.submit(f"{here}/refunds", form).text)
            assert f'value="line-{line}"' not in finance.get(here).text
            return session.scalars(select(RefundRequest).where(RefundRequest.status == "requested")).one()

        refused = ask()
        signed_in(decides).submit(f"/staff/requests/refunds/{refused.id}/refuse", WHY)
        hear(session)
        assert (waived(session, booking), session.scalars(select(CreditNote)).all()) == (False, [])
        asked = ask()
        hear(session)
        assert not waived(session, booking)
        finance = signed_in(decides)
        page = words(finance.get("/staff/requests").text)
        assert "The late cancellation is waived" in page
        invoice = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id)).one()
        assert f"Of invoice {invoice.number}" in page
        assert "Its line Late cancellation" in page
        finance.submit(f"/staff/requests/refunds/{asked.id}/approve", {})
        hear(session)
        late_fees.waive_refunded(  # told again
            session, booking_id=booking.id, actor_id=new_id(), reason="Again", now=datetime.now(UTC)
        )
        assert waived(session, booking)
        note = session.scalars(select(CreditNote)).one()
        assert (note.amount_minor, note.settlement) == (1500, "refund")
        told_waived = select(OutboxEvent.payload).where(OutboxEvent.type == "scheduling.late_fee_waived")
        [event] = session.scalars(told_waived).all()
        assert (event["booking_id"], event["waived_by"]) == (str(booking.id), str(decides.id))
        assert f'value="line-{line}"' not in finance.get(here).text
        assert "cannot be given back" in words(finance.submit(f"{here}/refunds", form).text)
        assert "cannot be given back" in words(finance.get(f"{here}?what=line-{line}").text)
        support, body = signed_in(make_account(session, role="support")), WHY | {"payment_id": str(payment.id)}
        for position, status in ((int(line), 409), (3, 409), (3 - int(line), 201)):
            answer = support.post(REQUESTS, json=body | {"line_position": position})
            assert answer.status_code == status
        assert (answer.json()["amount_minor"], answer.json()["line_position"]) == (500, 3 - int(line))
        assert retelling.retell(session).differences == []

    def test_that_was_credited_before_the_rest_was_paid_is_not_given_back(
        self, session: Session, mia: Account, booking: Booking, sign_in: SignIn
    ) -> None:
        waive_invoiced_fee(session, booking_id=booking.id, actor_id=new_id(), reason="Ill", now=datetime.now(UTC))
        invoice = pay_out_of_wallet(session, mia.id)
        payment = session.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
        body = WHY | {"payment_id": str(payment.id)}
        finance = sign_in(make_account(session, role="finance"))
        answers = [finance.post(REQUESTS, json=body | {"line_position": position}) for position in (1, 2)]
        assert sorted(one.status_code for one in answers) == [201, 409]
        [made] = [one.json() for one in answers if one.status_code == 201]
        assert (made["amount_minor"], made["fee_booking_id"] != str(booking.id)) == (500, True)

    def test_of_ones_own_is_somebody_elses(
        self, session: Session, mia: Account, booking: Booking, signed_in: As
    ) -> None:
        """Somebody who trained here works here now."""
        invoice = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id)).one()
        mia.role = "finance"
        session.flush()
        for line, amount in ((1, 1500), (2, 500)):
            form = WHY | {"line": str(line), "amount_minor": str(amount)}
            said = signed_in(mia).submit(f"/staff/invoices/{invoice.id}/credit-notes", form)
            assert "your own money" in words(said.text)
        session.refresh(booking)
        assert (booking.late_fee_waived_at, session.scalars(select(CreditNote)).all()) == (None, [])


class TestPaid:
    def test_is_asked_back_in_part_and_decided_by_another(self, session: Session, mia: Account, signed_in: As) -> None:
        invoice = paid(session, mia.id)
        assert invoice.status == "paid"
        here = f"/staff/invoices/{invoice.id}"
        finance = signed_in(make_account(session, role="finance"))
        told = words(finance.get(f"{here}?what=amount&amount=25").text)
        assert "somebody else decides under Requests" in told
        assert "€25.00 goes back into the wallet it came from, with a credit note: €3.99 of it is tax." in told
        assert "1 session of the pack" in told
        payment = session.scalars(select(Payment)).one()
        form = WHY | {"amount_minor": "2500", "payment_id": str(payment.id)}
        other = sold(session, mia.id)
        assert "no such payment" in words(finance.submit(f"/staff/invoices/{other.id}/refunds", form).text).lower()
        assert "somebody else decides" in words(finance.submit(f"{here}/refunds", form).text)
        asked = session.scalars(select(RefundRequest)).one()
        assert (asked.amount_minor, asked.status, asked.customer_id) == (2500, "requested", mia.id)
        assert session.scalars(select(CreditNote)).all() == []
        decides = signed_in(make_account(session, role="finance"))
        decides.submit(f"/staff/requests/refunds/{asked.id}/approve", {})
        note = session.scalars(select(CreditNote)).one()
        assert (note.amount_minor, note.tax_minor, note.settlement) == (2500, 399, "refund")
        assert session.scalars(select(SessionPack.sessions_refunded).where(
            SessionPack.id == invoice.session_pack_id
        )).one() == 1  # fmt: skip

    @pytest.mark.parametrize(("typed", "minor"), [("12.50", 1250), ("", 10_000), ("0", None), ("100.01", None)])
    def test_is_asked_back_on_the_page_of_a_person(
        self, session: Session, mia: Account, signed_in: As, typed: str, minor: int | None
    ) -> None:
        paid(session, mia.id)
        payment = session.scalars(select(Payment)).one()
        support = signed_in(make_account(session, role="support"))
        form = WHY | {"payment_id": str(payment.id), "currency": "EUR", "amount": typed}
        assert support.submit(f"/staff/people/{mia.id}/refunds", form).status_code == (200 if minor else 422)
        found = session.scalars(select(RefundRequest.amount_minor)).all()
        assert found == ([minor] if minor else [])

    def test_is_asked_back_in_the_currency_it_was_paid_in(self, session: Session, mia: Account, signed_in: As) -> None:
        """Whatever the customer's own is now: dong have no hundredths."""
        paid(session, mia.id)
        payment = session.scalars(select(Payment)).one()
        payment.currency = "VND"
        support = signed_in(make_account(session, role="support"))
        here = f"/staff/people/{mia.id}"
        currency = re.findall(r'name="currency" value="([A-Z]{3})"', support.get(here).text)[0]
        form = WHY | {"payment_id": str(payment.id), "currency": currency, "amount": "100"}
        assert support.submit(f"{here}/refunds", form).status_code == 200
        assert session.scalars(select(RefundRequest.amount_minor)).all() == [100]


class TestList:
    def test_of_an_employer_has_everybody_whom_they_pay_for(
        self, session: Session, mia: Account, signed_in: As
    ) -> None:
        """And names whom each is for; of somebody who is paid for it says by whom."""
        firm = make_account(session, display_name="Nordlicht GmbH")
        tom = make_account(session, display_name="Tom Berg")
        session.add_all(Customer(id=one.id, currency="EUR") for one in (firm, tom))
        session.flush()
        alone = sold(session, tom.id)
        for one in (mia, tom):
            payers.set_payer(session, customer_id=one.id, payer_id=firm.id, actor_id=None, now=datetime.now(UTC))
        numbers = {one: sold(session, one.id).number for one in (mia, tom)}
        admin = signed_in(make_account(session, role="admin"))
        page = words(admin.get(f"/staff/people/{firm.id}/invoices").text)
        assert "Pays for 2" in page
        for one, number in numbers.items():
            assert f"{number} {one.display_name}" in page
        assert alone.number not in page
        assert f"{numbers[tom]} Tom Berg paid by Nordlicht GmbH" in words(
            admin.get(f"/staff/people/{tom.id}/invoices").text
        )
        assert f"/staff/people/{firm.id}/invoices" in admin.get(f"/staff/people/{firm.id}").text
        support = signed_in(make_account(session, role="support"))
        assert support.get(f"/staff/people/{firm.id}/invoices").status_code == 403
