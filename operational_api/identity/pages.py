"""Pages of identity: signing up and in, links from e-mails, one's own account."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.identity import devices
from operational_api.identity.errors import (
    BadPassword,
    BadProfile,
    EmailNotVerified,
    LinkExpired,
    LinkUnknown,
    LinkUsed,
    TooManyTries,
)
from operational_api.identity.models import Account
from operational_api.identity.router import account_id_of
from operational_api.identity.service import accounts, links, login, sessions
from operational_api.web import sessions as web_sessions
from operational_api.web.cookies import read_cookie, set_cookie
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import person, redirect, render, safe_return_path

router = APIRouter(dependencies=[Allowed("identity.sign_in")])
NAV = [NavItem("Account", "/account", "identity.keep_account", order=95, icon="user", place="account")]
SIGN_IN = "/auth/login"
Text = Annotated[str, Form()]


def _field_errors(error: DomainError) -> dict[str, str]:
    field = "password" if isinstance(error, BadPassword) else str(error.extra.get("field", "form"))
    return {field: error.detail}


@router.get("/login")
def login_page(request: Request, return_to: str | None = None) -> Response:
    """The provider's sign-in page; applications send people here through /oidc/authorize."""
    onward = safe_return_path(return_to, SIGN_IN)
    return render(request, "identity/login.html", onward=onward, email="", error=None, is_unverified=False)


@router.post("/login")
def sign_in(
    request: Request, session: DbSession, email: Text = "", password: Text = "", return_to: Text = ""
) -> Response:
    """Check the password, start a session of this browser, go on to where they were going."""
    now, onward = datetime.now(UTC), safe_return_path(return_to, SIGN_IN)
    browser = devices.browser_of(request, email)
    try:
        account = login.authenticate(session, email=email, password=password, browser=browser, now=now)
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        response: Response = render(
            request, "identity/login.html", status_code=error.status, onward=onward, email=email,
            error=error.detail, is_unverified=isinstance(error, EmailNotVerified),
        )  # fmt: skip
        if isinstance(error, TooManyTries):
            response.headers["Retry-After"] = str(error.extra["retry_after"])
        return response
    before = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    if before is not None:
        sessions.revoke(session, account_id=before[1].id, session_id=before[0].id, now=now)
    _, secret = login.start(session, account=account, browser=browser, now=now)
    response = redirect(request, onward)
    set_cookie(request, response, "login", secret, max_age=int(sessions.LONGEST.total_seconds()))
    devices.remember(request, response, account.email)
    return response


@router.get("/signup")
def signup_page(request: Request, next: str | None = None) -> Response:  # noqa: A002 - the address people see
    """The form to become a customer."""
    if person(request) is not None:
        return redirect(request, SIGN_IN)
    return render(request, "identity/signup.html", errors={}, given={"next": safe_return_path(next, "")})


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
            now=datetime.now(UTC), then=then or None,
        )  # fmt: skip
    except (BadPassword, BadProfile) as error:
        given = {"email": email, "display_name": display_name, "next": then}
        errors = _field_errors(error)
        return render(request, "identity/signup.html", status_code=error.status, errors=errors, given=given)
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


@router.get("/account", dependencies=[Allowed("identity.keep_account")])
def account_page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Profile and signed-in devices."""
    account_id = account_id_of(principal)
    rows = sessions.listed(session, account_id=account_id, now=datetime.now(UTC))
    found = [(row, devices.device_name(row.user_agent), row.id == principal.session_id) for row in rows]
    return render(
        request, "identity/account.html", account=session.get_one(Account, account_id), devices=found,
        zones=sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc")),
    )  # fmt: skip


@router.post("/account", dependencies=[Allowed("identity.keep_account")])
def update_account(
    request: Request, principal: CurrentPrincipal, session: DbSession, display_name: Text = "", time_zone: Text = ""
) -> Response:
    """Change name and time zone."""
    account = accounts.update_profile(
        session, account_id=account_id_of(principal), display_name=display_name, time_zone=time_zone
    )
    web_sessions.rename(session, account_id=account.id, display_name=account.display_name, time_zone=account.time_zone)
    return redirect(request, "/account", flash="Saved.")


@router.post("/account/password", dependencies=[Allowed("identity.keep_account")])
def change_password(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Send the link that changes the password: a borrowed, signed-in phone cannot."""
    account = session.get_one(Account, account_id_of(principal))
    accounts.request_reset(session, email=account.email, now=datetime.now(UTC))
    return redirect(request, "/account", flash=f"We have sent a link to {account.email}.", tone="info")


@router.post("/account/sessions/{session_id}/end", dependencies=[Allowed("identity.keep_account")])
def end_session(request: Request, session_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Sign one device out."""
    sessions.revoke(session, account_id=account_id_of(principal), session_id=session_id, now=datetime.now(UTC))
    return redirect(request, "/account", flash="That device is signed out.")


@router.post("/account/sessions/end", dependencies=[Allowed("identity.keep_account")])
def end_other_sessions(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Sign every other device out."""
    ended = sessions.revoke_all(
        session, account_id=account_id_of(principal), keep=principal.session_id, now=datetime.now(UTC)
    )
    return redirect(request, "/account", flash=f"Signed out on {ended} other device{'' if ended == 1 else 's'}.")
