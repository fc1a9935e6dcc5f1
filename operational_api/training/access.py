"""Whose training a request is about, and whether the principal may reach it. Used by the router and the pages.

Every way to one client's data leads through here, so that every read is in the audit log with reader and client."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core import audit
from operational_api.core.errors import Forbidden, Invalid
from operational_api.core.policy import may_principal, may_see_everybody, require
from operational_api.core.principal import Principal
from operational_api.training.errors import ClientNotFound, InjuryNotFound, ProgrammeNotFound, WorkoutNotFound
from operational_api.training.models import Client, Injury, Programme, Workout
from operational_api.training.service import clients, injuries, programmes, workouts


def reach_client(
    session: Session,
    principal: Principal,
    customer_id: UUID | None,
    action: str,
    *,
    now: datetime,
    kind: str | None = None,
) -> Client:
    """The client a request is about: the one named, or the customer who asks.

    Raises:
        Invalid: nobody is named and the principal is no customer.
        NotFound: there is no such client, or the policy says no.
    """
    if principal.role == "customer" and principal.account_id is not None:
        # The registration's event may still be on its way.
        clients.ensure_client(session, principal.account_id, display_name=principal.display_name, now=now)
        customer_id = customer_id or principal.account_id
    if customer_id is None:
        raise Invalid("Say whose training you mean: customer_id is missing.")
    client = clients.get_client(session, customer_id)
    require(principal, action, clients.resource_of(client, kind=kind), missing=ClientNotFound)
    _seen(session, principal, action, client)
    return client


def reach_workout(session: Session, principal: Principal, workout_id: UUID, action: str) -> tuple[Workout, Client]:
    """A workout and its client, where the policy lets the principal."""
    workout = workouts.get_workout(session, workout_id)
    client = clients.get_client(session, workout.customer_id)
    require(principal, action, clients.resource_of(client), missing=WorkoutNotFound)
    _seen(session, principal, action, client, workout_id=workout.id)
    return workout, client


def reach_programme(session: Session, principal: Principal, programme_id: UUID, action: str) -> Programme:
    """A programme, where the policy lets the principal change it; customers never do."""
    programme = programmes.get_programme(session, programme_id)
    client = clients.get_client(session, programme.customer_id)
    require(principal, action, clients.resource_of(client, kind="business"), missing=ProgrammeNotFound)
    _seen(session, principal, action, client, programme_id=programme.id)
    return programme


def reach_injury(session: Session, principal: Principal, injury_id: UUID, action: str) -> tuple[Injury, Client]:
    """An injury and its client: health data, so for the client and their coach."""
    injury = injuries.get_injury(session, injury_id)
    client = clients.get_client(session, injury.customer_id)
    require(principal, action, clients.resource_of(client, kind="health"), missing=InjuryNotFound)
    _seen(session, principal, action, client, injury_id=injury.id)
    return injury, client


def _seen(session: Session, principal: Principal, action: str, client: Client, **details: UUID) -> None:
    """Whoever reaches a client's training sees data about their health: that is audited, whatever they do with it."""
    told = {name: str(value) for name, value in details.items()}
    audit.record_read(session, principal, action, "Client", [client.id], details=told)


def whose_clients(principal: Principal) -> UUID | None:
    """The coach whose clients a list shows; None for everybody's.

    Raises:
        Forbidden: somebody asks who sees no clients.
    """
    if may_see_everybody(principal, "training.list_clients"):
        return None
    if not may_principal(principal, "training.list_clients") or principal.account_id is None:
        raise Forbidden
    return principal.account_id


def acting_account(principal: Principal) -> UUID:
    """The person behind a change.

    Raises:
        Forbidden: a service asks, and services do not train.
    """
    if principal.account_id is None:
        raise Forbidden
    return principal.account_id
