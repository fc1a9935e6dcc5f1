"""What one process has made all processes have, sealed; what cannot be shared each makes itself."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
import redis
from pydantic import SecretStr

from contracts import warehouse
from operational_api.analytics import shared
from operational_api.analytics.catalogue import DATASETS
from operational_api.analytics.errors import TooManyRows
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.shared import Shared
from operational_api.core.rate_limit import Limiter
from operational_api.core.rate_policy import Limit
from plyo import valkey
from plyo.postgres import free_port
from tests.operational_api.analytics.conftest import MIA, serve
from tests.operational_api.core.test_rate_limit import Store

SECRET = "a-secret-of-at-least-thirty-two-characters"
OTHER = "another-secret-of-thirty-two-characters-or-more"
SEVEN = pa.table({"n": [7]})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from _store(tmp_path_factory.mktemp("valkey"))


def _store(folder: Path) -> Iterator[Store]:
    port = free_port()
    store = Store(valkey.configure(folder, port, "a-password"), valkey.url(port, "a-password"))
    store.start()
    yield store
    store.stop()


class Making:
    """Makes an answer, and knows how often."""

    def __init__(self, answer: pa.Table | None = SEVEN) -> None:
        self.times, self._answer = 0, answer

    def __call__(self) -> pa.Table | None:
        self.times += 1
        return self._answer


def read(client: redis.Redis, name: bytes) -> bytes:
    told = client.get(name)
    assert isinstance(told, bytes)
    return told


def answers_in(client: redis.Redis) -> list[bytes]:
    return [bytes(name) for name in client.scan_iter("plyo:answer:*") if not name.endswith(b":making")]


class TestShared:
    def test_processes_that_ask_at_once_make_an_answer_once(self, store: Store) -> None:
        make, processes = Making(), [Shared(store.url, SECRET) for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(lambda one: one.get("mrr at 7", make), processes))
        assert told == [SEVEN] * 6
        assert make.times == 1

    def test_none_is_an_answer_too(self, store: Store) -> None:
        make = Making(None)
        assert [Shared(store.url, SECRET).get("none", make) for _ in range(3)] == [None] * 3
        assert make.times == 1

    def test_a_large_answer_stays_where_it_was_made_and_nobody_waits_for_it(self, store: Store) -> None:
        make, small = Making(), [Shared(store.url, SECRET, largest_bytes=10) for _ in range(2)]
        small[0].get("large", make)
        both = threading.Barrier(2)  # whoever comes later makes it beside the others who do

        def meet() -> pa.Table | None:
            both.wait(30)
            return make()

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda one: one.get("large", meet), small)) == [SEVEN] * 2
        assert make.times == 3

    def test_one_that_fails_is_made_by_the_next_at_once(self, store: Store) -> None:
        shared = Shared(store.url, SECRET, making_seconds=60)
        with pytest.raises(ValueError, match="no"):
            shared.get("fails", lambda: (_ for _ in ()).throw(ValueError("no")))
        assert shared.get("fails", Making()) == SEVEN

    def test_one_that_takes_longer_than_a_claim_lasts_is_still_made_once(self, store: Store) -> None:
        processes, made = [Shared(store.url, SECRET) for _ in range(2)], Making()

        def make() -> pa.Table | None:
            time.sleep(1.25 * shared._CLAIM_SECONDS)
            return made()

        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(lambda one: one.get("slow", make), processes))
        assert (told, made.times) == ([SEVEN] * 2, 1)
        for one in processes:
            one.close()

    def test_one_whose_maker_was_killed_is_made_by_another(self, store: Store) -> None:
        """As soon as its claim has run out, and not when the time is over that a question may take."""
        maker = """
import sys, time
from operational_api.analytics.shared import Shared
Shared(*sys.argv[1:]).get("killed", lambda: (print("making", flush=True), time.sleep(600)))
"""
        with subprocess.Popen([sys.executable, "-c", maker, store.url, SECRET], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"making\n"
            time.sleep(1.25 * shared._CLAIM_SECONDS)  # it holds its claim as long as it lives
            waits = ThreadPoolExecutor(1).submit(
                Shared(store.url, SECRET, making_seconds=600).get, "killed", Making()
            )  # fmt: skip
            with pytest.raises(TimeoutError):
                waits.result(0.5)
            process.kill()
        assert waits.result(60) == SEVEN

    @pytest.mark.parametrize("lacks", ["a store", "a key", "a store that answers"])
    def test_without_each_makes_its_own(self, store: Store, lacks: str) -> None:
        given = {
            "a store": ("", SECRET), "a key": (store.url, ""), "a store that answers": ("redis://127.0.0.1:1/0", SECRET)
        }[lacks]  # fmt: skip
        make = Making()
        assert [Shared(*given).get("alone", make) for _ in range(2)] == [SEVEN] * 2
        assert make.times == 2


class TestSealed:
    @pytest.fixture(autouse=True)
    def client(self, store: Store) -> Iterator[redis.Redis]:
        with redis.from_url(store.url) as client:
            client.flushall()
            yield client

    @pytest.mark.asvs("14.2.2")
    def test_nothing_in_the_store_can_be_read(self, store: Store, client: redis.Redis) -> None:
        asked = f"select display_name from dim_customers where customer_id = '{MIA}'"
        people = pa.table({"customer_id": [str(MIA)], "display_name": ["Mia Malone"]})
        plain = [str(MIA).encode(), b"Mia Malone", b"customer_id", b"dim_customers", SECRET.encode()]
        packed = bytes(shared._packed(people))
        assert all(one in packed for one in plain[1:3])  # packing alone hides nothing

        def look() -> pa.Table:
            """While it is made, its mark is there."""
            names = [bytes(name) for name in client.scan_iter()]
            everything = b"\n".join([*names, *(read(client, name) for name in names)])
            assert names
            assert not [one for one in plain if one in everything]
            return people

        Shared(store.url, SECRET).get(asked, look)
        look()
        assert len(answers_in(client)) == 1

    @pytest.mark.asvs("11.3.3")
    @pytest.mark.parametrize("done", ["another's", "changed", "cut", "emptied", "written"])
    def test_what_was_changed_is_made_anew_and_not_told(
        self, store: Store, client: redis.Redis, done: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one, make = Shared(store.url, SECRET), Making()
        one.get("of Anna", make)
        [name] = answers_in(client)
        sealed = read(client, name)
        one.get("of Boris", lambda: pa.table({"n": [8]}))
        [other] = set(answers_in(client)) - {name}
        change: dict[str, Callable[[], bytes]] = {
            "another's": lambda: read(client, other), "changed": lambda: sealed[:-1] + bytes([sealed[-1] ^ 1]),
            "cut": lambda: sealed[:20], "emptied": lambda: b"",
            "written": lambda: bytes(shared._packed(pa.table({"n": [9]}))),
        }  # fmt: skip
        client.set(name, change[done]())
        client.set(other, b"x" * 40)
        told = Shared(store.url, SECRET)
        assert [told.get("of Anna", make), told.get("of Boris", make), told.get("of Anna", make)] == [SEVEN] * 3
        assert make.times == 3  # once before, and once for each that was changed
        assert capsys.readouterr().out.count("answer_not_opened") == 1

    def test_what_another_version_has_packed_is_made_anew(
        self, store: Store, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a library that cannot read it: sealed by our key, and no table."""
        make = Making()
        for packed in (b"of another kind", b"\xff\xff\xff\xff" + b"\x00" * 60):
            client.flushall()
            with monkeypatch.context() as other:
                other.setattr(shared, "_packed", lambda _, packed=packed: packed)
                Shared(store.url, SECRET).get("same", Making())
            before = make.times
            assert [Shared(store.url, SECRET).get("same", make) for _ in range(2)] == [SEVEN] * 2
            assert make.times == before + 1

    def test_what_is_no_text_is_replaced_and_keeps_nothing_else_from_being_shared(
        self, store: Store, client: redis.Redis
    ) -> None:
        one, make, of_others = Shared(store.url, SECRET), Making(), Making()
        one.get("of Anna", make)
        [name] = answers_in(client)
        one.get("of Boris", of_others)
        client.delete(name)
        client.rpush(name, "a list")
        assert [one.get(which, made) for which, made in (
            ("of Anna", make), ("of Boris", of_others), ("of Anna", make)
        )] == [SEVEN] * 3  # fmt: skip
        assert (make.times, of_others.times) == (2, 1)

    @pytest.mark.parametrize("lasts", [None, 600])
    def test_nobody_waits_for_a_mark_that_is_none_of_ours(
        self, store: Store, client: redis.Redis, lasts: int | None
    ) -> None:
        one, make = Shared(store.url, SECRET, making_seconds=60), Making()
        one.get("marked", make)
        [name] = answers_in(client)
        client.delete(name)
        client.set(name + b":making", b"somebody else", ex=lasts)
        began = time.monotonic()
        assert one.get("marked", make) == SEVEN
        assert time.monotonic() - began < 5

    def test_one_sealed_text_is_never_another_s(self, store: Store, client: redis.Redis) -> None:
        one = Shared(store.url, SECRET)
        for _ in range(2):
            one.get("same", Making())
            [name] = answers_in(client)
            told = read(client, name)
            client.delete(name)
            one.get("same", Making())
            assert read(client, name) != told

    def test_another_key_is_another_store(self, store: Store, client: redis.Redis) -> None:
        make = Making()
        for secret in (SECRET, OTHER, SECRET, OTHER):
            assert Shared(store.url, secret).get("same", make) == SEVEN
        assert make.times == 2
        assert len(answers_in(client)) == 2

    def test_an_answer_is_gone_an_hour_after_it_was_told_last(self, store: Store, client: redis.Redis) -> None:
        one = Shared(store.url, SECRET)
        for _ in range(2):
            one.get("short", Making())
            [name] = answers_in(client)
            assert 3_590_000 < client.pttl(name) <= 3_600_000
            client.pexpire(name, 1000)

    def test_a_short_key_is_refused_at_the_start_and_not_told(self, settings: AnalyticsSettings) -> None:
        told = settings.model_copy(update={"analytics_answers_key": SecretStr("a-short-secret")})
        with pytest.raises(ValueError, match=r"PLYO_ANALYTICS_ANSWERS_KEY.*32") as refused:
            serve(told)
        assert "a-short-secret" not in str(refused.value)


class TestFull:
    """Of a full store answers go, and counts that are used much stay: those near their limit."""

    @pytest.fixture
    def small(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        monkeypatch.setitem(valkey.LIMITS, "maxmemory", "8mb")
        yield from _store(tmp_path)

    def test_no_count_is_lost(self, small: Store) -> None:
        limiter = Limiter(small.url, clock=lambda: 1_800_000_001.0)
        read, sign_in = Limit("read", 1000), Limit("sign_in", 1000, is_sensitive=True)
        processes = [Shared(small.url, SECRET) for _ in range(2)]
        noise = pa.table({"text": [os.urandom(8).hex() for _ in range(8000)]})
        for turn in range(400):
            counted = [limiter.hit(limit, f"{who}") for limit in (read, sign_in) for who in range(8)]
            assert {one.amount - one.remaining for one in counted if one is not None} == {turn + 1}
            for one in processes if turn >= 200 else ():
                assert one.get(f"answer {turn}", lambda: noise) is not None
        with redis.from_url(small.url) as client:
            assert client.info("stats")["evicted_keys"] > 100
            assert 20 < len(answers_in(client)) < 100


class TestLake:
    @pytest.fixture
    def two(self, store: Store, settings: AnalyticsSettings) -> Iterator[tuple[Lake, Lake]]:
        """Of two processes."""
        told = settings.model_copy(
            update={"redis_url": SecretStr(store.url), "analytics_answers_key": SecretStr(SECRET)}
        )
        with redis.from_url(store.url) as client:
            client.flushall()
        lakes = Lake(told), Lake(told)
        yield lakes
        for one in lakes:
            one.close()

    def test_two_share_what_they_know_of_people_too(
        self, two: tuple[Lake, Lake], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = two
        queries = [Query(f"select * from ({dataset.text}) order by all limit 7") for dataset in DATASETS.values()]
        known = [one.ask(query).table for query in queries]
        files = [pa.Table.from_batches(one.batches(query)) for query in queries]
        monkeypatch.setattr(other, "_missing", one._missing)
        monkeypatch.setattr(other, "made_at", one.made_at)
        monkeypatch.setattr(warehouse, "connect", lambda *_: pytest.fail("the lake was asked"))
        for query, table in zip(queries, known, strict=True):
            told = other.ask(query).table
            assert told.equals(table, check_metadata=True), query.text
        other._answers = type(other._answers)(2**20)
        for query, file in zip(queries, files, strict=True):
            assert pa.Table.from_batches(other.batches(query)).equals(file, check_metadata=True), query.text

    def test_what_is_too_long_to_be_kept_is_counted_once(
        self, two: tuple[Lake, Lake], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted, rows = list[str](), Lake._rows

        def noted(*given: Any) -> pa.Table:
            counted.append(given[3].key)
            return rows(*given)

        monkeypatch.setattr(Lake, "_rows", noted)
        query = Query("select range as n from range(25000), @core.fct_builds order by n")
        for one in two:
            for _ in range(2):
                assert sum(batch.num_rows for batch in one.batches(query)) == 25_000
        assert len(counted) == 1
        for one in two:
            assert one.ask(query).table.num_rows == 25_000  # of an answer that is told at once it is not too long
        assert len(counted) == 2

    def test_a_file_and_an_answer_of_the_same_are_made_once(
        self, two: tuple[Lake, Lake], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = two
        answers, files = (
            [Query(f"select customer_id, {n} as n from @core.dim_customers order by all") for n in which]
            for which in ((1, 2), (3, 4))
        )
        known = [one.ask(query).table for query in answers]
        kept = [pa.Table.from_batches(one.batches(query)) for query in files]
        for lake in two:
            monkeypatch.setattr(lake, "_rows", lambda *_: pytest.fail("it was made again"))
        for lake, place in ((one, 0), (other, 1)):
            assert pa.Table.from_batches(lake.batches(answers[place])) == known[place]
            assert lake.ask(files[place]).table == kept[place]

    def test_a_file_goes_on_where_an_answer_that_it_waited_for_is_too_long(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lake = Lake(settings.model_copy(update={"analytics_max_rows": 10, "analytics_kept_rows": 5}))
        begun, waits = threading.Event(), threading.Event()
        rows, wait = lake._rows, lake._answers._wait
        query = Query("select range as n from range(25), @core.fct_builds order by n")

        def slowly(*given: Any) -> pa.Table:
            begun.set()
            waits.wait(30)
            return rows(*given)

        def waiting(others: Any) -> object:
            waits.set()
            return wait(others)

        monkeypatch.setattr(lake, "_rows", slowly)
        monkeypatch.setattr(lake._answers, "_wait", waiting)
        with ThreadPoolExecutor(1) as pool:
            refused = pool.submit(lake.ask, query)
            assert begun.wait(30)
            assert sum(batch.num_rows for batch in lake.batches(query)) == 25
            with pytest.raises(TooManyRows):
                refused.result(30)
        lake.close()

    def test_another_lake_is_told_nothing_of_this_one(self, two: tuple[Lake, Lake], own: AnalyticsSettings) -> None:
        """Two deployments with the same store and, by mistake, the same key."""
        one, _ = two
        settings = one._settings.model_copy(
            update={"lake_path": own.lake_path, "lake_catalog_url": own.lake_catalog_url}
        )
        with warehouse.writing(own) as writer:
            writer.execute("update marts.core.dim_customers set display_name = 'Somebody else'")
        other, query = Lake(settings), Query("select display_name from @core.dim_customers where customer_id = $who",
                                             {"who": UUID(int=1)})  # fmt: skip
        while (behind := one.snapshot_id() - other.snapshot_id()) > 0:
            with warehouse.writing(own) as writer:
                for _ in range(behind):
                    writer.execute("update marts.core.dim_customers set mrr_minor = mrr_minor + 1")
        at = one.snapshot_id()
        told = [lake.ask(query, snapshot_id=at).table.to_pylist() for lake in (one, other)]
        assert told == [[{"display_name": "Mia"}], [{"display_name": "Somebody else"}]]
        other.close()
