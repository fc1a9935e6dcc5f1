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
from operational_api.commerce.billing.models import CommissionStatement
from operational_api.commerce.billing.slips import PaySlip, SlipLine
from operational_api.commerce.settings import SellerSettings
from operational_api.identity.models import Account
from tests.factories import LONG_AGO, make_account, make_coach, make_statement
from tests.operational_api.commerce.billing.test_corrected_pay import Pack, close, day, rate
from tests.operational_api.commerce.billing.test_papers import characters
from tests.operational_api.conftest import SignIn
from tests.operational_api.staff.conftest import As
from tests.operational_api.staff.test_pages import words


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
