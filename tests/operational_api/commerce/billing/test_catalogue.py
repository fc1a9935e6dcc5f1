"""What the business keeps for sale: made and changed, sold no more and again, and never changed under who has it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.errors import CouponNotFound, PriceHolds, PriceNotFound
from operational_api.commerce.billing.service import coupons, memberships, pricing
from operational_api.commerce.errors import PlanExists, PlanIsHeld, PlanNotFound, PlanNotThatKind
from operational_api.commerce.models import Customer, Plan, PlanPrice
from operational_api.commerce.service import catalogue, plans
from operational_api.commerce.service.catalogue import Terms
from operational_api.core.models import AuditEntry
from tests.conftest import sqlalchemy_url
from tests.factories import make_account, make_pack, make_plan
from tests.operational_api.commerce.billing.conftest import NOON, Studio

EVENINGS = Terms("Evenings", "After six.", "membership", interval_months=1, sessions_included=8, trial_days=7)
TEN = Terms("Gói 10 buổi", "", "pack", sessions_included=10, validity_days=180)


def make(studio: Studio, terms: Terms, **given: Any) -> Plan:
    given = {"code": ""} | given
    return catalogue.create_plan(studio.session, terms, actor_id=studio.customer_id, now=studio.now, **given)


def change(studio: Studio, terms: Terms, plan: Plan) -> Plan:
    return catalogue.change_plan(studio.session, terms, code=plan.code, actor_id=None, now=studio.now)


def offered(studio: Studio, plan: Plan) -> plans.Offer:
    return plans.offer(studio.session, code=plan.code, currency="EUR", now=studio.now)


def price(studio: Studio, code: str, amount: int, *, at: datetime | None = None, for_members: bool = False):
    return pricing.set_price(
        studio.session, plan_code=code, currency="EUR", amount_minor=amount, tax_rate_bp=1900,
        valid_from=at or studio.now, for_members=for_members, actor_id=None, now=studio.now,
    )  # fmt: skip


class TestMaking:
    def test_a_plan_is_for_sale_once_it_has_a_price(self, studio):
        made = make(studio, EVENINGS)
        assert made.code == "evenings"
        assert plans.offers(studio.session, currency="EUR", now=studio.now) == []
        price(studio, made.code, 8900)
        assert [one.plan for one in plans.offers(studio.session, currency="EUR", now=studio.now)] == [made]
        studio.start(made.code)
        assert studio.member.status == "trialing"
        assert studio.announced()["commerce.plan_created"] == 1
        noted = studio.session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(made.id))).all()
        assert {entry.action for entry in noted} == {"commerce.manage_prices"}

    @pytest.mark.parametrize(
        ("name", "code"),
        [("Gói 10 buổi", "goi-10-buoi"), ("Đêm", "dem"), ("  Zwei à la carte! ", "zwei-a-la-carte"), ("套", "plan")],
    )
    def test_short_names_are_for_addresses(self, name, code):
        assert catalogue.short_name(name) == code

    def test_no_plan_hides_the_page_that_makes_one(self, studio):
        assert make(studio, replace(EVENINGS, name="New")).code == "new-2"

    def test_a_short_name_is_had_once_and_one_that_is_made_gets_a_number(self, studio):
        made = [make(studio, EVENINGS) for _ in range(3)]
        assert [one.code for one in made] == ["evenings", "evenings-2", "evenings-3"]
        with pytest.raises(PlanExists):
            make(studio, TEN, code="evenings")

    @pytest.mark.parametrize(
        "terms",
        [
            replace(EVENINGS, interval_months=None),
            replace(EVENINGS, validity_days=30),
            replace(TEN, sessions_included=None),
            replace(TEN, trial_days=7),
            replace(TEN, interval_months=1),
            replace(TEN, kind="drop_in"),
        ],
    )
    def test_terms_go_together(self, studio, terms):
        with pytest.raises(PlanNotThatKind):
            make(studio, terms)


class TestChanging:
    def test_all_of_it_while_nobody_bought_it_and_nothing_is_told_where_nothing_changed(self, studio):
        made = make(studio, EVENINGS)
        other = replace(EVENINGS, interval_months=3, sessions_included=None, days_left="forfeit", name="Quarter")
        for _ in range(2):
            change(studio, other, made)
        assert (made.interval_months, made.sessions_included, made.days_left, made.name) == (
            3,
            None,
            "forfeit",
            "Quarter",
        )
        [told] = studio.told("commerce.plan_terms_changed")
        assert told["changed"] == ["days_left", "interval_months", "name", "sessions_included"]

    @pytest.mark.parametrize(
        "other", [{"interval_months": 3}, {"sessions_included": 4}, {"days_left": "forfeit"}], ids=str
    )
    def test_what_somebody_bought_stays_also_after_they_left(self, studio, other):
        made = make(studio, EVENINGS)
        price(studio, made.code, 8900)
        studio.start(made.code)
        memberships.cancel(
            studio.session, None, customer_id=studio.customer_id, reason="Moving", at_once=True, now=studio.now
        )
        assert studio.member.ended_at
        with pytest.raises(PlanIsHeld):
            change(studio, replace(EVENINGS, **other), made)
        catalogue.change_plan(
            studio.session,
            replace(EVENINGS, name="Nights", trial_days=0),
            code=made.code,
            actor_id=None,
            now=studio.now,
        )
        assert made.name == "Nights"

    def test_what_a_provider_knows_how_often_to_charge_begins_anew(self, studio):
        made = make(studio, EVENINGS)
        old = price(studio, made.code, 8900)
        old.stripe_price_id = "price_1"
        coming = price(studio, made.code, 9900, at=studio.now + timedelta(days=20))
        studio.now += timedelta(minutes=1)
        change(studio, replace(EVENINGS, name="Nights"), made)
        assert offered(studio, made).price is old
        change(studio, replace(EVENINGS, interval_months=3), made)
        anew = offered(studio, made).price
        assert (anew.amount_minor, anew.stripe_price_id, anew.valid_to) == (8900, None, coming.valid_from)
        assert pricing.successor(studio.session, anew.id) is None

    def test_nor_that_of_who_will_go_on_to_it(self, studio):
        made, current = make(studio, EVENINGS), make(studio, replace(EVENINGS, name="Days", trial_days=0))
        cheaper = price(studio, made.code, 4900)
        price(studio, current.code, 8900)
        studio.start(current.code)
        studio.member.next_price_id = cheaper.id
        studio.session.flush()
        with pytest.raises(PlanIsHeld):
            change(studio, replace(EVENINGS, interval_months=12), made)

    def test_of_a_pack_validity_is_for_who_buys_it_later(self, studio):
        made = make(studio, TEN)
        pack = make_pack(studio.session, customer_id=studio.customer_id, plan_id=made.id)
        until = pack.expires_at
        change(studio, replace(TEN, validity_days=30), made)
        assert pack.expires_at == until
        with pytest.raises(PlanIsHeld):
            change(studio, replace(TEN, sessions_included=9), made)

    def test_one_that_was_brought_over_without_validity_may_be_told_as_it_is(self, studio):
        made = make_plan(studio.session, price=None, name="Ten", kind="pack", validity_days=None)
        told = Terms("Ten sessions", "", "pack", sessions_included=10)
        assert change(studio, told, made).validity_days is None
        assert change(studio, replace(told, validity_days=90), made).validity_days == 90
        with pytest.raises(PlanNotThatKind):
            change(studio, told, made)

    def test_whoever_buys_it_meanwhile_is_waited_for(self, fresh_database):
        """A purchase that is not committed yet refers to the plan: the change waits for it, and is refused."""
        engine = create_engine(sqlalchemy_url(fresh_database()))
        outcomes: list[type[Exception] | None] = []
        with Session(engine) as buying:
            plan = make_plan(buying, price=8900, name="Evenings")
            account = make_account(buying)
            code, buyer = plan.code, account.id
            buying.commit()
            buying.add(Customer(id=buyer, currency="EUR"))
            buying.flush()
            memberships.start_membership(buying, customer_id=buyer, plan_code=code, now=NOON)

            def change() -> None:
                with Session(engine) as session:
                    try:
                        catalogue.change_plan(
                            session, replace(EVENINGS, interval_months=12), code=code, actor_id=None, now=NOON
                        )
                        outcomes.append(None)
                    except PlanIsHeld:
                        outcomes.append(PlanIsHeld)

            changing = Thread(target=change)
            changing.start()
            changing.join(0.5)
            assert outcomes == []
            buying.commit()
            changing.join(10)
        engine.dispose()
        assert outcomes == [PlanIsHeld]


class TestSelling:
    def test_one_sold_no_more_is_kept_and_charged_by_who_has_it(self, studio):
        made = make(studio, replace(EVENINGS, trial_days=0))
        price(studio, made.code, 8900)
        studio.start(made.code)
        studio.collect(None)
        for _ in range(2):
            catalogue.set_sold(studio.session, code=made.code, is_sold=False, actor_id=None, now=studio.now)
        assert studio.announced()["commerce.plan_retired"] == 1
        with pytest.raises(PlanNotFound):
            plans.offer(studio.session, code=made.code, currency="EUR", now=studio.now)
        studio.wait(days=31)
        studio.collect(None)
        assert [invoice.total_minor for invoice in studio.invoices] == [8900, 8900]
        catalogue.set_sold(studio.session, code=made.code, is_sold=True, actor_id=None, now=studio.now)
        assert plans.offer(studio.session, code=made.code, currency="EUR", now=studio.now).plan is made

    def test_all_are_told_with_who_has_them(self, studio):
        made = make(studio, EVENINGS)
        price(studio, made.code, 8900)
        studio.start(made.code)
        gone = make(studio, TEN)
        make_pack(studio.session, customer_id=studio.customer_id, plan_id=gone.id)
        catalogue.set_sold(studio.session, code=gone.code, is_sold=False, actor_id=None, now=studio.now)
        found = {one.plan.code: one for one in catalogue.every_plan(studio.session, now=studio.now)}
        assert (found["evenings"].members, found["evenings"].packs) == (1, 0)
        assert [one.amount_minor for one in found["evenings"].prices] == [8900]
        assert (found["goi-10-buoi"].members, found["goi-10-buoi"].packs) == (0, 1)
        assert [one.plan.is_active for one in found.values()] == [True, False]


class TestPricesToCome:
    def test_one_is_taken_back_and_members_keep_what_they_pay(self, studio):
        made = make(studio, replace(EVENINGS, trial_days=0))
        first = price(studio, made.code, 8900)
        studio.start(made.code)
        studio.collect(None)
        coming = price(studio, made.code, 9900, at=studio.now + timedelta(days=20), for_members=True)
        assert studio.member.next_price_id == coming.id
        assert pricing.members_at(studio.session, plan_code=made.code) == {first.id: 1}
        before = pricing.withdraw_price(
            studio.session, plan_code=made.code, price_id=coming.id, actor_id=None, now=studio.now
        )
        assert before is first
        assert first.valid_to is None
        studio.wait(days=31)
        studio.collect(None)
        assert [invoice.total_minor for invoice in studio.invoices] == [8900, 8900]
        assert studio.announced()["commerce.plan_price_withdrawn"] == 1

    def test_one_that_holds_or_is_followed_stays(self, studio):
        made = make(studio, EVENINGS)
        first = price(studio, made.code, 8900)
        later = price(studio, made.code, 9900, at=studio.now + timedelta(days=20))
        price(studio, made.code, 10_900, at=studio.now + timedelta(days=40))
        for one in (first, later):
            with pytest.raises(PriceHolds):
                pricing.withdraw_price(
                    studio.session, plan_code=made.code, price_id=one.id, actor_id=None, now=studio.now
                )
        other = make(studio, TEN)
        with pytest.raises(PriceNotFound):
            pricing.withdraw_price(
                studio.session, plan_code=other.code, price_id=first.id, actor_id=None, now=studio.now
            )
        assert studio.session.scalar(select(PlanPrice.id).where(PlanPrice.id == later.id))


class TestCoupons:
    def test_one_taken_no_more_goes_on_for_who_used_it(self, studio):
        made = make(studio, replace(EVENINGS, trial_days=0))
        price(studio, made.code, 10_000)
        coupon = coupons.create(
            studio.session, code="half", worth=coupons.Worth(percent_bp=5000), duration="forever", actor_id=None,
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        studio.start(made.code, coupon="HALF")
        for _ in range(2):
            coupons.set_taken(studio.session, coupon_id=coupon.id, is_taken=False, actor_id=None, now=studio.now)
        with pytest.raises(CouponNotFound):
            coupons.redeem(studio.session, code="half", subscription=studio.member, now=studio.now)
        studio.wait(days=31)
        assert [invoice.total_minor for invoice in studio.invoices] == [5000, 5000]
        assert studio.announced()["commerce.coupon_retired"] == 1
        with pytest.raises(CouponNotFound):
            coupons.set_taken(studio.session, coupon_id=made.id, is_taken=False, actor_id=None, now=studio.now)
