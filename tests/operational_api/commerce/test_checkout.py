"""From "subscribe" to the ledger: the real SDK, a real Stripe-shaped server, real PostgreSQL."""

from datetime import UTC, datetime
from typing import ClassVar

import httpx
import pytest
from sqlalchemy import func, select

from contracts.ids import new_id
from operational_api.commerce import providers
from operational_api.commerce.billing.errors import IntroUsed
from operational_api.commerce.billing.models import InvoiceLine
from operational_api.commerce.errors import (
    AlreadySubscribed,
    CheckoutNotFound,
    CheckoutNotPaid,
    PlanNotFound,
    PlanNotSold,
    ProviderUnavailable,
    WrongCurrency,
)
from operational_api.commerce.models import (
    CheckoutSession,
    Customer,
    Invoice,
    LedgerJournal,
    Payment,
    SessionPack,
    Subscription,
    SubscriptionChange,
)
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.service import plans
from operational_api.commerce.settings import StripeSettings
from operational_api.core.models import OutboxEvent
from tests.fakes.stripe.testing import LocalStripe
from tests.operational_api.commerce.conftest import Shop


class TestMembership:
    def test_a_paid_page_becomes_a_membership_an_invoice_and_a_payment(self, shop: Shop) -> None:
        purchase = shop.buy(shop.plan(price=4900))
        subscription, invoice, payment = shop.one(Subscription), shop.one(Invoice), shop.one(Payment)
        assert purchase.invoice is not None
        assert purchase.invoice.id == invoice.id
        assert (subscription.status, subscription.amount_minor, subscription.currency) == ("active", 4900, "EUR")
        assert (invoice.status, invoice.subtotal_minor, invoice.tax_minor) == ("paid", 4118, 782)
        assert (payment.status, payment.amount_minor, payment.fee_minor, payment.attempt) == ("captured", 4900, 99, 1)
        assert shop.one(CheckoutSession).status == "complete"
        change = shop.one(SubscriptionChange)
        assert (change.kind, change.mrr_before_minor, change.mrr_after_minor) == ("started", 0, 4118)

    def test_the_ledger_holds_it_to_the_cent(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        assert shop.balances() == {
            "stripe_balance": 4801,
            "payment_fees": 99,
            "membership_revenue": -4118,
            "tax_payable": -782,
        }

    def test_it_is_announced_once_however_often_it_is_confirmed(self, shop: Shop) -> None:
        plan = shop.plan()
        page = shop.open(plan)
        shop.stripe.pay(str(page.url))
        for _ in range(3):
            shop.confirm(page)
        shop.deliver(shop.events("checkout.session.completed", "invoice.paid"))
        assert shop.announced() == {"commerce.subscription_started": 1, "commerce.payment_captured": 1}
        assert shop.session.scalar(select(func.count()).select_from(LedgerJournal)) == 2

    def test_a_price_in_dong_has_no_cents(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=1_490_000, currency="VND", tax_rate_bp=1000), "VND")
        invoice = shop.one(Invoice)
        assert (invoice.total_minor, invoice.tax_minor) == (1_490_000, 135_455)

    def test_a_yearly_price_counts_a_twelfth_a_month(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=49_000, interval_months=12, tax_rate_bp=0))
        assert shop.one(SubscriptionChange).mrr_after_minor == 4083

    def test_a_trial_starts_without_an_invoice(self, shop: Shop) -> None:
        purchase = shop.buy(shop.plan(trial_days=14))
        assert purchase.invoice is None
        assert shop.one(Subscription).status == "trialing"
        assert [one.kind for one in shop.all(SubscriptionChange)] == ["trial_started"]
        assert shop.balances() == {}

    def test_a_declined_card_is_a_failed_payment_and_no_membership(self, shop: Shop) -> None:
        page = shop.open(shop.plan())
        assert shop.stripe.pay(str(page.url), "4000000000009995").status_code == 402
        with pytest.raises(CheckoutNotPaid):
            shop.confirm(page)
        shop.deliver(shop.events("invoice.payment_failed")[-1:])
        assert shop.one(Subscription).status == "incomplete"
        assert shop.one(Payment).failure_code == "insufficient_funds"
        assert shop.announced() == {"commerce.payment_failed": 1}
        assert shop.stripe.pay(str(page.url)).status_code == 303
        shop.confirm(page)
        assert [(one.attempt, one.status) for one in shop.all(Payment)] == [(1, "failed"), (2, "captured")]
        assert shop.one(Subscription).status == "active"


class TestPack:
    def test_a_paid_pack_gives_its_sessions_once(self, shop: Shop) -> None:
        page = shop.open(shop.plan(price=45_000, kind="pack"))
        shop.stripe.pay(str(page.url))
        shop.confirm(page)
        shop.confirm(page)
        pack = shop.one(SessionPack)
        assert (pack.sessions_total, pack.sessions_used) == (10, 0)
        assert (pack.expires_at - pack.purchased_at).days == 180
        assert shop.one(Invoice).session_pack_id == pack.id
        told = shop.session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == "commerce.pack_bought")).one()
        assert (told["pack_id"], told["sessions"], told["amount_minor"]) == (str(pack.id), 10, 45_000)
        assert shop.balances()["deferred_packs"] == -37_815

    def test_a_second_pack_may_be_bought(self, shop: Shop) -> None:
        plan = shop.plan(kind="pack")
        shop.buy(plan)
        shop.buy(plan)
        assert len(shop.all(SessionPack)) == 2


class TestOneSession:
    SOLD: ClassVar = {"interval_months": None, "sessions_included": 1, "validity_days": 30}

    @pytest.mark.parametrize("kind", ["drop_in", "intro"])
    def test_is_a_line_of_its_kind_a_session_and_money_to_be_earned(self, shop: Shop, kind: str) -> None:
        shop.buy(shop.plan(price=2500, kind=kind, name="Come and try", **self.SOLD))
        pack, invoice = shop.one(SessionPack), shop.one(Invoice)
        assert (pack.sessions_total, (pack.expires_at - pack.purchased_at).days) == (1, 30)
        [line] = shop.session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
        assert (line.kind, line.description, line.amount_minor) == (kind, "Come and try", 2500)
        assert shop.balances()["deferred_packs"] == -2101

    def test_a_drop_in_is_for_everybody_each_time_and_an_introduction_for_who_is_new(self, shop: Shop) -> None:
        drop_in, intro = (shop.plan(price=2500, kind=kind, **self.SOLD) for kind in ("drop_in", "intro"))
        shop.buy(drop_in)
        with pytest.raises(IntroUsed):
            shop.open(intro)
        shop.buy(drop_in)
        assert len(shop.all(SessionPack)) == 2

    def test_of_two_introductions_in_two_tabs_one_is_had(self, shop: Shop) -> None:
        first, second = (
            shop.open(shop.plan(price=price, kind="intro", **self.SOLD)) for price in (1500, 2500)
        )  # fmt: skip
        assert httpx.get(str(first.url)).status_code == 410
        shop.stripe.pay(str(second.url))
        with pytest.raises(IntroUsed):
            shop.open(shop.plan(price=3500, kind="intro", **self.SOLD))
        assert shop.one(SessionPack).sessions_total == 1


class TestDoubleSubmit:
    def test_pressing_twice_gives_the_same_page(self, shop: Shop) -> None:
        plan = shop.plan()
        assert shop.open(plan).url == shop.open(plan).url

    def test_choosing_another_plan_closes_the_first_page(self, shop: Shop) -> None:
        first = shop.open(shop.plan())
        second = shop.open(shop.plan(price=9900))
        assert httpx.get(str(first.url)).status_code == 410
        assert httpx.get(str(second.url)).status_code == 200

    def test_paying_in_one_tab_and_pressing_in_another_finds_the_membership(self, shop: Shop) -> None:
        page = shop.open(shop.plan())
        shop.stripe.pay(str(page.url))
        with pytest.raises(AlreadySubscribed):
            shop.open(shop.plan(price=9900))

    def test_a_member_cannot_subscribe_again_but_can_buy_a_pack(self, shop: Shop) -> None:
        plan = shop.plan()
        shop.buy(plan)
        with pytest.raises(AlreadySubscribed):
            shop.open(plan)
        assert shop.open(shop.plan(kind="pack")).url


class TestRefusals:
    def test_an_unknown_plan(self, shop: Shop) -> None:
        plan = shop.plan()
        plan.code = "renamed"
        with pytest.raises(PlanNotFound):
            shop.open(type(plan)(code="nothing"))

    def test_a_plan_without_a_price_in_that_currency(self, shop: Shop) -> None:
        with pytest.raises(PlanNotSold):
            shop.open(shop.plan(currency="EUR"), "USD")

    def test_a_second_currency(self, shop: Shop) -> None:
        shop.buy(shop.plan(kind="pack"))
        with pytest.raises(WrongCurrency):
            shop.open(shop.plan(currency="USD"), "USD")

    def test_somebody_elses_page(self, shop: Shop) -> None:
        page = shop.open(shop.plan())
        shop.customer_id = new_id()
        with pytest.raises(CheckoutNotFound):
            shop.confirm(page)

    def test_a_page_nobody_paid(self, shop: Shop) -> None:
        with pytest.raises(CheckoutNotPaid):
            shop.confirm(shop.open(shop.plan()))

    def test_stripe_out_of_reach(self, shop: Shop) -> None:
        shop.provider = StripeProvider(StripeSettings(api_base="http://127.0.0.1:9", timeout_seconds=1))
        with pytest.raises(ProviderUnavailable):
            shop.open(shop.plan())

    def test_stripe_failing_once_makes_no_second_customer(self, own_shop: Shop) -> None:
        own_shop.stripe.fail(500)
        own_shop.open(own_shop.plan())
        own_shop.session.get_one(Customer, own_shop.customer_id).stripe_customer_id = None
        own_shop.open(own_shop.plan(kind="pack"))
        assert len(own_shop.stripe.store.all("customer")) == 1


class TestConfigured:
    def test_the_worker_finds_stripe_by_its_environment(
        self, stripe_server: LocalStripe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PLYO_STRIPE_API_BASE", stripe_server.url)
        monkeypatch.setenv("PLYO_STRIPE_SECRET_KEY", stripe_server.secret_key)
        providers.configured.cache_clear()
        assert providers.configured().checkout("cs_test_unknown") is None
        assert providers.configured() is providers.configured()
        providers.configured.cache_clear()


class TestSyncPrices:
    def test_makes_each_price_once(self, own_shop: Shop) -> None:
        for plan in (own_shop.plan(), own_shop.plan(kind="pack"), own_shop.plan(price=5000, currency="USD")):
            assert plan.id
        now = datetime.now(UTC)
        assert plans.sync_prices(own_shop.session, own_shop.provider, now=now) == 3
        assert plans.sync_prices(own_shop.session, own_shop.provider, now=now) == 0
        assert {one["currency"] for one in own_shop.stripe.store.all("price")} == {"eur", "usd"}
