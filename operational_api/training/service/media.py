"""Videos as they come and go: an upload by parts, completion, removal. What is done with them between is the worker's.

Bytes of a part are stored before its row, and the last step of completion before the row says so: a crash between the
two is repaired by doing the same again.
"""

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.training import MediaRemoved, MediaUploaded
from contracts.ids import new_id
from operational_api.core.objects import ObjectMissing, ObjectStore
from operational_api.core.outbox import publish
from operational_api.training.errors import (
    Incomplete,
    MediaNotFound,
    MediaNotSetUp,
    MediaQuotaUsed,
    MediaTooLarge,
    TooManyUploads,
    UploadClosed,
    WorkoutNotFound,
    WrongPart,
)
from operational_api.training.media.settings import MediaSettings
from operational_api.training.models import Media, MediaCaptions, MediaCue, MediaPart, MediaPosition, Workout
from operational_api.training.service.exercises import known_exercises

KINDS = {"customer": "form", "coach": "guide", "lead_coach": "guide", "admin": "catalogue"}
"""What people of a role upload."""


def begin_upload(
    session: Session,
    *,
    kind: str,
    uploader_id: UUID,
    title: str,
    size_bytes: int,
    sha256: str,
    now: datetime,
    settings: MediaSettings,
    exercise_id: int | None = None,
    workout_id: UUID | None = None,
) -> Media:
    """Note that somebody sends a video. The same file again, not finished, is the same upload with what came of it.

    Args:
        sha256: Hex digest of the SHA-256 digests of all parts, in order.

    Raises:
        MediaNotSetUp: nobody decided whether files are scanned.
        MediaTooLarge, TooManyUploads, MediaQuotaUsed: a limit.
        UnknownExercise, WorkoutNotFound: what it shows is not there, or not theirs.
    """
    if not settings.scanner:
        raise MediaNotSetUp
    is_form = kind == "form"
    largest = settings.largest_form_bytes if is_form else settings.largest_bytes
    if size_bytes > largest:
        raise MediaTooLarge(f"A video may have up to {largest // 2**20} MB. This one has {size_bytes // 2**20}.")
    known_exercises(session, [] if exercise_id is None else [exercise_id])
    if workout_id is not None:
        owner = session.scalar(select(Workout.customer_id).where(Workout.id == workout_id))
        if not is_form or owner != uploader_id:
            raise WorkoutNotFound
    # Of two uploads begun at once the second counts the first.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"media/{uploader_id}", 0))))
    mine = (Media.uploader_id == uploader_id, Media.status != "removed")
    unfinished = session.scalars(select(Media).where(*mine, Media.status == "uploading")).all()
    for known in unfinished:
        if (known.sha256, known.size_bytes, known.kind) == (sha256, size_bytes, kind):
            known.title, known.exercise_id, known.workout_id = title, exercise_id, workout_id
            session.flush()
            return known
    if len(unfinished) >= settings.most_unfinished:
        raise TooManyUploads
    used = session.scalar(
        select(func.coalesce(func.sum(Media.size_bytes), 0)).where(*mine, Media.status != "refused")
    ) or 0  # fmt: skip
    if used + size_bytes > (settings.quota_form_bytes if is_form else settings.quota_bytes):
        raise MediaQuotaUsed
    row = Media(
        id=new_id(), kind=kind, uploader_id=uploader_id, customer_id=uploader_id if is_form else None,
        coach_id=uploader_id if kind == "guide" else None, exercise_id=exercise_id, workout_id=workout_id,
        title=title, status="uploading", size_bytes=size_bytes, sha256=sha256, part_bytes=settings.part_bytes,
        due_at=now + settings.unfinished_for, created_at=now, progress_percent=0, attempts=0, edition=0, renditions=[],
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def upload_of(session: Session, store: ObjectStore, media_id: UUID) -> Media:
    """An upload under way, begun at the store too.

    Raises:
        UploadClosed: it is over.
    """
    row = get_media(session, media_id, lock=True)
    check_open(row)
    if row.upload_key is None:
        row.upload_key = store.begin_upload(original_key(row.id), media_type="application/octet-stream")
        session.flush()
    return row


def check_open(row: Media) -> None:
    """Whether parts may still come.

    Raises:
        UploadClosed: no.
    """
    if row.status != "uploading":
        raise UploadClosed


def check_part(row: Media, number: int, content: bytes, sha256: str) -> None:
    """Whether these bytes can be that part.

    Raises:
        WrongPart: they are too many or too few, or not those that the digest is of.
    """
    last = part_count(row)
    if not 1 <= number <= last:
        raise WrongPart(f"This upload has the parts 1 to {last}.")
    size = row.part_bytes if number < last else row.size_bytes - (last - 1) * row.part_bytes
    if len(content) != size:
        raise WrongPart(f"Part {number} has {size} bytes.")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WrongPart


def keep_part(session: Session, media_id: UUID, number: int, *, size_bytes: int, sha256: str, etag: str) -> None:
    """Note that a part has arrived. The same number again replaces it.

    Raises:
        UploadClosed: the upload ended meanwhile.
    """
    check_open(get_media(session, media_id, lock=True))
    said = {"size_bytes": size_bytes, "sha256": sha256, "etag": etag}
    statement = insert(MediaPart).values(media_id=media_id, number=number, **said)
    session.execute(statement.on_conflict_do_update(index_elements=["media_id", "number"], set_=said))


def complete_upload(session: Session, store: ObjectStore, *, media_id: UUID, now: datetime) -> Media:
    """Put the parts together and have the video checked. Again changes nothing.

    Raises:
        Incomplete: parts are missing.
        WrongPart: together they are not what was announced.
        UploadClosed: it was given up.
    """
    row = get_media(session, media_id, lock=True)
    if row.status in ("checking", "encoding", "ready", "refused"):
        return row
    check_open(row)
    parts = parts_of(session, media_id)
    if len(parts) != part_count(row) or row.upload_key is None:
        raise Incomplete(missing=sorted(set(range(1, part_count(row) + 1)) - {one.number for one in parts}))
    if digest_of([one.sha256 for one in parts]) != row.sha256 or sum(one.size_bytes for one in parts) != row.size_bytes:
        raise WrongPart("All parts came, and together they are not the file that was announced. Start over.")
    key = original_key(media_id)
    try:
        store.complete_upload(key, row.upload_key, {one.number: one.etag for one in parts})
    except ObjectMissing:  # completed before, and we ended before we could say so; or a part was replaced just now
        if not _is_stored(store, key, row.size_bytes):
            raise WrongPart("A part of this video was lost on the way. Start over.") from None
    row.status, row.due_at, row.upload_key = "checking", now, None
    session.flush()
    publish(
        session,
        MediaUploaded(
            occurred_at=now, uploader_id=row.uploader_id, size_bytes=row.size_bytes, **event_facts(row)
        ),
    )  # fmt: skip
    return row


def remove_media(session: Session, *, row: Media, now: datetime) -> None:
    """Take a video away at once, with its captions and everybody's positions; the worker deletes its bytes.

    Again changes nothing.
    """
    session.refresh(row, with_for_update=True)
    if row.status == "removed":
        return
    row.status, row.due_at, row.title, row.attempts, row.ready_at = "removed", now, "", 0, None
    session.flush()
    for table in (MediaCaptions, MediaCue, MediaPosition):
        session.execute(delete(table).where(table.media_id == row.id))
    publish(session, MediaRemoved(occurred_at=now, **event_facts(row)))


def forget_person(session: Session, *, account_id: UUID, now: datetime) -> int:
    """Remove whatever shows a person, and where they stopped watching. What a coach made for the business stays.

    Returns:
        How many videos.
    """
    rows = session.scalars(select(Media).where(Media.customer_id == account_id, Media.status != "removed")).all()
    for row in rows:
        remove_media(session, row=row, now=now)
    session.execute(delete(MediaPosition).where(MediaPosition.account_id == account_id))
    return len(rows)


def rename(session: Session, *, row: Media, title: str) -> Media:
    """Give a video another title."""
    session.execute(update(Media).where(Media.id == row.id).values(title=title))
    row.title = title
    return row


def get_media(session: Session, media_id: UUID, *, lock: bool = False) -> Media:
    """The video.

    Raises:
        MediaNotFound: there is none, or it was removed.
    """
    query = select(Media).where(Media.id == media_id).execution_options(populate_existing=True)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None or row.status == "removed":
        raise MediaNotFound
    return row


def parts_of(session: Session, media_id: UUID) -> Sequence[MediaPart]:
    """What has arrived, in order."""
    query = select(MediaPart).where(MediaPart.media_id == media_id).order_by(MediaPart.number)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def part_count(row: Media) -> int:
    """How many parts the whole has."""
    return math.ceil(row.size_bytes / row.part_bytes)


def digest_of(parts: Sequence[str]) -> str:
    """The digest of a file out of its parts' hex digests, so that nobody has to read all of it at once."""
    return hashlib.sha256(b"".join(bytes.fromhex(one) for one in parts)).hexdigest()


def original_key(media_id: UUID) -> str:
    """Where an upload lies until it was prepared."""
    return f"originals/{media_id}"


def folder_of(row: Media) -> str:
    """Where what is served of a video lies. Another edition is another folder: what is there never changes."""
    return f"media/{row.id}/{row.edition}/"


def event_facts(row: Media) -> dict[str, Any]:
    """What every event about a video says."""
    return {"media_id": row.id, "kind": row.kind, "customer_id": row.customer_id}


def _is_stored(store: ObjectStore, key: str, size: int) -> bool:
    try:
        return store.size(key) == size
    except ObjectMissing:
        return False
