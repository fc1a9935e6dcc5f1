"""Stripe: events since the last pull, and every object as it is today. Reading only; amounts stay as Stripe sends them.

Events tell each change within seconds but are kept for 30 days; objects are the truth for as long as the account
exists, so they are read whole once a day and landed where they differ. Webhooks belong to the operational API.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import stripe

from ingestion.batch import DOCUMENTS, Batch, Document, facts, in_pieces, snapshots
from ingestion.payments.settings import StripeSettings

OBJECTS = (
    "customers", "products", "prices", "subscriptions", "invoices", "payment_intents", "charges", "refunds", "disputes",
    "balance_transactions", "payouts",
)  # fmt: skip
EVENTS_KEPT = timedelta(days=30)
_SLICE = timedelta(days=1)
_PAGE = 100
_LONGEST_WAIT_SECONDS = 60.0


def document(body: Mapping[str, Any]) -> Document:
    """A Stripe object, whole. One without an id (`balance`) is the only one of its kind, so its kind is its id."""
    return Document(str(body.get("id") or body["object"]), dict(body), deleted=bool(body.get("deleted", False)))


class PatientClient(stripe.HTTPXClient):
    """Waits as long as a 429 asks and sends the request again; the SDK would give up."""

    def __init__(self, *, timeout: float, attempts: int) -> None:
        super().__init__(timeout=timeout, allow_sync_methods=True)
        self._attempts = attempts

    def request(  # type: ignore[override]  # as the class we extend has it
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """See `stripe.HTTPClient`. Without a Retry-After the wait doubles from half a second."""
        for attempt in range(self._attempts):
            answer = super().request(method, url, headers, post_data)
            if answer[1] != 429:
                return answer
            asked = {name.lower(): value for name, value in answer[2].items()}.get("retry-after", "")
            wait = float(asked) if asked.replace(".", "", 1).isdecimal() else 0.5 * 2**attempt
            time.sleep(min(wait, _LONGEST_WAIT_SECONDS))
        return super().request(method, url, headers, post_data)


class Stripe:
    """The connector.

    The cursor of `events` is the time (Unix seconds) up to which all were landed; objects have none.
    """

    name = "stripe"
    streams: Sequence[str] = ("events", *OBJECTS)
    tables: Mapping[str, pa.Schema] = {f"stripe__{stream}": DOCUMENTS for stream in ("events", *OBJECTS)}

    def __init__(self, settings: StripeSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._settings = settings
        self._v1 = stripe.StripeClient(
            settings.secret_key.get_secret_value(),
            base_addresses={"api": settings.api_base},
            http_client=PatientClient(timeout=settings.timeout_seconds, attempts=settings.max_retries),
            max_network_retries=settings.max_retries,
        ).v1

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Events since the cursor, or all objects of a kind. See `Connector`."""
        if stream == "events":
            return self._events(cursor)
        found = in_pieces(self._listed(stream, {}), self._settings.objects_a_batch)
        return (snapshots(f"stripe__{stream}", piece) for piece in found)

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        """Objects made in the span. See `Connector`."""
        pack = facts if stream == "events" else snapshots
        found = self._listed(stream, _created(int(start.timestamp()), int(end.timestamp())))
        return (pack(f"stripe__{stream}", piece) for piece in in_pieces(found, self._settings.objects_a_batch))

    def is_whole(self, stream: str, cursor: str | None) -> bool:  # noqa: ARG002
        """See `Reconciled`."""
        return stream in OBJECTS

    def vanished(self, stream: str, ids: Sequence[str]) -> Iterator[Batch]:
        """See `Reconciled`. Each is asked for by its id: Stripe says `deleted`, or knows it no more (404)."""
        for piece in in_pieces((self._by_id(stream, one) for one in ids), self._settings.objects_a_batch):
            yield snapshots(f"stripe__{stream}", piece)

    def _events(self, cursor: str | None) -> Iterator[Batch]:
        # Stripe lists the newest first. A slice of time has an end, so its pages can be landed as they come: only with
        # the last of them the cursor moves, and a pull that is killed repeats one slice.
        earliest = int((datetime.now(UTC) - EVENTS_KEPT).timestamp())
        start = max(earliest, int(cursor) - self._settings.overlap_seconds) if cursor else earliest
        newest = max(start, int(cursor or 0))
        while True:
            end = start + int(_SLICE.total_seconds())
            is_last = end >= time.time()
            found = self._listed("events", _created(start, None if is_last else end))
            for piece in in_pieces(found, self._settings.objects_a_batch):
                newest = max(newest, *(one.body["created"] for one in piece))
                yield facts("stripe__events", piece)
            yield facts("stripe__events", [], cursor=str(newest if is_last else max(newest, end)))
            if is_last:
                return
            start = end

    def _listed(self, stream: str, filters: Mapping[str, Any]) -> Iterator[Document]:
        everything = {"status": "all"} if stream == "subscriptions" else {}
        page = getattr(self._v1, stream).list({"limit": _PAGE, **everything, **filters})
        return (document(_complete(one)) for one in page.auto_paging_iter())

    def _by_id(self, stream: str, id_: str) -> Document:
        try:
            return document(_complete(getattr(self._v1, stream).retrieve(id_)))
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return Document(id_, {"id": id_, "deleted": True}, deleted=True)


def _complete(found: stripe.StripeObject) -> dict[str, Any]:
    """The object as JSON, with lists inside it (lines of an invoice) that Stripe cut short read to their end."""
    body = found.to_dict(for_json=True)
    for name, value in body.items():
        if isinstance(value, dict) and value.get("object") == "list" and value.get("has_more"):
            items: Iterable[stripe.StripeObject] = found[name].auto_paging_iter()
            body[name] = value | {"data": [one.to_dict(for_json=True) for one in items], "has_more": False}
    return body


def _created(start: int, end: int | None) -> dict[str, Any]:
    return {"created": {"gte": start} | ({} if end is None else {"lt": end})}
