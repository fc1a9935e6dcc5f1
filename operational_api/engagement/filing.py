"""What the worker does about files of messages, one at a time: look through them, take them to the object store, delete
there what is gone here.

Files of before there was a store are taken there by the same hand. A crash anywhere leaves something that is due: what
was stored is stored again, under the same key.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from contracts.sealing import Sealer
from contracts.telemetry import get_logger, trace
from operational_api.core import failpoints, scanner
from operational_api.core.claims import take_due
from operational_api.core.errors import Unavailable
from operational_api.core.objects import ObjectMissing, ObjectSettings, ObjectStore, StoreUnavailable
from operational_api.core.retries import RetryPolicy
from operational_api.engagement.errors import AttachmentNotFound
from operational_api.engagement.models import AttachmentFile
from operational_api.engagement.service.attachments import object_key
from operational_api.engagement.settings import FileSettings

log = get_logger(__name__)
LEASE = timedelta(minutes=3)
"""How long another worker leaves a file alone; no request to the store or the scanner lasts as long."""
RETRY = RetryPolicy(attempts=1_000_000, first_seconds=5, longest_seconds=3600)
WITHOUT_A_STORE = timedelta(days=1)
"""Between looks whether there is one by now."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One taking of one file. `attempt` is its number: who was superseded writes nothing."""

    attachment_id: UUID
    status: str
    scan: str | None
    attempt: int

    @property
    def key(self) -> str:
        return object_key(self.attachment_id)


class FileKeeper:
    """Does one thing that is due each time it is asked.

    Args:
        sessions: Of the system.
        store: None where the settings name none: then files stay in the database once they were looked through.
    """

    def __init__(self, sessions: sessionmaker[Session], settings: FileSettings, store: ObjectStore | None) -> None:
        self._sessions, self._settings, self._store = sessions, settings, store
        self._sealer = settings.sealer

    @classmethod
    def of_environment(cls, sessions: sessionmaker[Session]) -> "FileKeeper":
        """With what the environment says."""
        objects = ObjectSettings()
        return cls(sessions, FileSettings(), ObjectStore(objects) if objects.s3_endpoint else None)

    def run_due(self) -> bool:
        """Take one file and do what its status asks for.

        Returns:
            Whether there was one, so that more may be waiting.
        """
        if (job := self._take(datetime.now(UTC))) is None:
            return False
        with trace():
            try:
                self._do(job)
            except scanner.Harmful as found:
                log.warning("attachment_infected", attachment_id=str(job.attachment_id), found=str(found))
                self._say(job, status="refused", scan=str(found)[:80], content=None, due_at=None)
            except Unavailable as error:
                log.warning("attachment_postponed", attachment_id=str(job.attachment_id), why=error.detail)
                self._postpone(job)
            except Exception:
                log.exception("attachment_failed", attachment_id=str(job.attachment_id), attempt=job.attempt)
                self._postpone(job)
        return True

    def _do(self, job: _Job) -> None:
        if job.status == "removed":
            self._erase(job)
            return
        with self._sessions.begin() as session:
            content = session.scalar(
                select(AttachmentFile.content).where(AttachmentFile.attachment_id == job.attachment_id)
            )
        if content is None:
            self._say(job, due_at=None)
            return
        if job.scan is None:
            self._say(job, scan=scanner.judge(self._settings.media_scanner, BytesIO(content)), status="ready")
        if self._store is None:
            self._say(job, due_at=datetime.now(UTC) + WITHOUT_A_STORE)
            return
        kept = self._sealer.seal(content) if self._sealer else content
        failpoints.hit("files.before_store")
        self._store.put(job.key, kept, media_type="application/octet-stream")
        failpoints.hit("files.before_note")
        is_ours = self._say(job, content=None, is_stored=True, is_sealed=self._sealer is not None, due_at=None)
        if not is_ours and self._is_removed(job):  # whoever deletes it there may have done so before we wrote
            self._store.erase(job.key)

    def _take(self, now: datetime) -> _Job | None:
        with self._sessions.begin() as session:
            row = take_due(session, AttachmentFile, now=now, lease=LEASE)
            if row is None:
                return None
            return _Job(row.attachment_id, row.status, row.scan, row.attempts)

    def _say(self, job: _Job, **values: object) -> bool:
        """Note what came of it, unless the file was taken by somebody else or removed meanwhile. Whether it was not."""
        mine = (
            AttachmentFile.attachment_id == job.attachment_id, AttachmentFile.attempts == job.attempt,
            AttachmentFile.status != "removed",
        )  # fmt: skip
        with self._sessions.begin() as session:
            changed = session.execute(
                update(AttachmentFile).where(*mine).values(**values).returning(AttachmentFile.attachment_id)
            )
            return changed.first() is not None

    def _is_removed(self, job: _Job) -> bool:
        with self._sessions.begin() as session:
            status = session.scalar(
                select(AttachmentFile.status).where(AttachmentFile.attachment_id == job.attachment_id)
            )
        return status in (None, "removed")

    def _postpone(self, job: _Job) -> None:
        wait = RETRY.delay(min(job.attempt, 30))
        with self._sessions.begin() as session:
            session.execute(
                update(AttachmentFile)
                .where(AttachmentFile.attachment_id == job.attachment_id, AttachmentFile.attempts == job.attempt)
                .values(due_at=datetime.now(UTC) + wait)
            )

    def _erase(self, job: _Job) -> None:
        """First the bytes, then what says that there are some. Without a store there were none."""
        if self._store is not None:
            self._store.erase(job.key)
        with self._sessions.begin() as session:
            gone = delete(AttachmentFile).where(
                AttachmentFile.attachment_id == job.attachment_id, AttachmentFile.status == "removed"
            )
            session.execute(gone if self._store is not None else gone.where(AttachmentFile.is_stored.is_(False)))


def fetch(attachment_id: UUID, store: ObjectStore | None, sealer: Sealer | None) -> bytes:
    """A file out of the store.

    Args:
        sealer: None where it was not sealed.

    Raises:
        AttachmentNotFound: it is gone.
        StoreUnavailable: the store cannot be reached, or there is none by now.
        SealBroken: it was sealed with another key.
    """
    if store is None:
        raise StoreUnavailable
    try:
        content = b"".join(store.read(object_key(attachment_id)))
    except ObjectMissing:
        raise AttachmentNotFound from None
    return sealer.open(content) if sealer else content
