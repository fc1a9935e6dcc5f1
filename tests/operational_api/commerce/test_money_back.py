"""Refunds and disputes, to the cent and to the provider's own books."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.errors import PaymentNotFound, PaymentNotRefundable, RefundTooLarge
from operational_api.commerce.models import Dispute, Payment, Refund
from operational_api.commerce.service import refunds
from tests.operational_api.commerce.conftest import Shop

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def give_back(shop: Shop, amount: int | None = None) -> Refund:
    payment = shop.one(Payment)
    return refunds.refund_payment(
        shop.session, shop.provider, payment_id=payment.id, amount_minor=amount, reason="Coach was ill", now=NOON
    )


class TestRefundPayment:
    def test_gives_all_back(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        refund = give_back(shop)
        assert (refund.status, refund.amount_minor, refund.reason) == ("succeeded", 4900, "Coach was ill")
        assert shop.balances() == {
            "stripe_balance": -99,
            "payment_fees": 99,
            "membership_revenue": -4118,
            "refunds": 4118,
        }
        assert shop.announced()["commerce.payment_refunded"] == 1

    def test_parts_take_exactly_the_tax(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        for amount in (1, 333, 1667, 2899):
            give_back(shop, amount)
        assert "tax_payable" not in shop.balances()
        assert shop.balances()["refunds"] == 4118

    def test_gives_back_no_more_than_there_was(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        give_back(shop, 4000)
        with pytest.raises(RefundTooLarge) as caught:
            give_back(shop, 901)
        assert caught.value.extra["left_minor"] == 900
        give_back(shop)
        with pytest.raises(PaymentNotRefundable):
            give_back(shop)

    def test_a_crash_after_the_provider_said_yes_costs_nothing(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        with shop.session.begin_nested() as crash:
            give_back(shop, 1000)
            crash.rollback()
        give_back(shop, 1000)
        given = [
            one
            for one in shop.stripe.store.all("refund")
            if one["payment_intent"] == shop.one(Payment).provider_payment_id
        ]
        assert sum(one["amount"] for one in given) == sum(one.amount_minor for one in shop.all(Refund))

    def test_the_webhook_of_our_own_refund_changes_nothing(self, shop: Shop) -> None:
        shop.buy(shop.plan())
        give_back(shop, 100)
        before = shop.state()
        shop.deliver(shop.events("charge.refunded", "refund.created")[-2:])
        assert shop.state() == before

    def test_refuses_a_payment_nobody_made(self, shop: Shop) -> None:
        with pytest.raises(PaymentNotFound):
            refunds.refund_payment(
                shop.session, shop.provider, payment_id=new_id(), amount_minor=1, reason="x", now=NOON
            )


class TestDispute:
    def dispute(self, shop: Shop) -> str:
        shop.buy(shop.plan(price=4900))
        payment = shop.one(Payment)
        [charge] = [
            one for one in shop.stripe.store.all("charge") if one["payment_intent"] == payment.provider_payment_id
        ]
        return str(shop.stripe.dispute(charge["id"])["id"])

    def deliver(self, shop: Shop) -> None:
        mine = {one.provider_payment_id for one in shop.all(Payment)}
        events = [one for one in shop.events() if one["type"].startswith("charge.dispute.")]
        shop.deliver(one for one in events if one["data"]["object"]["payment_intent"] in mine)

    @pytest.mark.parametrize(
        ("evidence", "status", "balance", "loss"),
        [("winning_evidence", "won", 4801 - 1500, None), ("losing_evidence", "lost", 4801 - 1500 - 4900, 4900)],
    )
    def test_money_leaves_and_comes_back_only_when_won(
        self, shop: Shop, evidence: str, status: str, balance: int, loss: int | None
    ) -> None:
        id_ = self.dispute(shop)
        self.deliver(shop)
        assert shop.one(Dispute).status == "needs_response"
        assert shop.balances()["stripe_balance"] == 4801 - 4900 - 1500
        shop.stripe.client().v1.disputes.update(id_, {"evidence": {"uncategorized_text": evidence}})
        self.deliver(shop)
        self.deliver(shop)
        assert shop.one(Dispute).status == status
        assert shop.balances()["stripe_balance"] == balance
        assert shop.balances().get("disputes") == loss
        assert shop.announced()["commerce.dispute_opened"] == 1

    def test_a_disputed_payment_is_not_refunded_too(self, shop: Shop) -> None:
        self.dispute(shop)
        self.deliver(shop)
        with pytest.raises(PaymentNotRefundable):
            give_back(shop)


class TestSession:
    def test_nothing_is_committed_by_a_service(self, shop: Shop, session: Session) -> None:
        shop.buy(shop.plan())
        session.rollback()
        assert shop.all(Payment) == []
