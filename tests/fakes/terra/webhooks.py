"""Signed events, and the thread that delivers them: with retries, and on demand held back, reordered or repeated."""

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
from uuid import uuid4

import httpx

from tests.fakes.terra.settings import TerraFakeSettings


def signature(body: bytes, secret: str, at: int) -> str:
    """The value of `terra-signature`: HMAC-SHA256 over `<time>.<body>`, in hexadecimal."""
    digest = hmac.new(secret.encode(), str(at).encode() + b"." + body, sha256).hexdigest()
    return f"t={at},v1={digest}"


@dataclass(frozen=True)
class Event:
    """What is delivered. All of it stays the same over retries, except the signature and its time.

    Args:
        trace_id: Of this event alone: what a receiver recognises a repetition by.
        reference: Of the request that asked for the data; the chunks of a large one share it.
        ordering_ms: Unix milliseconds at which Terra emitted it; None: it has no place in an order.
    """

    body: bytes
    trace_id: str
    reference: str
    ordering_ms: int | None

    @staticmethod
    def of(document: dict[str, Any], *, reference: str | None = None, ordering_ms: int | None = None) -> "Event":
        """An event that is emitted now, unless the test says otherwise."""
        trace = str(uuid4())
        at = time.time_ns() // 1_000_000 if ordering_ms is None else ordering_ms
        return Event(json.dumps(document).encode(), trace, reference or trace, at)

    def headers(self, secret: str, at: int | None = None) -> dict[str, str]:
        """What comes with the body at a time (now)."""
        headers = {
            "Content-Type": "application/json",
            "terra-signature": signature(self.body, secret, int(time.time()) if at is None else at),
            "terra-reference": self.reference,
            "X-Terra-Trace-Id": self.trace_id,
        }
        if self.ordering_ms is not None:
            headers["X-Terra-Ordering-Timestamp"] = str(self.ordering_ms)
        return headers


@dataclass(order=True)
class _Delivery:
    due: float
    order: int
    event: Event = field(compare=False)
    attempt: int = field(compare=False, default=0)


class Deliverer:
    """Delivers events, each until it is answered 2xx in time or its attempts are used up."""

    def __init__(self, settings: TerraFakeSettings) -> None:
        self.url = settings.webhook_url
        self.log: deque[dict[str, Any]] = deque(maxlen=1_000)
        self.sent: deque[Event] = deque(maxlen=1_000)
        self._settings = settings
        self._queue: list[_Delivery] = []
        self._held: list[_Delivery] | None = None
        self._counter = itertools.count()
        self._condition = threading.Condition()
        self._stopping = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="terra-webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the delivery under way and end."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._thread.join(timeout=15)

    def send(self, event: Event, *, copies: int = 1) -> None:
        """Deliver an event, so many times, to the destination there is."""
        self.sent.append(event)
        for _ in range(copies if self.url else 0):
            self._push(event)

    def _push(self, event: Event, attempt: int = 0, delay: float = 0) -> None:
        with self._condition:
            delivery = _Delivery(time.monotonic() + delay, next(self._counter), event, attempt)
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
            held, self._held = self._held or [], None
            if order == "reversed":
                held.reverse()
            elif order == "shuffled":
                random.Random(seed).shuffle(held)
            for one in held:
                again = _Delivery(time.monotonic(), next(self._counter), one.event, one.attempt)
                heapq.heappush(self._queue, again)
            self._condition.notify_all()
            return len(held)

    def settle(self, timeout: float = 10) -> bool:
        """Wait until nothing is queued or under way; False when `timeout` passes first."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._queue and not self._busy, timeout)

    def _run(self) -> None:
        with httpx.Client(timeout=self._settings.answer_seconds) as client:
            while True:
                with self._condition:
                    while not self._stopping and (not self._queue or self._queue[0].due > time.monotonic()):
                        self._condition.wait(self._queue[0].due - time.monotonic() if self._queue else None)
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
        event, status, reason = delivery.event, None, None
        try:
            headers = event.headers(self._settings.signing_secret)
            status = client.post(str(self.url), content=event.body, headers=headers).status_code
        except httpx.HTTPError as error:
            reason = type(error).__name__
        self.log.append(
            {"trace_id": event.trace_id, "type": json.loads(event.body).get("type"), "attempt": delivery.attempt}
            | {"status": status, "error": reason}
        )
        if (status is None or not 200 <= status < 300) and delivery.attempt < len(self._settings.retry_seconds):
            self._push(event, delivery.attempt + 1, self._settings.retry_seconds[delivery.attempt])
