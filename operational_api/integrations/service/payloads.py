"""What wearables send: kept once, sealed, and only while the customer allows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.sealing import Sealer
from contracts.telemetry import get_logger
from operational_api.compliance import public as compliance
from operational_api.integrations.models import WearablePayload

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something a wearable sent.

    Args:
        source: terra, garmin, fitbit or file.
        kind: The source's own word for what it is.
        data_kind: activity, sleep, daily or body; None: nothing that we ever keep.
        trace_id: The same for every delivery of the same thing.
        ordering_at: Of two that speak of the same, the later one counts.
    """

    source: str
    kind: str
    data_kind: str | None
    trace_id: str
    ordering_at: datetime
    customer_id: UUID | None = None
    provider: str | None = None
    external_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an arrival. `refusal` says why its body was not kept."""

    is_new: bool
    refusal: str | None


def store(session: Session, arrival: Arrival, body: bytes, *, sealer: Sealer | None, now: datetime) -> Receipt:
    """Keep a payload, or only the fact that it came where its body may not be kept.

    Raises:
        ValueError: it may be kept, and there is no key to seal it with.
    """
    refusal = _refusal(session, arrival)
    sealed = None
    if refusal is None:
        if sealer is None:
            raise ValueError("health data cannot be stored without PLYO_HEALTH_DATA_KEYS")
        sealed = sealer.seal(body)
    statement = (
        insert(WearablePayload)
        .values(
            id=new_id(), customer_id=arrival.customer_id, source=arrival.source, kind=arrival.kind[:40],
            data_kind=arrival.data_kind, provider=(arrival.provider or "")[:40] or None,
            external_user_id=arrival.external_user_id, trace_id=arrival.trace_id, ordering_at=arrival.ordering_at,
            received_at=now, is_kept=sealed is not None, refusal=refusal, body=sealed,
        )
        .on_conflict_do_nothing()
        .returning(WearablePayload.id)
    )  # fmt: skip
    is_new = session.execute(statement).first() is not None
    log.info("wearable_payload", source=arrival.source, kind=arrival.kind, is_new=is_new, refusal=refusal)
    return Receipt(is_new, refusal)


def forget(session: Session, *, customer_id: UUID, data_kind: str) -> int:
    """Drop the bodies of everything of one kind that a customer's wearables sent; that they came stays known.

    Returns:
        How many were dropped.
    """
    statement = (
        update(WearablePayload)
        .where(
            WearablePayload.customer_id == customer_id,
            WearablePayload.data_kind == data_kind,
            WearablePayload.is_kept,
        )
        .values(body=None, is_kept=False, refusal="withdrawn")
    )
    result: CursorResult[Any] = session.execute(statement)  # type: ignore[assignment]
    return result.rowcount


def _refusal(session: Session, arrival: Arrival) -> str | None:
    if arrival.data_kind is None:
        return "unused_kind"
    if arrival.customer_id is None:
        return "unknown_user"
    if not compliance.may_store(session, arrival.customer_id, arrival.data_kind):
        return "no_consent"
    return None
