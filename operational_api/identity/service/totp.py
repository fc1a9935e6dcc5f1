"""Codes of authenticator apps (TOTP, RFC 6238): six digits, thirty seconds, SHA-1, which is what every app understands.

A code works once: the step of the newest accepted one is kept, and only later steps are looked at. One step before and
after ours is accepted, for clocks that differ and people who type.
"""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events.identity import FactorAdded
from contracts.sealing import Sealer
from operational_api.core.outbox import publish
from operational_api.identity.errors import SetUpExpired, WrongCode
from operational_api.identity.models import TotpDevice

STEP_SECONDS = 30
DRIFT_STEPS = 1
SET_UP_TIME = timedelta(minutes=30)


def begin(session: Session, *, account_id: UUID, sealer: Sealer, now: datetime) -> None:
    """Make a new seed for somebody; it counts once a code of it was given. One begun before is forgotten."""
    session.execute(delete(TotpDevice).where(TotpDevice.account_id == account_id, TotpDevice.confirmed_at.is_(None)))
    # The owner's id is sealed with the seed: a row copied to another account opens nothing.
    sealed = sealer.seal(f"{account_id}:{pyotp.random_base32()}".encode())
    session.add(TotpDevice(account_id=account_id, sealed_secret=sealed, created_at=now))


def begun(session: Session, *, account_id: UUID, sealer: Sealer, now: datetime) -> str:
    """The seed that waits for its first code, in Base32.

    Raises:
        SetUpExpired: none was begun within the last half hour.
    """
    return _seed(_begun(session, account_id, now), sealer)


def address(seed: str, *, email: str) -> str:
    """What the QR code says: `otpauth://…`, as apps read it."""
    return pyotp.TOTP(seed).provisioning_uri(name=email, issuer_name="Plyo")


def confirm(session: Session, *, account_id: UUID, code: str, sealer: Sealer, now: datetime) -> None:
    """Take the app into use; an app used before stops working.

    Raises:
        SetUpExpired: none was begun within the last half hour.
        WrongCode.
    """
    row = _begun(session, account_id, now)
    step = _step_of(code, _seed(row, sealer), after=0, now=now)
    if step is None:
        raise WrongCode
    session.execute(delete(TotpDevice).where(TotpDevice.account_id == account_id, TotpDevice.confirmed_at.is_not(None)))
    row.confirmed_at, row.last_used_at, row.last_step = now, now, step
    publish(session, FactorAdded(occurred_at=now, account_id=account_id, factor="totp"))


def of(session: Session, account_id: UUID) -> TotpDevice | None:
    """The app in use."""
    return session.scalar(
        select(TotpDevice).where(TotpDevice.account_id == account_id, TotpDevice.confirmed_at.is_not(None))
    )


def verify(session: Session, *, account_id: UUID, code: str, sealer: Sealer, now: datetime) -> bool:
    """Whether the code is right and was not used yet; it is used up by that."""
    row = session.scalar(
        select(TotpDevice)
        .where(TotpDevice.account_id == account_id, TotpDevice.confirmed_at.is_not(None))
        .with_for_update()
    )
    step = _step_of(code, _seed(row, sealer), after=row.last_step, now=now) if row else None
    if row is None or step is None:
        return False
    row.last_step, row.last_used_at = step, now
    return True


def _begun(session: Session, account_id: UUID, now: datetime) -> TotpDevice:
    row = session.scalar(
        select(TotpDevice)
        .where(
            TotpDevice.account_id == account_id,
            TotpDevice.confirmed_at.is_(None),
            TotpDevice.created_at > now - SET_UP_TIME,
        )
        .with_for_update()
    )
    if row is None:
        raise SetUpExpired
    return row


def _seed(row: TotpDevice, sealer: Sealer) -> str:
    owner, _, seed = sealer.open(row.sealed_secret).decode().partition(":")
    if owner != str(row.account_id):
        raise ValueError("this seed was sealed for another account")
    return seed


def _step_of(code: str, seed: str, *, after: int, now: datetime) -> int | None:
    totp, here = pyotp.TOTP(seed), int(now.timestamp()) // STEP_SECONDS
    given = "".join(code.split()).encode()
    # Every step is compared: how long it takes says nothing about which one came close.
    right = [
        step
        for step in range(here - DRIFT_STEPS, here + DRIFT_STEPS + 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), given) and step > after
    ]
    return right[0] if right else None
