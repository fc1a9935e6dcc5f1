"""Signing in: the password, and where it leads."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.identity import devices
from operational_api.identity.errors import EmailNotVerified, TooManyTries
from operational_api.identity.pages.common import SIGN_IN, Text
from operational_api.identity.pages.conclude import ask_or_start
from operational_api.identity.pages.upstream import choices
from operational_api.identity.service import accounts, attempts, login
from operational_api.identity.upstream import offers
from operational_api.web.rendering import render, safe_return_path

router = APIRouter()


@router.get("/login")
def login_page(request: Request, return_to: str | None = None, acr: str = "") -> Response:
    """The provider's sign-in page; applications send people here through /oidc/authorize."""
    shown = _shown(request, onward=safe_return_path(return_to, SIGN_IN), acr=acr)
    return render(request, "identity/login.html", error=None, is_unverified=False, **shown)


def _shown(request: Request, *, onward: str, acr: str, email: str | None = None) -> dict[str, Any]:
    offer = offers.find(request)
    others = [one for one in choices(request) if offer is None or one.name != offer.person.provider]
    known = email if email is not None else offer.email if offer else ""
    return {"onward": onward, "acr": acr, "email": known, "offer": offer, "choices": others}


@router.post("/login")
def sign_in(
    request: Request, session: DbSession, email: Text = "", password: Text = "", return_to: Text = "", acr: Text = ""
) -> Response:
    """Check the password; then ask for more, or start a session of this browser and go on to where they were going."""
    now, onward = datetime.now(UTC), safe_return_path(return_to, SIGN_IN)
    browser = devices.browser_of(request, email)
    try:
        account = login.authenticate(session, email=email, password=password, browser=browser, now=now)
        return ask_or_start(request, session, account, amr=("pwd",), onward=onward, acr=acr, now=now)
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        if isinstance(error, attempts.FAILURES):
            known = accounts.by_email(session, email)
            attempts.note_failure(session, email=email, account=known, browser=browser, error=error, now=now)
        shown = _shown(request, onward=onward, acr=acr, email=email)
        return refusal(request, "identity/login.html", error, **shown)


def refusal(request: Request, template: str, error: DomainError, **context: Any) -> Response:
    """The form again, with what was wrong."""
    response: Response = render(
        request, template, status_code=error.status, error=error.detail,
        is_unverified=isinstance(error, EmailNotVerified), **context,
    )  # fmt: skip
    if isinstance(error, TooManyTries):
        response.headers["Retry-After"] = str(error.extra["retry_after"])
    return response
