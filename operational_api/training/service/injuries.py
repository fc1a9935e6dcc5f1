"""Injuries: health data, for the client and their coach only."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.training import InjuryReported, InjuryResolved
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.training.errors import InjuryNotFound, InvalidDates
from operational_api.training.models import Client, Injury
from operational_api.training.service.clients import local_today


def report_injury(
    session: Session, *, client: Client, body_part: str, severity: int, occurred_on: date, now: datetime
) -> Injury:
    """Note that something hurts, and announce it without saying what.

    Raises:
        InvalidDates: it has not happened yet.
    """
    if occurred_on > local_today(client, now):
        raise InvalidDates("An injury cannot be in the future.")
    injury = Injury(id=new_id(), customer_id=client.id, body_part=body_part, severity=severity, occurred_on=occurred_on)
    session.add(injury)
    session.flush()
    publish(session, InjuryReported(occurred_at=now, injury_id=injury.id, customer_id=client.id))
    return injury


def resolve_injury(session: Session, *, injury: Injury, client: Client, now: datetime) -> Injury:
    """Note that it does not hurt any more, and announce it. Resolving it again keeps the first day."""
    if injury.resolved_on is None:
        injury.resolved_on = local_today(client, now)
        session.flush()
        publish(session, InjuryResolved(occurred_at=now, injury_id=injury.id, customer_id=client.id))
    return injury


def get_injury(session: Session, injury_id: UUID) -> Injury:
    """The injury.

    Raises:
        InjuryNotFound: there is none.
    """
    injury = session.get(Injury, injury_id)
    if injury is None:
        raise InjuryNotFound
    return injury


def injuries_of(session: Session, customer_id: UUID) -> Sequence[Injury]:
    """A client's injuries: what hurts now first, then the latest."""
    return session.scalars(
        select(Injury)
        .where(Injury.customer_id == customer_id)
        .order_by(Injury.resolved_on.is_not(None), Injury.occurred_on.desc(), Injury.id)
    ).all()
