"""What a provider does not do: a membership bought on its page is paused or changed, and is ours from then on."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.collectors import StripeCollector
from operational_api.commerce.billing.errors import NotChangeable, PauseTooLong, PaymentNotTold
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    invoicing,
    leaving,
    memberships,
    plan_changes,
    takeovers,
)
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.errors import ProviderUnavailable
from operational_api.commerce.models import Invoice, Payment, Subscription
from operational_api.commerce.service import disputes, refunds
from operational_api.commerce.settings import StripeSettings
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.fakes.stripe import refunds as stripe_disputes
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.conftest import ISSUER, SignIn


@pytest.fixture
def member(own_shop: Shop) -> Shop:
    """On Small at Stripe since today, paid by card; there is a dearer plan."""
    make_account(own_shop.session, id=own_shop.customer_id, time_zone="UTC")
    own_shop.buy(own_shop.plan(name="Small", code="small", price=3000, kind="membership", interval_months=1))
    own_shop.plan(name="Large", code="large", price=9000, kind="membership", interval_months=1)
    return own_shop


def pause(shop: Shop, *, days: int = 10) -> None:
    now = datetime.now(UTC)
    with takeovers.ours(shop.session, shop.provider, customer_id=shop.customer_id, now=now):
        memberships.pause(
            shop.session, customer_id=shop.customer_id, resumes_on=now.date() + timedelta(days=days), now=now
        )


def upgrade(shop: Shop) -> None:
    now = datetime.now(UTC)
    with takeovers.ours(shop.session, shop.provider, customer_id=shop.customer_id, now=now):
        plan_changes.change_plan(shop.session, customer_id=shop.customer_id, plan_code="large", now=now)


def collect(shop: Shop, now: datetime) -> None:
    settings = StripeSettings(api_base=shop.stripe.url, secret_key=SecretStr(shop.stripe.secret_key))
    memberships.advance_due(shop.session, now)
    collection.collect_due(shop.session, StripeCollector(settings), now)


def at_stripe(shop: Shop) -> tuple[str, bool]:
    row = shop.stripe.store.objects[shop.one(Subscription).stripe_subscription_id]
    return row["status"], row["cancel_at_period_end"]


def taken(shop: Shop) -> list[int]:
    """What Stripe took of cards."""
    return [one["amount"] for one in shop.stripe.store.all("charge") if one["status"] == "succeeded"]


class TestTakenOver:
    def test_an_upgrade_is_paid_with_the_card_of_the_payment_page(self, member: Shop) -> None:
        upgrade(member)
        collect(member, datetime.now(UTC))
        row = member.one(Subscription)
        assert (row.billed_by, row.status, row.amount_minor) == ("plyo", "active", 9000)
        assert at_stripe(member) == ("active", True)
        assert taken(member) == [3000, 6000]
        assert member.balances()["membership_revenue"] == -sum(one.subtotal_minor for one in member.all(Invoice))

    def test_the_next_period_is_charged_once_and_its_end_there_is_no_end_here(self, member: Shop) -> None:
        upgrade(member)
        collect(member, datetime.now(UTC))
        before = len(member.events())
        member.stripe.advance(days=33)
        collect(member, datetime.now(UTC) + timedelta(days=33))
        member.deliver(member.events()[before:])
        row = member.one(Subscription)
        assert (at_stripe(member)[0], row.status, row.ended_at) == ("canceled", "active", None)
        assert taken(member) == [3000, 6000, 9000]
        assert "commerce.subscription_cancelled" not in member.announced()

    def test_every_message_of_the_takeover_leaves_it_as_it_is(self, member: Shop) -> None:
        pause(member)
        before = member.state()
        member.deliver(member.events())
        assert member.state() == before

    def test_a_pause_gives_back_the_days_that_were_paid(self, member: Shop) -> None:
        pause(member, days=10)
        row = member.one(Subscription)
        assert (row.billed_by, row.status) == ("plyo", "paused")
        now = datetime.now(UTC) + timedelta(days=10)
        collect(member, now)
        assert (member.one(Subscription).status, taken(member)) == ("active", [3000])
        [_, second] = member.all(Invoice)
        assert (second.total_minor, second.status) == (0, "paid")

    def test_days_that_wait_after_a_pause_are_not_given_back_with_their_payment_too(self, member: Shop) -> None:
        pause(member, days=10)
        waits = select(func.sum(BillingItem.amount_minor)).where(*invoicing.WAITS)
        assert member.session.scalar(waits) == -3000
        payment = member.one(Payment)
        member.provider.refund(payment.provider_payment_id, amount_minor=1200, reason="Ill", key="r-1")
        refunds.sync_refunds(member.session, member.provider, payment=payment, invoice=member.one(Invoice))
        assert member.session.scalar(waits) == -1800

    @pytest.mark.parametrize("is_before", [True, False])
    def test_what_was_given_back_of_its_days_is_not_worth_anything(self, member: Shop, is_before: bool) -> None:
        payment, now = member.one(Payment), datetime.now(UTC)
        if not is_before:
            takeovers.take_over(member.session, customer_id=member.customer_id, now=now)
        member.provider.refund(payment.provider_payment_id, amount_minor=1200, reason="Ill", key="r-1")
        refunds.sync_refunds(member.session, member.provider, payment=payment, invoice=member.one(Invoice))
        if is_before:
            takeovers.take_over(member.session, customer_id=member.customer_id, now=now)
        assert member.one(Subscription).covered_minor == 1800

    @pytest.mark.parametrize("is_before", [True, False])
    def test_what_a_bank_kept_of_its_payment_is_not_worth_anything(self, member: Shop, is_before: bool) -> None:
        """Of 30.00 that were contested 18.00 came back."""
        now, store = datetime.now(UTC), member.stripe.store
        [charge] = store.all("charge")
        id_ = str(member.stripe.dispute(charge["id"])["id"])
        if not is_before:
            takeovers.take_over(member.session, customer_id=member.customer_id, now=now)
        disputes.sync_dispute(member.session, member.provider, provider_id=id_, now=now)
        with store.transaction():
            stripe_disputes.reinstate(store, store.find("dispute", id_), 0, 1800)
        disputes.sync_dispute(member.session, member.provider, provider_id=id_, now=now)
        if is_before:
            takeovers.take_over(member.session, customer_id=member.customer_id, now=now)
        assert member.one(Subscription).covered_minor == 1800

    def test_a_trial_goes_on_and_is_charged_by_us(self, own_shop: Shop) -> None:
        make_account(own_shop.session, id=own_shop.customer_id, time_zone="UTC")
        plan = own_shop.plan(name="Try", price=3000, kind="membership", interval_months=1, trial_days=7)
        own_shop.plan(name="Large", code="large", price=9000, kind="membership", interval_months=1)
        own_shop.buy(plan)
        upgrade(own_shop)
        own_shop.stripe.advance(days=8)
        collect(own_shop, datetime.now(UTC) + timedelta(days=8))
        row = own_shop.one(Subscription)
        assert (row.status, row.amount_minor, taken(own_shop)) == ("active", 9000, [9000])

    def test_a_code_takes_something_off_the_next_payment(
        self, app: FastAPI, session: Session, sign_in: SignIn, member: Shop
    ) -> None:
        app.state.payment_provider = member.provider
        client = sign_in(session.get_one(Account, member.customer_id))
        now = datetime.now(UTC)
        coupons.create(session, code="spring", worth=Worth(percent_bp=2000), duration="once", actor_id=None, now=now)
        assert client.post("/membership/coupons", data={"code": " Spring "}).status_code == 303
        assert "SPRING: 20 % off your next payment" in client.get("/membership").text
        assert "€24.00 on" in client.get("/membership").text
        assert at_stripe(member) == ("active", True)
        for months in (1, 2):
            collect(member, now + timedelta(days=32 * months))
        assert taken(member) == [3000, 2400, 3000]
        assert "SPRING" not in client.get("/membership").text

    def test_who_has_no_membership_yet_reads_where_a_code_is_used(
        self, session: Session, sign_in: SignIn, shop: Shop
    ) -> None:
        shop.plan(name="Small", price=3000, kind="membership", interval_months=1)
        assert "You have a code?" in sign_in(make_account(session)).get("/plans").text

    def test_a_code_that_does_not_hold_says_so_and_leaves_it_with_stripe(
        self, app: FastAPI, session: Session, sign_in: SignIn, member: Shop
    ) -> None:
        app.state.payment_provider = member.provider
        client = sign_in(session.get_one(Account, member.customer_id))
        answer = client.post("/api/commerce/subscription/coupons", json={"code": "nonsense"})
        assert (answer.status_code, answer.json()["code"]) == (404, "commerce.coupon_not_found")
        browser = {"accept": "text/html", "referer": f"{ISSUER}/membership"}
        refused = client.post("/membership/coupons", data={"code": "nonsense"}, headers=browser)
        assert refused.headers["location"] == "/membership"
        assert "We do not know this code" in client.get("/membership").text
        assert at_stripe(member) == ("active", False)

    def test_whoever_closes_their_account_then_ends_it_here(self, member: Shop) -> None:
        pause(member)
        leaving.leave(member.session, member.provider, account_id=member.customer_id, now=datetime.now(UTC))
        assert member.one(Subscription).status == "cancelled"

    def test_the_pages_offer_it_and_do_it(self, app: FastAPI, session: Session, sign_in: SignIn, member: Shop) -> None:
        app.state.payment_provider = member.provider
        client = sign_in(session.get_one(Account, member.customer_id))
        page = client.get("/membership").text
        assert "/membership/plan" in page
        assert "/membership/pause" in page
        assert "/membership/plan?plan=large" in client.get("/plans").text
        assert "To pay today" in client.get("/membership/plan?plan=large").text
        assert at_stripe(member) == ("active", False), "a look changes nothing"
        until = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
        assert client.post("/membership/pause", data={"resumes_on": until}).status_code == 303
        assert "End the pause now" in client.get("/membership").text
        assert at_stripe(member) == ("active", True)

    def test_so_does_the_api(self, app: FastAPI, session: Session, sign_in: SignIn, member: Shop) -> None:
        app.state.payment_provider = member.provider
        client = sign_in(session.get_one(Account, member.customer_id))
        assert client.get("/api/commerce/subscription/plan-change?plan_code=large").status_code == 200
        assert at_stripe(member) == ("active", False)
        answer = client.post("/api/commerce/subscription/plan-change", json={"plan_code": "large"})
        assert (answer.status_code, answer.json()["changes_to"]) == (200, "large")
        assert at_stripe(member) == ("active", True)


class TestRefused:
    def test_what_is_refused_leaves_it_with_stripe(self, member: Shop) -> None:
        with pytest.raises(PauseTooLong), member.session.begin_nested():
            pause(member, days=500)
        assert (member.one(Subscription).billed_by, at_stripe(member)) == ("provider", ("active", False))

    def test_nothing_changes_while_stripe_is_away(self, member: Shop) -> None:
        member.stripe.fail(*[500] * 9)
        with pytest.raises(ProviderUnavailable), member.session.begin_nested():
            pause(member)
        assert member.one(Subscription).billed_by == "provider"

    def test_one_that_is_about_to_end_there_is_left(self, member: Shop) -> None:
        memberships.cancel(
            member.session, member.provider, customer_id=member.customer_id, reason="moving", now=datetime.now(UTC)
        )
        with pytest.raises(NotChangeable):
            upgrade(member)

    def test_one_whose_payment_we_have_not_heard_of_waits(self, member: Shop) -> None:
        member.stripe.advance(days=32)  # renewed, and nobody told us
        with pytest.raises(PaymentNotTold), member.session.begin_nested():
            upgrade(member)
        assert at_stripe(member) == ("active", False)

    def test_a_takeover_that_was_lost_before_it_was_stored_is_undone_there(self, member: Shop) -> None:
        before = len(member.events())
        died = member.session.begin_nested()
        pause(member)
        died.rollback()
        assert at_stripe(member) == ("active", True)
        member.deliver(member.events()[before:])
        row = member.one(Subscription)
        assert (at_stripe(member), row.cancel_at, row.status) == (("active", False), None, "active")
        assert "commerce.subscription_cancelled" not in member.announced()
