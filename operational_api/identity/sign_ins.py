"""Sign-ins over HTTP: the page on which people see theirs and why they were asked, and the list for admins."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from operational_api.core import audit
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.identity.models import SignInAttempt
from operational_api.identity.places import country_name
from operational_api.identity.risk import Decision
from operational_api.identity.schemas import RiskySignInRead, SignInRead
from operational_api.identity.service import attempts
from operational_api.web.cookies import set_cookie
from operational_api.web.rendering import redirect, render

api = ContextRouter(prefix="/api/identity", tags=["identity"], route_class=IdempotentRoute)
pages = APIRouter(dependencies=[Allowed("identity.keep_account")])
SHOWN = 20
_OUTCOMES = {
    "signed_in": ("Signed in", "good"),
    "step_up": ("Asked for a second proof", "warn"),
    "step_up_failed": ("Second proof failed", "bad"),
    "refused": ("Refused", "bad"),
    "wrong_password": ("Wrong password", "warn"),
    "throttled": ("Held back: too many tries", "warn"),
    "closed": ("Refused: account closed", "bad"),
    "unverified": ("Held back: address not confirmed", "warn"),
}


@dataclass(frozen=True, slots=True)
class _Shown:
    row: SignInAttempt
    label: str
    tone: str
    place: str
    was_asked: bool
    can_dispute: bool
    is_current: bool


def _shown(row: SignInAttempt, session_id: UUID | None) -> _Shown:
    label, tone = _OUTCOMES[row.outcome]
    if row.outcome == "signed_in" and len(row.factors) > 1:
        label, tone = "Signed in after a second proof", "info"
    if row.disputed_at is not None:
        label, tone = "Not you, as you told us", "bad"
    is_current = row.session_id is not None and row.session_id == session_id
    # Whoever got as far as being judged knew the password.
    can_dispute = row.decision is not None and row.disputed_at is None and not is_current
    was_asked = row.outcome in ("step_up", "step_up_failed") or len(row.factors) > 1
    return _Shown(row, label, tone, country_name(row.country), was_asked, can_dispute, is_current)


@pages.get("/account/sign-ins")
def sign_ins_page(request: Request, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None) -> Response:
    """Why was I asked? One's sign-ins with what was unusual about each, and a way to say "not me"."""
    rows, following = attempts.recent(session, account_id=account_id_of(principal), limit=SHOWN, cursor=cursor)
    shown = [_shown(row, principal.session_id) for row in rows]
    return render(request, "identity/sign_ins.html", sign_ins=shown, following=following)


@pages.post("/account/sign-ins/{attempt_id}/dispute")
def dispute(request: Request, attempt_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """This wasn't me: everything ends here, and a new password begins in the mailbox."""
    account = attempts.dispute(
        session, account_id=account_id_of(principal), attempt_id=attempt_id, now=datetime.now(UTC)
    )
    told = (
        f"Every device is signed out and the old password works no more. A link for a new one goes to {account.email}."
    )
    response = redirect(request, "/signup/sent", flash=told, tone="info")
    for name in ("session", "login"):
        set_cookie(request, response, name, "", max_age=0)
    return response


@api.get("/me/sign-ins", dependencies=[Allowed("identity.keep_account")])
def list_own(
    principal: CurrentPrincipal, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[SignInRead]:
    """One's own sign-ins, newest first, with what was unusual about each."""
    rows, following = attempts.recent(session, account_id=account_id_of(principal), limit=limit, cursor=cursor)
    return Page(items=[SignInRead.of(row) for row in rows], next_cursor=following)


@api.get("/sign-ins", dependencies=[Allowed("identity.read_sign_ins")])
def list_risky(
    admin_id: CurrentAccount,
    session: DbSession,
    decision: Decision | None = None,
    account_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RiskySignInRead]:
    """Everybody's sign-ins that were judged, newest first; without `decision` those that were not simply allowed."""
    rows, following = attempts.risky(session, decision=decision, account_id=account_id, limit=limit, cursor=cursor)
    audit.record(
        session, "identity.read_sign_ins", "SignInAttempt", "all", actor_id=admin_id, subject_id=account_id,
        purpose="security", details={"decision": decision or "risky"},
    )  # fmt: skip
    return Page(items=[RiskySignInRead.of(row) for row in rows], next_cursor=following)
