"""Files in a thread: told by their content what they are, kept apart from the message, opened by signed addresses.

A file is taken together with its message, by the database. That somebody looks through it before anybody may have it,
and that it goes on to the object store, is the worker's: `filing`.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer
from sqlalchemy.orm.attributes import set_committed_value

from operational_api.engagement.errors import AttachmentNotFound, FileChecked, FileHarmful, FileRejected
from operational_api.engagement.models import Attachment, AttachmentFile, Message

LARGEST_BYTES = 10 * 1024 * 1024


def media_type_of(content: bytes) -> str | None:
    """What a file is, by its first bytes; None for what is not taken. Its name and what was claimed count nothing."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if content[4:8] == b"ftyp" and content[8:12] in (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V "):
        return "video/mp4"
    return None


def judge(name: str, content: bytes) -> tuple[str, str]:
    """A name that is safe, and the type of a file that is taken.

    Raises:
        FileRejected: empty, larger than 10 MB, or not of a kind that is taken.
    """
    media_type = media_type_of(content)
    if media_type is None or len(content) > LARGEST_BYTES:
        raise FileRejected
    return _tame(name, media_type), media_type


def attach(session: Session, *, message: Message, name: str, content: bytes, now: datetime) -> Attachment:
    """Put a file beside a message.

    Raises:
        FileRejected: empty, larger than 10 MB, or not of a kind that is taken.
    """
    name, media_type = judge(name, content)
    row = Attachment(
        customer_id=message.customer_id, message_id=message.id, uploader_id=message.sender_id,
        name=name, media_type=media_type, size_bytes=len(content), created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    file = AttachmentFile(attachment_id=row.id, content=content, status="checking", due_at=now)
    session.add(file)
    session.flush()
    set_committed_value(row, "file", file)
    return row


def attachments_of(session: Session, message_ids: Iterable[UUID]) -> dict[UUID, list[Attachment]]:
    """Files by message, in the order they came. One query for any number."""
    found: dict[UUID, list[Attachment]] = {}
    rows = session.scalars(select(Attachment).where(Attachment.message_id.in_(set(message_ids))))
    for row in sorted(rows, key=lambda one: one.id):
        found.setdefault(row.message_id, []).append(row)
    return found


def newest(session: Session, customer_id: UUID) -> list[Attachment]:
    """The newest hundred files of a thread."""
    found = select(Attachment).where(Attachment.customer_id == customer_id).order_by(Attachment.id.desc())
    return list(session.scalars(found.limit(100)))


def attachment(session: Session, attachment_id: UUID) -> Attachment:
    """One file's facts.

    Raises:
        AttachmentNotFound: there is none.
    """
    row = session.get(Attachment, attachment_id)
    if row is None:
        raise AttachmentNotFound
    return row


def open_attachment(session: Session, attachment_id: UUID) -> tuple[Attachment, AttachmentFile]:
    """A file that somebody may have: its facts, and its content or where that is.

    Raises:
        AttachmentNotFound: there is none.
        FileChecked, FileHarmful: nobody may have it yet, or ever.
    """
    row = attachment(session, attachment_id)
    file = session.get(AttachmentFile, attachment_id, options=[undefer(AttachmentFile.content)], populate_existing=True)
    if file is None:
        raise AttachmentNotFound
    check_ready(row)
    return row, file


def check_ready(row: Attachment) -> None:
    """Whether somebody may have a file.

    Raises:
        FileChecked, FileHarmful: not yet, or never.
    """
    if row.status != "ready":
        raise FileChecked if row.status == "checking" else FileHarmful


def object_key(attachment_id: UUID) -> str:
    """Where the object store has its content."""
    return f"attachments/{attachment_id}"


def _tame(name: str, media_type: str) -> str:
    """A name that is safe in a header and on a disk, with the ending of what it is."""
    stem = re.sub(r"[^\w\- ]+", "_", name.rpartition("/")[2].rpartition("\\")[2].rpartition(".")[0]).strip(" _")
    return f"{stem[:80] or 'file'}.{media_type.partition('/')[2].replace('jpeg', 'jpg')}"
