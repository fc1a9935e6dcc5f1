"""The local Stripe inside a test run: a real server on a port of its own, and a customer's hands on its page."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import stripe
import uvicorn
from fastapi import FastAPI

from tests.fakes.stripe.app import create_app
from tests.fakes.stripe.settings import StripeFakeSettings
from tests.fakes.stripe.store import Store
from tests.fakes.stripe.webhooks import Deliverer


@dataclass(frozen=True)
class Served:
    """A FastAPI application behind a real socket."""

    url: str
    app: FastAPI


@contextmanager
def served(app: FastAPI, listener: socket.socket | None = None) -> Iterator[Served]:
    """Serve an application on a free port of 127.0.0.1 until the block ends."""
    listener = listener or free_listener()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the application did not start")
        time.sleep(0.01)
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def free_listener() -> socket.socket:
    """A bound socket on a port nobody else has."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


@dataclass(frozen=True)
class LocalStripe:
    """A running local Stripe."""

    url: str
    secret_key: str
    store: Store
    deliverer: Deliverer

    def client(self, **options: Any) -> stripe.StripeClient:
        """Stripe's own SDK pointed at it."""
        return stripe.StripeClient(
            self.secret_key, base_addresses={"api": self.url}, **{"max_network_retries": 0} | options
        )

    def pay(self, page_url: str, number: str = "4242424242424242", **fields: str) -> httpx.Response:
        """Fill in the hosted page like a customer does; redirects are not followed."""
        form = {
            "cardNumber": number,
            "cardExpiry": "12 / 34",
            "cardCvc": "123",
            "billingName": "Mia Customer",
            "email": "mia@example.test",
        } | fields
        return httpx.post(page_url, data=form)

    def advance(self, *, days: int) -> None:
        """Move its clock."""
        httpx.post(f"{self.url}/_fake/clock/advance", json={"seconds": days * 86_400}, timeout=60).raise_for_status()

    def fail(self, *statuses: int, retry_after: float | None = None) -> None:
        """Make the next API requests fail with these statuses; a 429 asks to wait so many seconds."""
        body = {"statuses": list(statuses), "retry_after": retry_after}
        httpx.post(f"{self.url}/_fake/faults", json=body).raise_for_status()

    def dispute(self, charge: str, **order: Any) -> dict[str, Any]:
        """Let the cardholder contest a charge, or an `amount` of it; `is_inquiry`: the bank only asks."""
        answer = httpx.post(f"{self.url}/_fake/disputes", json={"charge": charge, **order}).raise_for_status()
        dispute: dict[str, Any] = answer.json()
        return dispute


@contextmanager
def local_stripe(**given: Any) -> Iterator[LocalStripe]:
    """Run a local Stripe with these settings until the block ends."""
    listener = free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    quick: dict[str, Any] = {"public_url": url, "renewal_seconds": 0, "retry_seconds": (0.05, 0.1, 0.2)}
    settings = StripeFakeSettings(**quick | given)
    app = create_app(settings)
    with served(app, listener):
        yield LocalStripe(url, settings.secret_key, app.state.store, app.state.deliverer)


def session_id(page_url: str) -> str:
    """The Checkout Session id in the address of its page."""
    found = re.search(r"cs_test_\w+", page_url)
    if not found:
        raise ValueError(page_url)
    return found.group()
