"""The end of a sign-in or step-up: the session, its cookies, and on to where the person was going."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request, Response
from sqlalchemy.orm import Session

from operational_api.identity import devices
from operational_api.identity.errors import SignInExpired
from operational_api.identity.models import Account, PendingSignIn
from operational_api.identity.oidc.claims import ACR
from operational_api.identity.pages.common import must_have_factor
from operational_api.identity.service import attempts, email_codes, login, pending, risk, sessions, step_up, steps
from operational_api.identity.service.risk import Assessment
from operational_api.identity.upstream import offers
from operational_api.web import sessions as web_sessions
from operational_api.web.cookies import read_cookie, set_cookie
from operational_api.web.rendering import redirect

LOGIN_SECONDS = int(sessions.LONGEST.total_seconds())
PENDING_SECONDS = int(pending.LIFETIME.total_seconds())


def start_session(
    request: Request,
    session: Session,
    *,
    account: Account,
    amr: Sequence[str],
    assessment: Assessment,
    onward: str,
    now: datetime,
) -> Response:
    """Sign this browser in, in place of whoever was before, and note that the judged attempt came to this."""
    before = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    if before is not None:
        sessions.revoke(session, account_id=before[1].id, session_id=before[0].id, now=now)
    browser = devices.browser_of(request, account.email)
    started, secret = login.start(session, account=account, browser=browser, amr=amr, now=now)
    attempts.note(
        session, account=account, browser=browser, assessment=assessment, outcome="signed_in", now=now,
        session_id=started.id, factors=amr,
    )  # fmt: skip
    response = redirect(request, onward)
    set_cookie(request, response, "login", secret, max_age=LOGIN_SECONDS)
    devices.remember(request, response, account.email)
    offers.take(request, response, session, account, now=now)
    return response


def ask_or_start(
    request: Request, session: Session, account: Account, *, amr: Sequence[str], onward: str, acr: str, now: datetime
) -> Response:
    """After the first proof: ask for what else is due, or sign in.

    Args:
        amr: The first proof, `("pwd",)` or `("fed",)`.
        acr: The level of `oidc.claims.ACR` that the application asked for, or empty.

    Raises:
        SignInRefused: noted; the caller must commit all the same.
    """
    browser = devices.browser_of(request, account.email)
    due = steps.due(
        session, account=account, browser=browser, now=now, proved=amr,
        must_have_factor=must_have_factor(request, account) or acr in ACR[1:],
        assess=getattr(request.app.state, "assess_sign_in", risk.assess),
    )  # fmt: skip
    if not due.steps:
        return start_session(
            request, session, account=account, amr=amr, assessment=due.assessment, onward=onward, now=now
        )
    row, secret = pending.begin(
        session, account_id=account.id, steps=due.steps, amr=amr, reasons=due.reasons, return_to=onward,
        attempt_id=due.assessment.id, now=now,
    )  # fmt: skip
    if due.steps[0] == "email_code":
        email_codes.send(session, row=row, account=account, now=now)
    response = redirect(request, pending.PAGES[due.steps[0]])
    set_cookie(request, response, "pending", secret, max_age=PENDING_SECONDS)
    return response


def go_on(request: Request, session: Session, row: PendingSignIn, account: Account, *, now: datetime) -> Response:
    """To the next step that is due; after the last one, sign in or renew the session."""
    page = pending.next_page(row)
    if page is not None:
        return redirect(request, page)
    row.finished_at = now
    if row.kind == "step_up":
        response = renew_session(request, session, row, now=now)
    else:
        assert row.attempt_id is not None  # noqa: S101 - every sign-in that must prove more was noted
        response = start_session(
            request, session, account=account, amr=row.amr, assessment=attempts.recall(session, row.attempt_id),
            onward=row.return_to, now=now,
        )  # fmt: skip
    set_cookie(request, response, "pending", "", max_age=0)
    return response


def renew_session(request: Request, session: Session, row: PendingSignIn, *, now: datetime) -> Response:
    """The same session, proved anew, under new cookies.

    Raises:
        SignInExpired: it ended meanwhile.
    """
    assert row.session_id is not None  # noqa: S101 - what makes it a step-up
    known = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    secret = step_up.done(session, session_id=row.session_id, amr=row.amr, now=now)
    if secret is None:
        raise SignInExpired
    response = redirect(request, row.return_to)
    if known is not None and known[0].id == row.session_id:
        set_cookie(request, response, "login", secret, max_age=LOGIN_SECONDS)
    web = web_sessions.find(session, secret=read_cookie(request, "session"), now=now)
    if web is not None and web.login_session_id == row.session_id:
        seconds = int(web_sessions.LONGEST.total_seconds())
        set_cookie(request, response, "session", web_sessions.renew(web), max_age=seconds)
    return response
