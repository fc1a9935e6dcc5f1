"""Paths that are another router's, and when what an endpoint did is committed."""

import threading
from collections.abc import Callable, Iterator

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import event, func, select

from operational_api.core.database import DbSession, make_engine
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.models import AuditEntry
from operational_api.core.routing import ContextRouter, KnownPaths
from tests.conftest import sqlalchemy_url
from tests.operational_api.core.conftest import served


class NotToday(DomainError):
    """Not today."""


class NoteRead(BaseModel):
    text: str
    thread: int


def keep(session: DbSession, text: str) -> None:
    session.add(AuditEntry(action="note.written", object_type="Note", object_id=text))
    session.flush()


inner = APIRouter(route_class=IdempotentRoute)
notes = ContextRouter(prefix="/api/notes", route_class=IdempotentRoute)
others = ContextRouter(prefix="/api/others")


@notes.post("", status_code=201)
def write_none() -> NoteRead:
    return NoteRead(text="none", thread=threading.get_ident())


@notes.post("/{text}", status_code=201)
def write(text: str, session: DbSession) -> NoteRead:
    keep(session, text)
    if text == "refuse":
        raise NotToday
    return NoteRead(text=text, thread=threading.get_ident())


@inner.post("/{text}/rows", status_code=201, response_model=NoteRead)
def write_row(text: str, session: DbSession) -> dict[str, object]:
    keep(session, text)
    return {"text": text, "thread": threading.get_ident()} if text != "broken" else {"text": text}


@others.get("/{any_path:path}")
def read_other(any_path: str) -> str:
    return any_path


notes.include_router(inner)


@pytest.fixture
def client(fresh_database: Callable[[], str]) -> Iterator[TestClient]:
    with served(
        make_engine(sqlalchemy_url(fresh_database()), application_name="tests", pool_size=1), others, notes
    ) as client:
        yield client


def kept(client: TestClient) -> int:
    with client.app.state.sessions() as session:  # type: ignore[attr-defined]
        count: int = session.scalar(select(func.count()).select_from(AuditEntry))
        return count


class TestContextRouter:
    def test_answers_its_own_paths_and_those_of_what_it_includes(self, client: TestClient) -> None:
        assert client.post("/api/notes/a").status_code == 201
        assert client.post("/api/notes/a/rows").status_code == 201
        assert client.get("/api/others/a/b").json() == "a/b"

    def test_leaves_what_begins_otherwise(self, client: TestClient) -> None:
        assert client.get("/api/elsewhere").status_code == 404
        assert client.get("/api/notes/a").status_code == 405


class TestKnownPaths:
    def test_are_answered_alike_each_time(self, client: TestClient) -> None:
        known = KnownPaths()
        client.app.router.routes.insert(0, known)  # type: ignore[attr-defined]
        first, again = (client.post("/api/notes") for _ in range(2))
        assert (first.status_code, first.json()["text"]) == (again.status_code, again.json()["text"]) == (201, "none")
        assert list(known._known) == [("POST", "", "/api/notes")]
        assert (client.get("/api/notes").status_code, client.request("ANY", "/api/notes").status_code) == (405, 405)
        assert client.post("/api/notes/a").json()["text"] == "a"
        assert client.post("/api/notes").json()["text"] == "none"
        assert list(known._known) == [("POST", "", "/api/notes")]


class TestCommit:
    @pytest.fixture
    def committed_by(self, client: TestClient) -> list[int]:
        found: list[int] = []
        engine = client.app.state.sessions.kw["bind"]  # type: ignore[attr-defined]
        event.listen(engine, "commit", lambda _: found.append(threading.get_ident()))
        return found

    def test_of_an_answer_that_is_what_was_promised_is_in_the_endpoints_turn(
        self, client: TestClient, committed_by: list[int]
    ) -> None:
        assert client.post("/api/notes/a").json()["thread"] == committed_by[0]
        assert (len(committed_by), kept(client)) == (1, 1)

    def test_of_another_waits_until_it_was_looked_at(self, client: TestClient, committed_by: list[int]) -> None:
        assert client.post("/api/notes/a/rows").status_code == 201
        assert (len(committed_by), kept(client)) == (1, 1)
        assert client.post("/api/notes/broken/rows").status_code == 500
        assert (len(committed_by), kept(client)) == (1, 1)

    def test_of_a_refusal_is_none(self, client: TestClient, committed_by: list[int]) -> None:
        assert client.post("/api/notes/refuse").status_code == 409
        assert (committed_by, kept(client)) == ([], 0)

    def test_with_a_key_keeps_the_answer_too(self, client: TestClient, committed_by: list[int]) -> None:
        headers = {"Idempotency-Key": "k"}
        first = client.post("/api/notes/a", headers=headers)
        again = client.post("/api/notes/a", headers=headers)
        assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")
        assert (len(committed_by), kept(client)) == (1, 1)


class TestConnections:
    def test_one_that_was_ended_while_at_rest_is_replaced(self, client: TestClient) -> None:
        engine = client.app.state.sessions.kw["bind"]  # type: ignore[attr-defined]
        with engine.connect() as connection:
            first = connection.scalar(select(func.pg_backend_pid()))
        with make_engine(engine.url, application_name="other").connect() as other:
            assert other.scalar(select(func.pg_terminate_backend(first, 5000)))
        assert client.post("/api/notes/a").status_code == 201
        with engine.connect() as connection:
            assert connection.scalar(select(func.pg_backend_pid())) != first
