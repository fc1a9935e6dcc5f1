"""Slows down guessing without locking the owner out.

Wrong guesses are counted in buckets: of one browser that the account's owner signed in with before (`device`), of all
other browsers for that account (`account`), of one network address (`address`). An attacker fills `account` and
`address`; the owner on a known browser still gets in, and a new password by e-mail always works.
"""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from operational_api.identity.errors import TooManyTries
from operational_api.identity.models import FailedAttempt

WINDOW = timedelta(minutes=15)
LIMITS = {"device": 10, "account": 10, "address": 60}


def buckets(*, email: str, device: str | None, address: str) -> list[str]:
    """Names of the buckets that a guess counts in.

    Args:
        device: What the browser carries from an earlier sign-in to this very account; None for any other browser.
    """
    named = {"device": f"{email}\0{device}"} if device else {"account": email}
    return [
        f"{kind}:{hashlib.sha256(value.encode()).hexdigest()}" for kind, value in (named | {"address": address}).items()
    ]


def refuse_if_full(session: Session, names: list[str], *, now: datetime) -> None:
    """Raises:
    TooManyTries: one of the buckets is full; `retry_after` in seconds is in the problem document.
    """
    recent = (
        select(FailedAttempt.bucket, func.count(), func.min(FailedAttempt.attempted_at))
        .where(FailedAttempt.bucket.in_(names), FailedAttempt.attempted_at > now - WINDOW)
        .group_by(FailedAttempt.bucket)
    )
    for bucket, count, oldest in session.execute(recent):
        if count >= LIMITS[bucket.partition(":")[0]]:
            raise TooManyTries(retry_after=int((oldest + WINDOW - now).total_seconds()) + 1)


def count(session: Session, names: list[str], *, now: datetime) -> None:
    """Count a wrong guess."""
    session.execute(insert(FailedAttempt), [{"bucket": name, "attempted_at": now} for name in names])


def forget(session: Session, names: list[str], *, now: datetime) -> None:
    """After a right password: its own buckets start anew, old rows go. The address keeps its count."""
    own = [name for name in names if not name.startswith("address:")]
    session.execute(
        delete(FailedAttempt).where(FailedAttempt.bucket.in_(own) | (FailedAttempt.attempted_at < now - WINDOW))
    )
