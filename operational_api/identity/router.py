"""HTTP of identity: accounts, links, sessions. The OpenID Connect provider is `oidc.router`."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from operational_api.core.database import DbSession
from operational_api.core.errors import Forbidden
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.identity.models import Account
from operational_api.identity.oidc import router as oidc
from operational_api.identity.roles import router as roles
from operational_api.identity.schemas import (
    Accepted,
    AccountCreate,
    AccountRead,
    AddressGiven,
    PasswordGiven,
    ProfileUpdate,
    SessionList,
    SessionRead,
    TokenGiven,
)
from operational_api.identity.service import accounts, sessions
from operational_api.web import sessions as web_sessions

router = APIRouter()
_api = APIRouter(
    prefix="/api/identity", tags=["identity"], route_class=IdempotentRoute, dependencies=[Allowed("identity.sign_in")]
)
CHECK_MAIL = Accepted(detail="Check your mailbox: we have sent you an e-mail.")


def account_id_of(principal: Principal) -> UUID:
    """The account behind a principal; services have none.

    Raises:
        Forbidden.
    """
    if principal.account_id is None:
        raise Forbidden
    return principal.account_id


@_api.post("/accounts", status_code=202)
def register(body: AccountCreate, session: DbSession) -> Accepted:
    """Sign up. Answers the same for known and unknown addresses."""
    accounts.register(session, **body.model_dump(), now=datetime.now(UTC))
    return CHECK_MAIL


@_api.post("/email-verifications", response_model=AccountRead)
def verify_email(body: TokenGiven, session: DbSession) -> Account:
    """Confirm an address by the token of its link."""
    return accounts.verify_email(session, token=body.token, now=datetime.now(UTC))


@_api.post("/email-verifications/requests", status_code=202)
def resend_verification(body: AddressGiven, session: DbSession) -> Accepted:
    """Ask for a new link to confirm an address."""
    accounts.resend_verification(session, email=body.email, now=datetime.now(UTC))
    return CHECK_MAIL


@_api.post("/password-resets", status_code=202)
def request_reset(body: AddressGiven, session: DbSession) -> Accepted:
    """Ask for a link to choose a new password."""
    accounts.request_reset(session, email=body.email, now=datetime.now(UTC))
    return CHECK_MAIL


@_api.post("/password-resets/{token}", status_code=204)
def reset_password(token: str, body: PasswordGiven, session: DbSession) -> None:
    """Choose a new password; every session ends."""
    accounts.reset_password(session, token=token, password=body.password, now=datetime.now(UTC))


@_api.get("/me", response_model=AccountRead, dependencies=[Allowed("identity.keep_account")])
def me(principal: CurrentPrincipal, session: DbSession) -> Account:
    """One's own account."""
    return session.get_one(Account, account_id_of(principal))


@_api.patch("/me", response_model=AccountRead, dependencies=[Allowed("identity.keep_account")])
def update_me(body: ProfileUpdate, principal: CurrentPrincipal, session: DbSession) -> Account:
    """Change name and time zone."""
    account = accounts.update_profile(session, account_id=account_id_of(principal), **body.model_dump())
    web_sessions.rename(session, account_id=account.id, display_name=account.display_name, time_zone=account.time_zone)
    return account


@_api.get("/sessions", dependencies=[Allowed("identity.keep_account")])
def list_sessions(principal: CurrentPrincipal, session: DbSession) -> SessionList:
    """One's signed-in browsers, the current one marked."""
    rows = sessions.listed(session, account_id=account_id_of(principal), now=datetime.now(UTC))
    items = [SessionRead.model_validate(row) for row in rows]
    return SessionList(
        items=[item.model_copy(update={"is_current": item.id == principal.session_id}) for item in items]
    )


@_api.delete("/sessions/{session_id}", status_code=204, dependencies=[Allowed("identity.keep_account")])
def revoke_session(session_id: UUID, principal: CurrentPrincipal, session: DbSession) -> None:
    """Sign one browser out."""
    sessions.revoke(session, account_id=account_id_of(principal), session_id=session_id, now=datetime.now(UTC))


@_api.delete("/sessions", status_code=204, dependencies=[Allowed("identity.keep_account")])
def revoke_sessions(principal: CurrentPrincipal, session: DbSession) -> None:
    """Sign every browser out, this one included."""
    sessions.revoke_all(session, account_id=account_id_of(principal), now=datetime.now(UTC))


router.include_router(_api)
router.include_router(oidc.router)
router.include_router(roles.router)
