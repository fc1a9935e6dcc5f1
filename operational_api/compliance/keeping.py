"""What the worker does about files of exports, one at a time: make them, straight into the object store, and delete
them when their time is over.

A file of data of many people is a CSV, a copy for one person a ZIP. A crash anywhere leaves something that is due; what
another taking had stored lies in a folder of its own, which nobody reads.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from contracts.sealing import Sealer
from contracts.telemetry import get_logger, trace
from operational_api.compliance import archive
from operational_api.compliance.models import StoredFile
from operational_api.compliance.service import exports, files, personal_exports
from operational_api.compliance.settings import ExportSettings
from operational_api.core import failpoints
from operational_api.core.claims import take_due
from operational_api.core.errors import Unavailable
from operational_api.core.objects import ObjectSettings, ObjectStore
from operational_api.core.parcels import Place, Writer
from operational_api.core.personal import Contribution
from operational_api.core.retries import RetryPolicy

log = get_logger(__name__)
LEASE = timedelta(minutes=5)
"""How long a worker may say nothing before another one takes its file."""
RETRY = RetryPolicy(attempts=1_000_000, first_seconds=5, longest_seconds=3600)


class Superseded(Exception):
    """Another worker has the file now, or nobody may have it any more."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One taking of one file. `attempt` is its number: who was superseded writes nothing that is read."""

    export_id: UUID
    kind: str
    status: str
    attempt: int

    @property
    def folder(self) -> str:
        return files.folder(self.export_id, self.attempt)


class ExportKeeper:
    """Does one thing that is due each time it is asked.

    Args:
        sessions: Of the system.
        store: None where the settings name none: then nothing is done.
        contributions: What all contexts give to a person.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        sealer: Sealer | None,
        store: ObjectStore | None,
        contributions: Sequence[Contribution],
    ) -> None:
        self._sessions, self._sealer, self._store = sessions, sealer, store
        self._contributions = contributions

    @classmethod
    def of_environment(cls, sessions: sessionmaker[Session], contributions: Sequence[Contribution]) -> "ExportKeeper":
        """With what the environment says."""
        objects = ObjectSettings()
        store = ObjectStore(objects) if objects.s3_endpoint else None
        return cls(sessions, ExportSettings().sealer, store, contributions)

    def run_due(self) -> bool:
        """Take one file and do what its status asks for.

        Returns:
            Whether there was one, so that more may be waiting.
        """
        if self._store is None or (job := self._take(datetime.now(UTC))) is None:
            return False
        with trace():
            try:
                self._do(job, self._store)
            except Superseded:
                log.info("export_superseded", export_id=str(job.export_id), attempt=job.attempt)
                self._store.erase(job.folder)
            except Unavailable as error:
                log.warning("export_postponed", export_id=str(job.export_id), why=error.detail)
                self._postpone(job)
            except Exception:
                log.exception("export_failed", export_id=str(job.export_id), attempt=job.attempt)
                self._postpone(job)
        return True

    def _do(self, job: _Job, store: ObjectStore) -> None:
        if job.status != "making":
            self._erase(job, store)
            return
        store.erase(f"exports/{job.export_id}/")  # what takings before this one left
        writer = Writer(Place(store, job.folder, self._sealer), stored=lambda: self._keep(job))
        if job.kind == "business":
            row_count, file_count = self._write_business(job, writer), 0
        else:
            contents = self._write_personal(job, writer, store)
            if contents is None:
                self._drop(job)
                return
            row_count, file_count = contents.row_count, contents.file_count
        size = writer.finish()
        failpoints.hit("exports.before_note")
        self._finish(job, row_count, file_count, size)

    def _write_business(self, job: _Job, writer: Writer) -> int:
        with self._sessions.begin() as session:
            return exports.write_file(session, export_id=job.export_id, to=codecs.getwriter("utf-8")(writer))

    def _write_personal(self, job: _Job, writer: Writer, store: ObjectStore) -> archive.Contents | None:
        with self._sessions.begin() as session:
            person = personal_exports.person_of(session, job.export_id)
        if person is None:
            return None
        return archive.write(
            writer, person, self._contributions, sessions=self._sessions, store=store, sealer=self._sealer,
            now=datetime.now(UTC),
        )  # fmt: skip

    def _finish(self, job: _Job, row_count: int, file_count: int, size: int) -> None:
        now = datetime.now(UTC)
        with self._sessions.begin() as session:
            row = session.scalar(select(StoredFile).where(*_mine(job)).with_for_update())
            if row is None:
                raise Superseded
            if job.kind == "business":
                until = exports.note_made(session, export_id=job.export_id, row_count=row_count, now=now)
            else:
                until = personal_exports.note_made(
                    session, export_id=job.export_id, row_count=row_count, file_count=file_count, size_bytes=size,
                    now=now,
                )  # fmt: skip
            row.status, row.edition, row.size_bytes, row.is_sealed = "ready", job.attempt, size, bool(self._sealer)
            row.expires_at = row.due_at = until
        log.info("export_made", export_id=str(job.export_id), kind=job.kind, rows=row_count, bytes=size)

    def _take(self, now: datetime) -> _Job | None:
        with self._sessions.begin() as session:
            row = take_due(session, StoredFile, now=now, lease=LEASE)
            if row is None:
                return None
            return _Job(row.export_id, row.kind, row.status, row.attempts)

    def _keep(self, job: _Job) -> None:
        """Say that the file is still being made.

        Raises:
            Superseded: it is somebody else's now, or nobody's.
        """
        with self._sessions.begin() as session:
            kept = update(StoredFile).where(*_mine(job)).values(due_at=datetime.now(UTC) + LEASE)
            if session.execute(kept.returning(StoredFile.export_id)).first() is None:
                raise Superseded

    def _postpone(self, job: _Job) -> None:
        wait = RETRY.delay(min(job.attempt, 30))
        with self._sessions.begin() as session:
            session.execute(
                update(StoredFile)
                .where(StoredFile.export_id == job.export_id, StoredFile.attempts == job.attempt)
                .values(due_at=datetime.now(UTC) + wait)
            )

    def _erase(self, job: _Job, store: ObjectStore) -> None:
        """First the bytes, then what says that there are some."""
        store.erase(f"exports/{job.export_id}/")
        self._drop(job)

    def _drop(self, job: _Job) -> None:
        with self._sessions.begin() as session:
            session.execute(
                delete(StoredFile).where(StoredFile.export_id == job.export_id, StoredFile.attempts == job.attempt)
            )


def _mine(job: _Job) -> tuple[ColumnElement[bool], ...]:
    return (
        StoredFile.export_id == job.export_id, StoredFile.attempts == job.attempt, StoredFile.status == job.status,
    )  # fmt: skip
