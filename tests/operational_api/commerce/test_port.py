"""The contract of the port: what holds for every payment provider, on each one's local server, by its real client."""

import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.errors import (
    AmountNotTaken,
    CheckoutNotPaid,
    CheckoutUnknown,
    CurrencyNotTaken,
    ProviderRefused,
    ProviderUnavailable,
)
from operational_api.commerce.models import (
    CheckoutSession,
    Invoice,
    LedgerLine,
    Payment,
    Plan,
    PlanPrice,
    ReconciliationFinding,
    Refund,
    SessionPack,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.providers.port import (
    CheckoutOrder,
    PaymentProvider,
    PriceToSell,
    ProviderCheckout,
)
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.service import checkout, notifications, refunds, settling
from operational_api.commerce.settings import StripeSettings
from operational_api.core.models import InboxMessage
from tests.factories import LONG_AGO, make_account, make_plan
from tests.fakes.momo.testing import LocalMomo, local_momo
from tests.fakes.stripe.testing import LocalStripe
from tests.fakes.wire import Wire, wire_to

PRICE, LATER = 450_000, timedelta(hours=2)


class Till(Protocol):
    """One provider with its local server: what differs between providers, for the tests that do not."""

    wire: Wire

    @property
    def provider(self) -> PaymentProvider: ...
    def pay(self, page: CheckoutSession) -> None: ...
    def decline(self, page: CheckoutSession) -> None: ...
    def captured(self, page: CheckoutSession) -> int: ...
    def given_back(self, page: CheckoutSession) -> int: ...
    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]: ...


class StripeTill:
    def __init__(self, server: LocalStripe, wire: Wire) -> None:
        self.server, self.wire = server, wire
        self.provider = StripeProvider(
            StripeSettings(api_base=wire.url, secret_key=SecretStr(server.secret_key), max_retries=0)
        )

    def pay(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url)).status_code == 303

    def decline(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url), "4000000000009995").status_code == 402

    def _charges(self, page: CheckoutSession) -> list[dict[str, Any]]:
        intents = {
            one["id"]
            for one in self.server.store.all("payment_intent")
            if one["metadata"].get("plyo_checkout_id") == str(page.id)
        }
        return [one for one in self.server.store.all("charge") if one["payment_intent"] in intents and one["paid"]]

    def captured(self, page: CheckoutSession) -> int:
        return sum(one["amount"] for one in self._charges(page))

    def given_back(self, page: CheckoutSession) -> int:
        return sum(one["amount_refunded"] for one in self._charges(page))

    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]:
        event = next(
            one
            for one in self.server.store.all("event")
            if one["type"] == "checkout.session.completed" and one["data"]["object"]["id"] == page.provider_session_id
        )
        body, at = json.dumps(event).encode(), int(time.time())
        made = hmac.new(b"whsec_port", f"{at}.".encode() + body, sha256).hexdigest()
        return "/webhooks/stripe", body, {"Stripe-Signature": f"t={at},v1={made}"}


class MomoTill:
    def __init__(self, server: LocalMomo, wire: Wire) -> None:
        self.server, self.wire = server, wire
        self.provider = MomoProvider(server.settings(api_base=wire.url))

    def pay(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url)).status_code == 303

    def decline(self, page: CheckoutSession) -> None:
        self.server.pay(str(page.url), 1001)

    def captured(self, page: CheckoutSession) -> int:
        order = self.server.store.orders.get(str(page.id))
        return order.request["amount"] if order and order.code == 0 else 0

    def given_back(self, page: CheckoutSession) -> int:
        return sum(one.amount for one in self.server.store.orders[str(page.id)].refunds if one.code == 0)

    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]:
        return "/webhooks/momo", json.dumps(self.server.notifications(str(page.id))[-1]).encode(), {}


@pytest.fixture(scope="session")
def momo_server() -> Iterator[LocalMomo]:
    with local_momo() as running:
        yield running


@pytest.fixture(scope="session")
def tills(stripe_server: LocalStripe, momo_server: LocalMomo) -> Iterator[dict[str, Till]]:
    with wire_to(stripe_server.url) as to_stripe, wire_to(momo_server.url) as to_momo:
        yield {"stripe": StripeTill(stripe_server, to_stripe), "momo": MomoTill(momo_server, to_momo)}


@pytest.fixture(params=["stripe", "momo"])
def till(request: pytest.FixtureRequest, tills: dict[str, Till]) -> Till:
    found = tills[request.param]
    found.wire.cuts.clear()
    return found


class Desk:
    """A customer who buys a pack in dong at one provider, and what our books say of it."""

    def __init__(self, session: Session, till: Till) -> None:
        self.session, self.till, self.customer_id = session, till, new_id()
        self.providers = Providers({till.provider.name: till.provider})
        self.plan: Plan = make_plan(session, price=None, kind="pack")
        session.add(
            PlanPrice(plan_id=self.plan.id, currency="VND", amount_minor=PRICE, tax_rate_bp=1000, valid_from=LONG_AGO)
        )
        session.flush()

    def open(self) -> CheckoutSession:
        return checkout.begin_checkout(
            self.session, self.till.provider, customer_id=self.customer_id, display_name="Lan Nguyen",
            plan_code=self.plan.code, currency="VND", public_url="http://plyo.test", now=datetime.now(UTC),
        )  # fmt: skip

    def confirm(self, page: CheckoutSession) -> checkout.Purchase:
        return checkout.confirm_checkout(
            self.session, self.till.provider, provider_session_id=str(page.provider_session_id),
            customer_id=self.customer_id, now=datetime.now(UTC),
        )  # fmt: skip

    def buy(self) -> Payment:
        page = self.open()
        self.till.pay(page)
        self.confirm(page)
        made: Payment = self.one(Payment)
        return made

    def settle(self, hours: int = 2) -> None:
        settling.settle_due(self.session, self.providers, now=datetime.now(UTC) + timedelta(hours=hours))

    def give_back(self, amount: int | None = None) -> Refund:
        return refunds.refund_payment(
            self.session, self.till.provider, payment_id=self.one(Payment).id, amount_minor=amount, reason="Ill",
            now=datetime.now(UTC),
        )  # fmt: skip

    def all(self, model: type[Any]) -> list[Any]:
        self.session.expire_all()
        return list(self.session.scalars(select(model).where(model.customer_id == self.customer_id).order_by(model.id)))

    def one(self, model: type[Any]) -> Any:
        [row] = self.all(model)
        return row

    def held(self) -> int:
        """What our ledger says that the provider holds for us, and keeps as its fee."""
        accounts = (ledger.balance_at(self.till.provider.name), ledger.PAYMENT_FEES)
        total = self.session.scalar(
            select(func.sum(LedgerLine.amount_minor)).where(
                LedgerLine.customer_id == self.customer_id, LedgerLine.account.in_(accounts)
            )
        )
        return int(total or 0)


@pytest.fixture
def desk(session: Session, till: Till) -> Desk:
    return Desk(session, till)


def order(desk: Desk, reference: str, amount: int, currency: str = "VND") -> CheckoutOrder:
    provider = desk.till.provider
    made = CheckoutOrder(
        reference=reference, customer_id="", price_id="", our_customer_id=str(desk.customer_id),
        our_price_id=str(new_id()), is_recurring=False, trial_days=0, success_url="http://plyo.test/checkout/return",
        cancel_url="http://plyo.test/plans", amount_minor=amount, currency=currency, description="Ten sessions",
    )  # fmt: skip
    if provider.billing is None:
        return made
    price = provider.billing.ensure_price(
        PriceToSell(f"{reference}-{amount}", f"p-{reference}", "Ten", amount, currency, None)
    )
    return replace(made, customer_id=provider.billing.create_customer(str(desk.customer_id), "Lan"), price_id=price)


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


class TestNotices:
    @pytest.fixture
    def hook(self, app: FastAPI, api: TestClient, momo_server: LocalMomo) -> TestClient:
        app.state.settings.stripe_webhook_secrets = SecretStr("whsec_port")
        app.state.momo_settings = momo_server.settings()
        return api

    def test_is_stored_once_however_often_it_comes(self, desk: Desk, hook: TestClient) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        answers = [hook.post(path, content=body, headers=headers) for _ in range(5)]
        assert {one.status_code for one in answers} <= {200, 204}
        [stored] = desk.session.scalars(select(InboxMessage).where(InboxMessage.source == desk.till.provider.name))
        assert stored.payload == json.loads(body)

    def test_a_forged_one_is_refused(self, desk: Desk, hook: TestClient) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        forged = body.replace(b"450000", b"450001")
        assert forged != body
        assert hook.post(path, content=forged, headers=headers).status_code == 401
        assert desk.session.scalars(select(InboxMessage)).all() == []

    @pytest.mark.parametrize("body", [
        b"", b"[]", b'{"id": 1}', b'{"orderId": "a\\u0000"}', b"[" * 100_000, b'{"a": "\\ud83c"}', b'{"a": NaN}',
    ])  # fmt: skip
    def test_no_notice_at_all_is_refused(self, desk: Desk, hook: TestClient, body: bytes) -> None:
        path = f"/webhooks/{desk.till.provider.name}"
        assert hook.post(path, content=body).status_code in (400, 401)

    @pytest.mark.parametrize("more", [b'"x": "\\ud83c"', b'"x": "\\u0000"', b'"x": NaN', b'"x": ' + b"[" * 5000])
    def test_nor_is_one_with_what_cannot_be_kept(self, desk: Desk, hook: TestClient, more: bytes) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        spoiled = body[:-1] + b", " + more + b"]" * more.count(b"[") + b"}"
        if signature := headers.get("Stripe-Signature"):
            moment = signature.partition(",")[0]
            signed = hmac.new(b"whsec_port", f"{moment[2:]}.".encode() + spoiled, sha256).hexdigest()
            headers = {"Stripe-Signature": f"{moment},v1={signed}"}
        assert hook.post(path, content=spoiled, headers=headers).status_code == 400
        assert desk.session.scalars(select(InboxMessage)).all() == []


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
                return {}[checkout_id] if checkout_id == str(strange.id) else super().checkout(checkout_id)

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


class TestPages:
    """The way of a customer through our pages to MoMo and back."""

    @pytest.fixture
    def visit(
        self, session: Session, app: FastAPI, sign_in: Callable[[Any], TestClient], momo_server: LocalMomo,
        stripe_server: LocalStripe,
    ) -> tuple[Desk, TestClient]:  # fmt: skip
        app.state.momo_settings = momo_server.settings()
        app.state.payment_provider = StripeProvider(
            StripeSettings(api_base=stripe_server.url, secret_key=SecretStr(stripe_server.secret_key))
        )
        person = make_account(session, role="customer")
        desk = Desk(session, MomoTill(momo_server, Wire(momo_server.url)))
        desk.customer_id = person.id
        return desk, sign_in(person)

    def test_pays_with_momo_and_comes_back(self, visit: tuple[Desk, TestClient], momo_server: LocalMomo) -> None:
        desk, browser = visit
        shown = browser.get("/plans?currency=VND").text
        assert shown.index("Pay with MoMo") < shown.index("Pay by card")
        form = {"plan_code": desk.plan.code, "currency": "VND", "provider": "momo"}
        sent = browser.post("/checkout", data=form)
        assert sent.status_code == 303
        back = momo_server.pay(sent.headers["location"]).headers["location"]
        path = back.removeprefix("http://testserver")
        assert path.startswith("/checkout/return?")
        assert "Your sessions are ready" in browser.get(path).text
        assert "Your sessions are ready" in browser.get(path).text
        assert len(desk.all(SessionPack)) == 1

    def test_waits_where_momo_is_still_at_it(self, visit: tuple[Desk, TestClient], momo_server: LocalMomo) -> None:
        desk, browser = visit
        form = {"plan_code": desk.plan.code, "currency": "VND", "provider": "momo"}
        back = momo_server.pay(browser.post("/checkout", data=form).headers["location"], 7002).headers["location"]
        answer = browser.get(back.removeprefix("http://testserver"))
        assert answer.status_code == 503
        assert "waiting for MoMo" in answer.text
        assert browser.post("/checkout", data=form).status_code == 409

    def test_a_page_of_nobodys_is_not_found(self, visit: tuple[Desk, TestClient]) -> None:
        assert visit[1].get("/checkout/return?orderId=nothing").status_code == 404

    def test_euros_offer_one_way(self, visit: tuple[Desk, TestClient]) -> None:
        make_plan(visit[0].session, price=4900, kind="pack")
        assert "MoMo" not in visit[1].get("/plans?currency=EUR").text
