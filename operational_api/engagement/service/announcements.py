"""News of the business to a segment of customers: by what they allow, when they allow it, once each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.engagement import AnnouncementCancelled, AnnouncementMade
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.engagement.channels.rendering import Rendered, render
from operational_api.engagement.errors import AnnouncementNotFound, MessageRejected
from operational_api.engagement.models import Announcement, LifecycleStage, OutgoingMessage
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service import preferences
from operational_api.engagement.service.contacts import Contact, all_customers
from operational_api.engagement.service.emails import call_off_all, queue_for_many

SEGMENTS = {
    "everybody": ("Every customer", "With a membership or without."),
    "active": ("Members", "Also who is paused, behind with a payment, or drifting away. Not those on trial."),
    "trial": ("On trial", "Their membership is not paid for yet."),
    "at_risk": ("Drifting away", "Members whose training falls off."),
    "churned": ("Former members", "Their membership has ended, and no other began."),
}
"""Who an announcement is for: what the group is called, and who is in it. All but the first are stages of `lifecycle`;
who is behind with a payment is a member in any of them."""
TEMPLATE = "announcement"
"""Of the letters, and what their keys begin with."""
_STAGES = {
    "active": ("active", "won_back", "at_risk", "paused"), "trial": ("trial",), "at_risk": ("at_risk",),
    "churned": ("churned",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Audience:
    """A group as it is now. `willing`: of its `people`, how many said yes to news by some channel."""

    segment: str
    name: str
    who: str
    people: int
    willing: int


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement, and how many of its letters still wait to leave: for the end of a night, or for a list."""

    row: Announcement
    waiting: int


def audiences(session: Session) -> list[Audience]:
    """Every group with who is in it, so that it is known before anything is sent. Four queries."""
    everybody, willing, found = _by_stage(session), preferences.willing_to_hear(session), []
    for segment, (name, who) in SEGMENTS.items():
        people = _in(segment, everybody)
        found.append(Audience(segment, name, who, len(people), sum(one.account_id in willing for one in people)))
    return found


def _by_stage(session: Session) -> list[tuple[Contact, str | None]]:
    stages = dict(session.execute(select(LifecycleStage.person_id, LifecycleStage.stage)).tuples().all())
    return [(one, stages.get(one.account_id)) for one in all_customers(session)]


def _in(segment: str, everybody: Iterable[tuple[Contact, str | None]]) -> list[Contact]:
    return [one for one, stage in everybody if segment == "everybody" or stage in _STAGES[segment]]


def announce(
    session: Session, *, author_id: UUID, segment: str, subject: str, body: str, now: datetime
) -> Announcement:
    """Queue the news for everybody in the segment; each one's wishes are asked when it is about to leave.

    Raises:
        MessageRejected: no subject or no words, too many of either, or no such segment.
    """
    subject, body = _checked(segment, subject, body)
    people = _in(segment, _by_stage(session))
    row = Announcement(
        author_id=author_id, segment=segment, subject=subject, body=body, recipients=len(people), created_at=now
    )
    session.add(row)
    session.flush()
    queue_for_many(
        session, people, dedupe_key=_key(row.id), template=TEMPLATE,
        context=_context(subject, body), purpose="marketing", channels=WAYS, now=now,
    )  # fmt: skip
    publish(
        session,
        AnnouncementMade(
            occurred_at=now, announcement_id=row.id, author_id=author_id, segment=segment, recipients=len(people)
        ),
    )
    return row


def cancel(session: Session, announcement_id: UUID, *, cancelled_by: UUID, now: datetime) -> Announced:
    """What has not left does not leave, and who has not read it in the app finds it there no more. Again is as once.

    Of what workers have in hand, what does not leave by their hand ends when it is weighed next (`is_cancelled`).

    Raises:
        AnnouncementNotFound: there is none.
    """
    row = session.get(Announcement, announcement_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise AnnouncementNotFound
    called_off = call_off_all(session, f"{_key(row.id)}:", template=TEMPLATE, reason="called_off")
    if called_off or row.cancelled_at is None:
        row.cancelled_at, row.called_off = row.cancelled_at or now, row.called_off + called_off
        audit.record(
            session, "engagement.announce", "Announcement", row.id, actor_id=cancelled_by, purpose="operations",
            details={"decision": "cancelled", "called_off": called_off}, now=now,
        )  # fmt: skip
        publish(
            session,
            AnnouncementCancelled(
                occurred_at=now, announcement_id=row.id, cancelled_by=cancelled_by, called_off=called_off
            ),
        )
    session.flush()
    return Announced(row, _waiting(session).get(str(row.id), 0))


def is_cancelled(session: Session, dedupe_key: str) -> bool:
    """Whether the announcement that a letter is of was taken back."""
    name, _, rest = dedupe_key.partition(":")
    if name != TEMPLATE:
        return False
    announced = UUID(rest.partition(":")[0])
    return session.scalar(select(Announcement.cancelled_at).where(Announcement.id == announced)) is not None


def look(*, segment: str, subject: str, body: str, public_url: str) -> Rendered:
    """What would leave, without what each letter has of its reader: their language and how they end such news.

    Raises:
        MessageRejected: as `announce`.
    """
    subject, body = _checked(segment, subject, body)
    return render(TEMPLATE, {"name": ""} | _context(subject, body), public_url=public_url)


def _checked(segment: str, subject: str, body: str) -> tuple[str, str]:
    subject, body = " ".join(subject.split()), body.strip()
    if not 1 <= len(subject) <= 120 or not 1 <= len(body) <= 4000 or "\0" in subject + body or segment not in SEGMENTS:
        raise MessageRejected
    return subject, body


def _context(subject: str, body: str) -> dict[str, str]:
    return {"subject": subject, "body": body, "path": "/home"}


def recent(session: Session, *, limit: int = 20) -> list[Announced]:
    """The newest announcements."""
    waiting = _waiting(session)
    rows = session.scalars(select(Announcement).order_by(Announcement.id.desc()).limit(limit))
    return [Announced(row, waiting.get(str(row.id), 0)) for row in rows]


def _waiting(session: Session) -> dict[str, int]:
    whose = func.split_part(OutgoingMessage.dedupe_key, ":", 2)
    letters = OutgoingMessage.status == "queued", OutgoingMessage.template == TEMPLATE
    return dict(session.execute(select(whose, func.count()).where(*letters).group_by(whose)).tuples().all())


def _key(announcement_id: UUID) -> str:
    return f"{TEMPLATE}:{announcement_id}"
