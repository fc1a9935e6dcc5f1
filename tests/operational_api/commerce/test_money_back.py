"""Refunds and disputes, to the cent and to the provider's own books."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from math import factorial
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.errors import PaymentNotFound, PaymentNotRefundable, RefundTooLarge
from operational_api.commerce.models import Dispute, Payment, Refund, SessionPack, Subscription
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import disputes, packs, refunds
from operational_api.core.models import OutboxEvent
from tests.factories import make_account
from tests.fakes.stripe import refunds as stripe_disputes
from tests.operational_api.commerce.billing.conftest import Desk
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.conftest import SignIn

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = datetime.now(UTC)


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
            one["amount"] for one in shop.stripe.store.all("refund")
            if one["payment_intent"] == shop.one(Payment).provider_payment_id
        ]  # fmt: skip
        assert given == [one.amount_minor for one in shop.all(Refund)] == [1000]
        give_back(shop, 1000)
        assert len(shop.all(Refund)) == 2, "who asks once more means it"

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


class TestPack:
    """Ten sessions for 490.00, of which one was used."""

    @pytest.fixture
    def pack(self, shop: Shop) -> SessionPack:
        shop.buy(shop.plan(price=49_000, kind="pack", sessions_included=10, validity_days=90))
        packs.use_session(shop.session, customer_id=shop.customer_id, now=NOW)
        return shop.one(SessionPack)

    def test_given_back_in_full_has_no_session_left(self, shop: Shop, pack: SessionPack) -> None:
        give_back(shop)
        shop.session.refresh(pack)
        assert (pack.sessions_left, pack.sessions_refunded) == (0, 10)
        packs.return_session(shop.session, pack_id=pack.id)
        assert packs.use_session(shop.session, customer_id=shop.customer_id, now=NOW) is None
        assert "deferred_packs" not in shop.balances(), "nothing of it is to be earned any more"
        assert shop.balances()["refunds"] == -shop.balances()["pack_revenue"]
        assert shop.announced()["commerce.pack_reduced"] == 1

    def test_given_back_in_part_keeps_what_is_paid_for(self, shop: Shop, pack: SessionPack) -> None:
        left = []
        for amount in (2000, 22_500, 4900):
            give_back(shop, amount)
            shop.session.refresh(pack)
            left.append(pack.sessions_left)
        assert left == [9, 4, 3]
        per_session = pack.net_minor // 10 if pack.net_minor else 0
        assert abs(shop.balances()["deferred_packs"] + 4 * per_session) <= 10
        shop.deliver(shop.events("charge.refunded", "refund.created"))
        shop.session.refresh(pack)
        assert pack.sessions_left == 3

    def test_lost_at_the_bank_has_no_session_left(self, shop: Shop, pack: SessionPack) -> None:
        [charge] = [
            one for one in shop.stripe.store.all("charge")
            if one["payment_intent"] == shop.one(Payment).provider_payment_id
        ]  # fmt: skip
        id_ = str(shop.stripe.dispute(charge["id"])["id"])
        disputes.sync_dispute(shop.session, shop.provider, provider_id=id_, now=NOON)
        shop.session.refresh(pack)
        assert pack.sessions_left == 9
        shop.stripe.client().v1.disputes.update(id_, {"evidence": {"uncategorized_text": "losing_evidence"}})
        for _ in range(2):
            disputes.sync_dispute(shop.session, shop.provider, provider_id=id_, now=NOON)
        shop.session.refresh(pack)
        assert pack.sessions_left == 0


class TestDispute:
    def dispute(self, shop: Shop, **order: Any) -> str:
        shop.buy(shop.plan(price=4900))
        return self.contest(shop, **order)

    def contest(self, shop: Shop, **order: Any) -> str:
        payment = shop.one(Payment)
        [charge] = [
            one for one in shop.stripe.store.all("charge") if one["payment_intent"] == payment.provider_payment_id
        ]
        return str(shop.stripe.dispute(charge["id"], **order)["id"])

    def at_stripe(self, shop: Shop, id_: str, change: Callable[..., object], *given: Any) -> None:
        store = shop.stripe.store
        with store.transaction():
            change(store, store.find("dispute", id_), *given)

    def closed(self, shop: Shop) -> list[tuple[str, int, int]]:
        query = select(OutboxEvent.payload).where(OutboxEvent.type == "commerce.dispute_closed")
        rows = shop.session.scalars(query.order_by(OutboxEvent.position))
        return [(one["outcome"], one["amount_minor"], one["reinstated_minor"]) for one in rows]

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
        assert self.closed(shop) == [(status, 4900, 4900 if status == "won" else 0)]
        assert shop.one(Subscription).status == "active", "what Stripe bills is Stripe's to end"

    def test_finance_sees_who_contests_what_and_how_it_ended(self, shop: Shop, sign_in: SignIn) -> None:
        finance = sign_in(make_account(shop.session, role="finance"))
        path = "/staff/books?show=disputes"
        assert "Nobody contests a payment" in finance.get(path).text
        id_ = self.dispute(shop)
        self.deliver(shop)
        assert all(words in finance.get(path).text for words in (id_, "To be answered", "49.00"))
        assert f'href="/staff/invoices/{shop.one(Payment).invoice_id}"' in finance.get(path).text
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "lost")
        self.deliver(shop)
        assert "Lost" in finance.get(path).text
        assert sign_in(make_account(shop.session, role="support")).get(path).status_code == 403

    def test_finance_is_told_until_when_the_bank_listens_until_something_is_handed_in(
        self, shop: Shop, sign_in: SignIn
    ) -> None:
        finance, path = sign_in(make_account(shop.session, role="finance")), "/staff/books?show=disputes"
        desk = "is contested and not answered"
        assert desk not in finance.get("/staff").text
        id_ = self.dispute(shop)
        self.deliver(shop)
        due = shop.stripe.store.find("dispute", id_)["evidence_details"]["due_by"]
        [told] = finance.get("/api/commerce/disputes").json()["items"]
        assert (datetime.fromisoformat(told["evidence_due_at"]).timestamp(), told["has_evidence"]) == (due, False)
        assert desk in finance.get("/staff").text
        assert desk not in sign_in(make_account(shop.session, role="support")).get("/staff").text
        assert all(words in finance.get(path).text for words in ("One is not answered yet", "None handed in"))
        shop.stripe.client().v1.disputes.update(id_, {"evidence": {"receipt": "file_1"}, "submit": False})
        self.deliver(shop)
        assert "To be answered" in finance.get(path).text, "a draft is nothing that a bank reads"
        shop.stripe.client().v1.disputes.update(id_, {"evidence": {"receipt": "file_1"}})
        self.deliver(shop)
        assert shop.one(Dispute).has_evidence
        page = finance.get(path).text
        assert all(words in page for words in ("The bank decides", "Handed in"))
        assert "not answered yet" not in page
        assert desk not in finance.get("/staff").text
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "won")
        self.deliver(shop)
        assert "Evidence until" not in finance.get(path).text

    def test_one_that_nobody_answered_in_time_waits_for_nobody(self, shop: Shop, sign_in: SignIn) -> None:
        id_ = self.dispute(shop)
        store = shop.stripe.store
        with store.transaction():
            found = store.find("dispute", id_)
            about = found["evidence_details"] | {"due_by": store.now() - 60, "past_due": True}
            store.put(found | {"evidence_details": about})
        self.deliver(shop)
        finance = sign_in(make_account(shop.session, role="finance"))
        page = finance.get("/staff/books?show=disputes").text
        assert "Not answered in time" in page
        assert "not answered yet" not in page
        assert "not answered" not in finance.get("/staff").text

    @pytest.mark.parametrize("word", ["won", "lost"])
    def test_one_that_is_won_in_part_is_booked_in_part(self, shop: Shop, sign_in: SignIn, word: str) -> None:
        """Whichever Stripe calls it."""
        id_ = self.dispute(shop)
        self.deliver(shop)
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 0, 2900, word)
        for _ in range(2):
            self.deliver(shop)
        assert (shop.one(Dispute).status, shop.one(Dispute).returned_minor) == ("won", 2900)
        assert shop.balances()["stripe_balance"] == 4801 - 1500 - 2000
        assert shop.balances()["disputes"] == 2000
        assert self.closed(shop) == [("won", 4900, 2900)]
        finance = sign_in(make_account(shop.session, role="finance"))
        assert "Came back" in finance.get("/staff/books?show=disputes").text
        [told] = finance.get("/api/commerce/disputes").json()["items"]
        assert (told["provider_dispute_id"], told["status"]) == (id_, "won")
        assert (told["amount_minor"], told["returned_minor"]) == (4900, 2900)
        assert sign_in(make_account(shop.session, role="support")).get("/api/commerce/disputes").status_code == 403

    @pytest.mark.parametrize(("returned", "left"), [(4900, 10), (2450, 5), (1, 1)])
    def test_a_pack_that_is_won_in_part_keeps_the_sessions_of_that_part(
        self, shop: Shop, returned: int, left: int
    ) -> None:
        shop.buy(shop.plan(price=4900, kind="pack", sessions_included=10, validity_days=90))
        id_ = self.contest(shop)
        self.deliver(shop)
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 0, returned)
        self.deliver(shop)
        shop.session.refresh(pack := shop.one(SessionPack))
        assert pack.sessions_left == left
        assert shop.balances()["stripe_balance"] == 4801 - 1500 - 4900 + returned

    def test_what_a_bank_kept_of_one_that_is_won_in_part_is_not_given_back_too(self, shop: Shop) -> None:
        """Of ten sessions for 49.00 the bank keeps 9.80, and half of the rest is given back: four are left. Whether
        Stripe takes a refund of such a payment is its own to say; here one that does."""
        desk = cast("PaymentProvider", Desk())

        def give_back(amount: int | None = None) -> Refund:
            return refunds.refund_payment(
                shop.session, desk, payment_id=shop.one(Payment).id, amount_minor=amount, reason="Ill", now=NOON
            )

        shop.buy(shop.plan(price=4900, kind="pack", sessions_included=10, validity_days=90))
        id_ = self.contest(shop)
        self.deliver(shop)
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 0, 3920, "won")
        self.deliver(shop)
        give_back(1960)
        shop.session.refresh(pack := shop.one(SessionPack))
        assert pack.sessions_left == 4
        with pytest.raises(RefundTooLarge):
            give_back(1961)
        assert give_back().amount_minor == 1960
        with pytest.raises(PaymentNotRefundable):
            give_back()
        shop.session.refresh(pack)
        assert (pack.sessions_left, shop.balances()["stripe_balance"]) == (0, 4801 - 1500 - 4900)

    def test_of_what_a_bank_left_a_crash_after_the_provider_said_yes_costs_nothing(self, shop: Shop) -> None:
        desk = Desk()

        def give_back() -> Refund:
            return refunds.refund_payment(
                shop.session, cast("PaymentProvider", desk), payment_id=shop.one(Payment).id, amount_minor=None,
                reason="Ill", now=NOON,
            )  # fmt: skip

        id_ = self.dispute(shop)
        self.deliver(shop)
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 0, 1600, "won")
        self.deliver(shop)
        with shop.session.begin_nested() as crash:
            give_back()
            crash.rollback()
        assert give_back().amount_minor == 1600
        assert [one.amount_minor for one in desk.refunds.values()] == [1600]

    def test_a_banks_inquiry_moves_no_money_until_it_is_a_dispute(self, shop: Shop) -> None:
        id_ = self.dispute(shop, is_inquiry=True)
        self.deliver(shop)
        assert shop.all(Dispute) == []
        assert shop.balances()["stripe_balance"] == 4801
        assert "commerce.dispute_opened" not in shop.announced()
        self.at_stripe(shop, id_, stripe_disputes.escalate)
        self.deliver(shop)
        assert shop.one(Dispute).status == "needs_response"
        assert shop.balances()["stripe_balance"] == 4801 - 4900 - 1500

    def test_an_inquiry_that_ends_leaves_a_payment_that_can_be_given_back(self, shop: Shop) -> None:
        id_ = self.dispute(shop, is_inquiry=True)
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "warning_closed")
        self.deliver(shop)
        assert shop.all(Dispute) == []
        assert self.closed(shop) == []
        shop.session.refresh(shop.one(Payment))
        assert give_back(shop).status == "succeeded"

    def test_a_won_dispute_is_closed_once_its_money_is_back_with_the_fee(self, shop: Shop) -> None:
        id_ = self.dispute(shop)
        self.deliver(shop)
        store = shop.stripe.store
        with store.transaction():
            store.put(store.find("dispute", id_) | {"status": "won"})
        self.deliver(shop)
        assert shop.one(Dispute).status == "needs_response"
        assert shop.balances()["disputes"] == 4900
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 1500)
        self.deliver(shop)
        assert shop.one(Dispute).status == "won"
        assert (shop.balances()["stripe_balance"], shop.balances()["payment_fees"]) == (4801, 99)
        assert self.closed(shop) == [("won", 4900, 6400)]

    @pytest.mark.parametrize(("back", "word"), [(4900, "won"), (2900, "lost")])
    def test_a_bank_may_think_better_of_a_lost_one(self, shop: Shop, back: int, word: str) -> None:
        """Of all of it, or of a part, which stays lost by Stripe's word."""
        id_ = self.dispute(shop)
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "lost")
        self.deliver(shop)
        self.at_stripe(shop, id_, stripe_disputes.reinstate, 0, back, word)
        self.deliver(shop)
        self.deliver(shop)
        assert shop.one(Dispute).status == "won"
        assert shop.balances()["stripe_balance"] == 4801 - 1500 - 4900 + back
        assert shop.balances().get("disputes", 0) == 4900 - back
        assert self.closed(shop) == [("lost", 4900, 0), ("won", 4900, back)]

    def test_what_is_left_after_a_refund_is_contested(self, shop: Shop) -> None:
        shop.buy(shop.plan(price=4900))
        give_back(shop, 1900)
        id_ = self.contest(shop)
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "lost")
        self.deliver(shop)
        assert shop.one(Dispute).amount_minor == 3000
        assert shop.balances()["stripe_balance"] == -99 - 1500
        with pytest.raises(PaymentNotRefundable):
            give_back(shop)

    def test_a_part_is_contested_and_won(self, shop: Shop) -> None:
        id_ = self.dispute(shop, amount=1000)
        self.deliver(shop)
        assert shop.balances()["stripe_balance"] == 4801 - 1000 - 1500
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, "won")
        self.deliver(shop)
        assert self.closed(shop) == [("won", 1000, 1000)]
        assert shop.balances()["stripe_balance"] == 4801 - 1500

    @pytest.mark.parametrize("verdict", ["won", "lost"])
    def test_any_order_of_its_messages_ends_the_same(self, shop: Shop, verdict: str) -> None:
        """Each alone, twice or after gaps of days: what Stripe says now is what is written."""
        id_ = self.dispute(shop)
        self.at_stripe(shop, id_, stripe_disputes.close_dispute, verdict)
        mine = [
            one for one in shop.events()
            if one["type"].startswith("charge.dispute.") and one["data"]["object"]["id"] == id_
        ]  # fmt: skip
        states = []
        for order in permutations(mine):
            with shop.session.begin_nested() as attempt:
                shop.deliver([*order, order[0]])
                states.append(shop.state())
                attempt.rollback()
        assert len(states) == factorial(len(mine)) >= 6
        assert all(one == states[0] for one in states)
        assert states[0]["announced"]["commerce.dispute_closed"] == 1

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
