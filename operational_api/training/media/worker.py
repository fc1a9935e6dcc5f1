"""What the worker does about videos, one thing at a time: check and prepare an upload, give up one that nobody
finishes, delete the bytes of one that was removed. How a video is taken and kept meanwhile: `claims`.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from contracts.events.training import MediaPrepared, MediaRefused
from contracts.telemetry import get_logger, trace
from operational_api.core import scanner
from operational_api.core.errors import Unavailable
from operational_api.core.objects import ObjectSettings, ObjectStore
from operational_api.core.outbox import publish
from operational_api.training.media import footage
from operational_api.training.media.claims import Claims, Job, Superseded
from operational_api.training.media.settings import MediaSettings
from operational_api.training.models import Media, MediaPart
from operational_api.training.service import media

log = get_logger(__name__)
SUFFIXES = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment", ".mp4": "video/mp4",
            ".jpg": "image/jpeg"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a video is not taken: a stable name, and what its sender reads."""

    code: str
    told: str


class Refused(Exception):
    """The video will not be served."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(told)
        self.refusal = Refusal(code, told)


class Stopping(Exception):
    """The process is to end; the video waits for the next one."""


class MediaWorker:
    """Does one thing that is due each time it is asked.

    Args:
        sessions: Of the system.
        store: None where the settings name none: then nothing is done.
        stop: Set when the process is to end.
    """

    def __init__(
        self, sessions: sessionmaker[Session], settings: MediaSettings, store: ObjectStore | None, stop: Event
    ) -> None:
        self._sessions, self._settings, self._store, self._stop = sessions, settings, store, stop
        self._claims = Claims(sessions, settings.lease)
        self._has_swept = False

    @classmethod
    def of_environment(cls, sessions: sessionmaker[Session], stop: Event) -> "MediaWorker":
        """With what the environment says."""
        objects = ObjectSettings()
        return cls(sessions, MediaSettings(), ObjectStore(objects) if objects.s3_endpoint else None, stop)

    def run_due(self) -> bool:
        """Take one video and do what its status asks for.

        Returns:
            Whether there was one, so that more may be waiting.
        """
        if self._store is None:
            return False
        if not self._has_swept:
            self._sweep()
        if (job := self._claims.take(datetime.now(UTC))) is None:
            return False
        with trace():
            try:
                self._do(job, self._store)
            except Superseded:
                log.info("media_superseded", media_id=str(job.media_id), attempt=job.attempt)
                self._store.erase(job.folder)  # nobody reads it
            except Stopping:
                self._claims.give_back(job)
            except Refused as error:
                self._refuse(job, self._store, error.refusal)
            except Unavailable as error:
                log.warning("media_postponed", media_id=str(job.media_id), code=error.code())
                self._claims.postpone(job, counts=False)
            except Exception:
                log.exception("media_failed", media_id=str(job.media_id), attempt=job.attempt, status=job.status)
                self._claims.postpone(job, counts=True)
        return True

    def _do(self, job: Job, store: ObjectStore) -> None:
        if job.status == "uploading":
            self._give_up(job, store)
        elif job.status == "removed":
            self._erase(job, store)
        elif job.status == "ready":
            self._tidy(job, store)
        else:
            with self._folder(job) as folder:
                self._prepare(job, store, folder)

    def _prepare(self, job: Job, store: ObjectStore, folder: Path) -> None:
        if job.attempt > self._settings.attempts:
            raise Refused("given_up", "We could not prepare this video. Export it anew, as MP4, and send that.")
        original = folder / "original"
        self._fetch(job, store, original)
        media_type = footage.media_type_of(original)
        if media_type is None:
            raise Refused("not_a_video", "This is no video that we can read: MP4, MOV or WebM.")
        scan = self._scan(original)
        try:
            found = footage.probe(original)
            self._check_length(job, found)
            self._claims.say(job, status="encoding", media_type=media_type, scan=scan, progress_percent=0)
            made = folder / "made"
            made.mkdir()
            longest = max(120.0, self._settings.slowest * found.duration_seconds)
            renditions = footage.prepare(
                original, made, found, longest_seconds=longest, progress=lambda percent: self._progress(job, percent)
            )
            # A file that was cut off still says how long it was.
            found = replace(found, duration_seconds=footage.probe(made / "video.mp4").duration_seconds)
        except footage.NotFootage as error:
            raise Refused("not_readable", str(error)) from None
        except footage.Interrupted:
            raise Refused(
                "too_slow", "This video takes too long to prepare. Export it smaller, and send that."
            ) from None
        for file in sorted(made.iterdir()):
            self._progress(job, 99)
            with file.open("rb") as content:
                store.put(f"{job.folder}{file.name}", content, media_type=SUFFIXES[file.suffix])
        self._finish(job, found, renditions)

    def _fetch(self, job: Job, store: ObjectStore, file: Path) -> None:
        """Bring the upload, and look once more whether it is what was announced."""
        digests, part, left = [], hashlib.sha256(), job.part_bytes
        with file.open("wb") as content:
            for piece in store.read(media.original_key(job.media_id)):
                content.write(piece)
                while piece:
                    now, piece = piece[:left], piece[left:]
                    part.update(now)
                    left -= len(now)
                    if left == 0:
                        digests.append(part.hexdigest())
                        part, left = hashlib.sha256(), job.part_bytes
        if left < job.part_bytes:
            digests.append(part.hexdigest())
        if file.stat().st_size != job.size_bytes or media.digest_of(digests) != job.sha256:
            raise Refused("damaged", "This video was damaged on the way. Send it again.")

    def _scan(self, file: Path) -> str:
        try:
            with file.open("rb") as content:
                return scanner.judge(self._settings.scanner, content)
        except scanner.Harmful as found:
            log.warning("media_infected", found=str(found))
            raise Refused(
                "infected", "Our virus scanner found something harmful in this file. It was deleted."
            ) from None

    def _check_length(self, job: Job, found: footage.Probe) -> None:
        longest = self._settings.longest_form_seconds if job.kind == "form" else self._settings.longest_seconds
        if found.duration_seconds > longest:
            raise Refused("too_long", f"A video may be up to {longest / 60:.0f} minutes long.")

    def _progress(self, job: Job, percent: int) -> None:
        if self._stop.is_set():
            raise Stopping
        self._claims.say(job, progress_percent=percent)

    def _tidy(self, job: Job, store: ObjectStore) -> None:
        """Delete the upload, and what takings before the last one left; then there is nothing more to do."""
        store.erase(media.original_key(job.media_id))
        with self._sessions.begin() as session:
            edition = self._claims.locked(session, job).edition
        for earlier in range(1, edition):
            store.erase(f"media/{job.media_id}/{earlier}/")
        self._claims.say(job, due_at=None)

    def _finish(self, job: Job, found: footage.Probe, renditions: list[footage.Rendition]) -> None:
        now = datetime.now(UTC)
        with self._sessions.begin() as session:
            row = self._claims.locked(session, job)
            row.status, row.ready_at, row.due_at, row.progress_percent = "ready", now, now, 100
            row.edition, row.duration_seconds = job.attempt, found.duration_seconds
            row.renditions = [one.told() for one in renditions]
            session.flush()
            facts = media.event_facts(row)
            publish(session, MediaPrepared(occurred_at=now, duration_seconds=found.duration_seconds, **facts))
        log.info("media_ready", media_id=str(job.media_id), seconds=found.duration_seconds)

    def _refuse(self, job: Job, store: ObjectStore, refusal: Refusal) -> None:
        """Say why, and delete what came: first the bytes, so that a crash between leaves something to be done."""
        store.erase(media.original_key(job.media_id))
        store.erase(f"media/{job.media_id}/")
        now = datetime.now(UTC)
        try:
            with self._sessions.begin() as session:
                row = self._claims.locked(session, job)
                row.status, row.refusal, row.due_at = "refused", refusal.told, None
                session.flush()
                publish(session, MediaRefused(occurred_at=now, reason=refusal.code, **media.event_facts(row)))
        except Superseded:
            return
        log.info("media_refused", media_id=str(job.media_id), reason=refusal.code)

    def _give_up(self, job: Job, store: ObjectStore) -> None:
        if job.upload_key:
            store.abort_upload(media.original_key(job.media_id), job.upload_key)
        store.erase(media.original_key(job.media_id))  # completed, and never said so
        with self._sessions.begin() as session:
            session.execute(delete(MediaPart).where(MediaPart.media_id == job.media_id))
            row = self._claims.locked(session, job)
            row.status, row.due_at, row.refusal = (
                "refused",
                None,
                "This upload was not finished in time. Send it again.",
            )
            row.upload_key = None
            session.flush()
            publish(
                session,
                MediaRefused(occurred_at=datetime.now(UTC), reason="not_finished", **media.event_facts(row)),
            )  # fmt: skip

    def _erase(self, job: Job, store: ObjectStore) -> None:
        if job.upload_key:
            store.abort_upload(media.original_key(job.media_id), job.upload_key)
        store.erase(media.original_key(job.media_id))
        store.erase(f"media/{job.media_id}/")
        with self._sessions.begin() as session:
            session.execute(delete(Media).where(Media.id == job.media_id, Media.status == "removed"))

    def _sweep(self) -> None:
        """Delete what workers left here that were killed: videos of people, which nobody is at work on any more."""
        folder = self._settings.work_folder
        found = list(folder.iterdir()) if folder.is_dir() else []  # before we ask: who begins after that is not in it
        if found:
            current = self._claims.work_folders()
            for one in found:
                if one.name not in current:
                    shutil.rmtree(one, ignore_errors=True)
        self._has_swept = True

    @contextmanager
    def _folder(self, job: Job) -> Iterator[Path]:
        """A folder of this taking's own."""
        self._sweep()
        folder = self._settings.work_folder / job.work_folder
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
