"""People with a second factor, and what the pages ask of them."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyotp
from fastapi import FastAPI
from sqlalchemy import text

from operational_api.identity.models import Account
from operational_api.identity.pages.common import sealer_of
from operational_api.identity.service import recovery, totp
from tests.browser import Browser

LONG_AGO = timedelta(hours=1)


def give_app(app: FastAPI, account: Account) -> str:
    """Set up an authenticator app an hour ago; returns its seed."""
    at, sealer = datetime.now(UTC) - LONG_AGO, sealer_of(SimpleNamespace(app=app))  # type: ignore[arg-type]
    with app.state.sessions.begin() as session:
        totp.begin(session, account_id=account.id, sealer=sealer, now=at)
        session.flush()
        seed = totp.begun(session, account_id=account.id, sealer=sealer, now=at)
        totp.confirm(session, account_id=account.id, code=pyotp.TOTP(seed).at(at), sealer=sealer, now=at)
    return seed


def give_codes(app: FastAPI, account: Account) -> list[str]:
    """Ten recovery codes."""
    with app.state.sessions.begin() as session:
        return recovery.make(session, account_id=account.id, now=datetime.now(UTC))


def code(seed: str, *, ahead: int = 0) -> str:
    """What the app shows; `ahead` steps later, for a second code within half a minute."""
    return pyotp.TOTP(seed).at(datetime.now(UTC) + timedelta(seconds=30 * ahead))


def age_sessions(app: FastAPI, account: Account, minutes: int = 11) -> None:
    """Let the account's last proof of who they are be longer ago."""
    with app.state.sessions.begin() as session:
        statement = "update identity.login_sessions set authenticated_at = now() - make_interval(mins => :m)"
        session.execute(text(f"{statement} where account_id = :id"), {"id": account.id, "m": minutes})


def hidden(page: Any, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text
    return found[1].replace("&amp;", "&")


def seed_on(page: Any) -> str:
    """The key that a set-up page shows in words."""
    found = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def begin_sign_in(browser: Browser, account: Account, password: str, to: str = "/account") -> Any:
    """Open the app as a guest and give the password; follows to whatever comes next."""
    page = browser.get(f"/auth/login?return_to={to}")
    return browser.submit(
        "/login", {"email": account.email, "password": password, "return_to": hidden(page, "return_to")}
    )
