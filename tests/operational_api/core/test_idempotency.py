"""A POST with an Idempotency-Key takes effect once, whatever is repeated, raced or refused."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, func, select

from contracts.ids import new_id
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.models import AuditEntry
from tests.conftest import sqlalchemy_url
from tests.operational_api.core.conftest import served


class NotToday(DomainError):
    """Not today."""


router = APIRouter(route_class=IdempotentRoute)


@router.post("/api/notes", status_code=201)
def write(note: dict[str, str], session: DbSession) -> dict[str, str]:
    entry = AuditEntry(action="note.written", object_type="Note", object_id=note["text"])
    session.add(entry)
    session.flush()
    if note["text"] == "refuse":
        raise NotToday
    return {"id": str(entry.id)}


@pytest.fixture
def client(fresh_database: Callable[[], str]) -> Iterator[TestClient]:
    with served(create_engine(sqlalchemy_url(fresh_database())), router) as client:
        yield client


def notes(client: TestClient) -> int:
    with client.app.state.sessions() as session:  # type: ignore[attr-defined]
        return session.scalar(select(func.count()).select_from(AuditEntry))


class TestIdempotentRoute:
    def test_repeats_the_first_answer(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": str(new_id())}
        first = client.post("/api/notes", json={"text": "a"}, headers=headers)
        again = client.post("/api/notes", json={"text": "a"}, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert notes(client) == 1

    def test_refuses_the_key_for_another_request(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "k"}
        client.post("/api/notes", json={"text": "a"}, headers=headers)
        other = client.post("/api/notes", json={"text": "b"}, headers=headers)
        assert other.status_code == 422
        assert other.json()["code"] == "core.key_reused"

    def test_leaves_the_key_free_after_a_refusal(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "k"}
        assert client.post("/api/notes", json={"text": "refuse"}, headers=headers).status_code == 409
        assert notes(client) == 0
        assert client.post("/api/notes", json={"text": "fine"}, headers=headers).status_code == 201

    def test_of_many_at_once_one_takes_effect(self, client: TestClient) -> None:
        def post(_: int) -> int:
            return client.post("/api/notes", json={"text": "a"}, headers={"Idempotency-Key": "k"}).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(post, range(8)))
        assert set(statuses) <= {201, 409}
        assert 201 in statuses
        assert notes(client) == 1
