"""Setting up a second factor: an authenticator app, a passkey, and the recovery codes that go with either.

For whoever `common.actor` lets: a sign-in that waits for a first factor, or a session that has just proved itself.
"""

from datetime import UTC, datetime
from typing import Any

import segno
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from markupsafe import Markup

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.identity import devices
from operational_api.identity.errors import FactorRequired, WrongCode
from operational_api.identity.pages.common import Actor, Text, actor, party_of, sealer_of, waiting
from operational_api.identity.pages.conclude import go_on
from operational_api.identity.pages.sign_in import refusal
from operational_api.identity.service import factors, passkeys, pending, recovery, totp
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/two-step")


def _choices(request: Request, session: DbSession, who: Actor) -> dict[str, Any]:
    return {
        "account": who.account, "is_sign_in": who.row is not None, "found": factors.of(session, who.account.id),
        "can_have_passkeys": party_of(request).can_have_passkeys,
        "device": devices.device_name(request.headers.get("user-agent")),
    }  # fmt: skip


def _proved(session: DbSession, who: Actor, what: str, amr: tuple[str, ...], now: datetime) -> None:
    if who.row is not None and who.row.steps:
        pending.passed(who.row, "set_up", amr)
    factors.added(session, account=who.account, what=what, login=who.login, amr=amr, now=now)


@router.get("/set-up")
def choose(request: Request, session: DbSession) -> Response:
    """Which kind of second step."""
    who = actor(request, session, now=datetime.now(UTC))
    return render(request, "identity/set_up.html", error=None, **_choices(request, session, who))


@router.post("/app/new")
def begin_app(request: Request, session: DbSession) -> Response:
    """Make a seed for an authenticator app."""
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    totp.begin(session, account_id=who.account.id, sealer=sealer_of(request), now=now)
    return redirect(request, "/two-step/app")


def _app(request: Request, session: DbSession, who: Actor, now: datetime) -> dict[str, Any]:
    seed = totp.begun(session, account_id=who.account.id, sealer=sealer_of(request), now=now)
    code = segno.make(totp.address(seed, email=who.account.email), error="m", micro=False)
    drawn = code.svg_inline(omitsize=True, border=3, dark="#0f1b16", light="#ffffff", svgclass="qr", lineclass=None)
    return {
        "account": who.account, "is_sign_in": who.row is not None,
        "qr": Markup(drawn),  # noqa: S704 - drawn by segno; what people wrote is only in its dots
        "key": " ".join(seed[at : at + 4] for at in range(0, len(seed), 4)),
    }  # fmt: skip


@router.get("/app")
def app_page(request: Request, session: DbSession) -> Response:
    """The QR code, and the key for who cannot scan it."""
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    return render(request, "identity/app.html", error=None, **_app(request, session, who, now))


@router.post("/app")
def confirm_app(request: Request, session: DbSession, code: Text = "") -> Response:
    """The first code shows that the app has the seed."""
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    try:
        totp.confirm(session, account_id=who.account.id, code=code, sealer=sealer_of(request), now=now)
    except WrongCode as error:
        return refusal(request, "identity/app.html", error, **_app(request, session, who, now))
    _proved(session, who, "An authenticator app", ("otp", "mfa"), now)
    return _after(request, session, who)


@router.post("/passkeys/options")
def new_passkey_options(request: Request, session: DbSession) -> Response:
    """What the browser needs to make a passkey."""
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    options = passkeys.registration_options(
        session, account=who.account, holder_id=who.holder_id, party=party_of(request), now=now
    )
    return JSONResponse(options, headers={"Cache-Control": "no-store"})


@router.post("/passkeys")
def add_passkey(request: Request, session: DbSession, answer: Text = "", name: Text = "") -> Response:
    """The passkey that the browser made."""
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    try:
        row = passkeys.register(
            session, account=who.account, holder_id=who.holder_id, answer=answer, name=name, party=party_of(request),
            now=now,
        )  # fmt: skip
    except DomainError as error:  # answered, not raised: the challenge is used up
        return refusal(request, "identity/set_up.html", error, **_choices(request, session, who))
    _proved(session, who, "A passkey", tuple(factors.amr_of(row)), now)
    return _after(request, session, who)


def _after(request: Request, session: DbSession, who: Actor) -> Response:
    if recovery.left(session, who.account.id) == 0:
        return redirect(request, "/two-step/codes")
    return redirect(request, "/account/factors", flash="Your new second step works from now on.")


@router.get("/codes")
def codes_page(request: Request, session: DbSession) -> Response:
    """What recovery codes are; they are made when asked for, because they are shown once."""
    who = actor(request, session, now=datetime.now(UTC))
    return _codes(request, session, who, [])


@router.post("/codes")
def make_codes(request: Request, session: DbSession) -> Response:
    """Make ten codes and show them, this once.

    Raises:
        FactorRequired: there is no second factor that they could stand in for.
    """
    now = datetime.now(UTC)
    who = actor(request, session, now=now)
    if not factors.has_one(session, who.account.id):
        raise FactorRequired("Set up an app or a passkey first: these codes stand in for it.")
    codes = recovery.make(session, account_id=who.account.id, now=now)
    factors.notify(session, who.account, what="New recovery codes were made", now=now)
    return _codes(request, session, who, codes)


def _codes(request: Request, session: DbSession, who: Actor, codes: list[str]) -> Response:
    return render(
        request, "identity/codes.html", account=who.account, is_sign_in=who.row is not None, codes=codes,
        codes_left=recovery.left(session, who.account.id),
    )  # fmt: skip


@router.post("/finish")
def finish(request: Request, session: DbSession) -> Response:
    """The codes are kept: complete the sign-in that waited."""
    now = datetime.now(UTC)
    row, account = waiting(request, session, now=now)
    return go_on(request, session, row, account, now=now)
