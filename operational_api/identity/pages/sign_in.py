"""Signing in: the password, and where it leads."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.identity import devices
from operational_api.identity.errors import EmailNotVerified, TooManyTries
from operational_api.identity.oidc.claims import ACR
from operational_api.identity.pages.common import SIGN_IN, Text, must_have_factor
from operational_api.identity.pages.conclude import PENDING_SECONDS, start_session
from operational_api.identity.service import accounts, attempts, email_codes, login, pending, risk, steps
from operational_api.web.cookies import set_cookie
from operational_api.web.rendering import redirect, render, safe_return_path

router = APIRouter()


@router.get("/login")
def login_page(request: Request, return_to: str | None = None, acr: str = "") -> Response:
    """The provider's sign-in page; applications send people here through /oidc/authorize."""
    onward = safe_return_path(return_to, SIGN_IN)
    return render(request, "identity/login.html", onward=onward, acr=acr, email="", error=None, is_unverified=False)


@router.post("/login")
def sign_in(
    request: Request, session: DbSession, email: Text = "", password: Text = "", return_to: Text = "", acr: Text = ""
) -> Response:
    """Check the password; then ask for more, or start a session of this browser and go on to where they were going."""
    now, onward = datetime.now(UTC), safe_return_path(return_to, SIGN_IN)
    browser = devices.browser_of(request, email)
    try:
        account = login.authenticate(session, email=email, password=password, browser=browser, now=now)
        due = steps.due(
            session, account=account, browser=browser, now=now,
            must_have_factor=must_have_factor(request, account) or acr in ACR[1:],
            assess=getattr(request.app.state, "assess_sign_in", risk.assess),
        )  # fmt: skip
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        if isinstance(error, attempts.FAILURES):
            known = accounts.by_email(session, email)
            attempts.note_failure(session, email=email, account=known, browser=browser, error=error, now=now)
        return refusal(request, "identity/login.html", error, onward=onward, acr=acr, email=email)
    if not due.steps:
        return start_session(
            request, session, account=account, amr=("pwd",), assessment=due.assessment, onward=onward, now=now
        )
    row, secret = pending.begin(
        session, account_id=account.id, steps=due.steps, amr=("pwd",), reasons=due.reasons, return_to=onward,
        attempt_id=due.assessment.id, now=now,
    )  # fmt: skip
    if due.steps[0] == "email_code":
        email_codes.send(session, row=row, account=account, now=now)
    response = redirect(request, pending.PAGES[due.steps[0]])
    set_cookie(request, response, "pending", secret, max_age=PENDING_SECONDS)
    return response


def refusal(request: Request, template: str, error: DomainError, **context: Any) -> Response:
    """The form again, with what was wrong."""
    response: Response = render(
        request, template, status_code=error.status, error=error.detail,
        is_unverified=isinstance(error, EmailNotVerified), **context,
    )  # fmt: skip
    if isinstance(error, TooManyTries):
        response.headers["Retry-After"] = str(error.extra["retry_after"])
    return response
