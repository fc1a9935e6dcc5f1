"""Money paid into a wallet: over a real Stripe-shaped server, from the page to the ledger and back.

What holds of every provider is in `port`."""

from datetime import UTC, datetime
from typing import Any

import pytest

from operational_api.commerce.billing.service import pricing, sales
from operational_api.commerce.errors import (
    NotSoldOnInvoice,
    PaymentNotRefundable,
    PlanNotThatKind,
    TopUpNotAllowed,
    WalletFull,
)
from operational_api.commerce.models import CheckoutSession, Invoice, Payment, SessionPack, WalletCredit, WalletMovement
from operational_api.commerce.service import catalogue, plans, refunds, wallets
from tests.operational_api.commerce.conftest import Shop

TOP_UP: dict[str, Any] = {"kind": "top_up", "interval_months": None, "sessions_included": None, "tax_rate_bp": 0}


def spendable(shop: Shop) -> list[int]:
    return [one.spendable_minor for one in wallets.standing(shop.session, shop.customer_id, datetime.now(UTC))]


class TestByCard:
    def test_is_in_the_wallet_once_however_often_it_is_told(self, shop: Shop) -> None:
        page = shop.open(shop.plan(price=5000, **TOP_UP))
        shop.stripe.pay(str(page.url))
        for _ in range(2):
            shop.confirm(page)
        shop.deliver(shop.events("checkout.session.completed", "invoice.paid"))
        assert (spendable(shop), shop.one(WalletCredit).invoice_id) == ([5000], shop.one(Invoice).id)
        assert (shop.one(Invoice).tax_minor, shop.all(SessionPack)) == (0, [])
        assert shop.balances() == {"stripe_balance": 4900, "payment_fees": 100, "wallets": -5000}
        assert shop.announced() == {"commerce.payment_captured": 1, "commerce.wallet_topped_up": 1}

    def test_what_the_provider_gave_back_is_in_it_no_more(self, shop: Shop) -> None:
        """Given back on Stripe's own screen, after some of it was spent: what was spent is our loss."""
        shop.buy(shop.plan(price=5000, **TOP_UP))
        payment, credit = shop.one(Payment), shop.one(WalletCredit)
        invoice = Invoice(
            number="B-1", customer_id=shop.customer_id, status="open", currency="EUR", subtotal_minor=2000,
            tax_minor=0, total_minor=2000, issued_at=datetime.now(UTC), due_at=datetime.now(UTC),
        )  # fmt: skip
        shop.session.add(invoice)
        shop.session.flush()
        wallets.spend(
            shop.session, owner_id=shop.customer_id, invoice=invoice, wanted_minor=2000, attempt=1,
            now=datetime.now(UTC),
        )  # fmt: skip
        shop.provider.refund(payment.provider_payment_id, amount_minor=5000, reason="fraud", key="on-their-screen")
        refunds.sync_refunds(
            shop.session, shop.provider, payment=payment, invoice=shop.session.get_one(Invoice, payment.invoice_id)
        )
        assert (spendable(shop), credit.left_minor) == ([0], 0)
        assert [row.kind for row in shop.all(WalletMovement)] == ["topped_up", "spent", "refunded"]
        assert shop.balances()["refunds"] == 2000
        with pytest.raises(PaymentNotRefundable):
            refunds.refund_payment(
                shop.session, shop.provider, payment_id=payment.id, amount_minor=None, reason="", now=datetime.now(UTC)
            )

    def test_is_not_sold_beyond_what_a_wallet_may_hold(self, shop: Shop) -> None:
        plan = shop.plan(price=150_000, **TOP_UP)
        shop.buy(plan)
        with pytest.raises(WalletFull):
            shop.open(plan)
        assert len(shop.all(CheckoutSession)) == 1


class TestCatalogue:
    def test_a_top_up_has_no_tax_no_sessions_and_bounds(self, shop: Shop) -> None:
        now = datetime.now(UTC)
        with pytest.raises(PlanNotThatKind):
            catalogue.create_plan(
                shop.session, catalogue.Terms("Top up", "", "top_up", sessions_included=1), code="", actor_id=None,
                now=now,
            )  # fmt: skip
        made = catalogue.create_plan(
            shop.session, catalogue.Terms("Top up", "", "top_up"), code="", actor_id=None, now=now
        )
        with pytest.raises(PlanNotThatKind):
            catalogue.change_plan(
                shop.session, catalogue.Terms("Top up", "", "drop_in", sessions_included=1, validity_days=9),
                code=made.code, actor_id=None, now=now,
            )  # fmt: skip
        for amount, tax in ((49, 0), (200_001, 0), (5000, 1900)):
            with pytest.raises(TopUpNotAllowed):
                pricing.set_price(
                    shop.session, plan_code=made.code, currency="EUR", amount_minor=amount, tax_rate_bp=tax,
                    valid_from=now, for_members=False, actor_id=None, now=now,
                )  # fmt: skip

    def test_it_is_no_service_and_the_desk_sells_none_on_an_invoice(self, shop: Shop) -> None:
        now, plan = datetime.now(UTC), shop.plan(price=5000, **TOP_UP)
        assert plan.id in {one.plan.id for one in plans.top_ups(shop.session, currency="EUR", now=now)}
        assert plan.id not in {one.plan.id for one in plans.services(shop.session, currency="EUR", now=now)}
        with pytest.raises(NotSoldOnInvoice):
            sales.sell_pack(shop.session, customer_id=shop.customer_id, plan_code=plan.code, currency="EUR", now=now)
