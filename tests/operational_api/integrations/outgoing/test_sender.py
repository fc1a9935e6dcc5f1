"""What an endpoint gets, in which order, and what happens where it does not take it. A real server listens."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from contracts.ids import new_id
from operational_api.core import inbox
from operational_api.core.models import OutboxEvent
from operational_api.core.relay import source_of
from operational_api.engagement.models import OutgoingMessage
from operational_api.integrations.handlers import queue_webhooks
from operational_api.integrations.outgoing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from operational_api.integrations.outgoing.sender import WebhookSender
from operational_api.integrations.outgoing.service import attempts, endpoints, signing
from operational_api.integrations.outgoing.service.attempts import RETRY
from tests.factories import make_account
from tests.operational_api.integrations.outgoing.conftest import (
    LOCAL,
    Clock,
    Heard,
    Listener,
    Pay,
    drain,
    make_endpoint,
)


def secret_of(session: Session, endpoint: WebhookEndpoint, now: datetime) -> str:
    sealer = LOCAL.webhook_sealer
    assert sealer is not None
    return endpoints.reveal(session, endpoint.id, admin_id=new_id(), sealer=sealer, now=now)


def amounts(heard: list[Heard]) -> list[int]:
    return [one.data["amount_minor"] for one in heard]


class TestSignature:
    def test_is_one_that_the_standards_library_takes(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        secret = secret_of(session, endpoint, clock())
        event = pay(amount=4900)
        drain(sender)
        [heard] = listener.heard
        told = Webhook(secret).verify(heard.body, heard.headers)
        assert told["type"] == "commerce.payment_captured"
        assert told["data"] == event.facts()
        assert heard.headers["webhook-id"] == str(event.event_id)
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(heard.body + " ", heard.headers)

    def test_is_made_by_both_secrets_for_a_day_after_a_rotation(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        old = secret_of(session, endpoint, clock())
        sealer = LOCAL.webhook_sealer
        assert sealer is not None
        endpoints.rotate(session, endpoint.id, admin_id=new_id(), sealer=sealer, now=clock())
        new = secret_of(session, endpoint, clock())
        pay()
        drain(sender)
        for secret in (old, new):
            Webhook(secret).verify(listener.heard[0].body, listener.heard[0].headers)
        clock.forward(days=1, seconds=1)
        assert signing.signing_secrets(session, endpoint.id, sealer, clock()) == [new]

    def test_of_no_more_than_two_secrets(self, session: Session, endpoint: WebhookEndpoint, clock: Clock) -> None:
        sealer = LOCAL.webhook_sealer
        assert sealer is not None
        for _ in range(3):
            clock.forward(seconds=1)
            endpoints.rotate(session, endpoint.id, admin_id=new_id(), sealer=sealer, now=clock())
        assert len(signing.signing_secrets(session, endpoint.id, sealer, clock())) == 2


class TestOrder:
    def test_a_consumer_that_is_down_for_an_hour_misses_nothing_and_hears_each_customer_in_order(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        customers = [new_id() for _ in range(3)]
        is_down = True
        listener.status = lambda _: 500 if is_down else 204
        for minute in range(60):
            pay(customers[minute % 3], minute)
            if minute % 6 == 0:
                drain(sender)
            clock.forward(minutes=1)
        assert listener.taken == []
        assert len(listener.heard) < 60, "what stands behind a failing delivery is not tried"
        is_down = False
        for _ in range(15):
            drain(sender)
            clock.forward(minutes=5)
        by_customer = defaultdict(list)
        for one in listener.taken:
            by_customer[one.data["customer_id"]].append(one.data["amount_minor"])
        assert by_customer == {str(one): list(range(n, 60, 3)) for n, one in enumerate(customers)}
        session.refresh(endpoint)
        assert endpoint.failing_since is None

    def test_one_that_fails_holds_its_own_customer_alone(
        self, listener: Listener, endpoint: WebhookEndpoint, sender: WebhookSender, clock: Clock, pay: Pay
    ) -> None:
        mia, tom = new_id(), new_id()
        listener.status = lambda data: 422 if data["amount_minor"] == 1 else 204
        for customer, amount in ((mia, 1), (mia, 2), (tom, 3), (mia, 4), (tom, 5)):
            pay(customer, amount)
        drain(sender)
        assert amounts(listener.taken) == [3, 5]
        listener.status = lambda _: 204
        clock.forward(seconds=10)
        drain(sender)
        assert amounts(listener.taken) == [3, 5, 1, 2, 4]

    def test_what_is_not_queued_yet_is_waited_for(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        """Two handlers of one customer's events may overtake each other; their webhooks must not."""
        mia = new_id()
        source = source_of(queue_webhooks)
        waiting = {"version": 1, "occurred_at": clock().isoformat(), "facts": {"customer_id": str(mia)}}
        inbox.receive(session, source=source, message_id="first", kind="x", payload=waiting, now=clock())
        session.execute(text("update platform.inbox_messages set position = 0 where message_id = 'first'"))
        pay(mia, 1)
        pay(new_id(), 2)
        drain(sender)
        assert amounts(listener.taken) == [2]
        session.execute(text("update platform.inbox_messages set handled_at = now() where message_id = 'first'"))
        clock.forward(seconds=2)
        drain(sender)
        assert amounts(listener.taken) == [2, 1]

    def test_one_that_is_given_up_lets_the_next_pass_and_is_announced(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        mia = new_id()
        listener.status = lambda data: 400 if data["amount_minor"] == 1 else 204
        pay(mia, 1)
        session.execute(text(f"update integrations.webhook_deliveries set attempts = {RETRY.attempts - 1}"))
        pay(mia, 2)
        drain(sender)
        assert amounts(listener.taken) == [2]
        assert "integrations.webhook_given_up" in session.scalars(select(OutboxEvent.type)).all()


class TestAtLeastOnce:
    def test_an_event_is_queued_once_however_often_it_is_handled(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, pay: Pay
    ) -> None:
        event = pay()
        queue_webhooks(session, event)
        drain(sender)
        queue_webhooks(session, event)
        drain(sender)
        assert len(listener.heard) == 1

    @pytest.mark.parametrize("place", ["webhooks.before_note", "webhooks.after_note"])
    def test_whoever_dies_with_a_batch_in_hand_loses_nothing(
        self, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock, pay: Pay, place: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Death is an exception that nothing here catches; also the endpoint's release does not happen then."""

        class Killed(BaseException):
            pass

        def die(name: str) -> None:
            if name == place:
                monkeypatch.setattr(attempts, "release", lambda *_: None)
                raise Killed

        mia = new_id()
        for amount in range(3):
            pay(mia, amount)
        with monkeypatch.context() as context:
            context.setattr("operational_api.core.failpoints.hit", die)
            with pytest.raises(Killed):
                drain(sender)
        monkeypatch.undo()
        assert not sender.run_due(), "another worker waits for the lease's end"
        clock.forward(seconds=61)
        drain(sender)
        ids = list(dict.fromkeys(one.headers["webhook-id"] for one in listener.heard))
        assert len(ids) == 3
        assert amounts(listener.heard)[-2:] == [1, 2]
        assert len(listener.heard) == (4 if place == "webhooks.before_note" else 3)


class TestEndpoints:
    def test_that_redirect_are_not_followed(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, pay: Pay
    ) -> None:
        listener.status, listener.headers = lambda _: 307, {"Location": f"{listener.url}/elsewhere"}
        pay()
        drain(sender)
        assert len(listener.heard) == 1
        assert session.scalars(select(WebhookAttempt.problem)).all() == ["It answered 307: we follow no redirect"]

    def test_whose_name_leads_inside_by_now_are_not_connected_to(
        self,
        session: Session,
        endpoint: WebhookEndpoint,
        listener: Listener,
        clock: Clock,
        pay: Pay,
        sender: WebhookSender,
    ) -> None:
        """It was judged when it was made; each connection is judged again."""
        sender._allowed = []
        pay()
        drain(sender)
        assert listener.heard == []
        [attempt] = session.scalars(select(WebhookAttempt)).all()
        assert (attempt.status, attempt.problem) == (None, "Its address leads to a network that is not on the internet")

    def test_that_ask_to_be_left_alone_are(
        self, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock, pay: Pay
    ) -> None:
        listener.status, listener.headers = lambda _: 429, {"Retry-After": "120"}
        pay(), pay()
        drain(sender)
        assert len(listener.heard) == 1
        listener.status = lambda _: 204
        clock.forward(seconds=119)
        drain(sender)
        assert len(listener.heard) == 1
        clock.forward(seconds=2)
        drain(sender)
        assert len(listener.taken) == 2

    @pytest.mark.parametrize("told", ["²", "9" * 5_000, "-1", "0", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT", "1e3"])
    def test_that_name_no_span_of_rest_are_tried_again_as_any_other(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay, told: str,
    ) -> None:  # fmt: skip
        listener.status, listener.headers = lambda _: 429, {"Retry-After": told}
        pay()
        drain(sender)
        assert session.scalars(select(WebhookAttempt.problem)).all() == ["It answered 429"]
        listener.status = lambda _: 204
        clock.forward(seconds=60)
        drain(sender)
        assert len(listener.taken) == 1

    def test_that_cannot_be_reached_hold_up_no_other(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        dead = make_endpoint(session, "http://127.0.0.1:9/", clock)
        for amount in range(5):
            pay(amount=amount)
        drain(sender)
        assert amounts(listener.taken) == [0, 1, 2, 3, 4]
        tries = session.scalars(
            select(WebhookAttempt.problem).join(WebhookDelivery).where(WebhookDelivery.endpoint_id == dead.id)
        ).all()
        assert tries == ["It cannot be connected to"], "after that it rests, whoever it is about"

    def test_that_fail_for_days_are_disabled_and_admins_told(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        admin = make_account(session, role="admin")
        listener.status = lambda _: 500
        pay()
        for _ in range(11):
            drain(sender)
            clock.forward(hours=12)
        session.refresh(endpoint)
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "failing")
        heard = len(listener.heard)
        pay()
        drain(sender)
        assert len(listener.heard) == heard
        mails = select(OutgoingMessage).where(OutgoingMessage.template == "webhook_disabled")
        assert admin.email in [one.recipient for one in session.scalars(mails)]
        assert "integrations.webhook_endpoint_disabled" in session.scalars(select(OutboxEvent.type)).all()

    def test_that_are_gone_are_disabled_at_once(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, pay: Pay
    ) -> None:
        listener.status = lambda _: 410
        pay()
        drain(sender)
        session.refresh(endpoint)
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "gone")

    def test_that_are_paused_get_it_once_they_are_resumed(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        endpoints.pause(session, endpoint.id, admin_id=new_id(), now=clock())
        mia = new_id()
        pay(mia, 1), pay(mia, 2)
        drain(sender)
        assert listener.heard == []
        endpoints.resume(session, endpoint.id, admin_id=new_id(), now=clock())
        drain(sender)
        assert amounts(listener.taken) == [1, 2]

    def test_answers_are_kept_to_their_beginning_without_what_signed(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, pay: Pay
    ) -> None:
        listener.status, listener.answer = lambda _: 400, b"no\0 " + b"x" * 2000
        pay()
        drain(sender)
        [attempt] = session.scalars(select(WebhookAttempt)).all()
        assert attempt.response_head is not None
        assert attempt.response_head.startswith("no xxx")
        assert len(attempt.response_head) <= 500
        assert attempt.status == 400


def test_the_wait_of_all_tries_together_is_days() -> None:
    waits: timedelta = sum((RETRY.delay(n) for n in range(1, RETRY.attempts)), timedelta())
    assert timedelta(days=4) < waits < timedelta(days=6)


def test_a_body_holds_what_the_events_schema_says_and_nothing_else(
    endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, pay: Pay
) -> None:
    event = pay()
    drain(sender)
    told: dict[str, Any] = {"data": event.facts(), "type": event.type, "version": 1}
    [heard] = listener.heard
    found = json.loads(heard.body)
    assert datetime.fromisoformat(found.pop("timestamp")) == event.occurred_at.astimezone(UTC)
    assert found == told
