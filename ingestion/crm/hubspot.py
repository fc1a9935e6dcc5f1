"""HubSpot: contacts, companies, deals, engagements, what they are associated with, owners and pipelines.

A stream is read whole at first, at a resync and so every night, and by its changes in between. Changes are found by
search, which is late and knows neither archived, merged nor purged objects: those are noted when a stream is read
whole. Bodies never come from a search but are read by id, so they are not late. The HTTP is `hubspot_api`.

`hubspot__associations` has one document per object, `{from_type, from_id, to: {<type>: [...]}}`, that is replaced when
the object or, at night, any of its associations changed. Which contact an old id means after a merge is left to dbt:
the survivor's property `hs_merged_object_ids` names those that went into it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa

from ingestion.batch import DOCUMENTS, Batch, Document, documents, in_pieces, snapshots
from ingestion.crm.hubspot_api import HubSpotApi
from ingestion.crm.settings import HubSpotSettings

ENGAGEMENTS = ("calls", "emails", "meetings", "notes", "tasks", "communications")
OBJECTS = ("contacts", "companies", "deals", *ENGAGEMENTS)
ASSOCIATED = {
    "contacts": ("companies",),
    "companies": (),
    "deals": ("contacts", "companies"),
    **dict.fromkeys(ENGAGEMENTS, ("contacts", "companies", "deals")),
}
"""The kinds whose associations are read from an object; the other direction is the same."""
ASSOCIATIONS = "hubspot__associations"


def document(body: dict[str, Any]) -> Document:
    """A HubSpot object, whole; an archived one is deleted."""
    is_archived = bool(body.get("archived", False))
    changed = body.get("archivedAt") if is_archived else None
    return Document(str(body["id"]), body, _time(changed or body.get("updatedAt")), deleted=is_archived)


class HubSpot:
    """The connector.

    The cursor of a kind of objects is JSON: `since` is HubSpot's time up to which changes were landed; with `after`
    the stream is still being read whole and goes on there. Owners and pipelines are always read whole.
    """

    name = "hubspot"
    streams: Sequence[str] = ("owners", "pipelines", *OBJECTS)
    tables: Mapping[str, pa.Schema] = {
        f"hubspot__{stream}": DOCUMENTS for stream in ("owners", "pipelines", *OBJECTS, "associations")
    }

    def __init__(self, settings: HubSpotSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._settings = settings
        self._api = HubSpotApi(settings)

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """All of a stream, or its changes. See `Connector`."""
        if stream not in OBJECTS:
            yield snapshots(f"hubspot__{stream}", map(document, self._listed(stream)))
            return
        told = json.loads(cursor) if cursor else {}
        if told and "after" not in told:
            start = _parsed(told["since"]) - timedelta(seconds=self._settings.overlap_seconds)
            properties, since = self._api.described(stream)
            yield from self._changes(stream, properties, start)
            yield documents(f"hubspot__{stream}", [], cursor=json.dumps({"since": since.isoformat()}))
        else:
            yield from self._whole(stream, told)

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        """Objects whose last change lies in the span; of owners and pipelines, all. See `Connector`."""
        if stream not in OBJECTS:
            return self.pull(stream, None)
        return self._changes(stream, self._api.described(stream)[0], start, end)

    def is_whole(self, stream: str, cursor: str | None) -> bool:
        """See `Reconciled`."""
        return stream not in OBJECTS or cursor is None

    def vanished(self, stream: str, ids: Sequence[str]) -> Iterator[Batch]:
        """See `Reconciled`. Merged and purged ones; what is only missing in a list, because it moved, is read by id."""
        alive: dict[str, Document] = {}
        if stream in OBJECTS:
            read = self._api.read(stream, ids, self._api.described(stream)[0], is_archived=False)
            alive = {one.id: one for one in map(document, read)}
        yield snapshots(
            f"hubspot__{stream}",
            (alive.get(one) or Document(one, {"id": one, "archived": True}, deleted=True) for one in ids),
        )

    def _listed(self, stream: str) -> Iterator[dict[str, Any]]:
        if stream == "pipelines":
            return self._api.pipelines("deals")
        return chain(self._api.owners(is_archived=True), self._api.owners(is_archived=False))

    def _whole(self, stream: str, told: dict[str, str]) -> Iterator[Batch]:
        properties, now = self._api.described(stream)
        since = told.get("since") or now.isoformat()
        for is_archived in (True, False):
            ids: list[str] = []
            place = None if is_archived else told.get("after")
            for page, after in self._api.ids(stream, is_archived=is_archived, after=place):
                ids += page
                if len(ids) >= self._settings.objects_a_batch or after is None:
                    yield from self._read(stream, ids, properties, is_archived=is_archived)
                    if after and not is_archived:  # the archived are few and are read again
                        where = json.dumps({"since": since, "after": after})
                        yield documents(f"hubspot__{stream}", [], cursor=where)
                    ids = []
        yield documents(f"hubspot__{stream}", [], cursor=json.dumps({"since": since}))

    def _changes(
        self, stream: str, properties: Sequence[str], start: datetime, end: datetime | None = None
    ) -> Iterator[Batch]:
        ids: list[str] = []
        for page in self._api.changed_ids(stream, start, end):
            ids += page
            if len(ids) >= self._settings.objects_a_batch:
                yield from self._read(stream, ids, properties, is_archived=False)
                ids = []
        yield from self._read(stream, ids, properties, is_archived=False)

    def _read(self, stream: str, ids: list[str], properties: Sequence[str], *, is_archived: bool) -> Iterator[Batch]:
        read = map(document, self._api.read(stream, ids, properties, is_archived=is_archived))
        for found in in_pieces(read, self._settings.objects_a_batch):
            yield documents(f"hubspot__{stream}", found)
            if not is_archived and ASSOCIATED[stream]:
                yield snapshots(ASSOCIATIONS, self._associations(stream, [one.id for one in found]))

    def _associations(self, stream: str, ids: list[str]) -> Iterable[Document]:
        found = {kind: self._api.associations(stream, kind, ids) for kind in ASSOCIATED[stream]}
        for one in ids:
            to = {kind: sorted(of.get(one, []), key=lambda end: int(end["toObjectId"])) for kind, of in found.items()}
            yield Document(f"{stream}/{one}", {"from_type": stream, "from_id": one, "to": to})


def _time(text: str | None) -> datetime | None:
    return _parsed(text) if text else None


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
