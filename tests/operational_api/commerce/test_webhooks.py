"""Webhooks: forged, malformed, repeated, shuffled, late; and what they lead to."""

import hmac
import itertools
import json
import random
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce.models import Dispute, Invoice, Payment, Refund, Subscription, SubscriptionChange
from operational_api.core.models import InboxMessage
from tests.operational_api.commerce.conftest import Shop

SECRET, OLD_SECRET = "whsec_today", "whsec_yesterday"
EVENT = {"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}
BODY = json.dumps(EVENT).encode()


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    at = int(time.time() if at is None else at)
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, sha256).hexdigest()}"


class TestReceive:
    @pytest.fixture
    def hook(self, app: FastAPI, api: TestClient) -> Any:
        app.state.settings.stripe_webhook_secrets = SecretStr(f"{SECRET},{OLD_SECRET}")

        def post(body: bytes, header: str | None) -> Any:
            headers = {"Stripe-Signature": header} if header is not None else {}
            return api.post("/webhooks/stripe", content=body, headers=headers)

        return post

    def test_stores_a_signed_event_once(self, hook: Any, session: Session) -> None:
        assert hook(BODY, signed(BODY)).json() == {"is_new": True}
        again = hook(BODY, signed(BODY))
        assert (again.status_code, again.json()) == (200, {"is_new": False})
        [stored] = session.scalars(select(InboxMessage).where(InboxMessage.source == "stripe"))
        assert (stored.message_id, stored.kind, stored.payload) == ("evt_1", "invoice.paid", EVENT)

    @pytest.mark.parametrize(
        ("header", "verdict"),
        [  # made when the test runs: a signature is good for five minutes only
            pytest.param(lambda: signed(BODY, secret=OLD_SECRET), 200, id="secret being rotated out"),
            pytest.param(lambda: signed(BODY) + ",v1=" + "0" * 64, 200, id="one of two right"),
            pytest.param(lambda: signed(BODY) + ",v0=" + "0" * 64, 200, id="old scheme beside"),
            pytest.param(lambda: signed(BODY, secret="whsec_forged"), 401, id="forged secret"),
            pytest.param(lambda: signed(BODY + b" "), 401, id="another body"),
            pytest.param(lambda: signed(BODY).replace("v1=", "v0="), 401, id="old scheme only"),
            pytest.param(lambda: signed(BODY).replace("t=", "t=1"), 401, id="another time"),
            pytest.param(lambda: signed(BODY) + ",t=1", 401, id="two times"),
            pytest.param(lambda: "", 401, id="empty"),
            pytest.param(lambda: "t=,v1=", 401, id="empty parts"),
            pytest.param(lambda: "nonsense", 401, id="nonsense"),
            pytest.param(lambda: "t=abc,v1=ünïcode", 401, id="not ascii"),
            pytest.param(lambda: None, 401, id="missing"),
        ],
    )
    def test_judges_signatures(self, hook: Any, header: Callable[[], str | None], verdict: int) -> None:
        sent = header()
        answer = hook(BODY, sent if sent is None or sent.isascii() else sent.encode())
        assert answer.status_code == verdict
        if verdict == 401:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "core.forged_webhook"

    # Half a minute of room where the time that the test itself takes would change the verdict.
    @pytest.mark.parametrize(("shift", "verdict"), [(-270, 200), (-301, 401), (299, 200), (330, 401)])
    def test_takes_no_old_message_and_none_of_tomorrow(self, hook: Any, shift: int, verdict: int) -> None:
        assert hook(BODY, signed(BODY, at=time.time() + shift)).status_code == verdict

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not json",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe",
            b'{"id": "evt_1"}',
            b'{"id": 7, "type": "invoice.paid", "data": {"object": {}}}',
            b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": 1}}',
            b'{"id": "evt_\\u0000", "type": "invoice.paid", "data": {"object": {}}}',
        ],
    )
    def test_refuses_what_is_signed_but_no_event(self, hook: Any, body: bytes, session: Session) -> None:
        answer = hook(body, signed(body))
        assert (answer.status_code, answer.json()["code"]) == (400, "commerce.malformed_webhook")
        assert session.scalars(select(InboxMessage)).all() == []


LIFE = (
    "customer.subscription.created",
    "invoice.paid",
    "charge.refunded",
    "customer.subscription.deleted",
)


class TestOrder:
    @pytest.fixture
    def lived(self, shop: Shop) -> tuple[Shop, list[dict[str, Any]]]:
        """A whole life at Stripe of which we have heard nothing yet."""
        seen = {one["id"] for one in shop.events()}
        page = shop.open(shop.plan())
        shop.stripe.pay(str(page.url))
        client = shop.stripe.client()
        customer = str(client.v1.checkout.sessions.retrieve(str(page.provider_session_id)).customer)
        [charge] = client.v1.charges.list({"customer": customer}).data
        client.v1.refunds.create({"charge": charge.id, "amount": 1000})
        [subscription] = client.v1.subscriptions.list({"customer": customer}).data
        client.v1.subscriptions.cancel(subscription.id)
        events = [one for one in shop.events(*LIFE) if one["id"] not in seen]
        assert [one["type"] for one in events] == sorted((one["type"] for one in events), key=LIFE.index)
        return shop, events

    def test_every_order_ends_the_same(self, lived: tuple[Shop, list[dict[str, Any]]]) -> None:
        shop, events = lived
        states = []
        for order in itertools.permutations(events):
            with shop.session.begin_nested() as savepoint:
                shop.deliver(order)
                shop.deliver(order[:2])
                states.append(shop.state())
                savepoint.rollback()
        assert len(states) == 24
        assert all(state == states[0] for state in states)
        assert states[0]["changes"][0][0] == "ended"
        assert [change[:3] for change in states[0]["changes"]] == [("ended", 4118, 0), ("started", 0, 4118)]
        assert states[0]["announced"] == {
            "commerce.subscription_started": 1,
            "commerce.payment_captured": 1,
            "commerce.payment_refunded": 1,
            "commerce.credit_note_issued": 1,
            "commerce.subscription_cancelled": 1,
        }
        assert sum(states[0]["balances"].values()) == 0

    @pytest.mark.parametrize("seed", range(3))
    def test_late_and_repeated_messages_in_the_middle_of_life_change_nothing(self, own_shop: Shop, seed: int) -> None:
        rng = random.Random(seed)
        shop = own_shop

        def hear_some() -> None:
            events = shop.events()
            shop.deliver(rng.sample(events, k=rng.randint(0, len(events))))

        page = shop.open(shop.plan(price=9900))
        shop.stripe.pay(str(page.url), "4000000000009995")
        hear_some()
        shop.stripe.pay(str(page.url))
        hear_some()
        shop.stripe.advance(days=31)
        hear_some()
        charges = shop.stripe.store.all("charge")
        shop.stripe.client().v1.refunds.create({"charge": charges[1]["id"], "amount": 3333})
        shop.stripe.dispute(charges[2]["id"])
        hear_some()
        events = shop.events()
        rng.shuffle(events)
        shop.deliver(events)
        state = shop.state()
        assert [one.status for one in shop.all(Invoice)] == ["paid", "paid"]
        assert sorted(one.status for one in shop.all(Payment)) == ["captured", "captured", "failed"]
        assert (len(shop.all(Refund)), len(shop.all(Dispute))) == (1, 1)
        assert state["announced"]["commerce.payment_captured"] == 2
        movements = shop.stripe.store.all("balance_transaction")
        assert shop.balances()["stripe_balance"] == sum(one["net"] for one in movements)
        shop.deliver(events)
        assert shop.state() == state


class TestRenewal:
    def test_a_paid_month_is_a_second_invoice(self, own_shop: Shop) -> None:
        own_shop.buy(own_shop.plan())
        first_end = own_shop.one(Subscription).current_period_end
        own_shop.stripe.advance(days=32)
        own_shop.deliver(own_shop.events("customer.subscription.updated", "invoice.paid"))
        assert own_shop.one(Subscription).current_period_start == first_end
        assert [one.status for one in own_shop.all(Invoice)] == ["paid", "paid"]
        assert [one.kind for one in own_shop.all(SubscriptionChange)] == ["started"]

    def test_a_trial_becomes_a_membership(self, own_shop: Shop) -> None:
        own_shop.buy(own_shop.plan(trial_days=7))
        own_shop.stripe.advance(days=8)
        own_shop.deliver(own_shop.events("customer.subscription.updated", "invoice.paid"))
        assert own_shop.one(Subscription).status == "active"
        assert [one.kind for one in own_shop.all(SubscriptionChange)] == ["trial_started", "started"]
        assert own_shop.announced() == {
            "commerce.subscription_started": 1,
            "commerce.subscription_changed": 1,
            "commerce.payment_captured": 1,
        }

    def test_whoever_cancelled_before_nobody_paid_left_of_their_own_will(self, own_shop: Shop) -> None:
        own_shop.buy(own_shop.plan())
        client = own_shop.stripe.client()
        [subscription] = client.v1.subscriptions.list().data
        bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": str(subscription.customer)})
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
        own_shop.stripe.advance(days=32)
        client.v1.subscriptions.update(
            subscription.id, {"cancel_at_period_end": True, "cancellation_details": {"comment": "moved"}}
        )
        own_shop.stripe.advance(days=25)
        own_shop.deliver(own_shop.events())
        ended = own_shop.one(Subscription)
        assert (ended.status, ended.cancel_kind, ended.cancel_reason) == ("cancelled", "voluntary", "moved")

    def test_failed_months_lead_over_past_due_to_the_end(self, own_shop: Shop) -> None:
        own_shop.buy(own_shop.plan())
        client = own_shop.stripe.client()
        [subscription] = client.v1.subscriptions.list().data
        bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": str(subscription.customer)})
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
        own_shop.stripe.advance(days=32)
        own_shop.deliver(own_shop.events("invoice.payment_failed"))
        assert own_shop.one(Subscription).status == "past_due"
        assert own_shop.announced()["commerce.payment_failed"] == 1
        own_shop.stripe.advance(days=30)
        own_shop.deliver(own_shop.events())
        ended = own_shop.one(Subscription)
        assert (ended.status, ended.cancel_kind, ended.cancel_reason) == ("cancelled", "involuntary", "payment_failed")
        assert own_shop.announced()["commerce.payment_failed"] == 4
        assert own_shop.announced()["commerce.subscription_cancelled"] == 1
        changes = own_shop.all(SubscriptionChange)
        assert [(one.kind, one.mrr_after_minor) for one in changes] == [("started", 4118), ("ended", 0)]
        assert own_shop.balances()["receivable"] == 4900

    def test_a_void_invoice_leaves_no_trace_in_the_balances(self, own_shop: Shop) -> None:
        page = own_shop.open(own_shop.plan())
        own_shop.stripe.pay(str(page.url), "4000000000009995")
        own_shop.deliver(own_shop.events())
        assert own_shop.balances()["receivable"] == 4900
        own_shop.stripe.advance(days=2)
        own_shop.deliver(own_shop.events())
        assert (own_shop.one(Invoice).status, own_shop.balances()) == ("void", {})
        assert own_shop.one(Subscription).status == "cancelled"
        assert own_shop.all(SubscriptionChange) == []

    def test_a_loss_is_written_off(self, own_shop: Shop) -> None:
        page = own_shop.open(own_shop.plan())
        own_shop.stripe.pay(str(page.url), "4000000000009995")
        [invoice] = own_shop.stripe.store.all("invoice")
        own_shop.stripe.client().v1.invoices.mark_uncollectible(invoice["id"])
        own_shop.deliver(own_shop.events())
        assert own_shop.balances() == {"bad_debt": 4118, "membership_revenue": -4118}


class TestForeignObjects:
    def test_what_others_made_in_the_same_stripe_account_is_left_alone(self, own_shop: Shop) -> None:
        client = own_shop.stripe.client()
        customer = client.v1.customers.create({"email": "x@y.test"})
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        product = client.v1.products.create({"name": "Theirs"})
        price = client.v1.prices.create(
            {"product": product.id, "unit_amount": 100, "currency": "eur", "recurring": {"interval": "month"}}
        )
        client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"price": price.id}], "default_payment_method": method.id}
        )
        [charge] = own_shop.stripe.store.all("charge")
        own_shop.stripe.dispute(charge["id"])
        own_shop.deliver(own_shop.events())
        assert own_shop.announced() == {}
        assert own_shop.session.scalars(select(Subscription)).all() == []
