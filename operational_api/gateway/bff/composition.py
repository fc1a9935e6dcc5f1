"""Parts of a screen, each on its own: one that fails or takes too long is left out and named, the others are shown.

Parts are asked one after the other. Each takes milliseconds, and a screen that asked all at once would hold as many
database connections as it has parts. A part has a time of its own; what waits for PostgreSQL is ended there when that
is over, and what asks another service is given it as `Asker.seconds`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger

log = get_logger(__name__)
PART_SECONDS = 1.0
SCREEN_SECONDS = 3.0


class TookTooLong(Exception):
    """A part knows that its time is over."""


@dataclass(frozen=True, slots=True)
class Asker:
    """What a part is asked with. `seconds` is the time it has."""

    session: Session
    account_id: UUID
    now: datetime
    seconds: float


Part = Callable[[Asker], Any]


@dataclass(frozen=True, slots=True)
class Screen:
    """The parts by name as their contexts gave them, and of those left out why: `failed` or `late`."""

    parts: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def compose(
    sessions: sessionmaker[Session],
    account_id: UUID,
    parts: Mapping[str, Part],
    *,
    now: datetime,
    part_seconds: float = PART_SECONDS,
    screen_seconds: float = SCREEN_SECONDS,
) -> Screen:
    """Ask every part in a transaction of its own, read-only in effect: it is rolled back."""
    screen = Screen()
    deadline = time.monotonic() + screen_seconds
    for name, part in parts.items():
        left = min(part_seconds, deadline - time.monotonic())
        if left <= 0:
            screen.missing[name] = "late"
            continue
        try:
            with sessions() as session:
                # Of this transaction only: it goes with the rollback below.
                session.execute(text("select set_config('statement_timeout', :ms, true)"), {"ms": str(int(left * 1e3))})
                screen.parts[name] = part(Asker(session, account_id, now, left))
                session.rollback()
        except (TookTooLong, httpx.TimeoutException):
            screen.missing[name] = "late"
        except OperationalError as error:
            screen.missing[name] = "late" if "statement timeout" in str(error) else "failed"
        except Exception:  # one part down is a gap on the screen, not a screen down; the log has the trace
            log.exception("screen_part_failed", part=name)
            screen.missing[name] = "failed"
        if screen.missing.get(name) == "late":
            log.warning("screen_part_late", part=name, seconds=round(left, 3))
    return screen
