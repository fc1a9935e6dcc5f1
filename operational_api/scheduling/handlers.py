"""What scheduling does by itself, run by the worker. It reacts to no events of others."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.telemetry import get_logger
from operational_api.scheduling.service import holds, openings, waitlist

log = get_logger(__name__)


def open_calendars(session: Session, now: datetime) -> None:
    """Keep every coach's calendar open as far ahead as sessions can be booked."""
    made = openings.open_slots(session, now)
    log.info("slots_materialised", made=made)


def close_waitlists(session: Session, now: datetime) -> None:
    """Nobody waits for a session that has started."""
    waitlist.expire_started(session, now)


def free_seats(session: Session, now: datetime) -> None:
    """Holds, requests and offers that lapsed are over, and who waits is asked."""
    lapsed, offered = holds.free_seats(session, now)
    if lapsed or offered:
        log.info("seats_freed", lapsed=lapsed, offered=offered)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {}
PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("scheduling.open_calendars", timedelta(hours=1), open_calendars),
    ("scheduling.free_seats", timedelta(minutes=1), free_seats),
    ("scheduling.close_waitlists", timedelta(minutes=10), close_waitlists),
]
