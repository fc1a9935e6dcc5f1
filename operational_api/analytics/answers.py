"""Numbers and rows as HTTP answers: what may be told again, tags, files that begin once there is a first piece.

Which paths there are is `router`'s to say; what is asked for, and who may see it, is decided in what is called here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import pyarrow as pa
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from operational_api.analytics import datasets, formats, tags
from operational_api.analytics.asked import seen, shown
from operational_api.analytics.catalogue import Dataset
from operational_api.analytics.datasets import Page
from operational_api.analytics.freshness import Clock, Freshness
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Value
from operational_api.analytics.retold import LARGE_BYTES, Personal, Question, Retold, Told
from operational_api.core import http
from operational_api.core.principal import Principal

_TOLD_AGAIN = ("json", "arrow")
"""Forms whose answers are kept as they were written: what screens ask for."""


def newest(request: Request, lake: Lake) -> int:
    """The newest snapshot, as the request's turn has heard it."""
    heard: int | None = getattr(request.state, "snapshot_id", None)
    return lake.snapshot_id() if heard is None else heard


def question_of(request: Request) -> Question | None:
    """The words under which an answer to this request may be told again; None where it may not."""
    question: Question | None = getattr(request.state, "question", None)
    return question


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are asked for, whichever they are.

    Attributes:
        page: Of JSON; of a file its first rows, and None where all of them are asked for.
        then: The moment and snapshot that they are read at, where that is not the newest.
        at: The snapshot.
        as_of: As it was asked for.
    """

    request: Request
    principal: Principal
    lake: Lake
    clock: Clock
    retold: Retold
    form: str
    page: Page | None
    then: tuple[datetime, int] | None
    at: int
    as_of: str | None


def rows(
    reading: Reading, dataset: Dataset, given: dict[str, Value], *, behind: Callable[[], dict[str, Any]] | None = None,
) -> Response:  # fmt: skip
    """A page of a dataset's rows, or all of them as a file.

    Args:
        behind: Tells what else goes with rows in JSON.
    """
    request, principal, lake, clock, retold = (
        reading.request, reading.principal, reading.lake, reading.clock, reading.retold
    )  # fmt: skip
    form, page, then, at, as_of = reading.form, reading.page, reading.then, reading.at, reading.as_of
    consents = shown(request)
    now = at if then is None else newest(request, lake)
    query = datasets.asked(lake, principal, dataset, given, now, consents, page, is_past=at != now)
    if form != "json" and page is not None:
        query = datasets.without_lookahead(query, page)
    freshness = clock.of(
        dataset.relations, snapshot_id=at, now=then[0] if then and form != "json" else datetime.now(UTC),
        is_past=as_of is not None,
    )  # fmt: skip
    person = given.get("customer_id", principal.account_id) if dataset.subject == "client" else None
    tag, key = None, lake.key_of(query, snapshot_id=at)
    if dataset.subject != "coach":  # who is in a coach's list, and what they withhold, only what is written tells
        heard = sorted(consents([UUID(str(person))]).get(UUID(str(person)), ())) if person else None
        tag = tags.of(dataset, form, key, heard, as_of, freshness.state)
    headers = tags.headers(freshness, tag, is_personal=dataset.subject != "business")
    about = f"dataset {dataset.name}"
    question = question_of(request) if then is None and form in _TOLD_AGAIN else None
    if tag is not None and tags.is_known(request, tag):
        seen(request, principal, about, {UUID(str(person))} if person else ())
        retold.keep(question, principal, key, told_of(request, Written(), headers, tag, dataset.relations, freshness))
        return tags.unchanged(headers)
    if (known := retold.find(question, principal, key)) and known.state == freshness.state:
        return as_told(request, known, freshness, headers)
    if form != "json":
        sql = lake.sql_of(query, snapshot_id=at)
        pieces = _noted(request, principal, dataset, given,
                        datasets.batches(lake, principal, dataset, query, at, consents))  # fmt: skip
        if form in _TOLD_AGAIN:
            first, second = next(pieces), next(pieces, None)
            if second is None:
                whole = Written.as_arrow(first, {"plyo.sql": sql})
                answered = told_of(request, whole, headers, tag, dataset.relations, freshness)
                retold.keep(question, principal, key, answered)
                return as_told(request, answered, freshness, headers)
            pieces = chain((first, second), pieces)
        file = formats.FORMATS[form]
        if form != "arrow":
            headers["Content-Disposition"] = f'attachment; filename="{dataset.name}.{file.extension}"'
        written = file.write(pieces, {"plyo.sql": sql, "plyo.freshness": headers[tags.FRESHNESS]})
        return StreamingResponse(_begun(written), media_type=file.media_type, headers=headers)
    assert page is not None  # noqa: S101 - of JSON
    answer = lake.ask(query, snapshot_id=at)
    is_more = answer.table.num_rows > page.limit
    table = answer.table.slice(0, page.limit)
    following = datasets.cursor_after(principal, dataset, table, at) if is_more else None
    table = datasets.told(table, principal, dataset, consents)
    seen(request, principal, about, datasets.subjects_of(dataset, principal, given, table))
    body = {
        "name": dataset.name, "definition": dataset.definition, "items": formats.rows(table), "next": following,
        "snapshot_id": at, "relations": list(dataset.relations),
        "sql": lake.sql_of(datasets.without_lookahead(query, page), snapshot_id=at),
    } | (behind() if behind else {})  # fmt: skip
    answered = told_of(request, Written.as_json(body), headers, tag, dataset.relations, freshness)
    retold.keep(question, principal, key, answered)
    return as_told(request, answered, freshness, headers)


def _noted(
    request: Request, principal: Principal, dataset: Dataset, given: dict[str, Value], pieces: Iterator[pa.Table]
) -> Iterator[pa.Table]:
    """The pieces, each told only once it is written down whose health it tells of; about everybody once."""
    noted: set[UUID] = set()
    for piece in pieces:
        subjects = datasets.subjects_of(dataset, principal, given, piece)
        seen(request, principal, f"dataset {dataset.name}", subjects - noted)
        noted |= subjects
        yield piece


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces with the first one made: a refusal of it is an answer, not a broken file."""
    first = next(pieces)

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from pieces

    return all_of_them()


@dataclass(frozen=True, slots=True)
class Written:
    """An answer but for its freshness. Without a body its tag alone is told.

    Attributes:
        schema: What an Arrow stream begins with; None of JSON.
    """

    body: bytes | None = None
    schema: pa.Schema | None = None

    @classmethod
    def as_json(cls, body: dict[str, Any]) -> "Written":
        """A document; what has this body tells its freshness first."""
        return cls(formats.members(body))

    @classmethod
    def as_arrow(cls, table: pa.Table, about: dict[str, str]) -> "Written":
        """A whole stream; `about` goes with its schema, as the freshness does."""
        schema = table.schema.with_metadata((table.schema.metadata or {}) | about)
        return cls(formats.arrow_rest(table), schema)


def told_of(
    request: Request, written: Written, headers: dict[str, str], tag: str | None, relations: tuple[str, ...],
    freshness: Freshness,
) -> Told:  # fmt: skip
    """The answer but for its freshness, which is added each time that it is told.

    Args:
        tag: Made of all that it depends on; None where only what is written tells that.
    """
    tag = tag or tags.of(written.body, freshness.state)
    headers = headers | {"ETag": tag}
    same = MutableHeaders({name: value for name, value in headers.items() if name != tags.FRESHNESS})
    same["Content-Type"] = formats.media_type(written.schema)
    http.guard(same, request.url.path)
    return Told(
        written.body, same.raw, tag, relations, freshness.snapshot_id, freshness.state, Personal.of(request),
        schema=written.schema,
    )  # fmt: skip


def as_told(request: Request, told: Told, freshness: Freshness, headers: dict[str, str]) -> Response:
    """The answer with how fresh it is now, or that it is the one that the reader has."""
    headers = headers | {"ETag": told.tag}
    if tags.is_known(request, told.tag):
        return tags.unchanged(headers)
    rest = told.rest
    headers["Content-Type"] = formats.media_type(told.schema)
    if len(rest) > LARGE_BYTES:
        return _InTwo(told.begun(freshness), rest, headers)
    return Response(told.begun(freshness) + rest, headers=headers)


class _InTwo(Response):
    """A document whose beginning is sent before the rest, which is large and is not copied to stand behind it."""

    def __init__(self, begun: bytes, rest: bytes, headers: dict[str, str]) -> None:
        length = {"Content-Length": str(len(begun) + len(rest))}
        super().__init__(begun, headers=headers | length)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await send({"type": "http.response.body", "body": self._rest})
