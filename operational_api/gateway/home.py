"""What a customer sees first: one answer put together from the contexts, each part on its own.

A part that fails is left out and named; the others are shown. Only contexts' `public.py` is used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger
from operational_api.commerce import public as commerce
from operational_api.engagement import public as engagement
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Membership:
    """What a customer trains on: a plan, a pack, both or neither."""

    plan: commerce.CurrentPlan | None
    pack_sessions: int


def _membership(session: Session, customer_id: UUID, now: datetime) -> Membership:
    return Membership(
        commerce.current_plan(session, customer_id), commerce.pack_sessions_left(session, customer_id, now)
    )


def _unread(session: Session, customer_id: UUID, now: datetime) -> int:  # noqa: ARG001 - every part is asked alike
    return engagement.unread_count(session, customer_id)


def _coach(session: Session, customer_id: UUID, now: datetime) -> str | None:  # noqa: ARG001
    coach_id = training.coach_of(session, customer_id)
    return scheduling.coach_names(session, [coach_id]).get(coach_id) if coach_id else None


Part = Callable[[Session, UUID, datetime], Any]
PARTS: dict[str, Part] = {
    "next_session": scheduling.next_session,
    "workout": training.next_workout,
    "membership": _membership,
    "unread": _unread,
    "coach": _coach,
    "progress": training.progress,
}


@dataclass(frozen=True, slots=True)
class Home:
    """The parts by name, as their contexts gave them, and the names of those that failed."""

    parts: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def compose(
    sessions: sessionmaker[Session], customer_id: UUID, *, now: datetime, parts: dict[str, Part] = PARTS
) -> Home:
    """Ask every part in a transaction of its own."""
    home = Home()
    for name, ask in parts.items():
        try:
            with sessions() as session:
                home.parts[name] = ask(session, customer_id, now)
        except Exception:  # one part down is a gap on the page, not a page down; the log has the trace
            log.exception("home_part_failed", part=name)
            home.missing.append(name)
    return home
