"""Secrets that sign: made here, sealed with their endpoint's id, two alive at most while one is rotated out."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.sealing import SealBroken, Sealer
from operational_api.integrations.outgoing.models import WebhookSecret

PREFIX = "whsec_"


def can_reveal(session: Session, endpoint_id: UUID, now: datetime) -> bool:
    """Whether nobody has seen the newest secret yet."""
    return live(session, endpoint_id, now)[0].shown_at is None


def signing_secrets(session: Session, endpoint_id: UUID, sealer: Sealer, now: datetime) -> list[str]:
    """What signs now, the newest first: one, or two while one is rotated out.

    Raises:
        SealBroken: sealed with a key that we do not have.
    """
    return [opened(one, sealer) for one in live(session, endpoint_id, now)]


def live(session: Session, endpoint_id: UUID, now: datetime) -> Sequence[WebhookSecret]:
    """What signs for an endpoint, the newest first."""
    query = select(WebhookSecret).where(
        WebhookSecret.endpoint_id == endpoint_id,
        WebhookSecret.expires_at.is_(None) | (WebhookSecret.expires_at > now),
    )
    return session.scalars(query.order_by(WebhookSecret.created_at.desc(), WebhookSecret.id.desc())).all()


def add(session: Session, endpoint_id: UUID, sealer: Sealer, now: datetime) -> None:
    """Give an endpoint a new one."""
    told = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    sealed = sealer.seal(f"{endpoint_id}:{told}".encode())  # copied to another endpoint it signs nothing
    session.add(WebhookSecret(id=new_id(), endpoint_id=endpoint_id, sealed=sealed, created_at=now))
    session.flush()


def opened(row: WebhookSecret, sealer: Sealer) -> str:
    """One as it signs.

    Raises:
        SealBroken: sealed with a key that we do not have, or for another endpoint.
    """
    owner, _, told = sealer.open(row.sealed).decode().partition(":")
    if owner != str(row.endpoint_id):
        raise SealBroken("sealed for another endpoint")
    return told
