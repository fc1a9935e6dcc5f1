"""News of the business to a segment of customers: by what they allow, when they allow it, once each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.engagement import AnnouncementMade
from operational_api.core.outbox import publish
from operational_api.engagement.errors import MessageRejected
from operational_api.engagement.models import Announcement, LifecycleStage
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service.contacts import all_customers
from operational_api.engagement.service.emails import queue_for_many

SEGMENTS = {
    "everybody": "Every customer",
    "active": "Members",
    "trial": "On trial",
    "at_risk": "Drifting away",
    "churned": "Former members",
}
"""Who an announcement is for; all but the first are stages of `lifecycle`."""
_STAGES = {"active": ("active", "won_back"), "trial": ("trial",), "at_risk": ("at_risk",), "churned": ("churned",)}


def announce(
    session: Session, *, author_id: UUID, segment: str, subject: str, body: str, now: datetime
) -> Announcement:
    """Queue the news for everybody in the segment; each one's wishes are asked when it is about to leave.

    Raises:
        MessageRejected: no subject or no words, too many of either, or no such segment.
    """
    subject, body = " ".join(subject.split()), body.strip()
    if not 1 <= len(subject) <= 120 or not 1 <= len(body) <= 4000 or "\0" in subject + body or segment not in SEGMENTS:
        raise MessageRejected
    people = all_customers(session)
    if segment != "everybody":
        stages = select(LifecycleStage.person_id).where(LifecycleStage.stage.in_(_STAGES[segment]))
        wanted = set(session.scalars(stages))
        people = [one for one in people if one.account_id in wanted]
    row = Announcement(
        author_id=author_id, segment=segment, subject=subject, body=body, recipients=len(people), created_at=now
    )
    session.add(row)
    session.flush()
    queue_for_many(
        session, people, dedupe_key=f"announcement:{row.id}", template="announcement",
        context={"subject": subject, "body": body, "path": "/home"}, purpose="marketing", channels=WAYS, now=now,
    )  # fmt: skip
    publish(
        session,
        AnnouncementMade(
            occurred_at=now, announcement_id=row.id, author_id=author_id, segment=segment, recipients=len(people)
        ),
    )
    return row


def recent(session: Session, *, limit: int = 20) -> list[Announcement]:
    """The newest announcements."""
    return list(session.scalars(select(Announcement).order_by(Announcement.id.desc()).limit(limit)))
