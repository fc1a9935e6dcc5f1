"""Signing in by password: who it is, and the session of this browser at the provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from contracts.events.identity import SessionStarted
from operational_api.core.outbox import publish
from operational_api.identity import passwords
from operational_api.identity.errors import AccountDisabled, EmailNotVerified, WrongCredentials
from operational_api.identity.models import Account, LoginSession
from operational_api.identity.service import accounts, sessions, throttle


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from.

    Args:
        address: Network address, as the gateway saw it.
        user_agent: As sent; shown in the list of devices.
        device: Random value that this browser keeps from an earlier sign-in to the same account, else None.
        device_id: The browser's random value whoever signed in with it, new ones included.
        place: ISO 3166-2 or 3166-1 of the address ("DE-BE", "DE"), empty where nobody tells.
    """

    address: str = ""
    user_agent: str = ""
    device: str | None = None
    device_id: str = ""
    place: str = ""


def authenticate(session: Session, *, email: str, password: str, browser: Browser, now: datetime) -> Account:
    """The account behind an address and a password.

    A wrong guess is counted in this session: the caller must commit also when this raises.

    Raises:
        TooManyTries: before looking at the password.
        WrongCredentials: unknown address or wrong password.
        EmailNotVerified, AccountDisabled: only told to who knows the password.
    """
    names = throttle.buckets(email=email.strip().lower(), device=browser.device, address=browser.address)
    throttle.refuse_if_full(session, names, now=now)
    account = accounts.by_email(session, email)
    is_right, better = passwords.verify(password, account.password_hash if account else None)
    if account is None or not is_right:
        throttle.count(session, names, now=now)
        raise WrongCredentials
    if better:
        account.password_hash = better
    refuse_closed(session, account, now=now)
    if account.email_verified_at is None:
        raise EmailNotVerified
    throttle.forget(session, names, now=now)
    return account


def refuse_closed(session: Session, account: Account, *, now: datetime) -> None:
    """Let nobody into an account that is closed.

    Raises:
        AccountDisabled.
    """
    closes_at = sessions.account_closes_at(session, account.id)
    if account.disabled_at is not None or (closes_at is not None and closes_at <= now):
        raise AccountDisabled


def start(
    session: Session, *, account: Account, browser: Browser, amr: Sequence[str], now: datetime
) -> tuple[LoginSession, str]:
    """Sign a browser in and announce it. Returns the session and the secret for its cookie.

    Args:
        amr: How the person proved who they are, all that was due of it (`service.steps`).
    """
    row, secret = sessions.create(
        session, account_id=account.id, user_agent=browser.user_agent, address=browser.address, amr=amr, now=now
    )
    publish(session, SessionStarted(occurred_at=now, account_id=account.id, session_id=row.id, amr=tuple(amr)))
    return row, secret
