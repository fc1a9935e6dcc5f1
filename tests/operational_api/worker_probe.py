"""A worker process under test: the real one, with handlers that write down what happened. `main` runs in a process.

`failing` fails for events whose `reason` is "poison"; `flaky` fails the first time for "flaky" (counted in a table that
its own transaction does not roll back); `record` always works.
"""

import os
import signal
import sys
from datetime import timedelta
from threading import Event as Flag
from types import ModuleType

from sqlalchemy import text
from sqlalchemy.orm import Session

from contracts import telemetry
from contracts.events.automation import RunDismissed
from contracts.events.envelope import Event
from operational_api import worker
from operational_api.core.models import InboxMessage
from operational_api.engagement.public import queue_email


def _write(session: Session, handler: str, event: Event) -> None:
    assert isinstance(event, RunDismissed)
    session.execute(
        text(
            "insert into public.effects (handler, event_id, aggregate_id, reason, traceparent)"
            " values (:handler, :event, :aggregate, :reason, :traceparent)"
        ),
        {
            "handler": handler, "event": event.event_id, "aggregate": event.run_id, "reason": event.reason,
            "traceparent": telemetry.current_traceparent(),
        },
    )  # fmt: skip


def record(session: Session, event: Event) -> None:
    """Writes the event down."""
    _write(session, "record", event)


def failing(session: Session, event: Event) -> None:
    """Writes the event down, then fails if it is poison."""
    _write(session, "failing", event)
    assert isinstance(event, RunDismissed)
    if event.reason == "poison":
        raise RuntimeError("poison")
    if event.reason == "flaky":
        tries = session.scalar(
            text("select attempts from platform.inbox_messages where message_id = :id and source like '%failing'"),
            {"id": str(event.event_id)},
        )
        if not tries:
            raise RuntimeError("not yet")


def mail(session: Session, event: Event) -> None:
    """Asks for an e-mail."""
    queue_email(
        session, dedupe_key=f"probe:{event.event_id}", recipient="mia@plyo.test", template="password_changed",
        context={"name": "Mia"}, now=event.occurred_at,
    )  # fmt: skip


def stripe(session: Session, message: InboxMessage) -> None:
    """Writes a provider's message down."""
    session.execute(
        text("insert into public.webhooks (message_id, total) values (:id, :total)"),
        {"id": message.message_id, "total": message.payload["total"]},
    )


def tick(session: Session, now: object) -> None:
    """Counts its runs with the server process that ran it."""
    session.execute(text("insert into public.ticks (at, pid) values (:now, pg_backend_pid())"), {"now": now})


TABLES = """
create table public.effects (
    n bigint generated always as identity, handler text, event_id uuid, aggregate_id uuid, reason text, traceparent text
);
create table public.webhooks (n bigint generated always as identity, message_id text, total int);
create table public.ticks (n bigint generated always as identity, at timestamptz, pid int)
"""


def probe() -> ModuleType:
    """A context's `handlers` module."""
    module = ModuleType("probe")
    module.HANDLERS = {"automation.run_dismissed": [record, failing, mail]}  # type: ignore[attr-defined]
    module.WEBHOOKS = {"stripe": stripe}  # type: ignore[attr-defined]
    module.PERIODIC = [("tick", timedelta(milliseconds=200), tick)]  # type: ignore[attr-defined]
    return module


def main(environment: dict[str, str]) -> None:
    """Work until SIGTERM."""
    os.environ.update(environment)
    telemetry.configure("worker")
    stop = Flag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sys.exit(0 if worker.run(worker.WorkerSettings(), [probe()], stop) else 1)
