"""Requests that are handled in fewer steps are answered as FastAPI answers them, the refused ones too."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Form, Header, Query, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from operational_api.core import handling, http
from operational_api.core.errors import Unauthenticated
from operational_api.core.routing import Route


class Part(BaseModel):
    weight_kg: float | None = None
    reps: int = Field(ge=1)


class Asked(BaseModel):
    id: UUID
    parts: list[Part] = Field(min_length=1)
    note: str | None = None
    said: Any = None


class Told(BaseModel):
    id: UUID
    count: int = Field(serialization_alias="how_many")
    note: str | None = None
    seen: dict[str, Any] = {}


async def gate(request: Request) -> None:
    if request.headers.get("x-guest"):
        raise Unauthenticated


async def name_of(request: Request) -> str:
    return request.headers.get("x-name", "nobody")


def write(place: int, body: Asked, name: Annotated[str, Depends(name_of)]) -> Told:
    seen = {"place": place, "name": name, "said": body.said}
    return Told(id=body.id, count=len(body.parts), note=body.note, seen=seen)


def write_or_none(body: Asked | None = None) -> Told:
    return Told(id=body.id if body else UUID(int=0), count=0)


def look(
    request: Request,
    limit: Annotated[int, Query(ge=1)] = 5,
    tags: Annotated[list[str] | None, Query()] = None,
    x_kind: Annotated[str, Header()] = "none",
    crumb: Annotated[str | None, Cookie()] = None,
) -> Told:
    seen = {"limit": limit, "tags": tags, "kind": x_kind, "crumb": crumb, "path": request.url.path[-5:]}
    return Told(id=UUID(int=1), count=limit, seen=seen)


def break_promise() -> Told:
    return {"id": "none"}  # type: ignore[return-value]


def answer_itself() -> Told:
    return Response("as it is", 202)  # type: ignore[return-value]


def with_headers(response: Response) -> Told:
    response.headers["x-own"] = "1"
    return Told(id=UUID(int=1), count=1)


def from_a_form(name: Annotated[str, Form()]) -> Told:
    return Told(id=UUID(int=1), count=1, note=name)


def embedded(body: Annotated[Asked, Body(embed=True)]) -> Told:
    return Told(id=body.id, count=1)


def waits_in_a_thread(name: Annotated[str, Depends(lambda: "somebody")]) -> Told:
    return Told(id=UUID(int=1), count=1, note=name)


BY_FASTAPI = (with_headers, from_a_form, embedded, waits_in_a_thread)


def app_of(route: type[APIRoute], **options: Any) -> FastAPI:
    """The same endpoints, by routes of this class, included by a router that is included."""
    app = FastAPI(dependencies=[Depends(gate)], **options)
    outer, inner = APIRouter(prefix="/api"), APIRouter(route_class=route)
    http.install(app)
    inner.post("/write/{place}", status_code=201)(write)
    inner.post("/maybe")(write_or_none)
    inner.get("/look")(look)
    inner.get("/broken")(break_promise)
    inner.get("/itself")(answer_itself)
    for endpoint in BY_FASTAPI:
        inner.post(f"/{endpoint.__name__}")(endpoint)
    outer.include_router(inner)
    app.include_router(outer)
    return app


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[TestClient, TestClient]]:
    with (
        TestClient(app_of(Route), raise_server_exceptions=False) as ours,
        TestClient(app_of(APIRoute), raise_server_exceptions=False) as theirs,
    ):
        yield ours, theirs


GOOD = b'{"id": "00000000-0000-0000-0000-000000000007", "parts": [{"weight_kg": 60, "reps": 5}], "note": "x"}'
JSON = {"content-type": "application/json"}
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "good": (GOOD, JSON),
    "with a charset": (GOOD, {"content-type": "application/json; charset=utf-8"}),
    "of another kind of JSON": (GOOD, {"content-type": "application/vnd.plyo+json"}),
    "of no kind": (GOOD, {"content-type": ""}),
    "as text": (GOOD, {"content-type": "text/plain"}),
    "none": (b"", JSON),
    "null": (b"null", JSON),
    "half": (GOOD[:-5], JSON),
    "a list": (b"[]", JSON),
    "incomplete": (b'{"id": "7", "parts": [{"reps": 0}, {}]}', JSON),
    "no characters": (b'{"note": "\xff"}', JSON),
    "not a number": (GOOD.replace(b"60", b"NaN"), JSON),
    "a number without end": (GOOD.replace(b"60", b"1e400"), JSON),
    "a large number": (GOOD[:-1] + b', "said": [123456789012345678901234567890, 0.1, -0.0, 1e3]}', JSON),
    "half of a character": (GOOD.replace(b'"x"', b'"\\ud800"'), JSON),
    "said twice": (GOOD[:-1] + b', "note": "y"}', JSON),
    "in UTF-16": (GOOD.decode().encode("utf-16"), JSON),
    "with a mark before it": (b"\xef\xbb\xbf" + GOOD, JSON),
}
PATHS = (
    "/api/look", "/api/look?limit=3&tags=a&tags=b", "/api/look?limit=0&limit=x", "/api/look?limit=2&limit=7",
    "/api/broken", "/api/itself",
)  # fmt: skip


def alike(ours: Any, theirs: Any) -> None:
    """The same answer but for its own trace id."""
    told = []
    for one in (ours, theirs):
        heads = {name: value for name, value in one.headers.items() if name != "x-trace-id"}
        is_json = "json" in heads.get("content-type", "")
        body = one.json() if is_json else one.content
        if isinstance(body, dict) and body.pop("trace_id", None):
            heads.pop("content-length")
        told.append((one.status_code, heads, body))
    assert told[0] == told[1]


class TestHandle:
    @pytest.mark.parametrize("path", ["/api/write/7", "/api/write/x", "/api/maybe"])
    def test_answers_whatever_is_sent_as_fastapi_does(self, both: tuple[TestClient, TestClient], path: str) -> None:
        for name, (body, headers) in BODIES.items():
            ours, theirs = (one.post(path, content=body, headers=headers) for one in both)
            try:
                alike(ours, theirs)
            except AssertionError as error:
                raise AssertionError(f"{path}, a body that is {name}: {error}") from error

    @pytest.mark.parametrize("path", PATHS)
    def test_answers_whatever_is_asked_as_fastapi_does(self, both: tuple[TestClient, TestClient], path: str) -> None:
        for headers in ({}, {"x-kind": "k", "cookie": "crumb=c"}, {"x-guest": "1"}):
            alike(*(one.get(path, headers=headers) for one in both))

    def test_says_what_was_done(self, both: tuple[TestClient, TestClient]) -> None:
        told = both[0].post("/api/write/7", content=GOOD, headers=JSON | {"x-name": "Ada"})
        assert (told.status_code, told.json()["how_many"], told.json()["seen"]["name"]) == (201, 1, "Ada")

    def test_a_guest_learns_nothing_of_what_they_sent(self, both: tuple[TestClient, TestClient]) -> None:
        for body in (GOOD, b'{"id": "7"}'):
            answers = [one.post("/api/write/x", content=body, headers=JSON | {"x-guest": "1"}) for one in both]
            assert [one.status_code for one in answers] == [401, 401]

    def test_who_goes_before_all_was_sent_is_refused_as_by_fastapi(self) -> None:
        found = []
        for route in (Route, APIRoute):
            scope = {
                "type": "http", "method": "POST", "path": "/api/write/7", "root_path": "", "query_string": b"",
                "headers": [(b"content-type", b"application/json")],
            }  # fmt: skip

            async def receive() -> dict[str, Any]:
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                found.append(message.get("status"))

            asyncio.run(app_of(route)(scope, receive, send))
        assert found == [400, None, 400, None]

    def test_more_than_may_be_sent_is_refused_as_by_fastapi(self) -> None:
        found = []
        for route in (Route, APIRoute):
            with TestClient(app_of(route, max_body_size=20)) as client:  # in parts: nobody says before how much it is
                found.append(client.post("/api/write/7", content=iter([GOOD[:15], GOOD[15:]]), headers=JSON))
        alike(*found)
        assert found[0].status_code == 413

    def test_leaves_what_a_test_puts_in_place_of_a_dependency(self) -> None:
        app = app_of(Route)
        app.dependency_overrides[name_of] = lambda: "somebody else"
        with TestClient(app) as client:
            told = client.post("/api/write/7", content=GOOD, headers=JSON)
        assert told.json()["seen"]["name"] == "somebody else"


class TestPlanOf:
    def test_knows_what_little_is_declared_of_and_leaves_the_rest(self) -> None:
        found: dict[Any, bool] = {
            getattr(one.endpoint, "__wrapped__", one.endpoint): handling.plan_of(one) is not None
            for one in iter_route_contexts(app_of(Route).routes)
            if isinstance(one.original_route, Route)
        }
        assert [found[one] for one in (write, look, break_promise, answer_itself)] == [True] * 4
        assert [found[one] for one in BY_FASTAPI] == [False] * len(BY_FASTAPI)
