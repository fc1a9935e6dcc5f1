"""Programmes, their versions and templates over HTTP, under /api/training."""

from datetime import UTC, datetime
from uuid import UUID

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.training import access
from operational_api.training.schemas import (
    LinesReplace,
    ProgrammeCreate,
    ProgrammeRead,
    TemplateAssign,
    TemplateIn,
    TemplateRead,
    VersionRead,
)
from operational_api.training.service import programmes, templates

router = ContextRouter(prefix="/api/training", tags=["training"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


@router.get("/programmes", dependencies=[Allowed("training.read_programmes")])
def list_programmes(
    principal: CurrentPrincipal, session: DbSession, customer_id: UUID | None = None
) -> Page[ProgrammeRead]:
    """A client's programmes, the newest first. A customer's own without `customer_id`, and without what they ask for
    while training is on hold.
    """
    client = access.reach_client(session, principal, customer_id, "training.read_programmes", now=_now())
    is_on_hold = access.is_held_back(principal, client)
    found = programmes.programmes_of(session, client.id)
    return Page(items=[ProgrammeRead.of(one, is_on_hold=is_on_hold) for one in found])


@router.post("/programmes", status_code=201, dependencies=[Allowed("training.assign_programme")])
def assign_programme(body: ProgrammeCreate, principal: CurrentPrincipal, session: DbSession) -> ProgrammeRead:
    """Give a client a programme; the active one ends."""
    now = _now()
    client = access.reach_client(
        session, principal, body.customer_id, "training.assign_programme", now=now, kind="business"
    )
    programme = programmes.assign_programme(
        session, client=client, coach_id=account_id_of(principal), starts_on=body.starts_on, now=now, **body.said()
    )
    return ProgrammeRead.of(programmes.detail_of(session, programme))


@router.put("/programmes/{programme_id}/lines", dependencies=[Allowed("training.assign_programme")])
def change_programme(
    programme_id: UUID, body: LinesReplace, principal: CurrentPrincipal, session: DbSession
) -> ProgrammeRead:
    """Make a new version of a programme: what is to come follows, what was logged stays with its own."""
    access.reach_programme(session, principal, programme_id, "training.assign_programme")
    programme = programmes.change_programme(
        session, programme_id=programme_id, plan=body.plan(), changed_by=account_id_of(principal), now=_now(),
        reason=body.reason, expected_version=body.version,
    )  # fmt: skip
    return ProgrammeRead.of(programmes.detail_of(session, programme))


@router.get("/programmes/{programme_id}/versions", dependencies=[Allowed("training.read_programmes")])
def list_versions(programme_id: UUID, principal: CurrentPrincipal, session: DbSession) -> list[VersionRead]:
    """When a programme was changed, by whom and why, the newest first."""
    programme, _ = access.reach_programme(session, principal, programme_id, "training.read_programmes", kind=None)
    return [VersionRead.model_validate(one) for one in programmes.versions_of(session, programme)]


@router.post("/programmes/{programme_id}/archive", dependencies=[Allowed("training.assign_programme")])
def archive_programme(programme_id: UUID, principal: CurrentPrincipal, session: DbSession) -> ProgrammeRead:
    """End a programme: what is still to come leaves the calendar."""
    _, client = access.reach_programme(session, principal, programme_id, "training.assign_programme")
    programme = programmes.archive_programme(session, programme_id=programme_id, client=client, now=_now())
    return ProgrammeRead.of(programmes.detail_of(session, programme))


@router.get("/templates", dependencies=[Allowed("training.manage_templates")])
def list_templates(principal: CurrentPrincipal, session: DbSession) -> list[TemplateRead]:
    """A coach's own templates by name, or everybody's for a lead coach and admins."""
    rows = templates.templates_of(session, access.whose_templates(principal))
    return [TemplateRead.of(one) for one in rows]


@router.post("/templates", status_code=201, dependencies=[Allowed("training.manage_templates")])
def make_template(body: TemplateIn, principal: CurrentPrincipal, session: DbSession) -> TemplateRead:
    """Keep a plan for later."""
    return TemplateRead.of(templates.make_template(session, coach_id=account_id_of(principal), **body.said()))


@router.put("/templates/{template_id}", dependencies=[Allowed("training.manage_templates")])
def change_template(
    template_id: UUID, body: TemplateIn, principal: CurrentPrincipal, session: DbSession
) -> TemplateRead:
    """Say a template anew; programmes made from it stay."""
    template = access.reach_template(session, principal, template_id)
    return TemplateRead.of(templates.change_template(session, template=template, **body.said()))


@router.post("/templates/{template_id}/archive", dependencies=[Allowed("training.manage_templates")])
def archive_template(template_id: UUID, principal: CurrentPrincipal, session: DbSession) -> TemplateRead:
    """Take a template out of the list."""
    template = access.reach_template(session, principal, template_id)
    return TemplateRead.of(templates.archive_template(session, template=template, now=_now()))


@router.post(
    "/templates/{template_id}/assignments", status_code=201, dependencies=[Allowed("training.assign_programme")]
)
def assign_template(
    template_id: UUID, body: TemplateAssign, principal: CurrentPrincipal, session: DbSession
) -> ProgrammeRead:
    """Give a client a programme made of a template, from a day on."""
    now = _now()
    template = access.reach_template(session, principal, template_id)
    client = access.reach_client(
        session, principal, body.customer_id, "training.assign_programme", now=now, kind="business"
    )
    programme = templates.assign_template(
        session, template=template, client=client, coach_id=account_id_of(principal), starts_on=body.starts_on, now=now
    )
    return ProgrammeRead.of(programmes.detail_of(session, programme))
