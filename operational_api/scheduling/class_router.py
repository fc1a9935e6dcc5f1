"""HTTP to classes, terms of booking and what belongs to a studio. Part of `router`."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.scheduling import access
from operational_api.scheduling.availability_schemas import HolidayBody
from operational_api.scheduling.class_schemas import (
    AssistantsPut,
    ClassCancel,
    ClassChange,
    ClassCreate,
    ClassRead,
    HolidaysReplace,
    NoticeCreate,
    ResourcePut,
    ResourceRead,
    TermsPut,
    TermsRead,
)
from operational_api.scheduling.recurrence import parse
from operational_api.scheduling.schemas import Kind
from operational_api.scheduling.service import classes, notices, openings, studio, terms, waitlist
from operational_api.scheduling.service.moves import Mover

router = APIRouter(route_class=IdempotentRoute)


def _told(session: Session, slot_id: UUID) -> ClassRead:
    view = studio.get_class(session, slot_id, now=datetime.now(UTC))
    return ClassRead.of(view, waiting=waitlist.names_of(session, slot_id))


def _mine(session: Session, principal: Principal, slot_id: UUID) -> UUID:
    return access.reach_slot(session, principal, slot_id, "scheduling.manage_classes").id


@router.get("/classes", dependencies=[Allowed("scheduling.manage_classes")])
def list_classes(principal: CurrentPrincipal, session: DbSession, coach_id: UUID | None = None) -> Page[ClassRead]:
    """A coach's coming classes, with those that they assist; one's own without `coach_id`."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.manage_classes")
    found = studio.list_classes(session, coach_id=whose, now=datetime.now(UTC), limit=200)
    return Page(items=[ClassRead.of(one) for one in found])


@router.post("/classes", status_code=201, dependencies=[Allowed("scheduling.manage_classes")])
def create_classes(
    body: ClassCreate, principal: CurrentPrincipal, session: DbSession, coach_id: UUID | None = None
) -> Page[ClassRead]:
    """Open a class, or a series of them: all or none."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.manage_classes")
    now = datetime.now(UTC)
    repeats = parse(body.rule) if body.rule else None
    made = classes.create_classes(
        session, coach_id=whose, plan=body.plan(), first_on=body.first_on, repeats=repeats, now=now
    )
    ids = {one.id for one in made}
    found = studio.list_classes(session, coach_id=whose, now=now, limit=1000)
    return Page(items=[ClassRead.of(one) for one in found if one.slot.id in ids])


@router.get("/classes/{slot_id}", dependencies=[Allowed("scheduling.read_class")])
def read_class(slot_id: UUID, principal: CurrentPrincipal, session: DbSession) -> ClassRead:
    """One class, for who leads it, who assists it, and the desk."""
    access.reach_slot(session, principal, slot_id, "scheduling.read_class")
    return _told(session, slot_id)


@router.put("/classes/{slot_id}/assistants", dependencies=[Allowed("scheduling.assign_assistants")])
def put_assistants(slot_id: UUID, body: AssistantsPut, principal: CurrentPrincipal, session: DbSession) -> ClassRead:
    """Say who assists a class, or it and all that follow: exactly those. All of it, or a refusal that names who is not
    free and when. An assistant's calendar is taken; the class keeps its coach, places and price."""
    access.reach_slot(session, principal, slot_id, "scheduling.assign_assistants")
    classes.assign_assistants(
        session, slot_id=slot_id, coach_ids=body.coach_ids, scope=body.scope, now=datetime.now(UTC)
    )
    return _told(session, slot_id)


@router.post("/classes/{slot_id}/notices", status_code=201, dependencies=[Allowed("scheduling.write_notice")])
def create_notice(
    slot_id: UUID, body: NoticeCreate, principal: CurrentPrincipal, author_id: CurrentAccount, session: DbSession
) -> ClassRead:
    """Write to everybody who comes to a class, or to it and all that follow, by what each of them allows: each once.
    Who books later reads it with the confirmation."""
    slot, now = access.reach_slot(session, principal, slot_id, "scheduling.write_notice"), datetime.now(UTC)
    access.reach_following(session, principal, slot.id, body.scope, "scheduling.write_notice", now=now)
    notices.write_notice(session, slot_id=slot.id, author_id=author_id, body=body.body, scope=body.scope, now=now)
    return _told(session, slot_id)


@router.put("/classes/{slot_id}", dependencies=[Allowed("scheduling.manage_classes")])
def change_class(slot_id: UUID, body: ClassChange, principal: CurrentPrincipal, session: DbSession) -> ClassRead:
    """Another title, time, size or room, for one class or for all that follow. Who is booked moves along."""
    _mine(session, principal, slot_id)
    classes.change_classes(
        session, slot_id=slot_id, plan=body.plan(), scope=body.scope, now=datetime.now(UTC), by=Mover.of(principal)
    )
    return _told(session, slot_id)


@router.post("/classes/{slot_id}/cancellation", dependencies=[Allowed("scheduling.manage_classes")])
def cancel_class(slot_id: UUID, body: ClassCancel, principal: CurrentPrincipal, session: DbSession) -> ClassRead:
    """Call off one class or all that follow; every booking gets its credit back."""
    _mine(session, principal, slot_id)
    classes.cancel_classes(session, slot_id=slot_id, scope=body.scope, now=datetime.now(UTC))
    return _told(session, slot_id)


@router.get("/terms", dependencies=[Allowed("scheduling.read_availability")])
def read_terms(
    principal: CurrentPrincipal, session: DbSession, kind: Kind = "one_to_one", coach_id: UUID | None = None
) -> TermsRead:
    """On what terms a coach's sessions of a kind are booked."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.read_availability")
    found = terms.terms_of(session, coach_id=whose, kind=kind)
    return TermsRead.model_validate({"coach_id": whose, "kind": kind} | terms.as_values(found))


@router.put("/terms", dependencies=[Allowed("scheduling.replace_availability")])
def put_terms(
    body: TermsPut, principal: CurrentPrincipal, session: DbSession, coach_id: UUID | None = None
) -> TermsRead:
    """Say on what terms. What is booked keeps the terms it was booked on; free slots follow the buffers at once."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.replace_availability")
    now = datetime.now(UTC)
    terms.put_terms(session, coach_id=whose, kind=body.kind, said=body.model_dump(exclude={"kind"}), now=now)
    openings.renew_slots(session, now, coach_id=whose)
    kind = body.kind or "one_to_one"
    found = terms.terms_of(session, coach_id=whose, kind=kind)
    return TermsRead.model_validate({"coach_id": whose, "kind": kind} | terms.as_values(found))


@router.put("/studio-terms", dependencies=[Allowed("scheduling.manage_studio")])
def put_studio_terms(body: TermsPut, session: DbSession) -> TermsPut:
    """Say on what terms all sessions, or those of a kind, are booked where their coach says nothing else."""
    studio.put_terms(session, kind=body.kind, said=body.model_dump(exclude={"kind"}), now=datetime.now(UTC))
    return body


@router.get("/locations/{location_id}/resources", dependencies=[Allowed("scheduling.manage_classes")])
def list_resources(location_id: UUID, session: DbSession) -> Page[ResourceRead]:
    """Rooms, racks and machines that a studio's classes may use."""
    return Page(items=[ResourceRead.model_validate(one) for one in studio.resources(session, location_id)])


@router.put("/locations/{location_id}/resources", dependencies=[Allowed("scheduling.manage_studio")])
def put_resource(location_id: UUID, body: ResourcePut, session: DbSession) -> ResourceRead:
    """Make or change a room, rack or machine."""
    made = studio.put_resource(
        session, location_id=location_id, name=body.name, kind=body.kind, is_active=body.is_active
    )
    return ResourceRead.model_validate(made)


@router.put("/locations/{location_id}/holidays", dependencies=[Allowed("scheduling.manage_studio")])
def replace_holidays(location_id: UUID, body: HolidaysReplace, session: DbSession) -> Page[HolidayBody]:
    """Say on which days a studio is closed. Free slots of those days disappear; booked sessions stay."""
    days = [(one.holiday_on, one.name) for one in body.holidays]
    found = studio.replace_holidays(session, location_id=location_id, days=days, now=datetime.now(UTC))
    return Page(items=[HolidayBody.model_validate(one) for one in found])
