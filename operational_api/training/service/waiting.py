"""Whom of their clients a coach should look at first: a hold, an unanswered check-in."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.training.models import CheckIn, Client

MOST = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """A client and how many check-ins of theirs have no answer yet."""

    client: Client
    unanswered: int


def roster(session: Session, *, coach_id: UUID) -> list[Waiting]:
    """A coach's own clients, who waits first, then by name: one query."""
    unanswered = (
        select(func.count())
        .where(CheckIn.customer_id == Client.id, CheckIn.answered_at.is_(None))
        .correlate(Client)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Client, unanswered.label("unanswered"))
        .where(Client.coach_id == coach_id)
        .order_by(Client.on_hold_since.is_(None), (unanswered == 0), Client.display_name, Client.id)
        .limit(MOST)
    ).tuples()
    return [Waiting(client, count) for client, count in rows]


def waiting_count(session: Session, coach_id: UUID) -> int:
    """Clients of a coach whose training is on hold: for the menu."""
    query = select(func.count()).where(Client.coach_id == coach_id, Client.on_hold_since.is_not(None))
    return session.scalar(query) or 0
