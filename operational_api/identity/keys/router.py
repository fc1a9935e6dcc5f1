"""HTTP to the signing keys and back, under /api/identity/signing-keys. Changing them asks for a fresh proof."""

from datetime import UTC, datetime

from fastapi import BackgroundTasks, Request
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.identity.keys import ring, service
from operational_api.identity.keys.schemas import KeyRotation, KeyWithdrawal, SigningKeyList, SigningKeyRead
from operational_api.identity.service import step_up

router = ContextRouter(
    prefix="/api/identity/signing-keys", tags=["identity"], route_class=IdempotentRoute,
    dependencies=[Allowed("identity.manage_keys")],
)  # fmt: skip


def listed(session: Session, request: Request, now: datetime) -> SigningKeyList:
    """The keys as they are in this transaction."""
    settings = request.app.state.settings
    found = ring.read(session, seed=ring.seed_of(settings), sealer=ring.sealer_of(settings))
    return SigningKeyList(
        items=[
            SigningKeyRead(kid=one.kid, state=state, active_from=one.active_from, withdrawn_at=one.withdrawn_at)
            for one, state in found.states(now)
        ]
    )


@router.get("")
def list_keys(request: Request, session: DbSession) -> SigningKeyList:
    """The keys that sign, will sign and did sign, the oldest first."""
    return listed(session, request, datetime.now(UTC))


@router.post("", status_code=201)
def rotate(
    body: KeyRotation, request: Request, principal: CurrentPrincipal, session: DbSession, after: BackgroundTasks
) -> SigningKeyList:
    """Make the next key; it signs an hour from now, or at once."""
    now, settings = datetime.now(UTC), request.app.state.settings
    step_up.demand(session, session_id=principal.session_id, now=now)
    service.rotate(session, seed=ring.seed_of(settings), sealer=ring.sealer_of(settings), now=now, **body.model_dump())
    after.add_task(request.app.state.keys.reread)
    return listed(session, request, now)


@router.post("/{kid}/withdrawal")
def withdraw(
    kid: str, body: KeyWithdrawal, request: Request, principal: CurrentPrincipal, session: DbSession,
    after: BackgroundTasks,
) -> SigningKeyList:  # fmt: skip
    """Believe nothing more that a key signed: every token of it ends, wherever it is shown."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now)
    service.withdraw(session, kid=kid, seed=ring.seed_of(request.app.state.settings), now=now, **body.model_dump())
    after.add_task(request.app.state.keys.reread)
    return listed(session, request, now)
