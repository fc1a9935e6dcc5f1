"""Whose training a request is about, and whether the principal may reach it. Used by the router and the pages.

Every way to one client's data leads through here, so that every read is in the audit log with reader and client, and
what a client withholds from their coach (`DATA_KIND_OF`) is answered like what does not exist."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core import audit
from operational_api.core.errors import Forbidden, Invalid
from operational_api.core.policy import Resource, is_allowed, may_principal, may_see_everybody, require
from operational_api.core.principal import Principal
from operational_api.training.errors import (
    CheckInNotFound,
    ClientNotFound,
    InjuryNotFound,
    ProgrammeNotFound,
    ScreeningNotFound,
    TemplateNotFound,
    WorkoutNotFound,
)
from operational_api.training.models import CheckIn, Client, Injury, Programme, ProgrammeTemplate, Screening, Workout
from operational_api.training.service import (
    clients,
    injuries,
    programmes,
    screening,
    templates,
    wellbeing,
    workouts,
)

DATA_KIND_OF = {
    "training.read_progress": "training",
    "training.read_workouts": "training",
    "training.log_workout": "training",
    "training.read_injuries": "injuries",
    "training.report_injury": "injuries",
    "training.resolve_injury": "injuries",
    "training.read_screening": "injuries",
    "training.answer_screening": "injuries",
    "training.clear_screening": "injuries",
    "training.read_wellbeing": "training",
    "training.keep_wellbeing": "training",
    "training.answer_check_in": "training",
}
"""What an action is about that its client may withhold. A programme is the coach's own work, and names are no health
data: the other actions are about neither."""


def resource_for(
    session: Session, principal: Principal, client: Client, action: str, *, kind: str | None = None
) -> Resource:
    """The client as the policy sees them for this action, with what they let their coach see."""
    data_kind, shown = DATA_KIND_OF.get(action), None
    if data_kind is not None and principal.account_id != client.id:
        shown = compliance.shown_kinds(session, [client.id])[client.id]
    return clients.resource_of(client, kind=kind, data_kind=data_kind, shown=shown)


def who_shows(session: Session, principal: Principal, seen: Iterable[Client], action: str) -> set[UUID]:
    """Of many clients those about whom the principal may do the action, with one query for all their consents."""
    many, data_kind = list(seen), DATA_KIND_OF.get(action)
    if not may_principal(principal, action):
        return set()
    shown = compliance.shown_kinds(session, [one.id for one in many]) if data_kind else {}
    return {
        one.id
        for one in many
        if is_allowed(principal, action, clients.resource_of(one, data_kind=data_kind, shown=shown.get(one.id)))
    }


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
        own = clients.ensure_client(session, principal.account_id, display_name=principal.display_name, now=now)
        customer_id = customer_id or own.id
    if customer_id is None:
        raise Invalid("Say whose training you mean: customer_id is missing.")
    client = clients.get_client(session, customer_id)  # of oneself: known already
    require(principal, action, resource_for(session, principal, client, action, kind=kind), missing=ClientNotFound)
    _seen(session, principal, action, client)
    return client


def is_held_back(principal: Principal, client: Client) -> bool:
    """Whether a client's plan is not shown to who asks: to themselves while a health answer waits for their coach."""
    return principal.account_id == client.id and client.on_hold_since is not None


def reach_workout(session: Session, principal: Principal, workout_id: UUID, action: str) -> tuple[Workout, Client]:
    """A workout and its client, where the policy lets the principal."""
    workout = workouts.get_workout(session, workout_id)
    client = clients.get_client(session, workout.customer_id)
    require(principal, action, resource_for(session, principal, client, action), missing=WorkoutNotFound)
    _seen(session, principal, action, client, workout_id=workout.id)
    return workout, client


def reach_programme(
    session: Session, principal: Principal, programme_id: UUID, action: str, *, kind: str | None = "business"
) -> tuple[Programme, Client]:
    """A programme and its client, where the policy lets the principal change it, which customers never do; with `kind`
    None where it lets them see it.
    """
    programme = programmes.get_programme(session, programme_id)
    client = clients.get_client(session, programme.customer_id)
    require(principal, action, clients.resource_of(client, kind=kind), missing=ProgrammeNotFound)
    _seen(session, principal, action, client, programme_id=programme.id)
    return programme, client


def reach_template(session: Session, principal: Principal, template_id: UUID) -> ProgrammeTemplate:
    """A template, where the policy lets the principal manage it. It is about no client: nothing is audited."""
    template = templates.get_template(session, template_id)
    require(principal, "training.manage_templates", templates.resource_of(template), missing=TemplateNotFound)
    return template


def whose_templates(principal: Principal) -> UUID | None:
    """The coach whose templates a list shows; None for everybody's."""
    return None if may_see_everybody(principal, "training.manage_templates") else principal.account_id


def reach_injury(session: Session, principal: Principal, injury_id: UUID, action: str) -> tuple[Injury, Client]:
    """An injury and its client: health data, so for the client and their coach."""
    injury = injuries.get_injury(session, injury_id)
    client = clients.get_client(session, injury.customer_id)
    resource = resource_for(session, principal, client, action, kind="health")
    require(principal, action, resource, missing=InjuryNotFound)
    _seen(session, principal, action, client, injury_id=injury.id)
    return injury, client


def reach_screening(
    session: Session, principal: Principal, screening_id: UUID, action: str
) -> tuple[Screening, Client]:
    """Answers of the health questionnaire and their client: health data, so for the client and their coach."""
    row = screening.get_screening(session, screening_id)
    client = clients.get_client(session, row.customer_id)
    require(
        principal, action, resource_for(session, principal, client, action, kind="health"), missing=ScreeningNotFound
    )
    _seen(session, principal, action, client, screening_id=row.id)
    return row, client


def reach_check_in(session: Session, principal: Principal, check_in_id: UUID, action: str) -> tuple[CheckIn, Client]:
    """A check-in and its client: health data too."""
    row = wellbeing.get_check_in(session, check_in_id)
    client = clients.get_client(session, row.customer_id)
    resource = resource_for(session, principal, client, action, kind="health")
    require(principal, action, resource, missing=CheckInNotFound)
    _seen(session, principal, action, client, check_in_id=row.id)
    return row, client


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
