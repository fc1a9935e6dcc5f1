"""A parent or an employer who pays for others: whose card, whose letters, who sees what, and what is after it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from contracts.events.registry import parse
from operational_api.commerce.billing.errors import PersonNotFound
from operational_api.commerce.billing.service import leaving, papers, payers
from operational_api.commerce.models import Customer, Invoice, Refund
from operational_api.commerce.personal import PERSONAL
from operational_api.core.models import OutboxEvent
from operational_api.core.personal import Person, forget, rows_of
from operational_api.engagement import handlers
from operational_api.engagement.models import OutgoingEmail
from operational_api.identity.models import Account
from tests.factories import make_account, make_coach
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.conftest import SignIn


@dataclass
class Family:
    """A member, who pays for them now, and who did before."""

    studio: Studio
    member: Account
    parent: Account
    before: Account
    invoice: Invoice

    def set_payer(self, payer: Account | None) -> None:
        payers.set_payer(
            self.studio.session, customer_id=self.member.id, payer_id=payer.id if payer else None, actor_id=None,
            now=self.studio.now,
        )  # fmt: skip


@pytest.fixture
def family(studio: Studio, session: Session) -> Family:
    studio.now = datetime.now(UTC)
    people = [make_account(session, email=f"{name}@example.test") for name in ("parent", "before")]
    session.add_all(Customer(id=one.id, currency="EUR", stripe_customer_id=f"cus_{one.id.hex}") for one in people)
    session.flush()
    member = session.get_one(Account, studio.customer_id)
    found = Family(studio, member, people[0], people[1], Invoice())
    found.set_payer(found.parent)
    studio.start(studio.plan("Small", 5000))
    found.invoice = studio.invoices[-1]
    return found


def letters(session: Session) -> list[tuple[str, str]]:
    """What engagement writes on what commerce announced: to whom, and what."""
    wanted = {"commerce.payment_failed", "commerce.payment_captured", "commerce.payment_refunded"}
    for row in session.scalars(select(OutboxEvent).where(OutboxEvent.type.in_(wanted)).order_by(OutboxEvent.event_id)):
        event = parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handle in handlers.HANDLERS[row.type]:
            handle(session, event)
    rows = session.scalars(select(OutgoingEmail).order_by(OutgoingEmail.created_at, OutgoingEmail.id))
    return [(row.recipient, row.template) for row in rows]


class TestWord:
    def test_of_a_card_goes_to_whose_it_is(self, family: Family, session: Session) -> None:
        family.studio.collect("insufficient_funds")
        assert letters(session) == [(family.parent.email, "payment_failed")]
        family.studio.wait(days=3)
        family.studio.collect(None)
        assert letters(session)[1:] == [(family.parent.email, "payment_receipt")]


class TestCard:
    def test_is_its_owners_to_charge(self, family: Family, sign_in: SignIn) -> None:
        family.studio.collect("insufficient_funds")
        path = f"/api/commerce/invoices/{family.invoice.id}/payment-attempts"
        for one in (family.member, family.before, make_account(family.studio.session)):
            assert sign_in(one).post(path).status_code == 404
        assert sign_in(family.parent).post(path).status_code == 200


class TestInvoice:
    def test_is_read_by_whom_it_is_about_and_who_pays(self, family: Family, sign_in: SignIn, session: Session) -> None:
        """By nobody else, whatever they are to the member: coach, another who is paid for, who pays from now on."""
        sibling = make_account(session)
        session.add(Customer(id=sibling.id, currency="EUR", payer_id=family.parent.id))
        coach = session.get_one(Account, make_coach(session).id)
        paths = [f"/api/commerce/invoices/{family.invoice.id}{end}" for end in ("", "/file")]
        paths += [f"/invoices/{family.invoice.id}{end}" for end in ("", "/file")]
        family.set_payer(family.before)  # pays from now on: not what was issued before
        for one, status in (
            (family.member, 200), (family.parent, 200), (make_account(session, role="finance"), 200),
            (make_account(session, role="admin"), 200), (family.before, 404), (sibling, 404), (coach, 403),
            (make_account(session, role="lead_coach"), 403), (make_account(session, role="support"), 403),
        ):  # fmt: skip
            assert {sign_in(one).get(path).status_code for path in paths} == {status}, one.role
        for one, count in ((family.member, 1), (family.parent, 1), (family.before, 0), (sibling, 0)):
            assert len(sign_in(one).get("/api/commerce/invoices").json()["items"]) == count
            told = sign_in(one).get("/api/commerce/subscription/collections").json()["items"]
            assert len(told) == count


class TestCompany:
    FIRM = " Nordlicht  GmbH\r\n\r\nHafenstrasse 3, Kiel\nDE 123 456 789 "

    def test_is_on_invoices_from_then_on_and_stays_on_them(
        self, family: Family, sign_in: SignIn, session: Session
    ) -> None:
        family.studio.collect(None)
        path, lines = "/api/commerce/billed-to", ["Nordlicht GmbH", "Hafenstrasse 3, Kiel", "DE 123 456 789"]
        said = sign_in(family.parent).put(path, json={"billed_to": self.FIRM})
        assert said.json() == {"billed_to": "\n".join(lines)}
        family.studio.wait(days=32)
        sign_in(family.parent).put(path, json={"billed_to": "Another GmbH"})
        assert [one.billed_to for one in family.studio.invoices] == [None, "\n".join(lines)]
        before, after = (document for _, document in papers.of_person(session, family.parent.id))
        assert (before.addressee, before.address) == (family.parent.display_name, "")
        assert (after.addressee, after.address) == (lines[0], "\n".join(lines[1:]))
        assert {before.about, after.about} == {family.member.display_name}
        shown = sign_in(family.member).get(f"/api/commerce/invoices/{family.studio.invoices[-1].id}").json()
        assert shown["billed_to"] == "\n".join(lines)
        with pytest.raises(DatabaseError, match="was issued and stays"), session.begin_nested():
            session.execute(update(Invoice).values(billed_to="Another GmbH"))

    def test_is_forgotten_with_its_account_but_on_what_was_issued(self, family: Family, session: Session) -> None:
        payers.set_billed_to(
            session, customer_id=family.parent.id, words=self.FIRM, actor_id=None, now=family.studio.now
        )
        family.studio.wait(days=32)
        [commerce] = PERSONAL
        forget(session, commerce, family.parent.id)
        session.expire_all()
        assert session.get_one(Customer, family.parent.id).billed_to is None
        assert str(family.studio.invoices[-1].billed_to).startswith("Nordlicht GmbH")

    def test_reads_whom_they_pay_for_and_whom_each_invoice_is_for(self, family: Family, sign_in: SignIn) -> None:
        family.member.display_name = "Mia Maier"
        page = sign_in(family.parent).get("/membership").text
        assert "You pay for" in page
        assert page.count("Mia Maier") == 2
        assert "Have them made out to a company" in page
        own = sign_in(family.member).get("/membership").text
        assert "You pay for" not in own
        assert "Have them made out to a company" not in own


class TestEnd:
    def test_of_a_payer_who_leaves_the_next_invoice_is_the_members(self, family: Family, session: Session) -> None:
        family.studio.collect(None)
        leaving.leave(session, family.studio.bank, account_id=family.parent.id, now=family.studio.now)  # type: ignore[arg-type]
        family.studio.wait(days=32)
        assert [one.payer_id for one in family.studio.invoices] == [family.parent.id, None]

    def test_who_has_left_pays_for_nobody(self, family: Family, session: Session) -> None:
        session.execute(update(Account).where(Account.id == family.before.id).values(disabled_at=family.studio.now))
        with pytest.raises(PersonNotFound):
            family.set_payer(family.before)


class TestPayerOfMany:
    def test_is_looked_at_and_set_by_the_api_for_all_or_nobody(
        self, family: Family, sign_in: SignIn, session: Session
    ) -> None:
        finance, here = sign_in(make_account(session, role="finance")), "/api/commerce/payer-changes"
        member, parent, firm, other = family.member.id, family.parent.id, make_account(session), make_account(session)
        both = {"customer_ids": [str(member), str(other.id), str(member)], "payer_id": str(firm.id)}
        changed = [
            {"customer_id": str(one), "former_id": str(former) if former else None, "is_changed": True, "refusal": None}
            for one, former in ((member, parent), (other.id, None))
        ]

        def paid_by() -> list[object]:
            return [payers.payer_of(session, one) for one in (member, other.id)]

        assert finance.post(f"{here}/preview", json=both).json() == {"items": changed}
        assert paid_by() == [parent, None]
        sibling = make_account(session)
        payers.set_payer(session, customer_id=sibling.id, payer_id=parent, actor_id=None, now=family.studio.now)
        # a parent pays for others: nobody pays for them, and so nothing changes for anybody
        three = both | {"customer_ids": [*both["customer_ids"], str(parent)]}
        refused = finance.post(here, json=three)
        [why] = refused.json()["refused"]
        assert (refused.status_code, refused.json()["code"]) == (409, "commerce.payers_refused")
        assert (why["customer_id"], "nobody else can pay for them" in why["detail"]) == (str(parent), True)
        assert [one["refusal"] for one in finance.post(f"{here}/preview", json=three).json()["items"]] == [
            None, None, why["detail"],
        ]  # fmt: skip
        assert paid_by() == [parent, None]
        key = {"Idempotency-Key": "the firm pays"}
        answers = [finance.post(here, json=both, headers=key).json() for _ in range(2)]
        assert answers == [{"items": changed}] * 2
        assert paid_by() == [firm.id, firm.id]
        again = finance.post(here, json=both).json()["items"]
        assert [(one["former_id"], one["is_changed"]) for one in again] == [(str(firm.id), False)] * 2
        finance.post(here, json=both | {"payer_id": None})
        assert paid_by() == [None, None]
        assert sign_in(family.parent).post(here, json=both).status_code == 403


class TestCopy:
    def test_of_a_payer_has_what_their_card_paid_for_others(self, family: Family, session: Session) -> None:
        """Of a member it has it too, of who paid before nothing."""
        family.studio.collect(None)
        [payment] = family.studio.payments
        back = Refund(
            payment_id=payment.id, customer_id=family.member.id, amount_minor=100, currency="EUR", reason="asked",
            status="succeeded", refunded_at=family.studio.now,
        )  # fmt: skip
        session.add(back)
        session.flush()
        [commerce] = PERSONAL
        for one, count in ((family.parent, 1), (family.member, 1), (family.before, 0)):
            person = Person(one.id, one.email)
            found = {
                name: len(session.execute(rows_of(commerce, name, person)).all())
                for name in ("invoices", "invoice_lines", "payments", "refunds")
            }
            assert found == dict.fromkeys(found, count)
