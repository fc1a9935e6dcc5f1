"""Taking a video to work on it, and saying how far it is: who died is followed, who was superseded writes nothing.

A video is taken as `core.claims` says; what is said while it is worked on moves its `due_at` on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, sessionmaker

from operational_api.core.claims import take_due
from operational_api.training.models import Media

FIRST_WAIT = timedelta(seconds=15)
AT_WORK = ("checking", "encoding")
"""Statuses in which a worker has files of a video on its disk."""


class Superseded(Exception):
    """Another worker has the video now, or it was removed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One taking of one video."""

    media_id: UUID
    kind: str
    status: str
    attempt: int
    size_bytes: int
    sha256: str
    part_bytes: int
    upload_key: str | None

    @property
    def folder(self) -> str:
        """Where what this taking makes is stored."""
        return f"media/{self.media_id}/{self.attempt}/"

    @property
    def work_folder(self) -> str:
        """What its folder on the worker's disk is called: no other taking's, also none of the same video."""
        return _work_folder(self.media_id, self.attempt)


class Claims:
    """The takings of one process.

    Args:
        sessions: Of the system.
        lease: How long a worker may say nothing before another one takes its video.
    """

    def __init__(self, sessions: sessionmaker[Session], lease: timedelta) -> None:
        self._sessions, self._lease = sessions, lease

    def take(self, now: datetime) -> Job | None:
        """The video that has been due longest, None where none is."""
        with self._sessions.begin() as session:
            row = take_due(session, Media, now=now, lease=self._lease)
            if row is None:
                return None
            return Job(
                row.id, row.kind, row.status, row.attempts, row.size_bytes, row.sha256, row.part_bytes, row.upload_key
            )

    def work_folders(self) -> set[str]:
        """The folders on disk that somebody may be at work in."""
        with self._sessions.begin() as session:
            rows = session.execute(select(Media.id, Media.attempts).where(Media.status.in_(AT_WORK))).tuples()
            return {_work_folder(media_id, attempt) for media_id, attempt in rows}

    def say(self, job: Job, **values: object) -> None:
        """Note how far it is, and keep the video.

        Raises:
            Superseded: it is somebody else's now.
        """
        values = {"due_at": datetime.now(UTC) + self._lease} | values
        with self._sessions.begin() as session:
            changed = session.execute(update(Media).where(*_mine(job)).values(**values).returning(Media.id))
            if changed.first() is None:
                raise Superseded

    def locked(self, session: Session, job: Job) -> Media:
        """The row, to say the last word about it.

        Raises:
            Superseded: it is somebody else's now.
        """
        row = session.scalar(select(Media).where(*_mine(job)).with_for_update())
        if row is None:
            raise Superseded
        return row

    def give_back(self, job: Job) -> None:
        """It is not the video's fault that we end: somebody else takes it at once, and this was no try."""
        self._wait(job, timedelta(0), counts=False)

    def postpone(self, job: Job, *, counts: bool) -> None:
        """Have it tried again after a while that doubles. That a store or scanner is down costs the video no try."""
        self._wait(job, FIRST_WAIT * 2 ** min(job.attempt - 1, 6), counts=counts)

    def _wait(self, job: Job, how_long: timedelta, *, counts: bool) -> None:
        attempts = Media.attempts if counts else Media.attempts - 1
        with self._sessions.begin() as session:
            session.execute(
                update(Media).where(*_mine(job)).values(due_at=datetime.now(UTC) + how_long, attempts=attempts)
            )


def _work_folder(media_id: UUID, attempt: int) -> str:
    return f"{media_id}-{attempt}"


def _mine(job: Job) -> tuple[ColumnElement[bool], ...]:
    statuses = AT_WORK if job.status in AT_WORK else (job.status,)
    return Media.id == job.media_id, Media.attempts == job.attempt, Media.status.in_(statuses)
