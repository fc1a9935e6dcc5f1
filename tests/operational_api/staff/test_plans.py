"""The pages on which the business keeps its plans and coupons, as a browser without JavaScript sees them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import Coupon
from operational_api.commerce.billing.service import memberships
from operational_api.commerce.models import Customer, Plan, PlanPrice
from tests.browser import Browser
from tests.factories import make_account
from tests.operational_api.staff.conftest import As, words

MONTH = {"kind": "membership", "name": "Evenings", "currency": "EUR", "amount": "89.50", "tax": "19"} | {
    "interval_months": "1", "sessions_included": "8", "trial_days": "0", "days_left": "credit", "description": "",
}  # fmt: skip


@pytest.fixture
def finance(session: Session, signed_in: As) -> Browser:
    return signed_in(make_account(session, role="finance"))


class TestPlans:
    def test_one_is_made_and_bought_on_the_plans_page(self, finance, session):
        assert finance.get("/staff/plans/new?kind=membership").status_code == 200
        made = finance.submit("/staff/plans", MONTH)
        assert made.url.path == "/staff/plans/evenings"
        page = words(made.text)
        assert "€89.50 a month" in page
        assert "19 % tax in it" in page
        plan = session.scalars(select(Plan).where(Plan.code == "evenings")).one()
        assert (plan.days_left, plan.sessions_included) == ("credit", 8)
        assert "Evenings" in finance.get("/plans").text
        assert "Evenings" in words(finance.get("/staff/plans").text)

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ({"amount": "much"}, "Write amounts as 25"),
            ({"amount": "89.505"}, "Write amounts as 25"),
            ({"tax": "101"}, "Write amounts as 25"),
            ({"sessions_included": "2.5"}, "Write amounts as 25"),
            ({"trial_days": "900"}, "whole numbers"),
            ({"name": "   "}, "It needs a name"),
            ({"code": "Über"}, "Short names have"),
            ({"kind": "pack"}, "A membership has an interval"),
        ],
    )
    def test_what_cannot_be_is_said_and_nothing_is_made(self, finance, session, typed, said):
        finance.get("/staff/plans/new")
        refused = finance.submit(
            "/staff/plans", MONTH | typed, headers={"referer": "http://testserver/staff/plans/new"}
        )
        assert refused.url.path == "/staff/plans/new"
        assert said in refused.text
        assert session.scalar(select(Plan.id).where(Plan.name == "Evenings")) is None

    def test_what_somebody_bought_is_not_asked_for(self, finance, session):
        finance.submit("/staff/plans", MONTH)
        assert 'name="interval_months"' in finance.get("/staff/plans/evenings").text
        buyer = make_account(session)
        session.add(Customer(id=buyer.id, currency="EUR"))
        session.flush()
        memberships.start_membership(session, customer_id=buyer.id, plan_code="evenings", now=datetime.now(UTC))
        page = finance.get("/staff/plans/evenings").text
        assert not re.search(r'name="(interval_months|sessions_included|days_left)"', page)
        assert "wait as credit" in words(page)
        finance.submit("/staff/plans/evenings", {"name": "Nights", "sort_order": "3", "trial_days": "14"})
        plan = session.scalars(select(Plan).where(Plan.code == "evenings")).one()
        assert (plan.name, plan.trial_days, plan.interval_months, plan.sessions_included) == ("Nights", 14, 1, 8)
        refused = finance.submit("/staff/plans/evenings", {"name": "Nights", "interval_months": "12"})
        assert "what they bought stays as it was" in refused.text
        assert plan.interval_months == 1

    def test_it_is_sold_no_more_and_that_is_undone(self, finance, session):
        finance.submit("/staff/plans", MONTH)
        page = finance.submit("/staff/plans/evenings/retirement", {"is_sold": "false"})
        assert "Undo" in page.text
        assert "Evenings" not in finance.get("/plans").text
        finance.submit("/staff/plans/evenings/retirement", {"is_sold": "true"})
        assert "Evenings" in finance.get("/plans").text

    def test_a_price_begins_where_the_reader_is_and_is_taken_back(self, finance, session):
        finance.submit("/staff/plans", MONTH)
        day = (datetime.now(UTC) + timedelta(days=40)).date()
        finance.submit(
            "/staff/plans/evenings/prices",
            {"currency": "EUR", "amount": "99", "tax": "19", "begins": day.isoformat(), "for_members": "true"},
        )
        page = finance.get("/staff/plans/evenings").text
        assert "To come" in page
        [coming] = session.scalars(select(PlanPrice).where(PlanPrice.amount_minor == 9900))
        assert coming.reaches_members
        finance.submit(f"/staff/plans/evenings/prices/{coming.id}/withdrawal", {})
        assert "To come" not in finance.get("/staff/plans/evenings").text

    @pytest.mark.parametrize("role", ["coach", "front_desk", "support", "customer"])
    def test_others_do_not_see_them(self, session, signed_in, role):
        other = signed_in(make_account(session, role=role))
        assert [other.get(path).status_code for path in ("/staff/plans", "/staff/coupons")] == [403, 403]


class TestCoupons:
    def test_one_is_made_and_taken_no_more(self, finance, session):
        finance.submit("/staff/coupons", {"code": "spring-10", "percent": "12.5", "duration": "once"})
        page = finance.get("/staff/coupons").text
        assert "12.5 %" in words(page)
        assert set(re.findall(r'href="([^"]+)" aria-current="page"', page)) == {"/staff/plans"}, "they belong to it"
        [row] = session.scalars(select(Coupon))
        assert (row.code, row.percent_bp) == ("SPRING-10", 1250)
        page = finance.submit(f"/staff/coupons/{row.id}/retirement", {"is_taken": "false"}).text
        assert "Taken no more" in page
        assert "Undo" in page

    @pytest.mark.parametrize(
        "typed",
        [
            {"percent": "10", "amount": "5"},
            {"percent": ""},
            {"percent": "0"},
            {"percent": "10", "code": "zwölf"},
            {"percent": "10", "duration": "months"},
        ],
    )
    def test_what_cannot_be_is_refused(self, finance, session, typed):
        refused = finance.submit("/staff/coupons", {"code": f"C-{new_id().hex[:6]}"} | typed)
        assert refused.status_code == 422
        assert session.scalar(select(Coupon.id)) is None
