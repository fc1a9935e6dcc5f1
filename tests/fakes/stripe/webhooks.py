"""Events over the API, webhook endpoints, and the thread that delivers signed events to them."""

import heapq
import hmac
import itertools
import json
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from tests.fakes.stripe.api import Call, endpoint, page
from tests.fakes.stripe.store import API_VERSION, Object, Store, make_id


@endpoint("GET", "events", accepts="type types")
def index(call: Call) -> Object:
    """GET /v1/events; a type may end in `.*`."""
    wanted = call.params.get("types") or ([call.params["type"]] if "type" in call.params else ["*"])
    return page(call, [one for one in call.store.all("event") if _matches(one["type"], wanted)])


@endpoint("GET", "events/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/events/:id."""
    return call.store.find("event", id_)


def _matches(type_: str, patterns: list[str]) -> bool:
    return any(one in ("*", type_) or (one.endswith("*") and type_.startswith(one[:-1])) for one in patterns)


def new_endpoint(store: Store, url: str, secret: str, events: list[str], id_: str | None = None) -> Object:
    """A webhook endpoint; the secret is shown only in the answer to its creation."""
    made: Object = {
        "id": id_ or make_id("we"),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": store.now(),
        "description": None,
        "enabled_events": events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
    return store.put(made, secret=secret)


@endpoint("POST", "webhook_endpoints", accepts="description metadata api_version", requires="url enabled_events")
def create_endpoint(call: Call) -> Object:
    """POST /v1/webhook_endpoints."""
    secret = make_id("whsec", 32)
    return new_endpoint(call.store, call.params["url"], secret, call.params["enabled_events"]) | {"secret": secret}


@endpoint("GET", "webhook_endpoints")
def index_endpoints(call: Call) -> Object:
    """GET /v1/webhook_endpoints."""
    return page(call, call.store.all("webhook_endpoint"))


@endpoint("DELETE", "webhook_endpoints/:id")
def delete_endpoint(call: Call, id_: str) -> Object:
    """DELETE /v1/webhook_endpoints/:id."""
    call.store.find("webhook_endpoint", id_)
    call.store.remove(id_)
    return {"id": id_, "object": "webhook_endpoint", "deleted": True}


def signature(payload: str, secret: str, at: int) -> str:
    """The value of `Stripe-Signature`: HMAC-SHA256 over `<time>.<body>`."""
    digest = hmac.new(secret.encode(), f"{at}.{payload}".encode(), sha256).hexdigest()
    return f"t={at},v1={digest}"


@dataclass(order=True)
class _Delivery:
    due: float
    order: int
    event: str = field(compare=False)
    endpoint: str = field(compare=False)
    attempt: int = field(compare=False, default=0)


class Deliverer:
    """Delivers events, each until it is answered 2xx or its attempts are used up; can hold, shuffle and repeat."""

    def __init__(self, store: Store, retry_seconds: tuple[float, ...]) -> None:
        self.store = store
        self.retry_seconds = retry_seconds
        self.log: deque[dict[str, Any]] = deque(maxlen=1_000)
        self._queue: list[_Delivery] = []
        self._held: list[_Delivery] | None = None
        self._counter = itertools.count()
        self._condition = threading.Condition()
        self._stopping = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="stripe-webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver, first what an earlier run of the server still owed."""
        self.store.on_events = self.enqueue
        owed = [one["id"] for one in self.store.all("event") if one["pending_webhooks"]]
        self.enqueue(owed)
        self._thread.start()

    def stop(self) -> None:
        """Finish the delivery under way and end."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._thread.join(timeout=15)

    def enqueue(self, event_ids: list[str]) -> None:
        """Deliver these events to every endpoint that asked for their type."""
        with self.store.lock:
            targets = [one for one in self.store.all("webhook_endpoint") if one["status"] == "enabled"]
            for event_id in event_ids:
                event = self.store.objects[event_id]
                mine = [one["id"] for one in targets if _matches(event["type"], one["enabled_events"])]
                event["pending_webhooks"] = len(mine)
                self.store.put(event)
                for endpoint_id in mine:
                    self._push(event_id, endpoint_id)

    def redeliver(self, event_id: str, copies: int) -> None:
        """Send an event again, `copies` times, whatever happened to it before."""
        self.store.find("event", event_id)
        for _ in range(copies):
            for target in self.store.all("webhook_endpoint"):
                self._push(event_id, target["id"])

    def _push(self, event_id: str, endpoint_id: str, attempt: int = 0, delay: float = 0) -> None:
        with self._condition:
            due = time.monotonic() + delay
            delivery = _Delivery(due, next(self._counter), event_id, endpoint_id, attempt)
            if self._held is not None:
                self._held.append(delivery)
            else:
                heapq.heappush(self._queue, delivery)
                self._condition.notify_all()

    def hold(self) -> None:
        """Keep every delivery back until `release`."""
        with self._condition:
            self._held = self._held or []

    def release(self, order: str = "sent", seed: int = 0) -> int:
        """Let held deliveries go in the order `sent`, `reversed` or `shuffled`; returns how many."""
        with self._condition:
            held = self._held or []
            self._held = None
            if order == "reversed":
                held.reverse()
            elif order == "shuffled":
                random.Random(seed).shuffle(held)
            for delivery in held:
                heapq.heappush(
                    self._queue,
                    _Delivery(
                        time.monotonic(), next(self._counter), delivery.event, delivery.endpoint, delivery.attempt
                    ),
                )
            self._condition.notify_all()
            return len(held)

    def settle(self, timeout: float = 10) -> bool:
        """Wait until nothing is queued or under way; False when `timeout` passes first."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._queue and not self._busy, timeout)

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while True:
                with self._condition:
                    while not self._stopping and (not self._queue or self._queue[0].due > time.monotonic()):
                        pause = self._queue[0].due - time.monotonic() if self._queue else None
                        self._condition.wait(pause)
                    if self._stopping:
                        return
                    delivery = heapq.heappop(self._queue)
                    self._busy = True
                try:
                    self._deliver(client, delivery)
                finally:
                    with self._condition:
                        self._busy = False
                        self._condition.notify_all()

    def _deliver(self, client: httpx.Client, delivery: _Delivery) -> None:
        with self.store.lock:
            event = self.store.objects.get(delivery.event)
            target = self.store.objects.get(delivery.endpoint)
            if event is None or target is None:
                return
            payload = json.dumps(event, indent=2)
            secret = self.store.secret(target["id"])["secret"]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(payload, secret, int(time.time())),
        }
        status: int | None = None
        reason: str | None = None
        try:
            status = client.post(target["url"], content=payload.encode(), headers=headers).status_code
        except httpx.HTTPError as error:
            reason = type(error).__name__
        self.log.append(
            {
                "event": event["id"],
                "type": event["type"],
                "attempt": delivery.attempt,
                "status": status,
                "error": reason,
            }
        )
        if status is not None and 200 <= status < 300:
            with self.store.transaction():
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
                self.store.put(event)
        elif delivery.attempt < len(self.retry_seconds):
            pause = self.retry_seconds[delivery.attempt]
            self._push(delivery.event, delivery.endpoint, delivery.attempt + 1, pause)
