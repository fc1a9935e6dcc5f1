"""HTTP to granting roles and back, under /api/identity/role-grants."""

from datetime import UTC, datetime
from uuid import UUID

from operational_api.core.approvals import Decision, Status
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.identity.models import RoleGrant
from operational_api.identity.roles import service
from operational_api.identity.roles.schemas import RoleGrantCreate, RoleGrantRead

router = ContextRouter(prefix="/api/identity/role-grants", tags=["identity"], route_class=IdempotentRoute)


@router.get("", dependencies=[Allowed("identity.read_role_grants")])
def list_role_grants(
    session: DbSession, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[RoleGrantRead]:
    """Roles that were asked for, the newest first."""
    rows, following = service.GRANTS.page(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[RoleGrantRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("", response_model=RoleGrantRead, status_code=201, dependencies=[Allowed("identity.request_role")])
def request_role(body: RoleGrantCreate, principal: CurrentPrincipal, session: DbSession) -> RoleGrant:
    """Ask for somebody to have a role; another admin decides."""
    return service.request_role(session, **body.model_dump(), principal=principal, now=datetime.now(UTC))


@router.post("/{grant_id}/approval", response_model=RoleGrantRead, dependencies=[Allowed("identity.approve_role")])
def approve_role(
    grant_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> RoleGrant:
    """Give the role that another admin asked for; it holds at once."""
    return service.approve(
        session, grant_id=grant_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post("/{grant_id}/refusal", response_model=RoleGrantRead, dependencies=[Allowed("identity.approve_role")])
def decline_role(
    grant_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> RoleGrant:
    """Say no to what another admin asked for."""
    return service.GRANTS.refuse(
        session, grant_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post("/{grant_id}/withdrawal", response_model=RoleGrantRead, dependencies=[Allowed("identity.request_role")])
def withdraw_role(grant_id: UUID, principal: CurrentPrincipal, session: DbSession) -> RoleGrant:
    """Take back what one asked for."""
    return service.GRANTS.withdraw(session, grant_id, principal=principal, now=datetime.now(UTC))
