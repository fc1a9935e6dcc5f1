"""Taking the next row that is due for one worker alone: who dies is followed, who was superseded can tell.

A row is taken by moving its `due_at` ahead under its lock, for as long as a worker may say nothing; whoever says
something of it asks whether `attempts` is still the number they took it by. Not for what waits for another row's turn
(`integrations.outgoing`), is taken many at a time (`integrations.crm`) or must never leave twice
(`engagement.channels`).
"""

from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session


class Claimable:
    """Of tables whose rows are taken so: when something is to be done about one (null: nothing), and its takings."""

    due_at: Mapped[datetime | None]
    attempts: Mapped[int]


Row = TypeVar("Row", bound=Claimable)


def take_due(session: Session, kind: type[Row], *, now: datetime, lease: timedelta) -> Row | None:
    """The row that has been due longest and nobody holds, this caller's until the lease ends; None where none is."""
    due = select(kind).where(kind.due_at <= now).order_by(kind.due_at).limit(1)
    row = session.scalar(due.with_for_update(skip_locked=True))
    if row is not None:
        row.attempts, row.due_at = row.attempts + 1, now + lease
    return row
