"""The videos somebody may watch, and where they stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core.paging import after, cut
from operational_api.training.models import Client, Exercise, Media, MediaPosition

NEARLY_OVER = 0.95
"""Who stops so late has seen it: next time it begins at the beginning."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A video as lists show it. `client_name` is of whoever a form video shows."""

    media: Media
    exercise_name: str | None
    client_name: str | None
    seconds: float | None

    @property
    def seen_percent(self) -> int:
        """How much of it was watched."""
        whole = self.media.duration_seconds
        return min(100, round(100 * (self.seconds or 0) / whole)) if whole else 0


def shelf(
    session: Session,
    *,
    visible: ColumnElement[bool],
    watcher_id: UUID | None,
    customer_id: UUID | None = None,
    exercise_id: int | None = None,
    workout_id: UUID | None = None,
    title: str = "",
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[Shelved], str | None]:
    """Videos, the newest first, a page at a time: one query."""
    query = (
        select(Media, Exercise.name, Client.display_name, MediaPosition.seconds)
        .outerjoin(Exercise, Exercise.id == Media.exercise_id)
        .outerjoin(Client, Client.id == Media.customer_id)
        .outerjoin(
            MediaPosition, and_(MediaPosition.media_id == Media.id, MediaPosition.account_id == watcher_id)
        )
        .where(visible, Media.status != "removed")
    )  # fmt: skip
    if customer_id is not None:
        query = query.where(Media.customer_id == customer_id)
    if exercise_id is not None:
        query = query.where(Media.exercise_id == exercise_id)
    if workout_id is not None:
        query = query.where(Media.workout_id == workout_id)
    if title:
        query = query.where(Media.title.icontains(title, autoescape=True))
    if cursor:
        query = query.where(Media.id < after(cursor, UUID)[0])
    rows = session.execute(query.order_by(Media.id.desc()).limit(limit + 1)).tuples()
    return cut([Shelved(*row) for row in rows], limit, lambda one: (one.media.id,))


def position_of(session: Session, row: Media, account_id: UUID) -> float:
    """Where to go on, in seconds; 0 where it was not begun or was seen to its end."""
    seconds = session.scalar(
        select(MediaPosition.seconds).where(MediaPosition.media_id == row.id, MediaPosition.account_id == account_id)
    )
    if seconds is None or seconds >= NEARLY_OVER * (row.duration_seconds or 0):
        return 0.0
    return seconds


def keep_position(
    session: Session,
    *,
    row: Media,
    account_id: UUID,
    seconds: float,
    now: datetime,
    watched_at: datetime | None = None,
    sent_at: datetime | None = None,
) -> float:
    """Note where somebody stopped; what is beyond the end is the end. What was watched last counts, on any device.

    Args:
        watched_at, sent_at: Both by the device's clock. Only the time between them is believed: nothing was watched
            after now, and what is told late is as old as the device says that it is.

    Returns:
        The second that counts now.
    """
    seconds = min(max(seconds, 0.0), row.duration_seconds or 0.0)
    nothing, oldest = timedelta(0), max(now - row.created_at, timedelta(0))
    age = min(max((sent_at or now) - watched_at, nothing), oldest) if watched_at else nothing
    said = {"seconds": seconds, "updated_at": now - age}
    kept = session.scalar(
        insert(MediaPosition)
        .values(media_id=row.id, account_id=account_id, **said)
        .on_conflict_do_update(
            index_elements=["media_id", "account_id"], set_=said,
            where=MediaPosition.updated_at <= now - age,
        )
        .returning(MediaPosition.seconds)
    )  # fmt: skip
    if kept is not None:
        return kept
    mine = (MediaPosition.media_id == row.id, MediaPosition.account_id == account_id)
    return session.scalars(select(MediaPosition.seconds).where(*mine)).one()


def form_videos(
    session: Session, customer_id: UUID, *, workout_id: UUID | None = None, limit: int = 12
) -> Sequence[Shelved]:
    """A customer's own videos that can be watched, of one workout where it is named, the newest first."""
    found, _ = shelf(
        session, visible=Media.status == "ready", watcher_id=None, customer_id=customer_id, workout_id=workout_id,
        limit=limit,
    )  # fmt: skip
    return found
