"""Links sent by e-mail: a secret that works once, for one purpose, for a time. Only its hash is kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from operational_api.identity.errors import LinkExpired, LinkUnknown, LinkUsed
from operational_api.identity.models import EmailToken

LIFETIMES = {"verify": timedelta(days=1), "reset": timedelta(hours=1), "email": timedelta(hours=1)}
MOST_PER_HOUR = 5


def digest(secret: str) -> str:
    """How secrets of high entropy are kept: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(session: Session, *, account_id: UUID, purpose: str, now: datetime, address: str | None = None) -> str | None:
    """A new link's token; older unused ones of the same purpose stop working.

    Args:
        address: The new address that a link of the purpose `email` confirms.

    Returns:
        None when this account was sent `MOST_PER_HOUR` within the last hour: a mailbox is not to be flooded.
    """
    mine = (EmailToken.account_id == account_id, EmailToken.purpose == purpose)
    recent = select(func.count()).where(*mine, EmailToken.created_at > now - timedelta(hours=1))
    if (session.scalar(recent) or 0) >= MOST_PER_HOUR:
        return None
    session.execute(
        update(EmailToken)
        .where(*mine, EmailToken.used_at.is_(None), EmailToken.expires_at > now)
        .values(expires_at=now)
    )
    token = secrets.token_urlsafe(32)
    session.add(
        EmailToken(
            token_hash=digest(token), account_id=account_id, purpose=purpose, created_at=now,
            expires_at=now + LIFETIMES[purpose], address=address,
        )
    )  # fmt: skip
    return token


def find(session: Session, *, token: str, purpose: str, now: datetime) -> EmailToken:
    """The link behind a token, locked until the transaction ends.

    Raises:
        LinkUnknown, LinkUsed, LinkExpired.
    """
    link = session.scalar(
        select(EmailToken)
        .where(EmailToken.token_hash == digest(token), EmailToken.purpose == purpose)
        .with_for_update()
    )
    if link is None:
        raise LinkUnknown
    if link.used_at is not None:
        raise LinkUsed
    if link.expires_at <= now:
        raise LinkExpired
    return link


def end_all(session: Session, *, account_id: UUID, now: datetime) -> None:
    """Make every link that was sent to the account's owner useless."""
    session.execute(
        update(EmailToken)
        .where(EmailToken.account_id == account_id, EmailToken.used_at.is_(None), EmailToken.expires_at > now)
        .values(expires_at=now)
    )


def owner(session: Session, *, token: str, purpose: str) -> UUID | None:
    """Whose link it is or was, to send them a new one."""
    return session.scalar(
        select(EmailToken.account_id).where(EmailToken.token_hash == digest(token), EmailToken.purpose == purpose)
    )
