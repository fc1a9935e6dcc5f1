"""HubSpot's HTTP API: what is asked and how often, paging and limits. What is landed of the answers is `hubspot`.

Answers are HubSpot's JSON as it came. Every method raises `requests.HTTPError` for a refusal that no retry mends.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from ingestion.crm.settings import HubSpotSettings

Object = dict[str, Any]
MODIFIED = {"contacts": "lastmodifieddate"}
"""The property that says when an object changed; `hs_lastmodifieddate` of all other kinds."""
_LIST_PAGE = 100
_READ_AT_ONCE = 100
_ASSOCIATIONS_AT_ONCE = 1_000


class HubSpotApi:
    """The API with one token, at the pace HubSpot allows."""

    def __init__(self, settings: HubSpotSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._settings = settings
        self._http = RESTClient(
            settings.api_base,
            auth=BearerTokenAuth(settings.access_token.get_secret_value()),
            paginator=JSONResponseCursorPaginator(cursor_path="paging.next.after", cursor_param="after"),
            data_selector="results",
            session=Client(
                request_timeout=settings.timeout_seconds,
                raise_for_status=False,
                request_max_attempts=settings.max_attempts,
            ).session,
            config=RuntimeConfiguration(dlthub_telemetry=False),
        )
        self._search_again_at = 0.0

    def described(self, kind: str) -> tuple[list[str], datetime]:
        """Names of all properties of a kind of object, and HubSpot's time, to the second: our clock may be another.

        An answer holds only those properties that were asked for.
        """
        answer = self._http.get(f"crm/v3/properties/{kind}")
        answer.raise_for_status()
        return [one["name"] for one in answer.json()["results"]], parsedate_to_datetime(answer.headers["Date"])

    def owners(self, *, is_archived: bool) -> Iterator[Object]:
        """Users who own objects, or those who left."""
        for page in self._pages("crm/v3/owners", {"limit": _LIST_PAGE, "archived": str(is_archived).lower()}):
            yield from page

    def pipelines(self, kind: str) -> Iterator[Object]:
        """Pipelines of a kind of objects with their stages."""
        for page in self._pages(f"crm/v3/pipelines/{kind}"):
            yield from page

    def ids(self, kind: str, *, is_archived: bool, after: str | None = None) -> Iterator[tuple[list[str], str | None]]:
        """Ids of all objects of a kind in pages, each with the `after` that goes on behind it (None: it is the last).

        A list is exact, unlike a search.
        """
        params: dict[str, Any] = {"limit": _LIST_PAGE, "archived": str(is_archived).lower()}
        for page in self._pages(f"crm/v3/objects/{kind}", params | ({"after": after} if after else {})):
            following = page.response.json().get("paging", {}).get("next", {}).get("after")
            yield [one["id"] for one in page], following

    def changed_ids(self, kind: str, start: datetime, end: datetime | None = None) -> Iterator[list[str]]:
        """Ids of objects whose last change lies in a span, in pages.

        A search ends after 10,000 results, however they are paged. So each goes on behind the greatest id of the one
        before, instead of paging through it. Archived and merged objects are not found.
        """
        modified = MODIFIED.get(kind, "hs_lastmodifieddate")
        span = [_filter(modified, "GTE", _milliseconds(start))]
        if end is not None:
            span.append(_filter(modified, "LT", _milliseconds(end)))
        last = "0"
        while True:
            found = self._search(kind, [*span, _filter("hs_object_id", "GT", last)])
            if found:
                yield [one["id"] for one in found]
                last = found[-1]["id"]
            if len(found) < self._settings.search_page:
                return

    def read(self, kind: str, ids: Iterable[str], properties: Sequence[str], *, is_archived: bool) -> Iterator[Object]:
        """Objects by id with these properties. One not there is left out; a merged one comes as its survivor."""
        for some in _pieces(ids, _READ_AT_ONCE):
            yield from self._post(
                f"crm/v3/objects/{kind}/batch/read",
                {"properties": list(properties), "inputs": [{"id": one} for one in some]},
                archived=is_archived,
            )

    def associations(self, kind: str, to_kind: str, ids: Iterable[str]) -> dict[str, list[Object]]:
        """What objects are associated with, by id; of one without associations, nothing."""
        found: dict[str, list[Object]] = {}
        asked: list[Object] = [{"id": one} for one in ids]
        while asked:
            some, asked = asked[:_ASSOCIATIONS_AT_ONCE], asked[_ASSOCIATIONS_AT_ONCE:]
            for one in self._post(f"crm/v4/associations/{kind}/{to_kind}/batch/read", {"inputs": some}):
                found.setdefault(str(one["from"]["id"]), []).extend(one["to"])
                if after := one.get("paging", {}).get("next", {}).get("after"):
                    asked.append({"id": one["from"]["id"], "after": after})
        return found

    def _search(self, kind: str, filters: list[Object]) -> list[Object]:
        pause = self._search_again_at - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self._search_again_at = time.monotonic() + 1 / self._settings.searches_a_second
        return self._post(
            f"crm/v3/objects/{kind}/search",
            {
                "filterGroups": [{"filters": filters}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": ["hs_object_id"],
                "limit": self._settings.search_page,
            },
        )

    def _post(self, path: str, body: Object, *, archived: bool = False) -> list[Object]:
        answer = self._http.post(path, json=body, params={"archived": "true"} if archived else None)
        answer.raise_for_status()
        results: list[Object] = answer.json()["results"]
        return results

    def _pages(self, path: str, params: Object | None = None) -> Iterator[Any]:
        return self._http.paginate(path, params=params)


def _filter(name: str, operator: str, value: str) -> Object:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(at: datetime) -> str:
    return str(int(at.astimezone(UTC).timestamp() * 1000))


def _pieces(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    arriving = iter(ids)
    while piece := list(islice(arriving, size)):
        yield piece
