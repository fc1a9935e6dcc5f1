"""The second step of signing in: a code of an app, a passkey, a recovery code, or a code by e-mail.

These pages are for who has proved a part; what opens the app is a session, which comes after them.
"""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.identity import devices
from operational_api.identity.models import Account, PendingSignIn
from operational_api.identity.pages.common import Text, party_of, sealer_of, waiting
from operational_api.identity.pages.conclude import go_on
from operational_api.identity.pages.sign_in import refusal
from operational_api.identity.service import email_codes, factors, passkeys, pending
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/two-step")


def _about(request: Request, session: DbSession, row: PendingSignIn, account: Account) -> dict[str, Any]:
    found = factors.of(session, account.id)
    return {
        "account": account, "row": row, "has_app": found.totp is not None, "has_codes": found.codes_left > 0,
        "has_passkey": bool(found.passkeys) and party_of(request).can_have_passkeys,
    }  # fmt: skip


@router.get("")
def page(request: Request, session: DbSession, is_recovery: bool = False) -> Response:
    """Where the second factor is asked for."""
    row, account = waiting(request, session, now=datetime.now(UTC))
    pending.demand(row, "factor")
    template = "identity/recovery.html" if is_recovery else "identity/two_step.html"
    return render(request, template, error=None, **_about(request, session, row, account))


@router.post("")
def check_code(request: Request, session: DbSession, code: Text = "", is_recovery: Text = "") -> Response:
    """A code of the app, or one of the ten on paper."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    pending.demand(row, "factor")
    try:
        amr = factors.check_code(
            session, account=account, code=code, is_recovery=bool(is_recovery), sealer=sealer_of(request),
            browser=devices.browser_of(request, account.email), now=now,
        )  # fmt: skip
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        template = "identity/recovery.html" if is_recovery else "identity/two_step.html"
        return refusal(request, template, error, **_about(request, session, row, account))
    pending.passed(row, "factor", amr)
    return go_on(request, session, row, account, now=now)


@router.post("/passkey/options")
def passkey_options(request: Request, session: DbSession) -> Response:
    """What the browser needs to ask for a passkey."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    pending.demand(row, "factor")
    options = passkeys.sign_in_options(
        session, account_id=account.id, holder_id=row.id, party=party_of(request), now=now
    )
    return JSONResponse(options, headers={"Cache-Control": "no-store"})


@router.post("/passkey")
def check_passkey(request: Request, session: DbSession, answer: Text = "") -> Response:
    """The browser's answer."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    pending.demand(row, "factor")
    try:
        passkey = passkeys.verify(
            session, account_id=account.id, holder_id=row.id, answer=answer, party=party_of(request), now=now
        )
    except DomainError as error:  # answered, not raised: the challenge is used up
        return refusal(request, "identity/two_step.html", error, **_about(request, session, row, account))
    pending.passed(row, "factor", factors.amr_of(passkey))
    return go_on(request, session, row, account, now=now)


@router.get("/email")
def email_page(request: Request, session: DbSession) -> Response:
    """Where the code out of the e-mail is typed, and why it is asked for."""
    row, account = waiting(request, session, now=datetime.now(UTC))
    pending.demand(row, "email_code")
    return render(request, "identity/email_code.html", error=None, row=row, account=account)


@router.post("/email")
def check_email_code(request: Request, session: DbSession, code: Text = "") -> Response:
    """The code out of the e-mail."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    pending.demand(row, "email_code")
    try:
        email_codes.check(
            session, row=row, account=account, code=code, browser=devices.browser_of(request, account.email), now=now
        )
    except DomainError as error:  # answered, not raised: the wrong guess must be counted
        return refusal(request, "identity/email_code.html", error, row=row, account=account)
    pending.passed(row, "email_code", ("email",))
    return go_on(request, session, row, account, now=now)


@router.post("/email/new")
def new_email_code(request: Request, session: DbSession) -> Response:
    """Another code; the one before stops working."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    pending.demand(row, "email_code")
    email_codes.send(session, row=row, account=account, now=now)
    return redirect(request, "/two-step/email", flash="If a minute has passed, a new code is on its way.", tone="info")
