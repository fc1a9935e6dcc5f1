"""Payloads of makers that send to us without anybody between: Fitbit and Garmin, handed in by whoever receives them.

Whose account it is, is known from its link; what a kind is called is the maker's own business.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.integrations.errors import UnknownKind
from operational_api.integrations.service import links, payloads
from operational_api.integrations.service.payloads import Arrival, Receipt

KINDS: Mapping[str, Mapping[str, str]] = {
    "fitbit": {
        "activities": "activity", "sleep": "sleep", "daily": "daily", "heart": "daily", "hrv": "daily",
        "cardioscore": "daily", "weight": "body",
    },
    "garmin": {
        "activities": "activity", "manuallyUpdatedActivities": "activity", "sleeps": "sleep", "dailies": "daily",
        "hrv": "daily", "userMetrics": "daily", "bodyComps": "body", "bloodPressures": "body",
    },
}  # fmt: skip
"""Kind of data by source and the maker's own kind; `ingestion.wearables` reads the same ones."""


def keep(
    session: Session,
    *,
    source: str,
    kind: str,
    external_user_id: str,
    document: Mapping[str, Any],
    ordering_at: datetime | None,
    sealer: Sealer | None,
    now: datetime,
) -> Receipt:
    """Keep one payload; the same document of the same account a second time changes nothing.

    Raises:
        UnknownKind: the maker has no such kind, or we do not read it.
    """
    data_kind = KINDS[source].get(kind)
    if data_kind is None:
        raise UnknownKind(f"{source} {kind} is not read. Of {source} there are {', '.join(KINDS[source])}.")
    body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    arrival = Arrival(
        source=source,
        kind=kind,
        data_kind=data_kind,
        trace_id=hashlib.sha256(f"{external_user_id} {kind} ".encode() + body).hexdigest(),
        ordering_at=ordering_at or now,
        customer_id=links.customer_of(session, source=source, external_user_id=external_user_id),
        provider=source.upper(),
        external_user_id=external_user_id,
    )
    receipt = payloads.store(session, arrival, body, sealer=sealer, now=now)
    if receipt.is_new:
        links.saw_payload(session, source=source, external_user_id=external_user_id, now=now)
    return receipt
