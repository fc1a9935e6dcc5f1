"""Snapshots by parts: killed, they go on where they were; changes land beside them, also of rows not copied yet."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, compare, parts
from tests.ingestion import kills
from tests.ingestion.conftest import Captured
from tests.ingestion.histories import KEYS, TABLES, History, Witness, Writer, assert_equal
from tests.ingestion.streams import streaming

PART = 512 << 10
LONG = "select string_agg(md5(n::text || k::text), '') from generate_series(1, 100) k"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of eight blocks; a killed child is told so itself."""
    monkeypatch.setattr(parts, "PART_BYTES", PART)


class InSmallParts(capture.Capture):
    """For a child, which the fixture above does not reach."""

    part_bytes = PART

    def __enter__(self) -> "InSmallParts":
        parts.PART_BYTES = self.part_bytes
        return super().__enter__()


class InSingleBlocks(InSmallParts):
    part_bytes = 8 << 10


def ask(captured: Captured, query: str) -> list[tuple[Any, ...]]:
    with warehouse.reading(captured.settings) as lake:
        return lake.execute(query).fetchall()


def noted(captured: Captured, table: str = "") -> list[tuple[Any, ...]]:
    """The parts of a table, or all, as they were copied: table, file, end (-1: of the file), LSN of the snapshot."""
    return ask(
        captured,
        f"""select raw_table, file, coalesce(until_block, -1), lsn from raw._cdc_parts
            where raw_table like 'training__{table}%' order by noted_at, raw_table, file, until_block""",
    )


def assert_same(captured: Captured) -> dict[str, compare.Compared]:
    """Source and lake are equal; returns what was compared, none of it skipped."""
    with streaming(captured.settings) as settings:
        found = compare.compare(settings)
    assert found.differing == {}
    assert [table.skipped for table in found.tables.values() if table.skipped] == []
    return dict(found.tables)


def assert_copied_once(captured: Captured, table: str, key: str) -> None:
    repeated = f"select {key} from raw.training__{table} where _op = 'r' group by {key} having count(*) > 1"
    assert ask(captured, repeated) == []


def changes_of(captured: Captured, table: str) -> dict[str, int]:
    """Inserts and updates of a table in the lake; no two changes claim the same place."""
    key = ", ".join(KEYS[table])
    repeated = f"select 1 from raw.training__{table} where _op <> 'r' group by _lsn, _seq, {key} having count(*) > 1"
    assert ask(captured, repeated) == []
    counted = f"select _op, count(*)::int from raw.training__{table} where _op in ('i', 'u') group by 1"
    return dict(ask(captured, counted))


@pytest.fixture
def kept_short(captured: Captured) -> Iterator[Captured]:
    """Tables of every kind of key, some hundred blocks each, with values that are kept apart."""
    captured.source.execute(
        f"""create collation training.odd (provider = builtin, locale = 'PG_UNICODE_FAST');
            create table training.steps (id int primary key, number int, body text, note text);
            alter table training.steps alter body set storage external;
            insert into training.steps select n, n, ({LONG}), repeat('n', 200) from generate_series(-1000, 1000) n;
            create table training.named (name text collate training.odd, at date, body text, primary key (name, at));
            alter table training.named alter body set storage external;
            insert into training.named select 'Ä' || n || chr(97 + n % 26), date '2026-01-01' - n, ({LONG})
            from generate_series(1, 1000) n;
            create table training.loose (number int, body text);
            insert into training.loose select n / 2, repeat('x', 300) from generate_series(1, 2000) n;
            create table training.spread (id int, region text, body text, primary key (id, region))
            partition by list (region);
            create table training.north partition of training.spread for values in ('north');
            create table training.south partition of training.spread for values in ('south');
            alter table training.north alter body set storage external;
            insert into training.spread select n, case when n % 2 = 0 then 'north' else 'south' end, ({LONG})
            from generate_series(1, 1000) n;
            create table training.small (id int primary key generated always as identity, made_at timestamptz)"""
    )
    return captured


TABLES_HERE = ("steps", "named", "loose", "spread")


def change_everywhere(source: psycopg.Connection) -> None:
    """Changes of rows that are copied and of rows that are not; they leave long values alone, and keys are moved."""
    source.execute(
        """update training.steps set number = number + 1 where id % 7 = 0;
           update training.steps set id = id + 20000 where id % 50 = 1 and id < 5000;
           delete from training.steps where id % 31 = 0;
           insert into training.steps select n, n, 'new', null from generate_series(10000, 10100) n
           on conflict do nothing;
           update training.steps set body = 'short' where id % 101 = 3;
           update training.steps set number = 0 where id % 101 = 3;
           update training.named set at = at + 20000 where at < '2025-01-01';
           delete from training.named where name like '%b';
           update training.loose set body = 'changed' where number % 17 = 0;
           delete from training.loose where number % 19 = 0;
           update training.spread set region = 'south' where id % 8 = 0;
           update training.spread set id = -id where id % 9 = 0;
           insert into training.small default values"""
    )


@pytest.mark.drill
class TestKilledHalfWay:
    def test_goes_on_where_it_was_while_everything_changes(self, kept_short: Captured) -> None:
        witness = Witness(kept_short.source, f"witness_{kept_short.settings.cdc_slot}")
        before: list[tuple[Any, ...]] = []
        for times in (4, 3, 6):
            kills.kill(kept_short.settings, "snapshot committed", times=times, kind=InSmallParts)
            now = noted(kept_short)
            assert now[: len(before)] == before
            before = now
            change_everywhere(kept_short.source)
        capture.run_once(kept_short.settings)
        after = noted(kept_short)
        assert after[: len(before)] == before
        assert len(after) > len(before) > 3
        assert len({lsn for *_, lsn in after}) > 2
        assert len({part[:3] for part in after}) == len(after)  # none twice
        tables = assert_same(kept_short)
        assert tables["training__steps"].source_rows > 1800
        for table in TABLES_HERE:
            [(landed,)] = ask(
                kept_short,
                f"""select count(*) from (select _lsn, _seq from raw.training__{table} where _op <> 'r'
                    group by all having count(*) > 1)""",
            )
            assert landed == 0
        change_everywhere(kept_short.source)
        capture.run_once(kept_short.settings)
        assert_same(kept_short)
        assert (
            witness.changes("loose")["u"]
            == ask(kept_short, "select count(*) from raw.training__loose where _op = 'u'")[0][0]
        )

    @pytest.mark.parametrize("seed", [3, 4])
    def test_random_histories(self, captured: Captured, seed: int) -> None:
        captured.source.execute(TABLES)
        history = History(captured.source, seed)
        for _ in range(60):
            history.transaction()
        with Writer(history, every_seconds=0.05):
            for step in ("anchor made", "snapshot commit", "snapshot committed", "snapshot committed"):
                kills.kill(captured.settings, step, kind=InSingleBlocks)
            capture.run_once(captured.settings)
        capture.run_once(captured.settings)
        for table in KEYS:
            assert_equal(captured.source, captured.settings, table)
        assert_same(captured)
        witness = Witness(captured.source, f"witness_{captured.settings.cdc_slot}")
        before = {table: changes_of(captured, table) for table in KEYS}
        for _ in range(20):
            history.transaction()
        capture.run_once(captured.settings)
        for table in KEYS:
            seen = witness.changes(table)
            assert {op: n - before[table].get(op, 0) for op, n in changes_of(captured, table).items() if n} == {
                op: seen.get(op, 0) for op in changes_of(captured, table)
            }


class TestBesideTheStream:
    def test_a_row_not_copied_yet_keeps_its_long_values(self, kept_short: Captured) -> None:
        with capture.Capture(kept_short.settings) as running:
            running.get_ready()
            assert running.has_snapshots_to_take
            change_everywhere(kept_short.source)
            while running.has_snapshots_to_take:
                for _ in running.batches():
                    pass
        assert_same(kept_short)
        assert_copied_once(kept_short, "steps", "id")
        assert_copied_once(kept_short, "named", 'name, "at"')
        assert_copied_once(kept_short, "spread", "id, region")
        touched = ask(kept_short, "select count(*), count(body) from raw.training__steps where _op = 'u'")
        assert touched[0][0] == touched[0][1] > 300

    @pytest.mark.drill
    def test_other_tables_land_between_two_parts(self, kept_short: Captured) -> None:
        source, seen = kept_short.source, []
        with capture.Capture(kept_short.settings) as running:
            running.get_ready()
            while running.has_snapshots_to_take:
                source.execute("insert into training.small default values")
                landed = list(running.batches())
                seen.append(sum(batch.rows.get("training__small", 0) for batch in landed))
                assert sum(len(batch.snapshots) > 0 for batch in landed) <= 1
        assert len(seen) > 20
        assert set(seen) == {1}

    @pytest.mark.drill
    def test_a_new_table_needs_not_wait_for_the_large_one(self, kept_short: Captured) -> None:
        with capture.Capture(kept_short.settings) as running:
            running.get_ready()
            kept_short.source.execute(
                "create table training.late (id int primary key); insert into training.late values (1)"
            )
            live, passes = False, 0
            while not live:
                for landed in running.batches():
                    live = live or "training__late" in landed.snapshots
                passes += 1
            assert running.has_snapshots_to_take
            while running.has_snapshots_to_take:
                for _ in running.batches():
                    pass
        assert_same(kept_short)
        assert_copied_once(kept_short, "steps", "id")

    @pytest.mark.drill
    def test_a_transaction_that_stays_open_holds_up_nobody(self, kept_short: Captured) -> None:
        capture.run_once(kept_short.settings)
        with psycopg.connect(kept_short.source.info.dsn, password="test-superuser") as other:
            other.execute("insert into training.small default values")
            kept_short.source.execute("create table training.late (id int primary key)")
            with capture.Capture(kept_short.settings) as running:
                running.get_ready()
                for _ in range(3):
                    kept_short.source.execute("insert into training.small default values")
                    assert sum(batch.rows["training__small"] for batch in running.batches() if batch.rows) == 1
                other.commit()
                running.catch_up(capture.Landed())
        assert_same(kept_short)


class TestAgain:
    @pytest.fixture
    def captured_before(self, kept_short: Captured) -> Captured:
        capture.run_once(kept_short.settings)
        return kept_short

    @pytest.mark.drill
    def test_a_lost_slot_keeps_history_and_writes_deletes(self, captured_before: Captured) -> None:
        source, slot = captured_before.source, captured_before.settings.cdc_slot
        source.execute("select pg_drop_replication_slot(%s)", [slot])
        change_everywhere(source)
        source.execute("delete from training.steps where id between 100 and 200")
        kills.kill(captured_before.settings, "snapshot committed", times=5, kind=InSmallParts)
        change_everywhere(source)
        source.execute("delete from training.steps where id between 300 and 400")
        capture.run_once(captured_before.settings)
        assert_same(captured_before)
        [(gone,)] = ask(
            captured_before,
            "select count(distinct id) from raw.training__steps where _op = 'd' and id between 100 and 200",
        )
        assert gone == 101

    @pytest.mark.drill
    def test_a_table_is_resumed_by_a_new_snapshot(self, captured_before: Captured) -> None:
        source = captured_before.source
        source.execute("alter table training.steps drop column note; update training.steps set number = 1 where id < 0")
        assert "note" in capture.run_once(captured_before.settings).blocked["training__steps"]
        source.execute("update training.steps set number = 2 where id > 900")
        assert capture.resume(captured_before.settings, "training__steps").blocked == {}
        source.execute("update training.steps set number = 3 where id > 950")
        assert capture.run_once(captured_before.settings).blocked == {}
        assert_same(captured_before)

    @pytest.mark.parametrize(
        "change",
        [
            "truncate training.steps; insert into training.steps values (1, 1, 'after', null)",
            "alter table training.steps alter number type bigint",
            "alter table training.steps add column extra int default 5; update training.steps set number = 7",
            "alter table training.steps add column extra int default (random() * 0)::int + 5",
            "drop table training.steps; create table training.steps (id int primary key, number int, body text, n int)",
        ],
    )
    @pytest.mark.drill
    def test_a_table_that_is_written_anew_meanwhile(self, kept_short: Captured, change: str) -> None:
        with capture.Capture(kept_short.settings) as running:
            running.get_ready()
            while not noted(kept_short, "steps"):
                for _ in running.batches():
                    pass
            kept_short.source.execute(change)
            kept_short.source.execute("insert into training.steps values (20000, 1, 'more', null)")
            running.catch_up(capture.Landed())
        capture.run_once(kept_short.settings)
        assert_same(kept_short)
        if "extra int default 5" in change:
            assert ask(
                kept_short, "select count(*) from raw.training__steps where extra is null and _lsn > 0 and id < 0"
            ) == [(0,)]

    @pytest.mark.drill
    def test_a_value_that_does_not_fit_blocks_its_table_only(self, kept_short: Captured) -> None:
        kept_short.source.execute(
            """create table training.odd (id int primary key, weight numeric(6, 2), pad text);
               insert into training.odd select n, case when n = 1900 then 'NaN' else n::numeric end, repeat('p', 300)
               from generate_series(1, 2000) n"""
        )
        blocked = capture.run_once(kept_short.settings).blocked
        assert list(blocked) == ["training__odd"]
        assert "NaN" in blocked["training__odd"]
        kept_short.source.execute("update training.odd set weight = 1 where id = 1900")
        assert capture.resume(kept_short.settings, "training__odd").blocked == {}
        assert_same(kept_short)


@pytest.mark.drill
class TestFreshness:
    def test_of_other_tables_stays_while_a_stream_copies(
        self, kept_short: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ages: list[float] = []
        over = threading.Event()

        def probe() -> None:
            with (
                psycopg.connect(kept_short.source.info.dsn, password="test-superuser", autocommit=True) as source,
                warehouse.reading(kept_short.settings) as lake,
            ):
                while not over.is_set():
                    [(number,)] = source.execute("insert into training.small default values returning id").fetchall()
                    began = time.monotonic()
                    while (
                        not over.is_set()
                        and not lake.execute("select 1 from raw.training__small where id = ?", [number]).fetchone()
                    ):
                        time.sleep(0.01)
                    ages.append(time.monotonic() - began)

        with capture.Capture(kept_short.settings) as running:
            running.get_ready()
            prober = threading.Thread(target=probe)
            prober.start()
            while running.has_snapshots_to_take:
                for _ in running.batches():
                    pass
            over.set()
            prober.join()
        assert len(ages) >= 3
