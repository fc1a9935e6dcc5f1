"""Digests: messages of one purpose that wait for an hour of their reader's and leave as one list.

No message of its own: of those that are due together the first carries the others (`digest_id` is its id), in its own
row, so whatever keeps a message from leaving twice, or says what becomes of one, holds for the list. Who carries nobody
leaves as it is. What waits, and what is carried, is queued and not due (`LEAVES`); it ends as its carrier does.

Not here: whether a message waits at all (`sending.decide`), and how a list reads (`templates/emails/digest.jinja`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.engagement.channels.rendering import line_of
from operational_api.engagement.errors import UnknownChoice
from operational_api.engagement.models import DigestChoice, OutgoingMessage
from operational_api.engagement.sending import DIGESTED, Channel, Pace, Purpose, Rhythm
from operational_api.engagement.service.contacts import contact

log = get_logger(__name__)
AT_ONCE = 100
"""Lists made in one transaction."""
LEAVES: ColumnElement[bool] = or_(
    OutgoingMessage.digest_at.is_(None), OutgoingMessage.digest_id == OutgoingMessage.id
)  # fmt: skip
"""A message that leaves by itself when it is due: it waits for no list and is carried by none."""
CARRIED: ColumnElement[bool] = OutgoingMessage.digest_id.is_not(None) & (
    OutgoingMessage.digest_id != OutgoingMessage.id
)
_WAITS = (
    OutgoingMessage.status == "queued", OutgoingMessage.digest_at.is_not(None), OutgoingMessage.digest_id.is_(None),
)  # fmt: skip


def rhythm(pace: Pace, hour: int) -> Rhythm | None:
    """What somebody asks for in words; None is each message at once.

    Raises:
        UnknownChoice: no hour of a day.
    """
    if not 0 <= hour <= 23:
        raise UnknownChoice
    return None if pace == "at_once" else Rhythm(hour, pace == "weekly")


def rhythms_of(session: Session, customer_id: UUID) -> dict[Purpose, Rhythm]:
    """When the person has lists, by purpose; nothing for what comes at once, as everything does until they say so."""
    rows = session.scalars(select(DigestChoice).where(DigestChoice.customer_id == customer_id))
    return {row.purpose: Rhythm(row.hour, row.is_weekly) for row in rows}  # type: ignore[misc]


def choose(session: Session, *, customer_id: UUID, rhythms: Mapping[Purpose, Rhythm | None], now: datetime) -> None:
    """Have messages of these purposes come as lists, or each at once (None). What waits already follows.

    Raises:
        UnknownChoice: a purpose that is never gathered.
    """
    said = rhythms_of(session, customer_id)
    person = contact(session, customer_id)
    for purpose, rhythm in rhythms.items():
        if purpose not in DIGESTED:
            raise UnknownChoice
        if said.get(purpose) == rhythm:
            continue
        if rhythm is None:
            whose = DigestChoice.customer_id == customer_id, DigestChoice.purpose == purpose
            session.execute(delete(DigestChoice).where(*whose))
        else:
            values = {"hour": rhythm.hour, "is_weekly": rhythm.is_weekly, "decided_at": now}
            statement = insert(DigestChoice).values(customer_id=customer_id, purpose=purpose, **values)
            keys = [DigestChoice.customer_id, DigestChoice.purpose]
            session.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
        at = rhythm.after(now, person.time_zone if person else "UTC") if rhythm else None
        session.execute(
            update(OutgoingMessage)
            .where(*_WAITS, OutgoingMessage.customer_id == customer_id, OutgoingMessage.purpose == purpose)
            .values(digest_at=at, next_attempt_at=at or now)
            .execution_options(synchronize_session=False)
        )


def form(session: Session, channel: Channel, now: datetime) -> int:
    """Give what waited until `now` to who carries it: the list of before that has not left (it was quiet meanwhile, or
    the person was not to be disturbed), else the first of them. Returns how many lists there are news of.

    One worker at a time does so for a person. Nobody is waited for: what somebody else changes is for the next look.
    """
    due = *_WAITS, OutgoingMessage.channel == channel, OutgoingMessage.digest_at <= now
    whose = select(OutgoingMessage.customer_id, OutgoingMessage.purpose).where(*due).distinct().limit(AT_ONCE)
    formed = 0
    for person_id, purpose in session.execute(whose).all():
        alone = func.pg_try_advisory_xact_lock(func.hashtextextended(f"digest:{person_id}", 0))
        if not session.scalar(select(alone)):
            continue
        theirs = OutgoingMessage.customer_id == person_id, OutgoingMessage.purpose == purpose
        in_order = OutgoingMessage.digest_at, OutgoingMessage.id
        rows = session.scalars(
            select(OutgoingMessage).where(*due, *theirs).order_by(*in_order).with_for_update(skip_locked=True)
        ).all()
        if not rows:
            continue
        before = select(OutgoingMessage).where(
            *theirs, OutgoingMessage.channel == channel, OutgoingMessage.status == "queued",
            OutgoingMessage.digest_id == OutgoingMessage.id, OutgoingMessage.in_doubt_since.is_(None),
        )  # fmt: skip
        carrier = session.scalar(before.order_by(*in_order).limit(1).with_for_update(skip_locked=True)) or rows[0]
        for row in rows:
            row.digest_id = carrier.id
        formed += 1
        log.info("digest_formed", message_id=str(carrier.id), channel=channel, messages=len(rows))
    return formed


def carried_by(session: Session, row: OutgoingMessage, *, locked: bool = False) -> Sequence[OutgoingMessage]:
    """The others that leave, or have left, with this message, in the order in which they were asked for."""
    if row.digest_id is None or row.digest_id != row.id:
        return []
    status = "sent" if row.status == "sent" else "queued"
    query = select(OutgoingMessage).where(
        OutgoingMessage.digest_id == row.id, OutgoingMessage.id != row.id, OutgoingMessage.status == status
    )
    query = query.order_by(OutgoingMessage.created_at, OutgoingMessage.id)
    return session.scalars(query.with_for_update() if locked else query).all()


def among(ids: Iterable[UUID]) -> ColumnElement[bool]:
    """These messages, as one parameter: they may be more than a statement may have of those."""
    return OutgoingMessage.id == any_(literal(list(ids), ARRAY(Uuid)))


def leaving(session: Session, carriers: set[UUID]) -> set[UUID]:
    """Which of these lists are being handed over, or may have left: what they say must not change any more. Whoever
    else carries one is not handed over until the session's end.

    Where a copy takes the place of the first, a list that may have left can leave again without some of it.
    """
    if not carriers:
        return set()
    can_change = or_(OutgoingMessage.in_doubt_since.is_(None), OutgoingMessage.topic.is_not(None))
    free = select(OutgoingMessage.id).where(among(carriers), can_change)
    return carriers - set(session.scalars(free.with_for_update(skip_locked=True)))


def hand_on(session: Session, row: OutgoingMessage) -> None:
    """What this message carried is carried by the first of it: the message itself leaves no more.

    Where it may have left, so may they. Where a copy takes the place of the first, by its topic, they leave again under
    the same; else somebody says of each what becomes of it.
    """
    heirs = carried_by(session, row, locked=True)
    if row.in_doubt_since is not None and row.topic is None:
        for heir in heirs:
            heir.status, heir.in_doubt_since, heir.digest_id = "undecided", row.in_doubt_since, heir.id
            heir.channel, heir.recipient, heir.fallbacks = row.channel, row.recipient, row.fallbacks
        session.flush()
        return
    row.digest_id = None
    for heir in heirs:
        heir.digest_id = heirs[0].id
    for heir in heirs[:1]:
        heir.channel, heir.fallbacks, heir.next_attempt_at = row.channel, row.fallbacks, row.next_attempt_at
        heir.in_doubt_since, heir.topic = row.in_doubt_since, row.topic
    session.flush()


def context_of(rows: Sequence[OutgoingMessage]) -> dict[str, Any]:
    """What `digest.jinja` makes a list of: of each message its title, a line, and the path it leads to."""
    ordered = sorted(rows, key=lambda row: (row.created_at, row.id))
    items = [
        {**line_of(row.template, row.context, language=row.language), "path": row.context.get("path", "/inbox")}
        for row in ordered
    ]
    return {"name": rows[0].context.get("name", ""), "purpose": rows[0].purpose, "items": items}
