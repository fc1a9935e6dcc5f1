"""News of the business to a segment of customers: by what they allow, when they allow it, once each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.engagement import AnnouncementMade
from operational_api.core.outbox import publish
from operational_api.engagement.channels.rendering import Rendered, render
from operational_api.engagement.errors import MessageRejected
from operational_api.engagement.models import Announcement, LifecycleStage
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service import preferences
from operational_api.engagement.service.contacts import Contact, all_customers
from operational_api.engagement.service.emails import queue_for_many

SEGMENTS = {
    "everybody": ("Every customer", "With a membership or without."),
    "active": ("Members", "Also who is paused, behind with a payment, or drifting away. Not those on trial."),
    "trial": ("On trial", "Their membership is not paid for yet."),
    "at_risk": ("Drifting away", "Members whose training falls off."),
    "churned": ("Former members", "Their membership has ended, and no other began."),
}
"""Who an announcement is for: what the group is called, and who is in it. All but the first are stages of `lifecycle`;
who is behind with a payment is a member in any of them."""
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
        session, people, dedupe_key=f"announcement:{row.id}", template="announcement",
        context=_context(subject, body), purpose="marketing", channels=WAYS, now=now,
    )  # fmt: skip
    publish(
        session,
        AnnouncementMade(
            occurred_at=now, announcement_id=row.id, author_id=author_id, segment=segment, recipients=len(people)
        ),
    )
    return row


def look(*, segment: str, subject: str, body: str, public_url: str) -> Rendered:
    """What would leave, without what each letter has of its reader: their language and how they end such news.

    Raises:
        MessageRejected: as `announce`.
    """
    subject, body = _checked(segment, subject, body)
    return render("announcement", {"name": ""} | _context(subject, body), public_url=public_url)


def _checked(segment: str, subject: str, body: str) -> tuple[str, str]:
    subject, body = " ".join(subject.split()), body.strip()
    if not 1 <= len(subject) <= 120 or not 1 <= len(body) <= 4000 or "\0" in subject + body or segment not in SEGMENTS:
        raise MessageRejected
    return subject, body


def _context(subject: str, body: str) -> dict[str, str]:
    return {"subject": subject, "body": body, "path": "/home"}


def recent(session: Session, *, limit: int = 20) -> list[Announcement]:
    """The newest announcements."""
    return list(session.scalars(select(Announcement).order_by(Announcement.id.desc()).limit(limit)))
