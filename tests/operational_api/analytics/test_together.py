"""Requests that come together ask together, and answers are told again: all exactly as alone."""

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest
import redis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from pydantic import SecretStr

from contracts import warehouse
from contracts.ids import new_id
from operational_api.analytics import answers, formats, retold, together
from operational_api.analytics.lake import Lake
from operational_api.analytics.packed import Packed
from operational_api.analytics.retold import Question
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.stores import Stores
from operational_api.analytics.turns import Heard, Turns
from plyo import valkey
from tests.operational_api.analytics.conftest import (
    ANNA,
    ISSUER,
    KEY,
    MIA,
    NOAH,
    decide,
    person,
    serve,
)  # fmt: skip
from tests.operational_api.analytics.test_audited_reads import newest, since, subjects_of
from tests.operational_api.core.test_rate_limit import Store, free_port

MRR = "/api/analytics/metrics/mrr"
CLIENT = f"/api/analytics/datasets/client_wearables?customer_id={MIA}"


def operational(settings: AnalyticsSettings) -> psycopg.Connection[Any]:
    url = str(settings.audit_database_url.get_secret_value()).replace("+psycopg", "")  # type: ignore[union-attr]
    return psycopg.connect(url, autocommit=True)


def without_route(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on only what is known is told: no route is asked any more."""
    lake: Lake = app.state.lake
    monkeypatch.setattr(lake, "key_of", lambda *_, **__: pytest.fail("a route was asked"))


def at_once(app: FastAPI, asked: list[tuple[TestClient, str]]) -> list[httpx.Response]:
    """All of them in one event loop, so that they take their turns together."""
    taking: Turns = app.state.turns
    sizes, alone = [], taking._turn

    async def noted(stores: Stores, questions: Sequence[Question]) -> list[Heard | None]:
        sizes.append(len(questions))
        return await alone(stores, questions)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            return await asyncio.gather(*(client.get(path, headers=dict(who.headers)) for who, path in asked))

    taking._turn = noted  # type: ignore[method-assign]
    try:
        told = asyncio.run(ask())
    finally:
        taking._turn = alone  # type: ignore[method-assign]
    assert max(sizes) > 1
    assert sum(sizes) == len(asked)
    return told


class TestToldAgain:
    @pytest.mark.parametrize("path", [MRR, f"{MRR}?period=last_30_days", CLIENT, "/api/analytics/datasets/mrr_daily"])
    def test_it_is_the_same_answer(
        self, settings: AnalyticsSettings, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = serve(settings)
        who = person(app, "coach", ANNA) if path == CLIENT else person(app, "admin")
        first = who.get(path)
        without_route(app, monkeypatch)
        again = who.get(path)
        ages = [json.loads(one.headers["X-Plyo-Freshness"]).pop("age_seconds") for one in (first, again)]
        told = [one.json() | {"freshness": one.json()["freshness"] | {"age_seconds": 0}} for one in (first, again)]
        assert told[0] == told[1]
        assert ages[1] >= ages[0]
        same = set(first.headers) - {"x-plyo-freshness", "x-trace-id", "ratelimit", "content-length"}
        assert {name: first.headers[name] for name in same} == {name: again.headers.get(name) for name in same}
        app.state.lake.close()

    @pytest.mark.parametrize("name", ["coach_clients?", f"client_wearables?customer_id={MIA}&", "mrr_daily?"])
    def test_rows_as_arrow_are_the_same_with_how_fresh_they_are_now(
        self, settings: AnalyticsSettings, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = serve(settings)
        monkeypatch.setattr(retold, "SMALL_BYTES", 100)
        path = f"/api/analytics/datasets/{name}"
        who = person(app, "admin") if "mrr" in path else person(app, "coach", ANNA)
        rows = who.get(path).json()["items"]
        told = [who.get(f"{path}format=arrow", headers={"Accept-Encoding": "identity"})]
        without_route(app, monkeypatch)
        told += [who.get(f"{path}format=arrow", headers={"Accept-Encoding": "deflate"}) for _ in range(3)]
        assert [one.headers.get("content-encoding") for one in told] == [None, None, "deflate", "deflate"]
        assert len({one.headers["ETag"] for one in told}) == 1
        for one in told:
            with pa.ipc.open_stream(one.content) as stream:
                table, about = stream.read_all(), stream.schema.metadata
            assert json.loads(about[b"plyo.freshness"]) == json.loads(one.headers["X-Plyo-Freshness"])
            assert b"select" in about[b"plyo.sql"]
            assert one.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
            assert json.loads(b"[" + bytes(formats.rows(table).written) + b"]") == rows
        again = who.get(f"{path}format=arrow", headers={"If-None-Match": told[0].headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        app.state.lake.close()

    def test_what_another_process_wrote_is_confirmed_by_its_tag_and_each_time_noted(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, app = serve(settings), serve(settings)
        told = person(first, "coach", ANNA).get(CLIENT)
        who, tag = person(app, "coach", ANNA), {"If-None-Match": told.headers["ETag"]}
        noted = [newest(app)]
        for _ in range(2):
            assert who.get(CLIENT, headers=tag).status_code == 304
            noted.append(newest(app))
        assert who.get(CLIENT).json()["sql"] == told.json()["sql"]  # nothing of it was kept but its tag
        assert who.get(CLIENT, headers={"If-None-Match": 'W/"another"'}).status_code == 200
        noted.append(newest(app))
        without_route(app, monkeypatch)
        assert who.get(CLIENT, headers=tag).status_code == 304
        noted.append(newest(app))
        readings = [after - before for before, after in itertools.pairwise(noted)]
        assert readings == [1, 1, 2, 1]  # each time that it was told
        for one in (first, app):
            one.state.lake.close()

    def test_a_tag_that_was_confirmed_is_confirmed_without_a_route(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, app = serve(settings), serve(settings)
        tag = {"If-None-Match": person(first, "admin").get(MRR).headers["ETag"]}
        admin = person(app, "admin")
        assert admin.get(MRR, headers=tag).status_code == 304  # its route says so
        without_route(app, monkeypatch)
        again = admin.get(MRR, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag["If-None-Match"]
        for one in (first, app):
            one.state.lake.close()

    def test_a_new_snapshot_is_seen_by_the_very_next_question(self, own: AnalyticsSettings) -> None:
        app = serve(own)
        admin = person(app, "admin")
        with warehouse.writing(own) as writer:
            for turn in range(1, 6):
                before = admin.get(MRR).json()
                assert admin.get(MRR).json()["snapshot_id"] == before["snapshot_id"]
                writer.execute("update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor + 1")
                after = admin.get(MRR, headers={"If-None-Match": admin.get(MRR).headers["ETag"]})
                assert after.status_code == 304  # of the new one: the two asked after the commit agree
                told = admin.get(MRR).json()
                assert told["snapshot_id"] > before["snapshot_id"], turn
                assert [b["value"] - a["value"] for a, b in zip(before["points"], told["points"], strict=True)] == [
                    1 for _ in told["points"]
                ]
        app.state.lake.close()

    def test_whoever_has_signed_out_is_told_nothing_and_others_go_on(self, own: AnalyticsSettings) -> None:
        app = serve(own)
        session_id = new_id()
        ended, other = person(app, "admin", session_id=session_id), person(app, "admin")
        for one in (ended, other, ended, other):
            assert one.get(MRR).status_code == 200
        with operational(own) as database:
            database.execute("insert into platform.revocations values (%s, now())", [session_id])
        told = at_once(app, [(one, MRR) for one in (ended, other) * 8])
        assert [one.status_code for one in told] == [401, 200] * 8
        app.state.lake.close()

    def test_who_asks_too_often_is_refused(self, settings: AnalyticsSettings) -> None:
        app = serve(settings.model_copy(update={"rate_limit_factor": 0.01}))  # six a minute
        person(app, "admin").get(MRR)  # opens all that is slow to open: one more may ask after ten seconds
        admin = person(app, "admin")
        told = [admin.get(MRR) for _ in range(8)]
        assert [one.status_code for one in told] == [200] * 6 + [429] * 2
        assert [one.headers["RateLimit"].split(";")[1] for one in told[:6]] == [
            f"r={left}" for left in range(5, -1, -1)
        ]
        app.state.lake.close()

    def test_a_reading_about_a_person_is_noted_each_time(
        self, app: FastAPI, anna: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anna.get(CLIENT)
        without_route(app, monkeypatch)
        before = newest(app)
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        assert anna.get(CLIENT, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}).status_code == 200
        [entry] = since(app, before)
        assert (entry.action, entry.actor_id, entry.actor_role) == ("analytics.read_client", ANNA, "coach")
        assert (entry.subject_id, entry.object_id, entry.purpose) == (MIA, str(MIA), "care")
        assert (entry.details, entry.address) == ({"what": "dataset client_wearables"}, "testclient")
        assert trace in str(entry.traceparent)

    @pytest.mark.parametrize("form", ["json", "arrow"])
    def test_a_list_is_noted_for_everybody_in_it(
        self, app: FastAPI, anna: TestClient, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        path = f"/api/analytics/datasets/coach_clients?format={form}"
        anna.get(path)
        without_route(app, monkeypatch)
        before = newest(app)
        assert anna.get(path).status_code == 200
        [entry] = since(app, before)
        assert subjects_of(app, [entry]) == {MIA, NOAH}

    def test_a_word_withdrawn_counts_at_once(self, settings: AnalyticsSettings, anna: TestClient) -> None:
        def told() -> object:
            return anna.get(CLIENT).json()["items"][0]["sleep_minutes"]

        assert (told(), told()) == (420, 420)
        decide(settings, MIA, {"sleep": False})
        try:
            assert (told(), told()) == (None, None)
        finally:
            decide(settings, MIA, {"sleep": True})
        assert told() == 420

    def test_anothers_word_changes_nothing(
        self, app: FastAPI, settings: AnalyticsSettings, anna: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anna.get(CLIENT)
        without_route(app, monkeypatch)
        decide(settings, NOAH, {"sleep": False})
        try:
            for _ in range(2):  # asked about exactly, then known by the mark again
                assert anna.get(CLIENT).json()["items"][0]["sleep_minutes"] == 420
        finally:
            decide(settings, NOAH, {"sleep": True})

    def test_it_leaves_what_every_answer_leaves(
        self, app: FastAPI, admin: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        admin.get(MRR)
        without_route(app, monkeypatch)
        capsys.readouterr()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        told = admin.get(MRR, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        assert told.headers["X-Trace-Id"] == trace
        assert "path='/api/analytics/metrics/mrr' status=200" in capsys.readouterr().out

    def test_a_large_answer_is_whole(self, app: FastAPI, admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        first = admin.get(MRR).json()
        for module in (together, answers):
            monkeypatch.setattr(module, "LARGE_BYTES", 100)
        new = admin.get(f"{MRR}?zone=UTC")
        without_route(app, monkeypatch)
        for told in (new, admin.get(MRR, headers={"Accept-Encoding": "identity"})):
            assert told.json()["points"] == first["points"]
            assert int(told.headers["Content-Length"]) == len(told.content)

    @pytest.mark.parametrize("path", [MRR, CLIENT])
    def test_who_reads_it_packed_is_told_the_same_packed_once(
        self, settings: AnalyticsSettings, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = serve(settings)
        monkeypatch.setattr(retold, "SMALL_BYTES", 100)
        who = person(app, "coach", ANNA) if path == CLIENT else person(app, "admin")
        reads = {"Accept-Encoding": "gzip, deflate"}
        told = [who.get(path, headers=reads) for _ in range(4)]
        packed = [one.headers.get("content-encoding") for one in told]
        assert packed == [None, None, "deflate", "deflate"]  # the second showed that it is told again
        assert all("Accept-Encoding" in one.headers["Vary"] for one in told)
        assert len({one.headers["ETag"] for one in told}) == 1
        bodies = [one.json() | {"freshness": None} for one in told]
        assert bodies[1:] == bodies[:1] * 3
        ages = [one.json()["freshness"] == json.loads(one.headers["X-Plyo-Freshness"]) for one in told]
        assert all(ages)
        for refused in ("identity", "gzip", "gzip, deflate;q=0", "deflate;q=0.00"):
            plain = who.get(path, headers={"Accept-Encoding": refused})
            assert "content-encoding" not in plain.headers
            assert plain.json() | {"freshness": None} == bodies[0]
        tag = {"If-None-Match": told[0].headers["ETag"]}
        again = who.get(path, headers=reads | tag)
        assert (again.status_code, again.content, again.headers.get("content-encoding")) == (304, b"", None)
        app.state.lake.close()

    @pytest.mark.parametrize("size", [0, 1, 5551, 5552, 5553, 65_521, 200_000])
    def test_a_document_packed_behind_any_beginning_is_whole(self, size: int) -> None:
        rest = bytes(255 - number * number % 7 for number in range(size))
        packed = Packed.of(rest)
        for begun in (b"{", b"\xff" * 700, bytes(range(256)) * 20, b"\xff" * 65_535):
            assert zlib.decompress(packed.behind(begun)) == begun + rest  # which checks its sum
        with pytest.raises(ValueError, match="no beginning"):
            packed.behind(bytes(65_536))

    def test_connections_close_with_the_loop_that_opened_them(self, app: FastAPI, admin: TestClient) -> None:
        at_once(app, [(admin, MRR)] * 4)
        asked = "select count(*) from pg_stat_activity where application_name = 'plyo-analytics-turns'"
        with operational(app.state.settings) as database:
            for _ in range(50):  # PostgreSQL hears of it a moment later
                [(open_now,)] = database.execute(asked).fetchall()
                if not open_now:
                    break
                database.execute("select pg_sleep(0.1)")
        assert open_now == 0

    def test_what_is_about_a_person_is_told_to_its_reader_alone(
        self, app: FastAPI, anna: TestClient, mia: TestClient
    ) -> None:
        path = "/api/analytics/datasets/client_wearables"
        assert {anna.get(CLIENT).status_code for _ in range(2)} == {200}
        assert person(app, "coach", UUID(int=0xB2)).get(CLIENT).status_code == 404
        assert mia.get(path).json()["items"][0]["customer_id"] == str(MIA)
        assert person(app, "customer", NOAH).get(path).json()["items"][0]["customer_id"] == str(NOAH)

    def test_a_role_that_sees_masks_is_not_told_what_another_sees(self, app: FastAPI, admin: TestClient) -> None:
        path = "/api/analytics/datasets/core.dim_coaches"
        assert {one["display_name"] for one in admin.get(path).json()["items"]} == {"Anna", "Boris"}
        for _ in range(2):
            masked = person(app, "data").get(path).json()["items"]
            assert {one["display_name"] for one in masked} == {None}

    def test_today_is_another_day_tomorrow(self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        app = serve(settings)
        admin = person(app, "admin")
        admin.get(f"{MRR}?period=today")
        clock = time.time
        without_route(app, monkeypatch)
        assert admin.get(f"{MRR}?period=today").status_code == 200
        monkeypatch.setattr(together, "_now", lambda: clock() + together.QUARTER_SECONDS)
        asked: list[object] = []
        monkeypatch.setattr(app.state.lake, "key_of", lambda *_, **__: (asked.append(1), "a key")[1])
        assert admin.get(f"{MRR}?period=today").status_code == 200
        assert asked
        app.state.lake.close()

    def test_many_who_ask_at_once_are_each_told_their_own(self, app: FastAPI, admin: TestClient) -> None:
        coaches = [person(app, "coach", who) for who in (ANNA, UUID(int=0xB2))]
        path = "/api/analytics/metrics/attendances"
        alone = [one.get(path).json()["points"] for one in (*coaches, admin)]
        assert alone[0] != alone[1]
        told = at_once(app, [(one, path) for one in (*coaches, admin) * 12])
        assert [one.json()["points"] for one in told] == alone * 12


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    port = free_port()
    store = Store(
        valkey.configure(tmp_path_factory.mktemp("valkey"), port, "a-password"), valkey.url(port, "a-password")
    )
    store.start()
    yield store
    store.stop()


QUESTIONS = {
    "a number": ("admin", None, "metrics/mrr"),
    "a coach's number": ("coach", ANNA, "metrics/attendances?by=location"),
    "a client's number": ("coach", ANNA, f"metrics/adherence?customer_id={MIA}"),
    "a customer's own number": ("customer", MIA, "metrics/adherence"),
    "a coach's list": ("coach", ANNA, "datasets/coach_clients"),
    "a coach's list as rows": ("coach", ANNA, "datasets/coach_clients?format=arrow"),
    "a client": ("coach", ANNA, f"datasets/client_progress?customer_id={MIA}"),
    "a customer's own": ("customer", MIA, "datasets/client_progress"),
    "many": ("admin", None, "datasets/finance.fct_payments"),
    "many as rows": ("admin", None, "datasets/finance.fct_payments?format=arrow"),
    "many as a file": ("admin", None, "datasets/finance.fct_payments?format=csv"),
    "many as another file": ("admin", None, "datasets/finance.fct_payments?format=parquet"),
}
READ = ("fct_mrr_daily", "fct_bookings", "fct_adherence_weeks", "churn_scores", "fct_exercise_bests", "fct_payments")
Worker = tuple[int, "subprocess.Popen[bytes]"]


class TestTwoProcesses:
    @pytest.fixture
    def workers(self, own: AnalyticsSettings, store: Store, tmp_path: Path) -> Iterator[list[Worker]]:
        """Of one lake, where each notes what it asks it; the store is empty."""
        told = own.model_copy(
            update={"redis_url": SecretStr(store.url), "analytics_answers_key": SecretStr("of-both-processes" * 2)}
        )
        with redis.from_url(store.url) as client:
            client.flushall()
        workers = [_worker(told, tmp_path / f"{number}.log") for number in range(2)]
        yield workers
        for _, process in workers:
            process.terminate()
            process.wait()

    def test_compute_an_answer_once(
        self, own: AnalyticsSettings, workers: list[Worker], store: Store, tmp_path: Path
    ) -> None:
        """Of numbers and of people, large and small, as documents and as files; neither twice in one, nor in both."""
        with warehouse.writing(own) as writer:
            writer.execute(
                """insert into marts.finance.fct_payments by name
                select uuid() as payment_id, $mia::uuid as customer_id, 'captured' as status from range(6000)""",
                {"mia": str(MIA)},
            )  # fmt: skip
            _ask_all(workers)  # connections are there
            for _ in range(3):
                writer.execute("update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor + 1")
                before = _asked(tmp_path)
                told = _ask_all(workers)
                for name, answers in told.items():
                    assert len(answers) == 6
                    assert all(one == answers[0] for one in answers), name
                asked = _asked(tmp_path) - before
                assert set(asked.values()) == {1}
                assert all(any(mart in one for one in asked) for mart in READ)
        assert told["many as a file"][0].count(str(MIA)) > 6000
        with redis.from_url(store.url) as client:
            kept = [client.get(name) or b"" for name in client.scan_iter("plyo:answer:*")]
        assert max(map(len, kept)) > 128 * 1024
        assert not [one for one in (str(MIA).encode(), b"customer_id") if any(one in each for each in kept)]

    def test_tell_each_with_their_own_rights(self, workers: list[Worker]) -> None:
        """What one process knows for Anna, the other tells to nobody else; nor the very same rows unmasked."""
        client, clients = "datasets/client_progress?customer_id=" + str(MIA), "datasets/coach_clients"
        known = [_get(workers[0], _token("coach", ANNA), path) for path in (client, clients)]
        assert [len(one.json()["items"]) for one in known] == [1, 2]
        for worker in workers:
            assert [_get(worker, _token(*who), client).status_code for who in (
                ("coach", ANNA), ("customer", MIA), ("coach", UUID(int=0xB2)), ("customer", NOAH), ("admin", None)
            )] == [200, 200, 404, 404, 200]  # fmt: skip
            people = {
                role: {one["display_name"] for one in _get(worker, _token(role, who), clients).json()["items"]}
                for role, who in (("coach", UUID(int=0xB2)), ("admin", None), ("data", None))
            }
            assert people == {"coach": {"Olga"}, "admin": {"Mia", "Noah", "Olga"}, "data": {None}}


def _token(role: str, account: UUID | None) -> str:
    claims = {
        "iss": ISSUER, "aud": "plyo-analytics", "sub": str(account or new_id()), "role": role, "client_id": "tests",
        "sid": str(new_id()), "exp": int(time.time()) + 600,
    }  # fmt: skip
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": KEY.kid}, claims, KEY)


def _get(worker: Worker, token: str, path: str) -> httpx.Response:
    address = f"http://127.0.0.1:{worker[0]}/api/analytics/{path}"
    return httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def _ask_all(workers: list[Worker]) -> dict[str, list[Any]]:
    """What each question was answered, in rows: six times each, all at once, in turns by both."""
    names = list(QUESTIONS) * 6
    tokens = {name: _token(role, account) for name, (role, account, _) in QUESTIONS.items()}

    def ask(place: int) -> tuple[str, Any]:
        name = names[place]
        answer = _get(workers[(place + place // len(QUESTIONS)) % 2], tokens[name], QUESTIONS[name][2])
        assert answer.status_code == 200, answer.text
        return name, _rows_in(answer)

    told: dict[str, list[Any]] = {}
    with ThreadPoolExecutor(len(names)) as pool:
        for name, found in pool.map(ask, range(len(names))):
            told.setdefault(name, []).append(found)
    return told


def _rows_in(answer: httpx.Response) -> Any:
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind == "application/json":
        return [answer.json().get(name) for name in ("snapshot_id", "points", "items")]
    if kind == "application/vnd.apache.arrow.stream":
        return pa.ipc.open_stream(answer.content).read_all()
    if "parquet" in kind:
        return pyarrow.parquet.read_table(pa.BufferReader(answer.content))
    return answer.text


def _asked(folder: Path) -> Counter[str]:
    """Keys of what both asked the lake, and how often."""
    return Counter(line for file in folder.glob("*.asked") for line in file.read_text().splitlines())


def _worker(settings: AnalyticsSettings, log: Path) -> Worker:
    port = free_port()
    known = os.environ | {
        "PLYO_LAKE_CATALOG_URL": settings.lake_catalog_url.get_secret_value(), "PLYO_LAKE_PATH": settings.lake_path,
        "PLYO_PUBLIC_URL": ISSUER, "PLYO_DBT_MANIFEST": str(settings.dbt_manifest),
        "PLYO_AUDIT_DATABASE_URL": settings.audit_database_url.get_secret_value(),  # type: ignore[union-attr]
        "PLYO_REDIS_URL": settings.redis_url.get_secret_value(),
        "PLYO_ANALYTICS_ANSWERS_KEY": settings.analytics_answers_key.get_secret_value(),
        "PLYO_TEST_KEY": json.dumps(KEY.as_dict(private=False)), "PLYO_TEST_ASKED": str(log.with_suffix(".asked")),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.operational_api.analytics.counting_worker", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=known, stdout=output, stderr=output)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port, process
        time.sleep(0.1)
    raise TimeoutError(log.read_text())
