"""Clients and who coaches them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.training import CoachAssigned
from operational_api.core import statements
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.policy import Resource
from operational_api.training.errors import ClientNotFound
from operational_api.training.models import Client, CoachAssignment, Programme, Workout

UNNAMED = "New client"


@dataclass(frozen=True, slots=True)
class ClientSummary:
    """A client as lists show them."""

    client: Client
    last_workout_at: datetime | None
    programme_name: str | None


def ensure_client(
    session: Session,
    account_id: UUID,
    *,
    display_name: str,
    now: datetime,
    time_zone: str = "UTC",
    location_id: UUID | None = None,
) -> Client:
    """The client of an account, made unless there is one; what is known of an existing client stays.

    Args:
        display_name: Empty where it is not known yet; the next caller who knows it fills it in.
    """
    known = statements.get(session, Client, account_id)
    if known is not None and (known.display_name != UNNAMED or not display_name):
        return known
    values = {"display_name": display_name or UNNAMED, "time_zone": time_zone, "location_id": location_id}
    statement = insert(Client).values(id=account_id, joined_at=now, **values)
    if display_name:
        statement = statement.on_conflict_do_update(
            index_elements=[Client.id], set_=values, where=Client.display_name == UNNAMED
        )
    else:
        statement = statement.on_conflict_do_nothing()
    session.execute(statement)
    if known is not None:
        session.expire(known)
    return get_client(session, account_id)


def get_client(session: Session, customer_id: UUID) -> Client:
    """The client.

    Raises:
        ClientNotFound: the account has never been a client.
    """
    client = statements.get(session, Client, customer_id)
    if client is None:
        raise ClientNotFound
    return client


def lock(session: Session, client: Client) -> Client:
    """The client as they are now, until the transaction ends changed by nobody else: what is decided by whether they
    are on hold, or must not be there twice, waits for its turn here.
    """
    query = select(Client).where(Client.id == client.id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def resource_of(
    client: Client,
    *,
    kind: str | None = None,
    data_kind: str | None = None,
    shown: frozenset[str] | None = None,
) -> Resource:
    """The client as the policy sees them: about themselves, the responsibility of today's coach.

    Args:
        data_kind: Of the data that is asked about, where its customer may withhold it.
        shown: The kinds that the client lets their coach see.
    """
    return Resource(
        "Client", client.id, customer_id=client.id, coach_id=client.coach_id, kind=kind, data_kind=data_kind,
        consents=shown,
    )  # fmt: skip


def local_today(client: Client, now: datetime) -> date:
    """The date on the client's own calendar."""
    return now.astimezone(ZoneInfo(client.time_zone)).date()


def assign_coach(
    session: Session, *, customer_id: UUID, coach_id: UUID, now: datetime, reason: str | None = None
) -> None:
    """Make a coach responsible for a client from now on, and announce it. Today's coach again changes nothing.

    Raises:
        ClientNotFound: the account has never been a client.
    """
    client = session.scalar(select(Client).where(Client.id == customer_id).with_for_update(key_share=True))
    if client is None:
        raise ClientNotFound
    if client.coach_id == coach_id:
        return
    previous, client.coach_id = client.coach_id, coach_id
    # By another server's clock, the one before may have begun in this one's future.
    ended = session.scalar(
        update(CoachAssignment)
        .where(CoachAssignment.customer_id == customer_id, CoachAssignment.ended_at.is_(None))
        .values(ended_at=func.greatest(CoachAssignment.assigned_at, now))
        .returning(CoachAssignment.ended_at)
    )
    begins = max(now, ended or now)
    session.add(CoachAssignment(customer_id=customer_id, coach_id=coach_id, assigned_at=begins, reason=reason))
    session.flush()
    publish(
        session,
        CoachAssigned(occurred_at=now, customer_id=customer_id, coach_id=coach_id, previous_coach_id=previous),
    )


def coach_of(session: Session, customer_id: UUID) -> UUID | None:
    """Today's coach of a customer, or None."""
    return session.scalar(select(Client.coach_id).where(Client.id == customer_id))


def coaches_of(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Today's coaches of many customers in one query. Who has none is not in the answer."""
    rows = session.execute(
        select(Client.id, Client.coach_id).where(Client.id.in_(list(customer_ids)), Client.coach_id.is_not(None))
    )
    return {row.id: row.coach_id for row in rows}


def clients_of(session: Session, coach_id: UUID) -> list[UUID]:
    """Customers whose coach this is today."""
    return list(session.scalars(select(Client.id).where(Client.coach_id == coach_id).order_by(Client.id)))


def client_names(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Display names of many customers in one query. Who is no client is not in the answer."""
    rows = session.execute(select(Client.id, Client.display_name).where(Client.id.in_(list(customer_ids))))
    return {row.id: row.display_name for row in rows}


def list_clients(
    session: Session, *, coach_id: UUID | None, search: str | None, limit: int, cursor: str | None
) -> tuple[list[ClientSummary], str | None]:
    """Clients by name, a page at a time.

    Args:
        coach_id: Only this coach's clients; None for everybody's (admins).
        search: Part of a name, upper or lower case.
    """
    query = _summaries()
    if coach_id is not None:
        query = query.where(Client.coach_id == coach_id)
    if search:
        query = query.where(Client.display_name.icontains(search, autoescape=True))
    if cursor:
        query = query.where(tuple_(Client.display_name, Client.id) > tuple_(*after(cursor, str, UUID)))  # type: ignore[arg-type]
    rows = session.execute(query.order_by(Client.display_name, Client.id).limit(limit + 1)).all()
    page, next_cursor = cut(
        [ClientSummary(*row) for row in rows], limit, lambda s: (s.client.display_name, s.client.id)
    )
    return page, next_cursor


def _summaries() -> Select[tuple[Client, datetime | None, str | None]]:
    last = (
        select(func.max(Workout.completed_at))
        .where(Workout.customer_id == Client.id, Workout.status == "completed")
        .correlate(Client)
        .scalar_subquery()
    )
    programme = (
        select(Programme.name)
        .where(Programme.customer_id == Client.id, Programme.status == "active")
        .order_by(Programme.starts_on.desc())
        .limit(1)
        .correlate(Client)
        .scalar_subquery()
    )
    return select(Client, last, programme)
