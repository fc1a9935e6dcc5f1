"""Asking the analytics service and acting through the operational API, as the person signed in.

Every call carries that person's token, so the servers decide what they may see and do. No console rule lives here.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
import pyarrow as pa

from contracts.metrics import Better, Unit

_MOST_KNOWN = 64
"""Answers that one connection keeps, to be told that they are still right."""
_LARGEST_KNOWN = 4 << 20
"""Bytes of an answer beyond which it is not kept."""
ARROW = "application/vnd.apache.arrow.stream"


class Refused(Exception):
    """The server said no, and why: `str(error)` is for the person, `code` for programs."""

    def __init__(self, detail: str, code: str = "", status: int = 0) -> None:
        super().__init__(detail)
        self.code, self.status = code, status


class SignedOut(Refused):
    """The token is over: sign in again."""


class Unreachable(Refused):
    """The service does not answer, or has nothing built yet. Trying again in a while is right."""


def length(seconds: float) -> str:
    """A length of time in the unit that tells it best: `12 s`, `5 min`, `3 h`."""
    whole = int(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min" if whole < 5400 else f"{whole // 3600} h"


@dataclass(frozen=True)
class Freshness:
    """How old the data behind an answer is. `state` is fresh, late or stale, or not judged yet; `data_as_of` an ISO
    instant; `because` the source that is the oldest."""

    state: str = "unknown"
    age_seconds: float | None = None
    data_as_of: str | None = None
    snapshot_id: int | None = None
    because: str = ""

    @property
    def words(self) -> str:
        """`fresh, 12 s old`, for a tile."""
        if self.age_seconds is None:
            return self.state
        return f"{self.state}, {length(self.age_seconds)} old"


@dataclass(frozen=True)
class MetricAnswer:
    """A metric's series with everything needed to trust it.

    `points` has at (Date), value (Float64), where the metric has one, currency (String), and a column for each
    dimension asked for. `total` has the number of the whole period asked for, a row for each series; `comparison` the
    same beside another period's: value, compared, change, relative_change. Both are empty where none was asked for, and
    their days are `period` and `compared_with`. `restated` has what was told otherwise at `as_of` than now: at, then,
    now, why (texts), and the series' columns.
    """

    name: str
    label: str
    definition: str
    unit: Unit
    relation: str
    sql: str
    freshness: Freshness
    points: pl.DataFrame = field(repr=False)
    comparison: pl.DataFrame = field(repr=False, default_factory=pl.DataFrame)
    total: pl.DataFrame = field(repr=False, default_factory=pl.DataFrame)
    period: tuple[date, date] | None = None
    compared_with: tuple[date, date] | None = None
    restated: tuple[dict[str, Any], ...] = ()
    as_of: datetime | None = None
    exclusions: str = ""
    owner: str = ""
    better: Better = "neither"


class Plyo:
    """One person's connection to Plyo's services.

    Args:
        api_url: Base address of the operational API.
        analytics_url: Base address of the analytics service.
        token: The person's access token.
        transport: Tests may give their own.
    """

    def __init__(
        self, *, api_url: str, analytics_url: str, token: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._api = httpx.Client(base_url=api_url, headers=headers, timeout=15, transport=transport)
        self._analytics = httpx.Client(base_url=analytics_url, headers=headers, timeout=30, transport=transport)
        self._known: OrderedDict[str, tuple[str, Any]] = OrderedDict()
        self._lock = Lock()  # a screen asks several things at a time

    def metric(
        self,
        name: str,
        *,
        grain: str | None = "month",
        since: date | None = None,
        until: date | None = None,
        by: Sequence[str] = (),
        **filters: object,
    ) -> MetricAnswer:
        """One metric over time. What was told at the snapshot that is still the newest is not sent again.

        Args:
            grain: day, week or month; None for the finest the metric has.
            by: Dimensions that make a series each.
            filters: Further parameters of the route: `period`, `compare`, `as_of`, `coach_id`, a dimension's value…

        Raises:
            Refused: unknown metric or filter; the message lists what is allowed.
        """
        told = {"grain": grain, "from": since, "to": until, "by": ",".join(by) or None} | filters
        return self.answer(name, self._unless_known(f"/api/analytics/metrics/{name}", _present(told)))

    def _unless_known(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        body: dict[str, Any]
        body, answer = self._known_or(path, params, {}, lambda told: told.json())
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return body | {"freshness": json.loads(answer.headers["X-Plyo-Freshness"])}
        return body

    def _known_or(
        self, path: str, params: dict[str, str], headers: dict[str, str], read: Callable[[httpx.Response], Any]
    ) -> tuple[Any, httpx.Response]:
        """What an answer reads as, and the answer. What is known already is not sent again, nor read again."""
        key = f"{path}?{sorted(params.items())}"
        tag, found = self._known.get(key, ("", None))
        if tag:
            headers = headers | {"If-None-Match": tag}
        answer = self._send(self._analytics, "GET", path, params=params, headers=headers)
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
            return found, answer
        found = read(answer)
        if (tag := answer.headers.get("ETag", "")) and len(answer.content) <= _LARGEST_KNOWN:
            with self._lock:
                self._known[key] = (tag, found)
                while len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
        return found, answer

    @staticmethod
    def answer(name: str, found: dict[str, Any]) -> MetricAnswer:
        """A metric as a service told it, here or as part of a first screen."""
        points = pl.DataFrame(found["points"], infer_schema_length=None)
        if points.is_empty():
            points = pl.DataFrame(schema={"at": pl.Date, "value": pl.Float64, "currency": pl.String})
        else:
            points = points.with_columns(
                pl.col("at").cast(pl.String).str.slice(0, 10).str.to_date(), pl.col("value").cast(pl.Float64)
            )
        total, compared = found.get("total") or {}, found.get("comparison") or {}
        as_of = found.get("as_of")
        return MetricAnswer(
            name=name, label=found.get("label", name), definition=found["definition"], unit=found["unit"],
            relation=found["relation"], sql=found["sql"], freshness=_freshness(found["freshness"]), points=points,
            comparison=pl.DataFrame(compared.get("items", []), infer_schema_length=None),
            total=pl.DataFrame(total.get("items", []), infer_schema_length=None),
            period=_days(total), compared_with=_days(compared), restated=tuple(found.get("restated") or ()),
            as_of=datetime.fromisoformat(as_of) if as_of else None, exclusions=found.get("exclusions", ""),
            owner=found.get("owner", ""), better=found.get("better", "neither"),
        )  # fmt: skip

    def metrics(self) -> list[dict[str, Any]]:
        """The metric dictionary."""
        found = self._json(self._analytics, "GET", "/api/analytics/metrics")
        items: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found
        return items

    def dataset(self, name: str, **filters: object) -> pl.DataFrame:
        """Rows of a dataset as the server allows this person to see them, over Arrow; unchanged, they are not sent."""

        def read(answer: httpx.Response) -> pl.DataFrame:
            with pa.ipc.open_stream(answer.content) as stream:
                frame = pl.from_arrow(stream.read_all())
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table, never a column
            return frame

        frame: pl.DataFrame
        frame, _ = self._known_or(f"/api/analytics/datasets/{name}", _present(filters), {"Accept": ARROW}, read)
        return frame

    def rows(self, name: str, *, limit: int, **filters: object) -> pl.DataFrame:
        """The first rows of a dataset or mart, in its own order: enough to look at."""
        asked = _present(filters | {"limit": limit})
        found = self._json(self._analytics, "GET", f"/api/analytics/datasets/{name}", params=asked)
        return pl.DataFrame(found["items"], infer_schema_length=None)

    def rows_behind(self, name: str, *, limit: int, cursor: str | None = None, **asked: object) -> dict[str, Any]:
        """The rows that make a metric's number, and no others; asked as the metric is.

        `items` are of a page, `next` leads to the one after; `number` and `counted` are of all rows; `key` and
        `relation` say how to ask `row` for where one comes from.
        """
        told = _present(asked | {"limit": limit, "cursor": cursor})
        found: dict[str, Any] = self._json(self._analytics, "GET", f"/api/analytics/metrics/{name}/rows", params=told)
        return found

    def row(self, relation: str, key: dict[str, Any], *, snapshot: int | None) -> dict[str, Any]:
        """One row of a mart: finer rows it is made of (`parts`), and `changes` of the product's tables."""
        told = _present(key | {"snapshot": snapshot})
        found: dict[str, Any] = self._json(self._analytics, "GET", f"/api/analytics/rows/{relation}", params=told)
        return found

    def restatements(self, name: str, *, since: str, **filters: object) -> list[dict[str, Any]]:
        """Points of a metric that were told otherwise at an earlier moment: at, then, now, why, the series' columns.

        Months that an erasure changed have at, erased_at and why: what was told of them is not kept.
        """
        asked = _present(filters | {"since": since})
        found: dict[str, Any] = self._json(
            self._analytics, "GET", f"/api/analytics/metrics/{name}/restatements", params=asked
        )
        items: list[dict[str, Any]] = [*found.get("erased", ()), *found["items"]]
        return items

    def freshness(self) -> dict[str, Any]:
        """How old each part of the lake is."""
        found: dict[str, Any] = self._json(self._analytics, "GET", "/api/analytics/freshness")
        return found

    def lineage(self, name: str) -> dict[str, Any]:
        """From a metric, dataset or mart back to the source tables, with SQL and checks."""
        found: dict[str, Any] = self._json(self._analytics, "GET", f"/api/analytics/lineage/{name}")
        return found

    def get(self, path: str, **params: object) -> Any:
        """An answer of the operational API."""
        return self._json(self._api, "GET", path, params=_present(params))

    def first_screen(self, surface: str, **params: object) -> dict[str, Any]:
        """All that a console shows first, in one call: who looks, which pages open, and the page's parts.

        A part that could not be had in time is null, and `missing` says why: `consoles.gaps.note` tells people.
        """
        found: dict[str, Any] = self._json(self._api, "GET", f"/api/bff/{surface}", params=_present(params))
        return found

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Act once: the request carries an Idempotency-Key, and is repeated with it when the answer got lost."""
        headers = {"Idempotency-Key": str(uuid4())}
        try:
            return self._json(self._api, "POST", path, json=body or {}, headers=headers)
        except Unreachable:
            return self._json(self._api, "POST", path, json=body or {}, headers=headers)

    def fetch(self, path: str) -> bytes:
        """A file of the operational API."""
        return self._send(self._api, "GET", path).content

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """PUT, PATCH or DELETE on the operational API."""
        return self._json(self._api, method, path, json=body)

    def _json(self, client: httpx.Client, method: str, path: str, **options: Any) -> Any:
        answer = self._send(client, method, path, **options)
        return answer.json() if answer.content else None

    def _send(self, client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unreachable("Plyo does not answer right now. Nothing was lost; try again in a moment.") from error
        if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
            return answer
        is_problem = "json" in answer.headers.get("content-type", "")
        problem = answer.json() if is_problem else {}
        kind = {401: SignedOut, 502: Unreachable, 503: Unreachable, 504: Unreachable}.get(answer.status_code, Refused)
        raise kind(problem.get("detail") or answer.reason_phrase, problem.get("code", ""), answer.status_code)


def _present(values: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _days(told: dict[str, Any]) -> tuple[date, date] | None:
    return (date.fromisoformat(told["from"]), date.fromisoformat(told["to"])) if told else None


def _freshness(found: dict[str, Any]) -> Freshness:
    return Freshness(
        state=found.get("state", "unknown"),
        age_seconds=found.get("age_seconds"),
        data_as_of=found.get("data_as_of"),
        snapshot_id=found.get("snapshot_id"),
        because=found.get("because") or "",
    )
