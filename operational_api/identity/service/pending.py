"""Sign-ins under way: what somebody has proved, what is still due, and for how long. None of this opens anything.

The browser holds a random token of which the row knows the hash. Work on a row is done under its lock, so that guesses
of many tabs are counted one after the other.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from operational_api.identity.errors import SignInExpired
from operational_api.identity.models import Account, PasskeyChallenge, PendingSignIn
from operational_api.identity.service.links import digest

LIFETIME = timedelta(minutes=15)
PAGES = {"email_code": "/two-step/email", "factor": "/two-step", "set_up": "/two-step/set-up"}


def begin(
    session: Session,
    *,
    account_id: UUID,
    steps: Sequence[str],
    amr: Sequence[str],
    return_to: str,
    now: datetime,
    session_id: UUID | None = None,
    reasons: Sequence[str] = (),
    attempt_id: UUID | None = None,
) -> tuple[PendingSignIn, str]:
    """A sign-in that waits for more, and the secret for its cookie.

    Args:
        session_id: The session whose holder proves anew who they are; None for a new sign-in.
        reasons: Why more is asked for than usual, in words for the person.
        attempt_id: The noted attempt, of a new sign-in.
    """
    secret = secrets.token_urlsafe(32)
    row = PendingSignIn(
        token_hash=digest(secret), account_id=account_id, kind="step_up" if session_id else "sign_in",
        session_id=session_id, steps=list(steps), amr=list(amr), reasons=list(reasons), return_to=return_to,
        attempt_id=attempt_id, created_at=now, expires_at=now + LIFETIME,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row, secret


def find(session: Session, *, secret: str | None, now: datetime) -> tuple[PendingSignIn, Account]:
    """The sign-in of a cookie and whose it is, both locked until the transaction ends.

    Raises:
        SignInExpired: there is none, it took too long, or it is done.
    """
    found = session.execute(
        select(PendingSignIn, Account)
        .join(Account, Account.id == PendingSignIn.account_id)
        .where(PendingSignIn.token_hash == digest(secret or ""))
        .with_for_update()
    ).first()
    if found is None:
        raise SignInExpired
    row, account = found
    if row.finished_at is not None or row.expires_at <= now or account.disabled_at is not None:
        raise SignInExpired
    return row, account


def demand(row: PendingSignIn, step: str) -> None:
    """Steps are taken in their order.

    Raises:
        SignInExpired: this step is not the next one.
    """
    if not row.steps or row.steps[0] != step:
        raise SignInExpired("That step is done, or not yet due.")


def passed(row: PendingSignIn, step: str, amr: Sequence[str]) -> None:
    """Take a step off the list and note how it was taken."""
    demand(row, step)
    row.steps = row.steps[1:]
    row.amr = list(dict.fromkeys([*row.amr, *amr]))


def next_page(row: PendingSignIn) -> str | None:
    """Where the next step is taken; None when nothing is due any more."""
    return PAGES[row.steps[0]] if row.steps else None


def forget_old(session: Session, now: datetime) -> None:
    """Delete what can never be finished any more."""
    session.execute(delete(PendingSignIn).where(PendingSignIn.expires_at < now - timedelta(days=1)))
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at < now))
