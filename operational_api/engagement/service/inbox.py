"""The inbox in the app: every message to a person, whatever became of it by e-mail, SMS, WhatsApp or push.

A message lands here by being asked for, in the same transaction: there is no provider that could refuse it, and nothing
to send twice. What proves something is there at once; of anything else is decided when it is due (`land_due`), by what
its person wants in the app then. Quiet hours and caps keep it from nobody: it does not ring.

Not here: conversations, which have their own place in the app (`threads`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.core.paging import after, cut
from operational_api.engagement.channels.rendering import render_for_app
from operational_api.engagement.errors import InboxMessageNotFound
from operational_api.engagement.models import InboxMessage
from operational_api.engagement.service.contacts import contacts
from operational_api.engagement.service.preferences import willing_to_read

log = get_logger(__name__)
NOT_FOR_THE_APP = frozenset(
    {"verify_email", "confirm_email", "reset_password", "account_exists", "sign_in_code", "confirm_phone"}
    | {"new_message"}
)
"""What leads into an account, or shows whose an address is, proves nothing to who is signed in already, and would let
in whoever sits at their screen. Word of a message is not the message: that is under Messages, with its own number."""
KEPT_FOR = timedelta(days=180)
AT_ONCE = 1_000
_SHOWN = InboxMessage.landed_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was asked for, as `OutgoingMessage` has it. `due_at`: when it is to leave."""

    dedupe_key: str
    person_id: UUID
    template: str
    purpose: str
    context: dict[str, Any]
    language: str
    due_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as its person sees it. `summary`: one line; `body`: HTML of ours, with the links it leads to."""

    id: UUID
    purpose: str
    title: str
    summary: str
    body: Markup
    language: str
    landed_at: datetime
    read_at: datetime | None
    archived_at: datetime | None


def take(session: Session, messages: Sequence[Taken]) -> None:
    """Put messages on their way into inboxes: proofs that are due are there at once. One statement."""
    rows = [
        {
            "id": new_id(), "dedupe_key": one.dedupe_key, "person_id": one.person_id, "template": one.template,
            "purpose": one.purpose, "context": one.context, "language": one.language, "due_at": one.due_at,
            "expires_at": one.expires_at, "landed_at": one.due_at if one.purpose == "transactional" else None,
        }
        for one in messages
        if one.template not in NOT_FOR_THE_APP
    ]  # fmt: skip
    if rows:
        session.execute(insert(InboxMessage).on_conflict_do_nothing(), rows)


def call_off(session: Session, dedupe_key: str) -> None:
    """A message that is not there yet does not come; what somebody may have read stays."""
    session.execute(delete(InboxMessage).where(InboxMessage.dedupe_key == dedupe_key, InboxMessage.landed_at.is_(None)))


def call_off_all(session: Session, beginning: str) -> None:
    """Of messages whose keys begin alike those that nobody has read go, also where they are there already."""
    theirs = InboxMessage.dedupe_key.startswith(beginning, autoescape=True), InboxMessage.read_at.is_(None)
    session.execute(delete(InboxMessage).where(*theirs).execution_options(synchronize_session=False))


def land_due(session: Session, now: datetime) -> None:
    """Put what is due before its people; what they do not want in the app, or what is worth nothing by now, goes.

    The same number of statements for any number of messages, a thousand at a time.
    """
    due = select(InboxMessage.id, InboxMessage.person_id, InboxMessage.purpose, InboxMessage.expires_at)
    due = due.where(InboxMessage.landed_at.is_(None), InboxMessage.due_at <= now).order_by(InboxMessage.due_at)
    while rows := session.execute(due.limit(AT_ONCE).with_for_update(skip_locked=True)).all():
        people = contacts(session, {row.person_id for row in rows})
        willing = willing_to_read(session, people)
        lands = {
            row.id
            for row in rows
            if (row.person_id, row.purpose) in willing and (row.expires_at is None or row.expires_at > now)
        }
        gone = [row.id for row in rows if row.id not in lands]
        for statement in (
            update(InboxMessage).where(InboxMessage.id.in_(lands)).values(landed_at=now),
            delete(InboxMessage).where(InboxMessage.id.in_(gone)),
        ):
            session.execute(statement.execution_options(synchronize_session=False))


def forget_old(session: Session, now: datetime) -> None:
    """What has been there for half a year goes."""
    old = delete(InboxMessage).where(InboxMessage.landed_at < now - KEPT_FOR)
    session.execute(old.execution_options(synchronize_session=False))


def unread(session: Session, person_id: UUID) -> int:
    """How many messages in the inbox the person has not read."""
    new = _SHOWN, InboxMessage.read_at.is_(None), InboxMessage.archived_at.is_(None)
    return session.scalar(select(func.count()).where(InboxMessage.person_id == person_id, *new)) or 0


def messages(
    session: Session, person_id: UUID, *, is_archived: bool = False, limit: int, cursor: str | None = None
) -> tuple[list[Shown], str | None]:
    """A page of the inbox, or of its archive, newest first."""
    place = InboxMessage.archived_at.is_not(None) if is_archived else InboxMessage.archived_at.is_(None)
    statement = select(InboxMessage).where(InboxMessage.person_id == person_id, _SHOWN, place)
    if cursor is not None:
        place_in_list = tuple_(InboxMessage.landed_at, InboxMessage.id)
        statement = statement.where(place_in_list < after(cursor, datetime, UUID))
    statement = statement.order_by(InboxMessage.landed_at.desc(), InboxMessage.id.desc()).limit(limit + 1)
    page, next_cursor = cut(session.scalars(statement).all(), limit, lambda one: (one.landed_at, one.id))
    return [_shown(one) for one in page], next_cursor


def read_all(session: Session, person_id: UUID, *, up_to: UUID | None = None, now: datetime) -> int:
    """Everything in the inbox is read. Returns how many were not.

    Args:
        up_to: The newest message that the person was shown: what came after it stays unread. None: everything.
    """
    new = update(InboxMessage).where(
        InboxMessage.person_id == person_id, _SHOWN, InboxMessage.read_at.is_(None), InboxMessage.archived_at.is_(None)
    )
    if up_to is not None:
        shown = select(InboxMessage.landed_at, InboxMessage.id)
        shown = shown.where(InboxMessage.id == up_to, InboxMessage.person_id == person_id)
        new = new.where(tuple_(InboxMessage.landed_at, InboxMessage.id) <= shown.scalar_subquery())
    returned = new.values(read_at=now).returning(InboxMessage.id)
    return len(session.scalars(returned, execution_options={"synchronize_session": False}).all())


def keep(
    session: Session,
    person_id: UUID,
    message_id: UUID,
    *,
    is_read: bool | None = None,
    is_archived: bool | None = None,
    now: datetime,
) -> Shown:
    """Say of a message whether it is read and whether it is put away; None leaves that as it is. Again is as once.

    Raises:
        InboxMessageNotFound: it is not in the person's inbox.
    """
    row = session.scalar(
        select(InboxMessage)
        .where(InboxMessage.id == message_id, InboxMessage.person_id == person_id, _SHOWN)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise InboxMessageNotFound
    if is_read is not None and is_read is not (row.read_at is not None):
        row.read_at = now if is_read else None
    if is_archived is not None and is_archived is not (row.archived_at is not None):
        row.archived_at = now if is_archived else None
    session.flush()
    return _shown(row)


def _shown(row: InboxMessage) -> Shown:
    assert row.landed_at is not None  # noqa: S101 - by every query here
    try:
        title, summary, body = render_for_app(row.template, row.context, language=row.language)
    except Exception:  # words of an older version: one of them takes the others off nobody's screen
        log.exception("inbox_message_unreadable", message_id=str(row.id), template=row.template)
        title, summary, body = row.template.replace("_", " ").capitalize(), "", Markup()
    return Shown(
        id=row.id, purpose=row.purpose, title=title, summary=summary, body=body, language=row.language,
        landed_at=row.landed_at, read_at=row.read_at, archived_at=row.archived_at,
    )  # fmt: skip
