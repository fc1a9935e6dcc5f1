"""What happens between two acts of a test of calendars: events are heard, the worker works, time goes by."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from contracts.events import registry
from operational_api.core import failpoints
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.scheduling import handlers
from operational_api.scheduling.calendars.models import CalendarConnection
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.scheduling.settings import CalendarSettings
from tests.fakes.google_calendar import app as google_app
from tests.fakes.graph import app as graph_app
from tests.operational_api.scheduling.calendars.worlds import GoogleWorld, GraphWorld, World

KEY = "k" * 40
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)
DAY = (NOW + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)


Connect = Callable[..., CalendarConnection]
Link = Callable[[UUID, World], CalendarConnection]


def settings_of(google: GoogleWorld, graph: GraphWorld) -> CalendarSettings:
    """The settings of who works with the local providers."""
    return CalendarSettings(
        calendar_keys=SecretStr(KEY), calendar_private_networks="127.0.0.0/8",
        calendar_google_client_id=google.grants.client_id,
        calendar_google_client_secret=SecretStr(google.grants.client_secret),
        calendar_google_token_url=f"{google.url}/token", calendar_google_revoke_url=f"{google.url}/revoke",
        calendar_google_api_url=google.url + google_app.API,
        calendar_microsoft_client_id=graph.grants.client_id,
        calendar_microsoft_client_secret=SecretStr(graph.grants.client_secret),
        calendar_microsoft_token_url=f"{graph.url}/token", calendar_microsoft_api_url=graph.url + graph_app.API,
    )  # fmt: skip


def work_until_killed(url: str, settings: dict[str, str], failpoint: str) -> None:
    """A worker of calendars in a process of its own, until nothing is due or it dies at the failpoint."""
    os.environ.update(settings)
    failpoints.arm(failpoint)
    engine = create_engine(url)
    worker = CalendarWorker(session_factory(engine, viewer=lambda: SYSTEM), CalendarSettings())
    while worker.run_due():
        pass


def hear(session: Session, *, backwards: bool = False) -> None:
    """Hand what the outbox has new to scheduling's own handlers."""
    rows = session.scalars(select(OutboxEvent).where(OutboxEvent.relayed_at.is_(None)).order_by(OutboxEvent.position))
    for row in reversed(rows.all()) if backwards else rows.all():
        event = registry.parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handler in handlers.HANDLERS.get(row.type, []):
            handler(session, event)
        row.relayed_at = NOW
    session.flush()


def work(session: Session, worker: CalendarWorker) -> None:
    """Let the worker do all that is due."""
    session.flush()
    for _ in range(30):
        if not worker.run_due():
            session.expire_all()
            return
    raise AssertionError("the worker never comes to an end")


def shown(google: GoogleWorld) -> list[tuple[str, datetime]]:
    """What the calendar shows of ours."""
    found = [google.shows(id_) for id_, one in google.store.events.items() if "extendedProperties" in one]
    return [(one[0], one[1]) for one in found if one]


def due_again(session: Session, connection: CalendarConnection) -> None:
    session.flush()
    connection.next_sync_at = NOW - HOUR
    session.flush()
