"""Proving anew who one is, before a change that could take the account away; then back to what one was doing."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.identity import devices
from operational_api.identity.models import Account
from operational_api.identity.pages.common import Text
from operational_api.identity.pages.conclude import PENDING_SECONDS, go_on
from operational_api.identity.pages.sign_in import refusal
from operational_api.identity.service import email_codes, factors, login, pending
from operational_api.web.cookies import set_cookie
from operational_api.web.rendering import redirect, render, safe_return_path

router = APIRouter(dependencies=[Allowed("identity.keep_account")])


@router.get("/step-up")
def page(request: Request, principal: CurrentPrincipal, session: DbSession, return_to: str = "") -> Response:
    """Ask for the password, or where there is none for a code by e-mail; the second step, if any, follows."""
    account = session.get_one(Account, account_id_of(principal))
    onward = safe_return_path(return_to, "/account")
    has_factor = factors.has_one(session, account.id)
    return render(request, "identity/step_up.html", account=account, onward=onward, error=None, has_factor=has_factor)


@router.post("/step-up")
def check(
    request: Request, principal: CurrentPrincipal, session: DbSession, password: Text = "", return_to: Text = ""
) -> Response:
    """Check the password; go on to the next step, or back. Who signs in by another provider has none, and its word
    that they did so some time ago proves nothing now: they read a code in their mailbox."""
    now, onward = datetime.now(UTC), safe_return_path(return_to, "/account")
    account = session.get_one(Account, account_id_of(principal))
    browser = devices.browser_of(request, account.email)
    has_factor = factors.has_one(session, account.id)
    first = [] if account.password_hash else ["email_code"]
    try:
        if not first:
            login.authenticate(session, email=account.email, password=password, browser=browser, now=now)
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        return refusal(request, "identity/step_up.html", error, account=account, onward=onward, has_factor=has_factor)
    row, secret = pending.begin(
        session, account_id=account.id, steps=[*first, *(["factor"] if has_factor else [])],
        amr=() if first else ("pwd",), return_to=onward, session_id=principal.session_id, now=now,
    )  # fmt: skip
    if not row.steps:
        return go_on(request, session, row, account, now=now)
    if first:
        email_codes.send(session, row=row, account=account, now=now)
    response = redirect(request, pending.PAGES[row.steps[0]])
    set_cookie(request, response, "pending", secret, max_age=PENDING_SECONDS)
    return response
