"""The connector that asks Terra's API for what its webhooks may have missed. Webhooks themselves are `payloads`.

What a person did not agree to is not asked for. An answer lands like a webhook, with source `terra`; an item that says
what the newest row of the same thing says lands nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
from dlt.sources.helpers import requests

from contracts.telemetry import get_logger
from ingestion.batch import Batch
from ingestion.wearables.normalise import PAYLOADS, batches, normalise
from ingestion.wearables.settings import TerraSettings
from ingestion.wearables.tables import SCHEMAS

log = get_logger(__name__)

KINDS = ("activity", "sleep", "daily", "body")
LONGEST_DAYS = 28
"""Terra answers a request for more days later, by webhook and in chunks."""

_NAMESPACE = UUID("5f1f61d1-5f0e-5d5c-8a51-7e1f0c6d5b58")
_GROUP_ITEMS = 2_000


@dataclass(frozen=True)
class ConnectedUser:
    """A person's connection to a device maker through Terra.

    Args:
        user_id: Terra's, which changes when the person connects anew.
        provider: Device maker, as Terra writes it.
        kinds: Of data that the person agrees to; nothing else is asked for.
    """

    user_id: str
    customer_id: UUID
    provider: str
    kinds: frozenset[str]


class TerraIncomplete(RuntimeError):
    """Some people's data could not be read. The others' landed; the cursor stays, so the next pull asks again."""


class TerraApi:
    """A connector (see `ingestion.connectors`); one stream per kind of data."""

    name: str = "terra"
    streams: Sequence[str] = KINDS
    tables: Mapping[str, pa.Schema] = SCHEMAS

    def __init__(
        self,
        settings: TerraSettings,
        users: Callable[[], Iterable[ConnectedUser]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Ask nothing yet.

        Args:
            users: Everybody who is connected, with what they agree to at this moment.
        """
        self._settings = settings
        self._users = users
        self._now = now
        self._client = requests.Client(
            request_timeout=settings.timeout_seconds,
            request_max_attempts=settings.attempts,
            request_max_retry_delay=settings.longest_wait_seconds,
            respect_retry_after_header=True,
        )

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """What everybody's last days hold, from before the last pull that succeeded.

        Args:
            cursor: When that was.

        Raises:
            TerraIncomplete: see there.
        """
        now = self._now()
        since = min(datetime.fromisoformat(cursor), now) if cursor else now
        start = since - timedelta(days=self._settings.lookback_days)
        # A day ahead of UTC may have begun already.
        yield from self._span(stream, start.date(), now.date() + timedelta(days=1), cursor=now.isoformat())

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        """What everybody's days of a span hold.

        Raises:
            TerraIncomplete: see there.
        """
        yield from self._span(stream, start.date(), end.date(), cursor=None)

    def _span(self, kind: str, start: date, end: date, *, cursor: str | None) -> Iterator[Batch]:
        group: list[dict[str, Any]] = []
        failed: list[str] = []
        for user in self._users():
            if kind not in user.kinds:
                continue
            try:
                group += self._payloads(user, kind, start, end)
            except requests.RequestException as error:
                if _status(error) in (401, 403):  # nobody's data can be read
                    raise
                log.warning("terra.user_failed", user_id=user.user_id, kind=kind, error=_without_url(error))
                failed.append(_without_url(error))
            if len(group) >= _GROUP_ITEMS:
                yield from batches(normalise(_table(group)), changes_only=True)
                group = []
        if failed:
            yield from batches(normalise(_table(group)), changes_only=True)
            raise TerraIncomplete(f"{len(failed)} people's {kind} could not be read, the first for {failed[0]}")
        yield from batches(normalise(_table(group)), cursor=cursor, changes_only=True)

    def _payloads(self, user: ConnectedUser, kind: str, start: date, end: date) -> list[dict[str, Any]]:
        """A payload per item, with an id that the same item has in every answer."""
        found = []
        for first, last in spans(start, end):
            for item in self._ask(user, kind, first, last):
                body = json.dumps({"type": kind, "data": [item]}, sort_keys=True).encode()
                digest = hashlib.sha256(body).hexdigest()
                found.append(
                    {
                        "payload_id": uuid5(_NAMESPACE, f"{user.user_id} {kind} {digest}").bytes,
                        "customer_id": user.customer_id.bytes,
                        "source": "terra",
                        "kind": kind,
                        "provider": user.provider,
                        "external_user_id": user.user_id,
                        "ordering_at": self._now(),
                        "received_at": self._now(),
                        "body": body,
                    }
                )
        return found

    def _ask(self, user: ConnectedUser, kind: str, start: date, end: date) -> list[Any]:
        try:
            answer = self._client.get(
                f"{self._settings.base_url}/{kind}",
                params={
                    "user_id": user.user_id,
                    "start_date": start.isoformat(),
                    "end_date": end.isoformat(),
                    "to_webhook": "false",
                    "with_samples": "true" if kind == "body" else "false",  # of a body the samples are the data
                },
                headers={"dev-id": self._settings.dev_id, "x-api-key": self._settings.api_key.get_secret_value()},
            ).json()
        except requests.RequestException as error:
            if _status(error) != 404:
                raise
            log.info("terra.user_gone", user_id=user.user_id)  # revoked a moment ago; a webhook tells the API
            return []
        items = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(items, list):
            return items
        # It is being fetched and comes by webhook.
        log.info("terra.answered_later", user_id=user.user_id, kind=kind, start=start.isoformat(), end=end.isoformat())
        return []


def spans(start: date, end: date) -> list[tuple[date, date]]:
    """A span of days in pieces that Terra answers at once; the end of one is the start of the next."""
    pieces = []
    while start < end:
        last = min(start + timedelta(days=LONGEST_DAYS), end)
        pieces.append((start, last))
        start = last
    return pieces


def _table(group: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in PAYLOADS:
        values = [one[field.name] for one in group]
        if field.type == pa.uuid():
            columns.append(pa.ExtensionArray.from_storage(field.type, pa.array(values, pa.binary(16))))
        else:
            columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=PAYLOADS)


def _status(error: requests.RequestException) -> int | None:
    return None if error.response is None else int(error.response.status_code)


def _without_url(error: requests.RequestException) -> str:
    # The text of an error quotes the URL, and with it who was asked for.
    return type(error).__name__ if error.response is None else f"HTTP {error.response.status_code}"
