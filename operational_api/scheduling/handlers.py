"""What scheduling does by itself, run by the worker. It reacts to no events of others."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.telemetry import get_logger
from operational_api.scheduling.service import calendar, waitlist

log = get_logger(__name__)


def open_calendars(session: Session, now: datetime) -> None:
    """Keep every coach's calendar open as far ahead as sessions can be booked."""
    made = calendar.materialise_slots(session, now + calendar.HORIZON, now)
    log.info("slots_materialised", made=made)


def close_waitlists(session: Session, now: datetime) -> None:
    """Nobody waits for a session that has started."""
    waitlist.expire_started(session, now)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {}
PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("scheduling.open_calendars", timedelta(hours=1), open_calendars),
    ("scheduling.close_waitlists", timedelta(minutes=10), close_waitlists),
]
