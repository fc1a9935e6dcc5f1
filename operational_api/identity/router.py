"""HTTP of identity: accounts, links, sessions, factors. The OpenID Connect provider is `oidc.router`.

What changes how somebody signs in answers 401 with `identity.step_up_required` unless they proved themselves within ten
minutes; passwords and second factors change on pages only, where somebody looks at them.
"""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request

from operational_api.compliance import public as compliance
from operational_api.core import signed_urls
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.identity import public, sign_ins
from operational_api.identity.factor_resets import router as factor_resets
from operational_api.identity.keys import router as keys
from operational_api.identity.models import Account, DeletionRequest
from operational_api.identity.oidc import router as oidc
from operational_api.identity.roles import router as roles
from operational_api.identity.schemas import (
    Accepted,
    AccountCreate,
    AccountRead,
    AddressGiven,
    CopyCreate,
    CopyLink,
    CopyList,
    CopyRead,
    DeletionCreate,
    DeletionRead,
    FactorsRead,
    PasskeyRead,
    PasswordGiven,
    ProfileUpdate,
    SessionList,
    SessionRead,
    SignOutCreate,
    SignOutRead,
    TokenGiven,
)
from operational_api.identity.service import accounts, changes, copies, deletion, factors, sessions, sign_outs, step_up
from operational_api.web.language import language_for

router = APIRouter()
_api = ContextRouter(
    prefix="/api/identity", tags=["identity"], route_class=IdempotentRoute, dependencies=[Allowed("identity.sign_in")]
)
CHECK_MAIL = Accepted(detail="Check your mailbox: we have sent you an e-mail.")


@_api.post("/accounts", status_code=202)
def register(request: Request, body: AccountCreate, session: DbSession) -> Accepted:
    """Sign up. Answers the same for known and unknown addresses. `Accept-Language` is what they are written to in."""
    accounts.register(session, **body.model_dump(), locale=language_for(request, None), now=datetime.now(UTC))
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


@_api.patch("/me", dependencies=[Allowed("identity.keep_account")])
def update_me(body: ProfileUpdate, principal: CurrentPrincipal, session: DbSession) -> AccountRead:
    """Change name and time zone."""
    return public.update_profile(session, principal, body)


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
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now)
    sessions.revoke(session, account_id=account_id_of(principal), session_id=session_id, now=now)


@_api.delete("/sessions", status_code=204, dependencies=[Allowed("identity.keep_account")])
def revoke_sessions(principal: CurrentPrincipal, session: DbSession) -> None:
    """Sign every browser out, this one included."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now)
    sessions.revoke_all(session, account_id=account_id_of(principal), now=now)


@_api.post("/accounts/{account_id}/sign-outs", status_code=201, dependencies=[Allowed("identity.end_sessions")])
def sign_out(account_id: UUID, body: SignOutCreate, principal: CurrentPrincipal, session: DbSession) -> SignOutRead:
    """Sign somebody else out everywhere, at once; they are told."""
    ended = sign_outs.sign_out(
        session, account_id=account_id, reason=body.reason, principal=principal, now=datetime.now(UTC)
    )
    return SignOutRead(sessions_ended=ended)


@_api.post("/me/email", status_code=202, dependencies=[Allowed("identity.keep_account")])
def change_email(body: AddressGiven, principal: CurrentPrincipal, session: DbSession) -> Accepted:
    """Have a link sent to a new address, which replaces the old one when it is followed."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now)
    account = session.get_one(Account, account_id_of(principal))
    changes.request_email(session, account=account, email=body.email, now=now)
    return CHECK_MAIL


@_api.post(
    "/me/deletion", response_model=DeletionRead, status_code=202, dependencies=[Allowed("identity.keep_account")]
)
def request_deletion(body: DeletionCreate, principal: CurrentPrincipal, session: DbSession) -> DeletionRequest:
    """Ask for the account to be deleted in two weeks."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now)
    account = session.get_one(Account, account_id_of(principal))
    return deletion.request(session, account=account, reason=body.reason, now=now)


@_api.delete("/me/deletion", status_code=204, dependencies=[Allowed("identity.keep_account")])
def withdraw_deletion(principal: CurrentPrincipal, session: DbSession) -> None:
    """Keep the account after all."""
    account = session.get_one(Account, account_id_of(principal))
    deletion.withdraw(session, account=account, now=datetime.now(UTC))


@_api.get("/me/copies", dependencies=[Allowed("identity.keep_account")])
def list_copies(principal: CurrentPrincipal, session: DbSession) -> CopyList:
    """Copies of all that Plyo knows of one, the newest first."""
    found = compliance.copies(session, account_id_of(principal), now=datetime.now(UTC))
    return CopyList(items=[CopyRead.model_validate(one) for one in found])


@_api.post("/me/copies", status_code=202, dependencies=[Allowed("identity.keep_account")])
def ask_for_copy(principal: CurrentPrincipal, session: DbSession) -> CopyRead:
    """Have a copy made of all that Plyo knows of one; an e-mail tells when it is there."""
    return CopyRead.model_validate(copies.ask(session, principal=principal, now=datetime.now(UTC)))


@_api.post("/me/copies/{export_id}/link", status_code=201, dependencies=[Allowed("identity.keep_account")])
def create_copy_link(request: Request, export_id: UUID, principal: CurrentPrincipal, session: DbSession) -> CopyLink:
    """An address at which one fetches one's copy within five minutes."""
    now = datetime.now(UTC)
    path = copies.path_of(session, export_id=export_id, principal=principal, now=now)
    url = signed_urls.signer(request).sign(path, subject=principal.key, now=now)
    return CopyLink(url=url, expires_at=now + signed_urls.LONGEST)


@_api.post("/accounts/{account_id}/copies", status_code=202, dependencies=[Allowed("compliance.request_export")])
def ask_for_copy_of(account_id: UUID, body: CopyCreate, principal: CurrentPrincipal, session: DbSession) -> CopyRead:
    """Have a copy made for somebody who asked the business for their data. They alone can fetch it, and are told."""
    made = copies.ask_for(
        session, account_id=account_id, reason=body.reason, principal=principal, now=datetime.now(UTC)
    )
    return CopyRead.model_validate(made)


@_api.get("/me/factors", dependencies=[Allowed("identity.keep_account")])
def list_factors(principal: CurrentPrincipal, session: DbSession) -> FactorsRead:
    """One's second factors."""
    found = factors.of(session, account_id_of(principal))
    return FactorsRead(
        has_totp=found.totp is not None, recovery_codes_left=found.codes_left,
        passkeys=[PasskeyRead.model_validate(one) for one in found.passkeys],
    )  # fmt: skip


router.include_router(_api)
router.include_router(sign_ins.api)
router.include_router(oidc.router)
router.include_router(roles.router)
router.include_router(factor_resets.router)
router.include_router(keys.router)
