"""Webhooks of the local Stripe: signed as Stripe signs, retried, repeated, held back and shuffled."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe
from fastapi import FastAPI, Request, Response

from tests.fakes.stripe.testing import LocalStripe, Served, local_stripe, served

SECRET = "whsec_test"


@dataclass
class Receiver:
    """An endpoint that verifies with Stripe's own code and answers the statuses it is told to."""

    statuses: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    app: FastAPI = field(default_factory=FastAPI)

    def __post_init__(self) -> None:
        async def receive(request: Request) -> Response:
            body = await request.body()
            event = stripe.Webhook.construct_event(body, request.headers["stripe-signature"], SECRET)
            self.events.append(event.to_dict())
            return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

        self.app.add_api_route("/hook", receive, methods=["POST"])

    @property
    def types(self) -> list[str]:
        return [one["type"] for one in self.events]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def running(receiver: Receiver) -> Iterator[LocalStripe]:
    at: Served
    with (
        served(receiver.app) as at,
        local_stripe(webhook_url=f"{at.url}/hook", webhook_secret=SECRET) as local,
    ):
        yield local


class TestDelivery:
    def test_the_sdk_accepts_the_signature(self, running: LocalStripe, receiver: Receiver) -> None:
        made = running.client().v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k-1"})
        assert running.deliverer.settle()
        [event] = receiver.events
        assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", made.id)
        assert event["request"]["idempotency_key"] == "k-1"
        assert running.client().v1.events.retrieve(event["id"]).pending_webhooks == 0

    def test_an_update_says_what_changed(self, running: LocalStripe, receiver: Receiver) -> None:
        client = running.client()
        made = client.v1.customers.create({"email": "a@b.test"})
        client.v1.customers.update(made.id, {"email": "c@d.test"})
        assert running.deliverer.settle()
        assert receiver.events[1]["data"]["previous_attributes"] == {"email": "a@b.test"}

    def test_a_refused_delivery_is_tried_again(self, running: LocalStripe, receiver: Receiver) -> None:
        receiver.statuses = [500, 503]
        running.client().v1.customers.create({"email": "a@b.test"})
        assert running.deliverer.settle()
        assert [one["id"] for one in receiver.events] == [receiver.events[0]["id"]] * 3
        assert [one["status"] for one in running.deliverer.log] == [500, 503, 200]

    def test_an_event_can_be_repeated(self, running: LocalStripe, receiver: Receiver) -> None:
        running.client().v1.customers.create({"email": "a@b.test"})
        assert running.deliverer.settle()
        event = receiver.events[0]["id"]
        httpx.post(f"{running.url}/_fake/events/{event}/redeliver", json={"copies": 3}).raise_for_status()
        assert running.deliverer.settle()
        assert len(receiver.events) == 4

    def test_held_events_leave_in_reverse(self, running: LocalStripe, receiver: Receiver) -> None:
        httpx.post(f"{running.url}/_fake/webhooks/hold").raise_for_status()
        client = running.client()
        made = client.v1.customers.create({"email": "a@b.test"})
        client.v1.customers.update(made.id, {"email": "c@d.test"})
        assert receiver.events == []
        httpx.post(f"{running.url}/_fake/webhooks/release", json={"order": "reversed"}).raise_for_status()
        assert running.deliverer.settle()
        assert receiver.types == ["customer.updated", "customer.created"]

    def test_an_endpoint_gets_only_the_types_it_asked_for(self, running: LocalStripe) -> None:
        client = running.client()
        made = client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["invoice.paid"]})
        assert made.secret is not None
        client.v1.customers.create({"email": "a@b.test"})
        assert running.deliverer.settle()
        assert len(running.deliverer.log) == 1
