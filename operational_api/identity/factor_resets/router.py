"""HTTP to resetting second factors and back, under /api/identity/factor-resets."""

from datetime import UTC, datetime
from uuid import UUID

from operational_api.core.approvals import Decision, Status
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.identity.factor_resets import service
from operational_api.identity.factor_resets.schemas import FactorResetCreate, FactorResetRead
from operational_api.identity.models import FactorReset

router = ContextRouter(prefix="/api/identity/factor-resets", tags=["identity"], route_class=IdempotentRoute)


@router.get("", dependencies=[Allowed("identity.read_factor_resets")])
def list_resets(
    session: DbSession, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[FactorResetRead]:
    """Resets that were asked for, the newest first."""
    rows, following = service.RESETS.page(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[FactorResetRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "", response_model=FactorResetRead, status_code=201, dependencies=[Allowed("identity.request_factor_reset")]
)
def request_reset(body: FactorResetCreate, principal: CurrentPrincipal, session: DbSession) -> FactorReset:
    """Ask for a person's lost second factors to be taken away; somebody else decides."""
    return service.request_reset(session, **body.model_dump(), principal=principal, now=datetime.now(UTC))


@router.post(
    "/{reset_id}/approval", response_model=FactorResetRead, dependencies=[Allowed("identity.approve_factor_reset")]
)
def approve_reset(
    reset_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> FactorReset:
    """Take the factors away; the person is signed out everywhere and told."""
    return service.approve(
        session, reset_id=reset_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post(
    "/{reset_id}/refusal", response_model=FactorResetRead, dependencies=[Allowed("identity.approve_factor_reset")]
)
def decline_reset(
    reset_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> FactorReset:
    """Say no to what somebody else asked for."""
    return service.RESETS.refuse(
        session, reset_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post(
    "/{reset_id}/withdrawal", response_model=FactorResetRead, dependencies=[Allowed("identity.request_factor_reset")]
)
def withdraw_reset(reset_id: UUID, principal: CurrentPrincipal, session: DbSession) -> FactorReset:
    """Take back what one asked for."""
    return service.RESETS.withdraw(session, reset_id, principal=principal, now=datetime.now(UTC))
