"""Somebody who listens to our webhooks: a real server whose moods a test chooses; a sender with the test's clock."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.core import egress
from operational_api.core.database import session_factory
from operational_api.core.outbox import publish
from operational_api.integrations.outgoing.models import WebhookEndpoint
from operational_api.integrations.outgoing.sender import WebhookSender
from operational_api.integrations.outgoing.service import deliveries, endpoints
from operational_api.integrations.settings import IntegrationSettings

PAID = PaymentCaptured.type
LOCAL = IntegrationSettings(session_secret=SecretStr("s" * 40), webhook_private_networks="127.0.0.0/8")
NETWORKS = egress.networks_of(LOCAL.webhook_private_networks)


@dataclass
class Heard:
    """One request as it arrived."""

    headers: dict[str, str]
    body: str
    status: int
    path: str

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


@dataclass
class Listener:
    """A server. `status` says what it answers, of a request's data; `headers` what it says besides."""

    url: str = ""
    status: Callable[[dict[str, Any]], int] = lambda _: 204
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    heard: list[Heard] = field(default_factory=list)

    @property
    def taken(self) -> list[Heard]:
        return [one for one in self.heard if one.status < 300]


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[ThreadingHTTPServer, list[Listener]]]:
    current: list[Listener] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            listener = current[0]
            status = listener.status(json.loads(body)["data"])
            listener.heard.append(
                Heard({key.lower(): value for key, value in self.headers.items()}, body, status, self.path)
            )
            self.send_response(status)
            for name, value in listener.headers.items():
                self.send_header(name, value)
            answer = b"" if status == 204 else listener.answer
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made, current
    made.shutdown()


@pytest.fixture
def listener(server: tuple[ThreadingHTTPServer, list[Listener]]) -> Listener:
    made, current = server
    current[:] = [Listener(f"http://127.0.0.1:{made.server_port}/hooks")]
    return current[0]


class Clock:
    """The sender's time, which a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint(session: Session, listener: Listener, clock: Clock) -> WebhookEndpoint:
    return make_endpoint(session, listener.url, clock)


def make_endpoint(session: Session, url: str, clock: Clock, *kinds: str) -> WebhookEndpoint:
    """An endpoint that hears of payments, or of other kinds."""
    sealer = LOCAL.webhook_sealer
    assert sealer is not None
    return endpoints.create(
        session, label="Books", url=url, kinds=kinds or [PAID], admin_id=new_id(), allowed=NETWORKS, sealer=sealer,
        now=clock(),
    )  # fmt: skip


@pytest.fixture
def sender(session: Session, clock: Clock) -> WebhookSender:
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    return WebhookSender(sessions, LOCAL, clock=clock)


def drain(sender: WebhookSender) -> None:
    """Send all that may be sent now."""
    while sender.run_due():
        pass


Pay = Callable[..., PaymentCaptured]


@pytest.fixture
def pay(session: Session, clock: Clock) -> Pay:
    """A payment that happened now, queued: `pay(customer_id, 1)`."""

    def happen(customer_id: UUID | None = None, amount: int = 1) -> PaymentCaptured:
        event = PaymentCaptured(
            occurred_at=clock(), payment_id=new_id(), customer_id=customer_id or new_id(), amount_minor=amount,
            currency="EUR",
        )  # fmt: skip
        publish(session, event)
        session.flush()
        deliveries.queue(session, event, clock())
        return event

    return happen
