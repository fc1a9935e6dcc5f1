"""What holds of MoMo alone: a provider that bills nothing later, asks in whole dong and signs its notifications."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.errors import (
    AmountNotTaken,
    CheckoutUnknown,
    CurrencyNotTaken,
    ProviderRefused,
    ProviderUnavailable,
)
from operational_api.commerce.models import (
    CheckoutSession,
    ReconciliationFinding,
    Refund,
    SessionPack,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.providers.port import (
    ProviderCheckout,
)
from operational_api.commerce.service import notifications, settling
from operational_api.core.models import InboxMessage
from tests.fakes.momo.testing import LocalMomo
from tests.operational_api.commerce.port.tills import LATER, PRICE, Desk, Till, order


class TestMomoAlone:
    """What only a provider that bills nothing later has."""

    @pytest.fixture
    def desk(self, session: Session, tills: dict[str, Till]) -> Desk:
        tills["momo"].wire.cuts.clear()
        return Desk(session, tills["momo"])

    @pytest.mark.parametrize(("amount", "currency", "refusal"), [
        (4900, "EUR", CurrencyNotTaken), (999, "VND", AmountNotTaken), (50_000_001, "VND", AmountNotTaken),
    ])  # fmt: skip
    def test_takes_whole_dong_within_its_limits(
        self, desk: Desk, amount: int, currency: str, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            desk.till.provider.open_checkout(order(desk, str(new_id()), amount, currency))

    def test_takes_no_memberships(self, desk: Desk) -> None:
        with pytest.raises(CurrencyNotTaken):
            desk.till.provider.open_checkout(replace(order(desk, str(new_id()), PRICE), is_recurring=True))
        assert desk.till.provider.billing is None

    @pytest.mark.parametrize(("code", "means"), [
        (10, ProviderUnavailable), (99, ProviderUnavailable), (7000, ProviderUnavailable), (49, ProviderRefused),
        (13, ProviderRefused), (20, ProviderRefused), (22, ProviderRefused), (41, ProviderRefused),
    ])  # fmt: skip
    def test_tells_ask_again_from_no_use(
        self, desk: Desk, momo_server: LocalMomo, code: int, means: type[Exception]
    ) -> None:
        momo_server.store.faults[:] = [code]
        with pytest.raises(means):
            desk.till.provider.open_checkout(order(desk, str(new_id()), PRICE))

    @pytest.mark.parametrize(("code", "status"), [
        (1000, "open"), (7000, "processing"), (7002, "processing"), (9000, "processing"), (1001, "expired"),
        (1003, "expired"), (1005, "expired"), (1006, "expired"), (49, "processing"), (0, "complete"),
    ])  # fmt: skip
    def test_reads_results(self, desk: Desk, momo_server: LocalMomo, code: int, status: str) -> None:
        page = desk.open()
        momo_server.store.finish(str(page.id), code)
        seen = desk.till.provider.checkout(str(page.id))
        assert seen is not None
        assert (seen.status, seen.invoice_id) == (status, str(page.id) if code == 0 else None)

    @pytest.mark.parametrize("amount", ["450000", 450_000.0, True, -450_000, [450_000]])
    def test_a_sum_that_is_no_whole_number_of_dong_is_asked_about_again(
        self, desk: Desk, momo_server: LocalMomo, amount: object
    ) -> None:
        page = desk.open()
        momo_server.pay(str(page.url))
        told = momo_server.store.orders[str(page.id)].request
        told["amount"] = amount
        desk.settle()
        assert (desk.one(CheckoutSession).status, desk.all(SessionPack), desk.held()) == ("unknown", [], 0)
        told["amount"] = PRICE
        desk.settle(4)
        assert (desk.one(CheckoutSession).status, desk.held()) == ("complete", PRICE)

    def test_an_answer_that_nobody_foresaw_leaves_the_others_alone(self, desk: Desk, momo_server: LocalMomo) -> None:
        strange, other = desk.open(), Desk(desk.session, desk.till)
        page = other.open()
        momo_server.pay(str(page.url))

        class Foreseen(MomoProvider):
            def checkout(self, checkout_id: str) -> ProviderCheckout | None:
                if checkout_id == str(strange.id):
                    raise KeyError("what nobody foresaw")
                return super().checkout(checkout_id)

        momo = Foreseen(momo_server.settings(api_base=desk.till.wire.url))
        settling.settle_due(desk.session, Providers({"momo": momo}), now=datetime.now(UTC) + LATER)
        assert (desk.one(CheckoutSession).status, other.one(CheckoutSession).status) == ("open", "complete")

    def test_while_momo_is_at_it_no_second_page_opens(self, desk: Desk, momo_server: LocalMomo) -> None:
        page = desk.open()
        momo_server.pay(str(page.url), 7002)
        with pytest.raises(CheckoutUnknown):
            desk.open()
        desk.settle()
        assert desk.one(CheckoutSession).status == "unknown"
        momo_server.store.finish(str(page.id), 0)
        desk.settle(4)
        assert desk.one(SessionPack).sessions_total == 10

    def test_an_answer_signed_by_somebody_else_is_none(self, desk: Desk, momo_server: LocalMomo) -> None:
        settings = momo_server.settings().model_copy(update={"secret_key": SecretStr("another")})
        with pytest.raises(ProviderRefused) as caught:
            MomoProvider(settings).open_checkout(order(desk, str(new_id()), PRICE))
        assert caught.value.extra["provider_code"] == "13"

    def test_a_pending_refund_is_followed_up(self, desk: Desk, momo_server: LocalMomo) -> None:
        desk.buy()
        momo_server.store.refunds_end_as = 7002
        row = desk.give_back(100_000)
        momo_server.store.refunds_end_as = 0
        assert (row.status, desk.held()) == ("pending", PRICE)
        momo_server.store.refunds[str(row.provider_refund_id)].code = 0
        desk.settle()
        assert (desk.one(Refund).status, desk.held()) == ("succeeded", PRICE - 100_000)

    def test_a_notification_with_another_amount_grants_nothing_and_is_written_down(
        self, desk: Desk, momo_server: LocalMomo
    ) -> None:
        page = desk.open()
        momo_server.pay(str(page.url))
        [told] = momo_server.notifications(str(page.id))
        self.handle(desk, momo_server.signed({**told, "amount": 1000}))
        assert (desk.one(CheckoutSession).status, desk.all(SessionPack), desk.held()) == ("open", [], 0)
        found = desk.one(ReconciliationFinding)
        assert (found.kind, found.subject, found.ours_minor, found.theirs_minor) == (
            "wrong_amount", str(page.id), PRICE, 1000,
        )  # fmt: skip

    def test_an_order_that_momo_says_cost_less_grants_nothing(self, desk: Desk, momo_server: LocalMomo) -> None:
        page = desk.open()
        momo_server.pay(str(page.url))
        momo_server.store.orders[str(page.id)].request["amount"] = 1000
        desk.settle()
        assert (desk.one(CheckoutSession).status, desk.all(SessionPack)) == ("refused", [])
        assert desk.one(ReconciliationFinding).kind == "wrong_amount"

    def test_a_notification_about_nobodys_order_is_written_down_once(self, desk: Desk, momo_server: LocalMomo) -> None:
        page = desk.open()
        momo_server.pay(str(page.url))
        [told] = momo_server.notifications(str(page.id))
        for _ in range(2):
            self.handle(desk, momo_server.signed({**told, "orderId": "nobodys"}))
        found = desk.session.scalars(select(ReconciliationFinding)).all()
        assert [(one.kind, one.subject) for one in found] == [("missing_at_us", "nobodys")]

    def test_a_forged_one_about_our_order_is_written_down_once(
        self, desk: Desk, app: FastAPI, api: TestClient, momo_server: LocalMomo
    ) -> None:
        app.state.momo_settings = momo_server.settings()
        page = desk.open()
        momo_server.pay(str(page.url))
        [told] = momo_server.notifications(str(page.id))
        for amount in (1, 2, 3):
            assert api.post("/webhooks/momo", json={**told, "amount": amount}).status_code == 401
            assert api.post("/webhooks/momo", json={**told, "orderId": f"x{amount}"}).status_code == 401
        assert [one.kind for one in desk.all(ReconciliationFinding)] == ["forged_notification"]

    def handle(self, desk: Desk, told: dict[str, Any]) -> None:
        message = InboxMessage(source="momo", message_id=told["signature"], kind="result.0", payload=told)
        notifications.follow_up(desk.session, desk.providers, message, now=datetime.now(UTC))
