"""The worker's hand: signs what is due and posts it, a batch to one endpoint at a time.

No transaction is open while an endpoint is waited for. Whoever is killed leaves an endpoint leased for a minute and its
deliveries waiting: the next worker sends them, under the same ids. One worker serves one endpoint at a time and rests
from one that does not answer, so that a slow one holds up nobody else's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Timer
from time import monotonic
from uuid import UUID

import httpx
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks.webhooks import Webhook

from contracts.sealing import SealBroken, Sealer
from contracts.telemetry import get_logger, trace
from operational_api.core import egress, failpoints
from operational_api.core.relay import source_of
from operational_api.integrations.handlers import queue_webhooks
from operational_api.integrations.outgoing.models import WebhookDelivery
from operational_api.integrations.outgoing.service import attempts, replays, signing
from operational_api.integrations.outgoing.service.attempts import Answer
from operational_api.integrations.settings import IntegrationSettings

log = get_logger(__name__)
LEASE = timedelta(seconds=60)
BATCH = 50
BATCH_SECONDS = 20
"""A batch ends after so long; with the longest try it stays below the lease."""
SECONDS = 10
LONGEST_SECONDS = 15
"""Of one try, however slowly an answer drips."""
HEAD_BYTES = 500
MOST_REST = timedelta(hours=1)
LOOKED = timedelta(seconds=1)
"""Between looks at an endpoint of which everything that is due has to wait: the others' turn."""
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Due:
    """A delivery as it is sent."""

    id: UUID
    event_id: UUID
    body: str
    asks: int
    attempts: int


@dataclass(frozen=True, slots=True)
class _Batch:
    endpoint_id: UUID
    url: str
    leased_until: datetime
    secrets: list[str]
    due: list[_Due]


class WebhookSender:
    """Sends one batch each time it is asked.

    Args:
        sessions: Of the system.
        clock: What time it is; tests pass their own.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        settings: IntegrationSettings,
        *,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._sessions, self._clock = sessions, clock
        self._sealer: Sealer | None = settings.webhook_sealer
        self._allowed = egress.networks_of(settings.webhook_private_networks)

    def run_due(self) -> bool:
        """Go on with a replay, and send a batch.

        Returns:
            Whether there was something, so that more may be waiting.
        """
        if self._sealer is None:
            return False
        with trace():
            with self._sessions.begin() as session:
                has_read_on = replays.step(session, self._clock())
            return self._send(self._sealer) or has_read_on

    def _send(self, sealer: Sealer) -> bool:
        batch = self._take(sealer)
        if batch is None:
            return False
        until = monotonic() + BATCH_SECONDS
        transport = egress.PinnedTransport(lambda url: egress.resolve(url, self._allowed))
        try:
            for due in batch.due:
                with self._sessions.begin() as session:
                    if not attempts.may_leave(session, due.id, asks=due.asks):
                        continue
                answer = self._post(transport, batch, due)
                failpoints.hit("webhooks.before_note")
                with self._sessions.begin() as session:
                    goes_on = attempts.note(
                        session, due.id, answer, asks=due.asks, attempt=due.attempts, now=self._clock()
                    )
                failpoints.hit("webhooks.after_note")
                if not goes_on or monotonic() > until:
                    break
        finally:
            transport.close()
            with self._sessions.begin() as session:
                attempts.release(session, batch.endpoint_id, batch.leased_until)
        return True

    def _take(self, sealer: Sealer) -> _Batch | None:
        now = self._clock()
        with self._sessions.begin() as session:
            row = attempts.take_endpoint(session, now=now, lease=LEASE)
            if row is None or row.leased_until is None:
                return None
            found = attempts.heads(session, row.id, source_of(queue_webhooks), now=now, limit=BATCH)
            try:
                secrets = signing.signing_secrets(session, row.id, sealer, now)
            except SealBroken:
                log.error("webhook_secret_unreadable", endpoint=str(row.id))
                row.rest_until = now + MOST_REST
                secrets, found = [], []
            else:
                if not found:  # what is due stands behind others
                    row.rest_until = now + LOOKED
            return _Batch(row.id, row.url, row.leased_until, secrets, [_due(one) for one in found])

    def _post(self, transport: httpx.BaseTransport, batch: _Batch, due: _Due) -> Answer:
        now = self._clock()
        headers = {
            "Content-Type": "application/json", "User-Agent": "Plyo webhooks", "Accept-Encoding": "identity",
            "webhook-id": str(due.event_id), "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(
                Webhook(one).sign(str(due.event_id), now, due.body) for one in batch.secrets
            ),
        }  # fmt: skip
        began = monotonic()
        status, head, rest, problem, is_unreachable = None, None, None, None, False
        client = httpx.Client(transport=_Lent(transport), timeout=SECONDS, trust_env=False, follow_redirects=False)
        guard = Timer(LONGEST_SECONDS, transport.close)
        guard.daemon = True
        guard.start()
        try:
            with client.stream("POST", batch.url, content=due.body.encode(), headers=headers) as answer:
                status = answer.status_code
                rest = _rest(answer) if status in (429, 503) else None
                problem = _problem(status)
                head = _head(answer, headers["webhook-signature"])
        except egress.NotOutside:
            problem, is_unreachable = "Its address leads to a network that is not on the internet", True
        except egress.NoSuchHost:
            problem, is_unreachable = "There is no server of that name", True
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, OSError) as error:
            # RuntimeError: the guard closed the connection under us.
            if status is None:
                problem, is_unreachable = _words(error), True
        finally:
            guard.cancel()
        log.info("webhook_sent", delivery=str(due.id), status=status, problem=problem, attempt=due.attempts + 1)
        return Answer(
            started_at=now, latency_ms=int((monotonic() - began) * 1000), status=status, problem=problem, head=head,
            rest=rest, is_unreachable=is_unreachable,
        )  # fmt: skip


class _Lent(httpx.BaseTransport):
    """A transport of a whole batch, which the client of one request does not close."""

    def __init__(self, lender: httpx.BaseTransport) -> None:
        self._lender = lender

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._lender.handle_request(request)


def _due(row: WebhookDelivery) -> _Due:
    return _Due(row.id, row.event_id, row.body, row.asks, row.attempts)


def _problem(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"It answered {status}: we follow no redirect"
    if status == 410:
        return "It answered 410: it wants no more of this"
    return f"It answered {status}"


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"It did not answer within {SECONDS} seconds"
    if isinstance(error, httpx.ConnectError):
        return "It cannot be connected to"
    return f"The connection broke off ({type(error).__name__})"


def _rest(answer: httpx.Response) -> timedelta | None:
    told = answer.headers.get("Retry-After", "").strip()
    return min(timedelta(seconds=int(told)), MOST_REST) if told.isdecimal() and len(told) < 9 and int(told) else None


def _head(answer: httpx.Response, signature: str) -> str | None:
    """The beginning of the answer's body, without our signatures should it echo them."""
    kept = b""
    try:
        for chunk in answer.iter_raw(HEAD_BYTES):
            kept += chunk
            if len(kept) >= HEAD_BYTES:
                break
    except (httpx.HTTPError, RuntimeError, OSError):
        pass  # its status is what counts
    text = kept[:HEAD_BYTES].decode(errors="replace").replace("\0", "")
    for one in signature.split():
        text = text.replace(one, "v1,…").replace(one.removeprefix("v1,"), "…")
    return text or None
