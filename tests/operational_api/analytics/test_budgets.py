"""Time, memory and rows have a budget that a refusal names; who hangs up is not computed for."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet
import pytest
import uvicorn

from operational_api.analytics.asking import Asking, _current
from operational_api.analytics.catalogue import DATASETS, Dataset
from operational_api.analytics.cursors import Cursors, Deadlines
from operational_api.analytics.errors import NARROW, Abandoned, Busy, TooManyRows, TooMuchMemory
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.remembered import Remembered
from operational_api.analytics.settings import AnalyticsSettings
from plyo.postgres import free_port
from tests.operational_api.analytics.conftest import person, serve

ENDLESS = "select count(*) as n from range(1000000) a, range(1000000) b, @core.fct_builds where a.range <> b.range"


class TestCursors:
    def test_whoever_waits_longest_is_next_and_who_comes_then_is_not_before_them(self) -> None:
        cursors, served = Cursors(1), list[int]()
        held = cursors.take(1)

        def wait(number: int) -> None:
            cursor = cursors.take(30)
            served.append(number)
            cursors.put(cursor)

        waiting = []
        for number in range(5):
            waiting.append(threading.Thread(target=wait, args=(number,)))
            waiting[-1].start()
            while len(cursors._waiting) <= number:
                time.sleep(0.001)
        cursors.put(held)
        wait(5)
        for one in waiting:
            one.join()
        assert served == [0, 1, 2, 3, 4, 5]

    def test_who_has_waited_too_long_is_told_and_takes_nothing_along(self) -> None:
        cursors = Cursors(1)
        held = cursors.take(1)
        with pytest.raises(Busy):
            cursors.take(0.01)
        cursors.put(held)
        assert cursors.take(0.01) is held


class TestBudgets:
    @pytest.mark.asvs("15.2.2")
    @pytest.mark.parametrize(
        ("path", "code", "unit", "limit"),
        [
            ("datasets/endless", "analytics.too_slow", "seconds", 0.3),
            ("metrics/mrr?grain=day", "analytics.too_many_rows", "rows", 20),
        ],
    )
    def test_are_named_with_how_to_ask_for_less(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch, path: str, code: str, unit: str,
        limit: float,
    ) -> None:  # fmt: skip
        monkeypatch.setitem(DATASETS, "endless", Dataset("endless", "", ENDLESS, "business", order="n"))
        setting = {"seconds": "analytics_query_seconds", "rows": "analytics_max_rows"}[unit]
        app = serve(settings.model_copy(update={setting: limit}))
        answer = person(app, "admin").get(f"/api/analytics/{path}")
        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, code)
        assert told["budget"] == {"unit": unit, "limit": limit}
        assert told["narrow"] == list(NARROW)
        app.state.lake.close()

    def test_of_memory(self, settings: AnalyticsSettings) -> None:
        lake = Lake(settings.model_copy(update={"lake_memory_limit": "30MB"}))
        hungry = "select list(range::varchar || repeat('x', 500)) as n from range(2000000), @core.fct_builds"
        with pytest.raises(TooMuchMemory) as refusal:
            lake.ask(Query(hungry))
        assert refusal.value.extra["budget"] == {"unit": "memory", "limit": "30MB"}
        lake.close()


class TestManyAtOnce:
    """Twenty who hit a budget at once: each is told which, nothing stays taken, and the service goes on."""

    HUNGRY = "select list(range::varchar || repeat('x', 500)) as n from range(2000000), @core.fct_builds"
    LONG = "select range as n from range(100000), @core.fct_builds"

    @pytest.mark.parametrize(
        ("text", "unit", "settings_of"),
        [
            (ENDLESS, "seconds", {"analytics_query_seconds": 0.5, "analytics_cursors": 20}),
            (HUNGRY, "memory", {"lake_memory_limit": "60MB", "analytics_query_seconds": 60}),
            (LONG, "rows", {"analytics_max_rows": 500, "analytics_query_seconds": 60}),
        ],
    )
    def test_are_each_told_and_leave_all_free(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch, text: str, unit: str,
        settings_of: dict[str, object],
    ) -> None:  # fmt: skip
        monkeypatch.setitem(DATASETS, "large", Dataset("large", "", text, "business", order="n"))
        app = serve(settings.model_copy(update=settings_of))
        admin = person(app, "admin")
        assert admin.get("/api/analytics/metrics/mrr?grain=month").status_code == 200  # the connection is there

        def ask(number: int) -> dict[str, object]:
            told: dict[str, object] = admin.get(f"/api/analytics/datasets/large?limit={1000 + number}").json()
            return told

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        assert [(one["status"], one.get("budget", {}).get("unit")) for one in answers] == [(422, unit)] * 20
        lake: Lake = app.state.lake
        assert len(lake._cursors._free) == lake._settings.analytics_cursors
        assert not lake._deadlines._running
        [(taken,)] = (
            lake._open()
            .execute("select sum(memory_usage_bytes) from duckdb_memory() where tag <> 'IN_MEMORY_TABLE'")
            .fetchall()
        )
        assert taken < 10 * 2**20
        assert admin.get("/api/analytics/metrics/active_members?grain=month").status_code == 200
        lake.close()


class TestFiles:
    def test_longer_than_what_is_kept_are_streamed_in_batches(self, settings: AnalyticsSettings) -> None:
        lake = Lake(settings.model_copy(update={"analytics_kept_rows": 5}))
        query = Query("select range as n from range(25000), @core.fct_builds order by n")
        sizes = [batch.num_rows for batch in lake.batches(query)]
        assert sum(sizes) == 25000
        assert len(sizes) > 2
        lake.close()

    def test_that_nobody_takes_any_more_end(self, settings: AnalyticsSettings) -> None:
        lake, asking = Lake(settings), Asking()
        token = _current.set(asking)
        batches = lake.stream(Query("select range as n from range(100000000), @core.fct_builds"))
        next(batches)
        asking.go()
        with pytest.raises(Abandoned):
            list(batches)
        _current.reset(token)
        lake.close()

    def test_end_with_a_refusal_where_they_grow_too_long(self, settings: AnalyticsSettings) -> None:
        lake = Lake(settings.model_copy(update={"analytics_file_max_rows": 100, "analytics_file_cursors": 1}))
        query = Query("select range as n from range(25000), @core.fct_builds")
        for _ in range(3):  # and the one cursor is free again each time
            with pytest.raises(TooManyRows):
                list(lake.stream(query))
        lake.close()

    def test_left_unread_give_their_cursor_back_when_the_asking_ends(self, settings: AnalyticsSettings) -> None:
        lake = Lake(settings.model_copy(update={"analytics_file_cursors": 1, "analytics_query_seconds": 2}))
        query = Query("select range as n from range(25000), @core.fct_builds")
        for _ in range(2):
            asking = Asking()
            token = _current.set(asking)
            next(lake.stream(query))
            asking.end()
            _current.reset(token)
        lake.close()


class TestStopping:
    """What is stopped between two of its statements has to be told again: DuckDB begins each anew."""

    def test_is_said_until_it_is_noticed_when_it_takes_too_long(self) -> None:
        said = threading.Semaphore(0)
        with Deadlines().stopped_after(0.01, said.release):
            assert all(said.acquire(timeout=30) for _ in range(3))

    def test_is_of_each_block_at_its_own_time_and_of_none_that_was_left(self) -> None:
        deadlines = Deadlines()
        left, late, later = (threading.Semaphore(0) for _ in range(3))
        with deadlines.stopped_after(600, later.release):
            with deadlines.stopped_after(0.05, left.release):
                pass
            with deadlines.stopped_after(0.01, late.release):  # sooner than the one that is waited for
                assert all(late.acquire(timeout=30) for _ in range(10))
        assert not left.acquire(blocking=False)
        assert not later.acquire(blocking=False)


class TestHangingUp:
    def test_stops_the_query(self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(DATASETS, "endless", Dataset("endless", "", ENDLESS, "business", order="n"))
        app = serve(settings.model_copy(update={"analytics_query_seconds": 60, "analytics_cursors": 1}))
        client = person(app, "admin")
        client.get("/api/analytics/metrics/mrr")  # the connection is there
        headers = [(key.lower().encode(), value.encode()) for key, value in client.headers.items()]
        sent: list[int] = []

        async def hang_up_soon() -> None:
            begun = False

            async def receive() -> dict[str, object]:
                nonlocal begun
                if not begun:
                    begun = True
                    return {"type": "http.request", "body": b"", "more_body": False}
                await asyncio.sleep(0.3)
                return {"type": "http.disconnect"}

            async def send(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    sent.append(int(str(message["status"])))

            path = "/api/analytics/datasets/endless"
            scope = {
                "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
                "headers": headers, "client": ("127.0.0.1", 1), "server": ("testserver", 80), "scheme": "http",
                "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"}, "root_path": "",
            }  # fmt: skip
            await app(scope, receive, send)

        began = time.monotonic()
        asyncio.run(hang_up_soon())
        assert time.monotonic() - began < 30
        assert sent in ([408], [])
        assert client.get("/api/analytics/metrics/active_members").status_code == 200, "the only cursor is free"
        app.state.lake.close()

    def test_in_the_middle_of_a_file_gives_its_connection_back(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = "select range as n from range(5000000), @core.fct_builds"
        monkeypatch.setitem(DATASETS, "long", Dataset("long", "", long, "business", order="n"))
        app = serve(
            settings.model_copy(
                update={"analytics_file_cursors": 1, "analytics_query_seconds": 5, "analytics_file_max_rows": 10**9}
            )
        )
        headers = "".join(f"{key}: {value}\r\n" for key, value in person(app, "admin").headers.items())
        server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="error"))
        serving = threading.Thread(target=server.run)
        serving.start()
        try:
            while not server.started:
                time.sleep(0.01)
            for form in ("arrow", "csv", "parquet", "arrow"):  # the only cursor is free again for each
                path = f"/api/analytics/datasets/long?format={form}"
                with socket.create_connection(("127.0.0.1", server.config.port), timeout=20) as client:
                    client.sendall(f"GET {path} HTTP/1.1\r\nHost: testserver\r\n{headers}\r\n".encode())
                    told = client.recv(4096)
                    assert told.startswith(b"HTTP/1.1 200"), form
                    while b"\r\n\r\n" not in told[:-64]:
                        told += client.recv(4096)
                if form == "parquet":
                    with pytest.raises(pa.ArrowInvalid):  # a part of a file is no file
                        pyarrow.parquet.ParquetFile(pa.BufferReader(told.partition(b"\r\n\r\n")[2]))
        finally:
            server.should_exit = True
            serving.join(20)
            app.state.lake.close()
        assert not serving.is_alive()

    def test_leaves_the_answer_to_the_others_who_wait(self) -> None:
        kept: Remembered[int] = Remembered(100)
        gone, waits = threading.Event(), threading.Event()

        def of_one_who_goes() -> int:
            waits.set()
            gone.wait(10)
            raise Abandoned

        def first() -> None:
            asking = Asking()
            _current.set(asking)
            with pytest.raises(Abandoned):
                kept.get("q", lambda: (of_one_who_goes(), 0)[1] if not asking.go() else 0)

        maker = threading.Thread(target=first)
        maker.start()
        waits.wait(10)
        found: list[int] = []
        other = threading.Thread(target=lambda: found.append(kept.get("q", lambda: 7)))
        other.start()
        gone.set()
        maker.join()
        other.join()
        assert found == [7]
