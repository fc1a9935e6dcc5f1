"""What a coach is paid for, as finance and the coach see it: on a page, as a file, and through the API."""

import csv
import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing import slips
from operational_api.commerce.billing.models import AssistedClass, CommissionStatement
from operational_api.commerce.billing.service import earnings
from operational_api.commerce.billing.slips import PaySlip, SlipLine
from operational_api.commerce.settings import SellerSettings
from operational_api.identity.models import Account
from tests.factories import LONG_AGO, make_account, make_coach, make_slot, make_statement
from tests.operational_api.commerce.billing.test_corrected_pay import Pack, close, day, rate
from tests.operational_api.commerce.billing.test_papers import characters
from tests.operational_api.conftest import SignIn
from tests.operational_api.staff.conftest import As, words

STATEMENTS = "/staff/commissions/statements"


@dataclass
class Paid:
    """A coach, a client of theirs, April with four sessions of a pack, and May with a quarter of it given back."""

    coach: Account
    client: Account
    april: CommissionStatement
    may: CommissionStatement
    pack: Pack


@pytest.fixture
def paid(session: Session) -> Paid:
    coach = session.get_one(Account, make_coach(session, display_name="Cara Cole").id)
    pack = Pack.bought(session)
    client = session.get_one(Account, pack.row.customer_id)
    client.display_name = "=Nguyễn(1)"
    rate(session, coach.id)
    for on in (10, 11, 12, 13):
        pack.hold(coach.id, day(4, on))
    [april] = close(session, 4)
    pack.give_back(2975, day(5, 3))
    pack.hold(coach.id, day(5, 4))
    [may] = close(session, 5)
    return Paid(coach, client, april, may, pack)


class TestPage:
    def test_leads_from_what_was_taken_back_to_its_session_and_its_invoice(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        browser = signed_in(make_account(session, role="finance"))
        listed = browser.get("/staff/commissions")
        assert f'href="/staff/commissions/statements/{paid.may.id}"' in listed.text
        page = browser.get(f"/staff/commissions/statements/{paid.may.id}").text
        for said in ("€7.50", "For sessions €20.00", "Corrections -€12.50", "3 May 2026", "13 Apr 2026", "-€25.00"):
            assert said in words(page)
        assert f'href="/staff/commissions/statements/{paid.april.id}"' in page
        assert f'href="/invoices/{paid.pack.invoice.id}"' in page
        assert browser.get(f"/invoices/{paid.pack.invoice.id}").status_code == 200

    def test_is_the_coachs_own_without_what_is_the_clients(self, session: Session, paid: Paid, signed_in: As) -> None:
        browser = signed_in(paid.coach)
        assert f'href="/staff/commissions/statements/{paid.may.id}"' in browser.get("/staff/commissions").text
        page = browser.get(f"/staff/commissions/statements/{paid.may.id}").text
        assert "Money was given back" in words(page)
        assert "/invoices/" not in page
        other = session.get_one(Account, make_coach(session).id)
        browser = signed_in(other)
        for path in (f"statements/{paid.may.id}", f"statements/{paid.may.id}/file", f"coaches/{paid.coach.id}"):
            assert browser.get(f"/staff/commissions/{path}").status_code == 404

    def test_says_what_waits_for_a_rate_and_what_is_not_closed(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        dong = Pack.bought(session, currency="VND")
        dong.hold(paid.coach.id, day(6, 2))
        paid.pack.contest("lost", day(6, 3), amount=8925)
        browser = signed_in(paid.coach)
        assert "+1 without a rate" in words(browser.get("/staff/commissions").text)
        page = words(browser.get(f"/staff/commissions/coaches/{paid.coach.id}").text)
        for said in (
            "1 without a rate",
            "Waits for a rate",
            "No rate",
            "-€37.50",
            "The bank took the money back",
            "Not closed",
        ):
            assert said in page
        assert "More was taken back than earned" in page

    def test_names_the_classes_that_were_assisted(self, session: Session, paid: Paid, signed_in: As) -> None:
        earnings.set_rate(
            session, coach_id=paid.coach.id, currency="EUR", per_session_minor=0, pack_share_bp=0, per_class_minor=1500,
            valid_from=date(2026, 6, 1), actor_id=None, now=LONG_AGO,
        )  # fmt: skip
        held = make_slot(session, capacity=8, title="Mobility at noon")
        for class_id, on in ((held.id, 6), (new_id(), 7)):
            session.add(
                AssistedClass(
                    class_id=class_id,
                    coach_id=paid.coach.id,
                    currency="EUR",
                    held_on=date(2026, 6, on),
                    noted_at=LONG_AGO,
                )
            )
        session.flush()
        page = words(signed_in(paid.coach).get(f"/staff/commissions/coaches/{paid.coach.id}").text)
        assert "6 Jun 2026 Mobility at noon" in page
        assert "7 Jun 2026 A class that is gone" in page

    def test_offers_to_close_what_follows_the_newest_that_is_closed(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        page = signed_in(make_account(session, role="finance")).get("/staff/commissions").text
        assert re.findall(r'name="(first_on|last_on)" type="date"[^>]*value="([^"]+)"', page) == [
            ("first_on", "2026-06-01"), ("last_on", "2026-06-30"),
        ]  # fmt: skip
        make_statement(session, coach_id=paid.coach.id, customer_id=paid.client.id, first_on=date(2099, 12, 31))
        page = signed_in(make_account(session, role="finance")).get("/staff/commissions").text
        assert "It can be closed once its last day is over" in words(page)
        assert 'value="2100-01-31"' in page

    def test_names_a_coach_who_has_left(self, session: Session, signed_in: As) -> None:
        gone = make_account(session, role="coach", display_name="Lena Left")
        make_statement(session, coach_id=gone.id, customer_id=make_account(session).id)
        assert "Lena Left" in words(signed_in(make_account(session, role="finance")).get("/staff/commissions").text)


class TestFile:
    def test_as_csv_comes_to_the_statement(self, session: Session, paid: Paid, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="finance"))
        answer = browser.get(f"/staff/commissions/statements/{paid.may.id}/file?format=csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="pay-2026-05-31-EUR.csv"'
        rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
        assert sum(Decimal(row["total"]) for row in rows) == Decimal("7.50")
        assert {row["client"] for row in rows} == {"'=Nguyễn(1)"}
        assert [(row["held_on"], row["changed_on"], row["paid_until"], row["pack_pay"]) for row in rows] == [
            ("2026-05-04", "", "", "0.00"), ("2026-04-13", "2026-05-03", "2026-04-30", "-12.50"),
        ]  # fmt: skip

    def test_as_pdf_is_the_same_whenever_it_is_printed(self, session: Session, paid: Paid, signed_in: As) -> None:
        browser = signed_in(paid.coach)
        path = f"/staff/commissions/statements/{paid.april.id}/file"
        before = browser.get(path).content
        paid.pack.contest("lost", day(6, 3), amount=8925)
        close(session, 6)
        assert browser.get(path).content == before
        assert before.startswith(b"%PDF-")
        assert {"ễ", "€"} <= characters(before)

    def test_of_a_period_closed_with_shares_rounded_together_says_so(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        """Before shares were rounded by the session."""
        row = make_statement(
            session, coach_id=paid.coach.id, customer_id=paid.client.id, first_on=date(2024, 12, 1), rounding=1
        )
        browser = signed_in(paid.coach)
        assert "Rounding €0.01" in words(browser.get(f"/staff/commissions/statements/{row.id}").text)
        lines = browser.get(f"/staff/commissions/statements/{row.id}/file?format=csv").text
        assert sum(Decimal(one["total"]) for one in csv.DictReader(StringIO(lines))) == Decimal("25.01")
        assert browser.get(f"/staff/commissions/statements/{row.id}/file").status_code == 200

    def test_of_a_long_month_goes_on_over_pages(self) -> None:
        lines = [
            SlipLine(new_id(), date(2026, 4, 1 + number % 30), "Nguyễn Thị " * 6, True, 2500, 2000, 5000, 2000, 1250)
            for number in range(90)
        ]
        slip = PaySlip(
            new_id(), "Cara", "EUR", date(2026, 4, 30), new_id(), date(2026, 4, 1), LONG_AGO, 90 * 3250, lines
        )  # fmt: skip
        made = slips.pdf(slip, SellerSettings())
        assert len(re.findall(rb"/Type /Page\b", made)) in range(5, 9)
        with pytest.raises(ValueError, match="not closed"):
            slips.pdf(replace(slip, closed_at=None), SellerSettings())


class TestApi:
    def test_gives_lines_with_their_sources(self, session: Session, paid: Paid, sign_in: SignIn) -> None:
        client = sign_in(paid.coach)
        slip = client.get(f"/api/commerce/commission-statements/{paid.may.id}").json()
        assert sum(line["total_minor"] for line in slip["lines"]) == slip["total_minor"] == 750
        [taken] = [line for line in slip["lines"] if line["source_type"]]
        assert (taken["source_type"], taken["paid_in"]["statement_id"]) == ("refund", str(paid.april.id))
        [listed] = [
            one for one in client.get("/api/commerce/commission-statements").json()["items"]
            if one["id"] == str(paid.may.id)
        ]  # fmt: skip
        assert (listed["corrections"], listed["corrected_minor"]) == (1, -1250)
        assert client.get(f"/api/commerce/coaches/{paid.coach.id}/pay").json() == {"items": []}


class TestPayment:
    def test_is_noted_with_what_is_left_filled_in_and_read_by_the_coach(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        browser, here = signed_in(make_account(session, role="finance")), f"{STATEMENTS}/{paid.april.id}"
        assert "Cara Cole €137.50" in words(browser.get("/staff/commissions").text)
        page = browser.get(here).text
        assert 'value="130.00"' in page
        form = {
            "currency": "EUR",
            "left_minor": "13000",
            "amount": "99.999",
            "paid_on": "2026-05-04",
            "reference": "x1",
        }
        refused = browser.submit(f"{here}/payouts", data=form)
        assert (refused.status_code, 'value="99.999"' in refused.text, 'value="x1"' in refused.text) == (
            409,
            True,
            True,
        )
        said = browser.submit(f"{here}/payouts", data=form | {"amount": "100", "reference": "SEPA <17>"})
        for told in ("Noted as paid", "€30.00 to be paid", "€30.00 left", "SEPA &lt;17&gt;", "4 May 2026"):
            assert told in words(said.text)
        again = browser.submit(f"{here}/payouts", data=form | {"amount": "100"})
        assert "has changed since you looked" in words(again.text)
        assert "Cara Cole €37.50" in words(browser.get("/staff/commissions").text)
        browser.submit(f"{here}/payouts", data=form | {"amount": "30", "left_minor": "3000"})
        theirs = signed_in(paid.coach)
        slip = theirs.get(here)
        assert "Paid on 4 May 2026" in words(slip.text)
        assert "Mark as paid" not in slip.text
        assert "Take it back" not in slip.text
        assert "Not paid yet" in words(theirs.get(f"{STATEMENTS}/{paid.may.id}").text)
        assert "EUR €7.50" in words(theirs.get("/staff/commissions").text)

    def test_is_taken_back_with_a_reason_that_the_coach_does_not_read(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        browser, here = signed_in(make_account(session, role="finance")), f"{STATEMENTS}/{paid.april.id}"
        form = {"currency": "EUR", "left_minor": "13000", "amount": "130", "paid_on": "2026-05-04"}
        page = browser.submit(f"{here}/payouts", data=form).text
        [reversal] = re.findall(r'action="(/staff/commissions/payouts/[^"]+)"', page)
        assert browser.submit(reversal, data={"reason": " "}).status_code == 422
        back = words(browser.submit(reversal, data={"reason": "Wrong account"}).text)
        for told in ("it is to be paid again", "Taken back", "Wrong account", "€130.00 to be paid", "Not paid yet"):
            assert told in back
        slip = words(signed_in(paid.coach).get(here).text)
        assert ("Taken back" in slip, "Wrong account" in slip) == (True, False)

    def test_of_their_own_is_not_offered_to_an_admin_who_coaches(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        paid.coach.role = "admin"
        browser, here = signed_in(paid.coach), f"{STATEMENTS}/{paid.april.id}"
        page = browser.get(here).text
        assert ("Mark as paid" in page, "somebody else of us notes it" in page) == (False, True)
        form = {"currency": "EUR", "left_minor": "13000", "amount": "130", "paid_on": "2026-05-04"}
        refused = browser.submit(f"{here}/payouts", data=form)
        assert refused.status_code == 403

    def test_is_noted_by_the_api_once_for_a_key(self, session: Session, paid: Paid, sign_in: SignIn) -> None:
        client, here = sign_in(make_account(session, role="finance")), "/api/commerce/commission-statements"
        body = {"amount_minor": 5000, "left_minor": 13_000, "paid_on": "2026-05-04"}
        key = {"Idempotency-Key": "april"}
        first, second = (client.post(f"{here}/{paid.april.id}/payouts", json=body, headers=key) for _ in range(2))
        assert (first.status_code, second.json()) == (201, first.json())
        assert first.json()["standing"] == {"paid_minor": 5000, "set_off_minor": 0, "left_minor": 8000}
        assert client.post(f"{here}/{paid.april.id}/payouts", json=body).json()["code"] == "commerce.pay_changed"
        mine = {
            "coach_id": str(paid.coach.id),
            "currency": "EUR",
            "left_minor": 8750,
            "statement_id": str(paid.april.id),
        }
        assert mine in client.get("/api/commerce/commission-balances").json()["items"]
        [payout] = first.json()["payouts"]
        back = client.post(f"/api/commerce/commission-payouts/{payout['id']}/reversal", json={"reason": "Bounced"})
        assert back.json()["payouts"] == [payout | {"is_reversed": True}]
        client = sign_in(paid.coach)
        assert client.get("/api/commerce/commission-balances").json() == {"items": [mine | {"left_minor": 13_750}]}
        assert [one["standing"]["left_minor"] for one in client.get(here).json()["items"]] == [750, 13_000]
        assert client.post(f"{here}/{paid.april.id}/payouts", json=body).status_code == 403

    def test_of_all_up_to_a_day_is_noted_at_once_as_it_was_seen_and_taken_back_at_once(
        self, session: Session, paid: Paid, signed_in: As
    ) -> None:
        browser, here = signed_in(make_account(session, role="finance")), "/staff/commissions/paid-outside"
        assert here in browser.get("/staff/commissions").text
        page = browser.get(f"{here}?last_on=2026-04-30").text
        assert ("Cara Cole" in words(page), "Together, EUR €130.00" in words(page)) == (True, True)
        [seen] = re.findall(r'name="seen" value="([0-9a-f]+)"', page)
        form = {"last_on": "2026-04-30", "seen": seen, "reference": "Old payroll"}
        noted = browser.submit(here, data=form)
        assert "1 payment to coaches" in words(noted.text)
        again = browser.submit(here, data=form)
        assert (again.status_code, "has changed since you looked" in words(again.text)) == (409, True)
        assert "Paid on 30 April 2026" in words(browser.get(f"{STATEMENTS}/{paid.april.id}").text)
        [back] = re.findall(rf'action="({here}/[^"]+/reversal)"', noted.text)
        assert "these 1" not in words(noted.text)
        taken = browser.submit(back, data={"reason": "Not paid at all"})
        assert ("Taken back" in words(taken.text), "Take all of it back" in taken.text) == (True, False)
        assert "€130.00 to be paid" in words(browser.get(f"{STATEMENTS}/{paid.april.id}").text)
        assert browser.get(f"{here}/{new_id()}").status_code == 404
        assert signed_in(paid.coach).get(here).status_code == 403

    def test_of_all_up_to_a_day_is_noted_by_the_api_once_for_a_key(
        self, session: Session, paid: Paid, sign_in: SignIn
    ) -> None:
        client, here = sign_in(make_account(session, role="finance")), "/api/commerce/commission-payout-batches"
        look = "/api/commerce/unpaid-commission-statements?last_on=2026-04-30"
        seen = client.get(look).json()
        assert [(one["statement_id"], one["left_minor"]) for one in seen["items"]] == [(str(paid.april.id), 13_000)]
        assert seen["totals"] == [{"amount_minor": 13_000, "currency": "EUR"}]
        assert client.get(look).json() == seen  # a look changes nothing
        body = {"last_on": seen["last_on"], "seen": seen["seen"], "reference": "Old payroll"}
        key = {"Idempotency-Key": "up to april"}
        first, second = (client.post(here, json=body, headers=key) for _ in range(2))
        assert (first.status_code, second.json()) == (201, first.json())
        [payout] = first.json()["payouts"]
        assert (payout["statement_id"], payout["amount_minor"], payout["paid_on"]) == (
            str(paid.april.id), 13_000, "2026-04-30",
        )  # fmt: skip
        assert client.post(here, json=body).json()["code"] == "commerce.pay_changed"
        assert client.get(look).json()["items"] == []
        batch = f"{here}/{first.json()['id']}"
        back = client.post(f"{batch}/reversal", json={"reason": "Not paid at all"}).json()
        assert back == client.get(batch).json() == first.json() | {"payouts": [payout | {"is_reversed": True}]}
        assert client.post(f"{batch}/reversal", json={"reason": "x"}).json()["code"] == "commerce.payout_taken_back"
        assert client.get(look).json() == seen
        assert client.get(f"{here}/{new_id()}").status_code == 404
        paid.coach.role = "admin"
        session.flush()
        own = sign_in(paid.coach).get(look).json()
        assert (own["items"], own["own"]) == ([], 1)
