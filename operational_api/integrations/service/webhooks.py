"""Terra's webhooks: verified, then kept and followed up in one transaction, once for each trace id.

Data is kept sealed for `ingestion` to read. News about an account changes its link at once: that is two rows, and the
data that follows needs to know whose it is.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from contracts.telemetry import get_logger
from operational_api.compliance.public import DATA_KINDS
from operational_api.core import notices, signatures, viewer
from operational_api.integrations.errors import MalformedWebhook
from operational_api.integrations.service import links, payloads
from operational_api.integrations.service.payloads import Arrival, Receipt

log = get_logger(__name__)
SOURCE = "terra"


def receive(
    session: Session,
    *,
    body: bytes,
    signature_header: str | None,
    trace_id: str | None,
    ordering: str | None,
    secrets: Iterable[str],
    sealer: Sealer | None,
    now: datetime,
) -> Receipt:
    """Take one webhook of Terra's.

    Args:
        trace_id: `X-Terra-Trace-Id`, the same for every delivery; None: the body stands for itself.
        ordering: `X-Terra-Ordering-Timestamp`, ISO 8601 or Unix seconds; what cannot be read counts as now.

    Raises:
        ForgedWebhook: not signed with a secret of ours, or too long ago.
        MalformedWebhook: signed, but no object with a type.
    """
    signatures.verify(body, signature_header, secrets=secrets, now=now)
    viewer.show_all(session)  # the provider speaks of any customer
    event = _event(body)
    user = _user(event)
    external_user_id = _text(user.get("user_id"))
    at = _moment(ordering, now)
    customer_id = _customer(session, event, user)
    kind = event["type"]
    arrival = Arrival(
        source=SOURCE,
        kind=kind,
        data_kind=kind if kind in DATA_KINDS else None,
        trace_id=(trace_id or "").strip()[:200] or hashlib.sha256(body).hexdigest(),
        ordering_at=at,
        customer_id=customer_id,
        provider=_text(user.get("provider")),
        external_user_id=external_user_id,
    )
    receipt = payloads.store(session, arrival, body, sealer=sealer, now=now)
    if receipt.is_new and external_user_id:
        if arrival.data_kind:
            links.saw_payload(session, source=SOURCE, external_user_id=external_user_id, now=now)
        else:
            _follow(session, event, user, external_user_id, customer_id, at)
    return receipt


def _follow(
    session: Session,
    event: dict[str, Any],
    user: dict[str, Any],
    external_user_id: str,
    customer_id: UUID | None,
    at: datetime,
) -> None:
    kind = event["type"]
    if kind == "auth" and event.get("status") == "success":
        _connect(session, user, customer_id, at)
    elif kind == "user_reauth":
        old = event.get("old_user")
        old_id = _text(old.get("user_id")) if isinstance(old, dict) else None
        if old_id and old_id != external_user_id:
            links.end(session, source=SOURCE, external_user_id=old_id, reason="replaced", at=at)
        _connect(session, user, customer_id, at)
    elif kind == "deauth":
        links.end(session, source=SOURCE, external_user_id=external_user_id, reason="deauthenticated", at=at)
    elif kind == "access_revoked":
        links.end(session, source=SOURCE, external_user_id=external_user_id, reason="access_revoked", at=at)
    elif kind == "connection_error":
        links.degrade(session, source=SOURCE, external_user_id=external_user_id, at=at)
    elif kind == "permission_change":
        scopes = _text(user.get("scopes")) or ""
        links.rescope(session, source=SOURCE, external_user_id=external_user_id, scopes=scopes, at=at)


def _connect(session: Session, user: dict[str, Any], customer_id: UUID | None, at: datetime) -> None:
    if customer_id is None:
        log.warning("wearable_of_nobody", reference_id=_text(user.get("reference_id")))
        return
    links.connect(
        session,
        customer_id=customer_id,
        source=SOURCE,
        external_user_id=str(user["user_id"]),
        provider=_text(user.get("provider")) or "UNKNOWN",
        scopes=_text(user.get("scopes")) or "",
        at=at,
    )


def _customer(session: Session, event: dict[str, Any], user: dict[str, Any]) -> UUID | None:
    """Whose it is: by an account that is linked, else by the reference we gave when they connected."""
    old = event.get("old_user")
    for known in (user, old if isinstance(old, dict) else {}):
        if external_user_id := _text(known.get("user_id")):
            found = links.customer_of(session, source=SOURCE, external_user_id=external_user_id)
            if found:
                return found
    try:
        return UUID(_text(user.get("reference_id")) or "")  # only we give references, and only Terra signs
    except ValueError:
        return None


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = notices.read(body)
    except ValueError as error:
        raise MalformedWebhook from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise MalformedWebhook
    return event


def _user(event: dict[str, Any]) -> dict[str, Any]:
    user = event.get("new_user" if event["type"] == "user_reauth" else "user")
    return user if isinstance(user, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(told: str | None, now: datetime) -> datetime:
    told = (told or "").strip()
    try:
        if told.replace(".", "", 1).isdigit():
            seconds = float(told)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        moment = datetime.fromisoformat(told)
    except (ValueError, OverflowError, OSError):
        return now
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
