"""Codes sent by e-mail, for an unusual sign-in to an account that has no second factor: six digits, ten minutes, five
tries, bound to the sign-in they were asked for.

Reading a mailbox is no second factor (the password can be changed by it): it never raises a session's `acr`.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.engagement.public import queue_email
from operational_api.identity import passwords
from operational_api.identity.errors import CodeExpired, WrongCode
from operational_api.identity.models import Account, PendingSignIn
from operational_api.identity.service import throttle
from operational_api.identity.service.login import Browser

LIFETIME = timedelta(minutes=10)
TRIES = 5
MOST_PER_HOUR = 5
_AGAIN_AFTER = timedelta(minutes=1)


def send(session: Session, *, row: PendingSignIn, account: Account, now: datetime) -> None:
    """Send a code for this sign-in; one sent before stops working.

    A mailbox is not flooded: one a minute for one sign-in, and none for more than five sign-ins within an hour.
    """
    if row.email_code_expires_at is not None and row.email_code_expires_at - LIFETIME > now - _AGAIN_AFTER:
        return
    sent = (
        PendingSignIn.account_id == account.id,
        PendingSignIn.email_code_hash.is_not(None),
        PendingSignIn.created_at > now - timedelta(hours=1),
        PendingSignIn.id != row.id,
    )
    if (session.scalar(select(func.count()).where(*sent)) or 0) >= MOST_PER_HOUR:
        return
    code = f"{secrets.randbelow(10**6):06}"
    row.email_code_hash, row.email_code_expires_at, row.email_code_tries = passwords.hashed(code), now + LIFETIME, 0
    queue_email(
        session, dedupe_key=f"sign_in_code:{row.id}:{now.timestamp():.0f}", recipient=account.email,
        template="sign_in_code", context={"name": account.display_name, "code": code}, now=now,
    )  # fmt: skip


def check(
    session: Session, *, row: PendingSignIn, account: Account, code: str, browser: Browser, now: datetime
) -> None:
    """Pass with the right code, which is used up by that. A wrong one counts: the caller must commit also then.

    Raises:
        TooManyTries: before looking at the code.
        CodeExpired: none was sent, it is too old, or five were wrong.
        WrongCode.
    """
    names = throttle.buckets(email=f"second:{account.id}", device=browser.device, address=browser.address)
    throttle.refuse_if_full(session, names, now=now)
    if row.email_code_hash is None or row.email_code_expires_at is None or row.email_code_expires_at <= now:
        raise CodeExpired
    if row.email_code_tries >= TRIES:
        raise CodeExpired
    is_right, _ = passwords.verify("".join(code.split()), row.email_code_hash)
    if not is_right:
        row.email_code_tries += 1
        throttle.count(session, names, now=now)
        raise WrongCode
    row.email_code_hash = None
