"""Signing up, and the links in our e-mails: confirming an address, a new password, a new address."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response

from operational_api.core.database import DbSession
from operational_api.identity.errors import (
    AddressTaken,
    BadPassword,
    BadProfile,
    LinkExpired,
    LinkUnknown,
    LinkUsed,
)
from operational_api.identity.pages.common import SIGN_IN, Text
from operational_api.identity.pages.common import field_errors as _field_errors
from operational_api.identity.pages.upstream import choices
from operational_api.identity.service import accounts, changes, links
from operational_api.web.language import language_for
from operational_api.web.rendering import person, redirect, render, safe_return_path

router = APIRouter()


@router.get("/signup")
def signup_page(request: Request, next: str | None = None) -> Response:  # noqa: A002 - the address people see
    """The form to become a customer."""
    if person(request) is not None:
        return redirect(request, SIGN_IN)
    given = {"next": safe_return_path(next, "")}
    return render(request, "identity/signup.html", errors={}, given=given, choices=choices(request))


@router.post("/signup")
def sign_up(
    request: Request,
    session: DbSession,
    email: Text = "",
    password: Text = "",
    display_name: Text = "",
    time_zone: Text = "UTC",
    next_path: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Register, then say the same whether the address was known or not."""
    then = safe_return_path(next_path, "")
    try:
        accounts.register(
            session, email=email, password=password, display_name=display_name, time_zone=time_zone,
            locale=language_for(request, None), now=datetime.now(UTC), then=then or None,
        )  # fmt: skip
    except (BadPassword, BadProfile) as error:
        given = {"email": email, "display_name": display_name, "next": then}
        errors = _field_errors(error)
        return render(
            request, "identity/signup.html", status_code=error.status, errors=errors, given=given,
            choices=choices(request),
        )  # fmt: skip
    return redirect(request, "/signup/sent")


@router.get("/signup/sent")
def sent_page(request: Request) -> Response:
    """Where to look for the e-mail."""
    return render(request, "identity/sent.html")


@router.get("/verify-email")
def verify_page(request: Request, session: DbSession, token: str = "", next: str = "") -> Response:  # noqa: A002
    """A button that confirms the address: mail scanners open links, they do not press buttons."""
    state, status = "ready", 200
    try:
        links.find(session, token=token, purpose="verify", now=datetime.now(UTC))
    except (LinkUnknown, LinkUsed, LinkExpired) as error:
        state, status = type(error).__name__, error.status
    then = safe_return_path(next, "")
    return render(request, "identity/verify_email.html", status_code=status, state=state, token=token, then=then)


@router.post("/verify-email")
def verify(request: Request, session: DbSession, token: Text = "", then: Text = "") -> Response:
    """Confirm the address, then sign in."""
    try:
        accounts.verify_email(session, token=token, now=datetime.now(UTC))
    except (LinkUnknown, LinkUsed, LinkExpired):
        return redirect(request, f"/verify-email?token={quote(token)}")
    onward = safe_return_path(then, "")
    target = f"{SIGN_IN}?return_to={quote(onward, safe='')}" if onward else SIGN_IN
    return redirect(request, target, flash="Your address is confirmed. Sign in and let's go.")


@router.post("/verify-email/new")
def new_verification(request: Request, session: DbSession, token: Text = "", email: Text = "") -> Response:
    """Send a new link, to the owner of an old one or to an address."""
    if email:
        accounts.resend_verification(session, email=email, now=datetime.now(UTC))
    else:
        accounts.resend_link(session, token=token, purpose="verify", now=datetime.now(UTC))
    return redirect(request, "/signup/sent")


@router.get("/reset-password")
def reset_page(request: Request, session: DbSession, token: str = "") -> Response:
    """Without a token: where to send a link. With one: the new password."""
    state, status = "ask", 200
    if token:
        try:
            links.find(session, token=token, purpose="reset", now=datetime.now(UTC))
            state = "ready"
        except (LinkUnknown, LinkUsed, LinkExpired) as error:
            state, status = type(error).__name__, error.status
    return render(request, "identity/reset_password.html", status_code=status, state=state, token=token, errors={})


@router.post("/reset-password")
def reset(request: Request, session: DbSession, token: Text = "", email: Text = "", password: Text = "") -> Response:
    """Send the link, or set the new password."""
    now = datetime.now(UTC)
    if not token:
        accounts.request_reset(session, email=email, now=now)
        return redirect(request, "/signup/sent")
    try:
        accounts.reset_password(session, token=token, password=password, now=now)
    except BadPassword as error:
        return render(
            request, "identity/reset_password.html", status_code=error.status, state="ready", token=token,
            errors=_field_errors(error),
        )  # fmt: skip
    except (LinkUnknown, LinkUsed, LinkExpired):
        return redirect(request, f"/reset-password?token={quote(token)}")
    return redirect(request, SIGN_IN, flash="Your new password works from now on. Sign in with it.")


@router.get("/confirm-email")
def confirm_email_page(request: Request, session: DbSession, token: str = "") -> Response:
    """A button that takes the new address into use."""
    state, status, address = "ready", 200, ""
    try:
        address = links.find(session, token=token, purpose="email", now=datetime.now(UTC)).address or ""
    except (LinkUnknown, LinkUsed, LinkExpired) as error:
        state, status = type(error).__name__, error.status
    return render(request, "identity/confirm_email.html", status_code=status, state=state, token=token, address=address)


@router.post("/confirm-email")
def confirm_email(request: Request, session: DbSession, token: Text = "") -> Response:
    """Take the new address into use; sign in with it from now on."""
    try:
        changes.confirm_email(session, token=token, now=datetime.now(UTC))
    except (LinkUnknown, LinkUsed, LinkExpired):
        return redirect(request, f"/confirm-email?token={quote(token)}")
    except AddressTaken as error:
        return redirect(request, "/login", flash=error.detail, tone="bad")
    return redirect(request, SIGN_IN, flash="We write to this address from now on. Sign in with it.")
