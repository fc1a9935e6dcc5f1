"""The contract of the port: what holds for every payment provider, on each one's local server, by its real client."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from contracts.ids import new_id
from operational_api.commerce.errors import (
    CheckoutNotPaid,
    CheckoutUnknown,
    ProviderRefused,
    ProviderUnavailable,
)
from operational_api.commerce.models import (
    CheckoutSession,
    Invoice,
    Payment,
    PlanPrice,
    Refund,
    SessionPack,
    Wallet,
)
from operational_api.commerce.service import refunds
from tests.operational_api.commerce.port.tills import PRICE, Desk, order


class TestPay:
    def test_a_paid_page_is_an_invoice_a_payment_and_what_was_bought(self, desk: Desk) -> None:
        payment = desk.buy()
        assert (payment.status, payment.amount_minor, payment.currency) == ("captured", PRICE, "VND")
        assert payment.provider == desk.till.provider.name
        assert (desk.one(Invoice).status, desk.one(Invoice).total_minor) == ("paid", PRICE)
        assert desk.one(SessionPack).sessions_total == 10
        assert desk.held() == PRICE == desk.till.captured(desk.one(CheckoutSession))

    def test_a_declined_one_is_nothing(self, desk: Desk) -> None:
        page = desk.open()
        desk.till.decline(page)
        with pytest.raises(CheckoutNotPaid):
            desk.confirm(page)
        assert (desk.held(), desk.till.captured(page), desk.all(SessionPack)) == (0, 0, [])

    def test_the_same_order_again_gives_the_same_page(self, desk: Desk) -> None:
        wanted = order(desk, str(new_id()), PRICE)
        first = desk.till.provider.open_checkout(wanted)
        assert desk.till.provider.open_checkout(wanted) == first

    def test_the_same_order_with_another_amount_is_refused(self, desk: Desk) -> None:
        reference = str(new_id())
        desk.till.provider.open_checkout(order(desk, reference, PRICE))
        with pytest.raises(ProviderRefused):
            desk.till.provider.open_checkout(order(desk, reference, PRICE + 1000))

    def test_an_unknown_page_is_none(self, desk: Desk) -> None:
        assert desk.till.provider.checkout("cs_test_nothing") is None


class TestLostAnswers:
    @pytest.mark.parametrize("cut", ["before", "after", "half"])
    def test_a_capture_whose_answer_is_lost_is_unknown_and_settled_once(self, desk: Desk, cut: str) -> None:
        page = desk.open()
        desk.till.pay(page)
        desk.till.wire.cuts[:] = [cut]
        desk.settle()
        assert desk.one(CheckoutSession).status == "unknown"
        assert (desk.held(), desk.all(SessionPack)) == (0, [])
        desk.settle(4)
        desk.settle(6)
        assert desk.one(CheckoutSession).status == "complete"
        assert len(desk.all(SessionPack)) == len(desk.all(Payment)) == 1
        assert desk.held() == PRICE == desk.till.captured(page)

    def test_a_top_up_whose_answer_is_lost_is_in_the_wallet_once(self, desk: Desk) -> None:
        desk.plan.kind, desk.plan.sessions_included = "top_up", None
        desk.session.execute(update(PlanPrice).where(PlanPrice.plan_id == desk.plan.id).values(tax_rate_bp=0))
        page = desk.open()
        desk.till.pay(page)
        desk.till.wire.cuts[:] = ["after"]
        desk.settle()
        assert (desk.one(CheckoutSession).status, desk.all(Wallet)) == ("unknown", [])
        for hours in (4, 6):
            desk.settle(hours)
        assert (desk.one(Wallet).balance_minor, desk.all(SessionPack)) == (PRICE, [])
        assert desk.held() == PRICE == desk.till.captured(page)
        desk.give_back(100_000)
        assert (desk.one(Wallet).balance_minor, desk.till.given_back(page)) == (PRICE - 100_000, 100_000)

    def test_while_it_is_unknown_no_second_page_opens(self, desk: Desk) -> None:
        page = desk.open()
        desk.till.pay(page)
        desk.till.wire.cuts[:] = ["after"]
        desk.settle()
        desk.till.wire.cuts[:] = ["before"]
        with pytest.raises(ProviderUnavailable):
            desk.open()
        assert len(desk.all(CheckoutSession)) == 1

    @pytest.mark.parametrize("cut", ["before", "after", "half"])
    def test_a_refund_whose_answer_is_lost_is_unknown_and_given_once(self, desk: Desk, cut: str) -> None:
        desk.buy()
        page = desk.one(CheckoutSession)
        looks_first = 1 if desk.till.provider.billing else 2  # each asks what is left; MoMo for its number too
        desk.till.wire.cuts[:] = [*[None] * looks_first, cut]
        row = desk.give_back(100_000)
        assert row.status == "unknown"
        assert desk.held() == PRICE
        assert refunds.refunded_minor(desk.session, desk.one(Payment).id) == 100_000
        desk.settle()
        desk.settle(4)
        assert (desk.one(Refund).status, desk.till.given_back(page)) == ("succeeded", 100_000)
        assert desk.held() == PRICE - 100_000

    @settings(
        max_examples=15, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )  # fmt: skip
    @given(cuts=st.lists(st.sampled_from([None, None, "before", "after", "half"]), max_size=14), part=st.booleans())
    def test_however_the_wire_is_cut_books_agree_in_the_end(self, desk: Desk, cuts: list[Any], part: bool) -> None:
        with desk.session.begin_nested() as savepoint:
            own = Desk(desk.session, desk.till)
            own.till.wire.cuts[:] = cuts
            page = self._tried(own.open)
            if page is not None:
                own.till.pay(page)
                self._tried(lambda: own.confirm(page))
                own.settle()
                if own.all(Payment):
                    self._tried(lambda: own.give_back(100_000 if part else None))
                own.till.wire.cuts.clear()
                for hours in (4, 8, 12):
                    own.settle(hours)
                assert own.till.captured(page) == PRICE
                assert own.held() == PRICE - own.till.given_back(page)
                assert len(own.all(SessionPack)) == len(own.all(Payment)) == 1
                assert {one.status for one in own.all(Refund)} <= {"succeeded"}
                assert sum(one.amount_minor for one in own.all(Refund)) == own.till.given_back(page)
            savepoint.rollback()

    @staticmethod
    def _tried(step: Any) -> Any:
        try:
            return step()
        except (ProviderUnavailable, CheckoutNotPaid, CheckoutUnknown):
            return None


class TestRefund:
    def test_in_parts_and_the_rest(self, desk: Desk) -> None:
        desk.buy()
        page = desk.one(CheckoutSession)
        desk.give_back(100_000)
        assert (desk.till.given_back(page), desk.held()) == (100_000, PRICE - 100_000)
        desk.give_back()
        assert (desk.till.given_back(page), desk.held()) == (PRICE, 0)
        assert [one.status for one in desk.all(Refund)] == ["succeeded", "succeeded"]

    def test_twice_with_one_key_gives_back_once(self, desk: Desk) -> None:
        payment = desk.buy()
        given_back = [
            desk.till.provider.refund(str(payment.provider_payment_id), amount_minor=50_000, reason="x", key=f"k-{n}")
            for n in (payment.id, payment.id)
        ]
        assert given_back[0].id == given_back[1].id
        assert desk.till.given_back(desk.one(CheckoutSession)) == 50_000
        assert [one.id for one in desk.till.provider.refunds_of(str(payment.provider_payment_id))] == [given_back[0].id]

    def test_the_key_with_another_amount_is_refused(self, desk: Desk) -> None:
        payment = desk.buy()
        at = str(payment.provider_payment_id)
        desk.till.provider.refund(at, amount_minor=50_000, reason="x", key=f"k-{payment.id}")
        with pytest.raises(ProviderRefused):
            desk.till.provider.refund(at, amount_minor=60_000, reason="x", key=f"k-{payment.id}")
        assert desk.till.given_back(desk.one(CheckoutSession)) == 50_000
