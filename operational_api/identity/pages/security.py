"""Changing password and e-mail address, and leaving. Each asks first for a fresh proof of who one is."""

from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.identity import devices
from operational_api.identity.errors import BadProfile
from operational_api.identity.models import Account
from operational_api.identity.pages.common import Text, field_errors
from operational_api.identity.service import changes, deletion, step_up
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/account", dependencies=[Allowed("identity.keep_account")])


@router.get("/password")
def password_page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """The form for a new password."""
    step_up.demand(session, session_id=principal.session_id, now=datetime.now(UTC))
    account = session.get_one(Account, account_id_of(principal))
    return render(request, "identity/password.html", account=account, errors={})


@router.post("/password")
def change_password(
    request: Request, principal: CurrentPrincipal, session: DbSession, current: Text = "", password: Text = ""
) -> Response:
    """Set it, and sign every other device out."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now, resume="/account/password")
    account = session.get_one(Account, account_id_of(principal))
    try:
        changes.change_password(
            session, account=account, current=current, new=password, keep=principal.session_id, now=now,
            browser=devices.browser_of(request, account.email),
        )  # fmt: skip
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        errors = field_errors(error)
        if "form" in errors:
            errors = {"current": error.detail}
        return render(request, "identity/password.html", status_code=error.status, account=account, errors=errors)
    return redirect(request, "/account", flash="Your new password works from now on. Other devices are signed out.")


@router.get("/email")
def email_page(request: Request, principal: CurrentPrincipal, session: DbSession, email: str = "") -> Response:
    """The form for a new address, as far as it was filled in."""
    resume = f"/account/email?email={quote(email)}" if email else None
    step_up.demand(session, session_id=principal.session_id, now=datetime.now(UTC), resume=resume)
    account = session.get_one(Account, account_id_of(principal))
    return render(request, "identity/email.html", account=account, email=email, errors={})


@router.post("/email")
def change_email(request: Request, principal: CurrentPrincipal, session: DbSession, email: Text = "") -> Response:
    """Send a link to the new address."""
    now = datetime.now(UTC)
    step_up.demand(
        session, session_id=principal.session_id, now=now, resume=f"/account/email?email={quote(email, safe='')}"
    )
    account = session.get_one(Account, account_id_of(principal))
    try:
        changes.request_email(session, account=account, email=email, now=now)
    except BadProfile as error:
        return render(
            request, "identity/email.html", status_code=error.status, account=account, email=email,
            errors=field_errors(error),
        )  # fmt: skip
    return redirect(
        request, "/account", tone="info",
        flash=f"Open the link that we have sent to {email.strip()}. Until then your address stays as it is.",
    )  # fmt: skip


@router.get("/deletion")
def deletion_page(request: Request, principal: CurrentPrincipal, session: DbSession, reason: str = "") -> Response:
    """What deletion means."""
    resume = f"/account/deletion?reason={quote(reason, safe='')}" if reason else None
    step_up.demand(session, session_id=principal.session_id, now=datetime.now(UTC), resume=resume)
    account = session.get_one(Account, account_id_of(principal))
    known = deletion.open_request(session, account.id)
    days = deletion.THINK_AGAIN.days
    return render(request, "identity/deletion.html", account=account, known=known, reason=reason, days=days)


@router.post("/deletion")
def ask_for_deletion(request: Request, principal: CurrentPrincipal, session: DbSession, reason: Text = "") -> Response:
    """Begin the two weeks."""
    now = datetime.now(UTC)
    step_up.demand(
        session, session_id=principal.session_id, now=now, resume=f"/account/deletion?reason={quote(reason, safe='')}"
    )
    account = session.get_one(Account, account_id_of(principal))
    deletion.request(session, account=account, reason=reason, now=now)
    return redirect(request, "/account")


@router.post("/deletion/withdraw")
def withdraw_deletion(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Stay."""
    account = session.get_one(Account, account_id_of(principal))
    deletion.withdraw(session, account=account, now=datetime.now(UTC))
    return redirect(request, "/account", flash="Good that you stay. Nothing will be deleted.")
