"""Mails in a folder: one `.eml` file each, named by time of arrival; the newest `capacity` are kept."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from threading import RLock

from contracts.ids import new_id

_NAME = re.compile(r"^[0-9a-f]{32}$")
_LINK = re.compile(r"https?://[^\s<>\"')]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, decoded. `recipients` are the envelope's; `attachments` are (name, MIME type, bytes)."""

    id: str
    received_at: datetime
    message_id: str
    sender: str
    recipients: list[str]
    subject: str
    text: str
    html: str | None
    attachments: list[tuple[str, str, bytes]]

    @property
    def sender_name(self) -> str:
        """Name in the From header, or the address."""
        name, address = parseaddr(self.sender)
        return name or address

    @property
    def links(self) -> list[str]:
        """Addresses in the text part, in order, each once."""
        return list(dict.fromkeys(_LINK.findall(self.text)))


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # an unknown charset
        return bytes(part.get_payload(decode=True) or b"").decode("latin-1")


def _decode(name: str, raw: bytes) -> Mail:
    message = message_from_bytes(raw, policy=policy.default)
    attachments = [
        (
            part.get_filename() or "attachment",
            part.get_content_type(),
            bytes(part.get_payload(decode=True) or b""),
        )
        for part in message.iter_attachments()
    ]
    return Mail(
        id=name,
        received_at=datetime.fromtimestamp(int(name[:12], 16) / 1000, UTC),
        message_id=str(message["Message-ID"] or ""),
        sender=str(message["From"] or ""),
        recipients=[one for one in str(message["X-Mailbox-To"] or "").split(", ") if one],
        subject=str(message["Subject"] or "(no subject)"),
        text=_body(message, "plain") or "",
        html=_body(message, "html"),
        attachments=attachments,
    )


class Store:
    """The folder, and its mails in memory, newest last. Safe for the SMTP thread and the web's."""

    def __init__(self, folder: Path, *, capacity: int) -> None:
        self._folder, self._capacity = folder, capacity
        self._lock = RLock()
        folder.mkdir(parents=True, exist_ok=True)
        for half_written in folder.glob("*.tmp"):
            half_written.unlink()
        names = sorted(file.stem for file in folder.glob("*.eml") if _NAME.match(file.stem))
        self._mails = {name: _decode(name, self._file(name).read_bytes()) for name in names}

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.eml"

    def add(self, raw: bytes, *, recipients: list[str]) -> Mail:
        """Keep a mail. One with the Message-ID of another takes its place, as mail programs do with a repeat.

        Raises:
            OSError: it could not be written; nothing was kept.
        """
        with self._lock:
            name = new_id().hex
            raw = b"X-Mailbox-To: " + ", ".join(recipients).encode() + b"\r\n" + raw
            mail = _decode(name, raw)
            temporary = self._file(name).with_suffix(".tmp")
            with temporary.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._file(name))
            repeated = [one for one in self._mails.values() if mail.message_id and one.message_id == mail.message_id]
            self._mails[name] = mail
            oldest = list(self._mails.values())[: max(0, len(self._mails) - self._capacity)]
            for gone in {one.id for one in repeated + oldest}:
                self._remove(gone)
            return mail

    def newest_first(self, to: str | None = None) -> list[Mail]:
        """Mails whose recipients contain `to` (any case), newest first."""
        with self._lock:
            mails = list(reversed(self._mails.values()))
        return [mail for mail in mails if to is None or any(to.lower() in one.lower() for one in mail.recipients)]

    def get(self, name: str) -> Mail | None:
        """One mail."""
        with self._lock:
            return self._mails.get(name)

    def clear(self) -> None:
        """Throw all mails away."""
        with self._lock:
            for name in list(self._names()):
                self._remove(name)

    def _names(self) -> Iterator[str]:
        return iter(tuple(self._mails))

    def _remove(self, name: str) -> None:
        self._mails.pop(name, None)
        self._file(name).unlink(missing_ok=True)
