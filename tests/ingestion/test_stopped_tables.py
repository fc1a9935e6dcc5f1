"""What cannot be landed stops one table, loudly; the others go on, and it can be taken up again."""

import time
from collections.abc import Iterable

import psycopg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, requests
from ingestion.postgres_cdc.relation import Reshape
from tests.ingestion.conftest import Captured


def today(settings, table: str, columns: str) -> list:
    with warehouse.reading(settings) as lake:
        return lake.execute(
            f"""select {columns} from raw.training__{table}
                qualify row_number() over (partition by id order by _lsn desc, _seq desc) = 1 and _op <> 'd'
                order by id"""
        ).fetchall()


MISFITS = {
    "nan": ("numeric(6, 2)", "NaN", "NaN"),
    "nan_lists": ("numeric(6, 2)[]", "{1,NaN}", "NaN"),
    "grids": ("int[]", "{{1,2},{3,4}}", "one dimension"),
    "shifted": ("text[]", "[0:1]={a,b}", "starts at 1"),
    "late": ("timestamp", "294276-12-31", "294246"),
    "late_lists": ("timestamptz[]", "{294276-12-31,NULL}", "294246"),
}


def resume(captured: Captured, tables: Iterable[str]) -> dict[str, str]:
    """What `capture.resume` does, for several tables at once; returns what is blocked then."""
    with warehouse.writing(captured.settings) as lake:
        for table in tables:
            requests.ask(lake, captured.settings.cdc_slot, f"training__{table}", None)
    return capture.run_once(captured.settings).blocked


@pytest.fixture
def source(captured) -> psycopg.Connection:
    """A source with two small tables that is captured already."""
    captured.source.execute(
        """create table training.steps (id int primary key, weight numeric(6, 2), note text);
           create table training.others (id int primary key);
           insert into training.steps values (1, 80.5, 'first')"""
    )
    capture.ensure_ready(captured.settings)
    return captured.source


class TestStoppedTables:
    def test_a_value_the_lake_cannot_hold(self, source, captured):
        source.execute(
            "insert into training.steps values (2, 'NaN', 'no number'); insert into training.others values (7)"
        )
        landed = capture.run_once(captured.settings)
        assert "NaN" in landed.blocked["training__steps"]
        assert landed.rows["training__others"] == 1
        assert today(captured.settings, "steps", "id") == [(1,)]
        assert "training__steps" in capture.resume(captured.settings, "training__steps").blocked
        source.execute("update training.steps set weight = 81 where id = 2; delete from training.steps where id = 1")
        landed = capture.resume(captured.settings, "training__steps")
        assert landed.blocked == {}
        assert today(captured.settings, "steps", "id, weight::float, note") == [(2, 81.0, "no number")]
        source.execute("update training.steps set weight = 82")
        assert capture.run_once(captured.settings).rows == {"training__steps": 1}

    def test_a_type_the_lake_does_not_know_stops_nothing(self, source, captured):
        source.execute("alter table training.steps add column address inet default '::1'")
        source.execute("insert into training.steps values (2, 82, 'second', '10.0.0.1')")
        assert capture.run_once(captured.settings).blocked == {}
        assert today(captured.settings, "steps", "id, address") == [(1, "::1"), (2, "10.0.0.1")]

    def test_values_that_fit_no_column_are_named_on_both_paths(self, source, captured):
        for table, (kind, _, _) in MISFITS.items():
            source.execute(f"create table training.{table} (id int primary key, odd {kind})")
        capture.run_once(captured.settings)
        for table, (_, value, _) in MISFITS.items():
            source.execute(f"insert into training.{table} values (1, '{value}')")
        streamed = capture.run_once(captured.settings).blocked
        copied = resume(captured, MISFITS)
        for blocked in (streamed, copied):
            assert blocked.keys() == {f"training__{table}" for table in MISFITS}
            for table, (_, _, complaint) in MISFITS.items():
                reason = blocked[f"training__{table}"]
                assert "odd" in reason
                assert complaint in reason
                assert "correct them in the source, then resume" in reason
        for table in MISFITS:
            source.execute(f"update training.{table} set odd = null")
        assert resume(captured, MISFITS) == {}
        source.execute("insert into training.nan values (2, 1.5)")
        assert capture.run_once(captured.settings).rows == {"training__nan": 1}
        assert today(captured.settings, "nan", "id, odd::float") == [(1, None), (2, 1.5)]

    @pytest.mark.drill
    def test_a_value_the_source_cannot_read_back_is_copied_by_a_snapshot(self, source, captured):
        source.execute(
            """create type training.pair as (a int);
               create table training.empties (id int primary key, odd tsquery);
               create table training.grown (id int primary key, odd training.pair)"""
        )
        capture.run_once(captured.settings)
        source.execute("insert into training.empties values (1, '')")  # PostgreSQL refuses what it sent itself
        source.execute("insert into training.grown values (1, row(1))")
        source.execute("alter type training.pair add attribute b int")
        blocked = capture.run_once(captured.settings).blocked
        assert "odd: the source cannot write it as text (malformed tsquery" in blocked["training__empties"]
        assert "odd: the source cannot write it as text (wrong number of columns" in blocked["training__grown"]
        assert resume(captured, ["empties", "grown"]) == {}
        source.execute("insert into training.grown values (2, row(1, 2))")
        capture.run_once(captured.settings)
        assert today(captured.settings, "empties", "id, odd") == [(1, "")]
        assert today(captured.settings, "grown", "id, odd") == [(1, "(1,)"), (2, "(1,2)")]

    def test_a_dropped_type_is_told(self, source, captured):
        source.execute("create type training.pair as (a int)")
        source.execute("create table training.pairs (id int primary key, odd training.pair)")
        capture.run_once(captured.settings)
        source.execute("insert into training.pairs values (1, row(1)); alter table training.pairs drop column odd")
        source.execute("drop type training.pair")
        assert "odd: its type is gone" in capture.run_once(captured.settings).blocked["training__pairs"]
        assert capture.resume(captured.settings, "training__pairs").blocked == {}

    @pytest.mark.drill
    def test_arrays_of_such_types_need_temporary_tables(self, source, captured):
        source.execute("create table training.lists (id int primary key, odd inet[])")
        capture.run_once(captured.settings)
        source.execute(f"revoke temporary on database {source.info.dbname} from public")
        source.execute("insert into training.lists values (1, '{::1}')")
        reason = capture.run_once(captured.settings).blocked["training__lists"]
        assert "odd" in reason
        assert "temporary" in reason
        source.execute(f"grant temporary on database {source.info.dbname} to public")
        assert capture.resume(captured.settings, "training__lists").blocked == {}

    def test_a_dropped_column_waits_for_people(self, source, captured):
        source.execute("alter table training.steps drop column note; insert into training.steps values (2, 82)")
        landed = capture.run_once(captured.settings)
        assert "note" in landed.blocked["training__steps"]
        assert capture.resume(captured.settings, "training__steps").blocked == {}
        source.execute("insert into training.steps values (3, 83)")
        assert capture.run_once(captured.settings).blocked == {}
        assert today(captured.settings, "steps", "id, note") == [(1, None), (2, None), (3, None)]

    def test_widened_types_flow(self, source, captured):
        source.execute("alter table training.others alter id type bigint; insert into training.others values (2^40)")
        capture.run_once(captured.settings)
        assert today(captured.settings, "others", "id") == [(2**40,)]

    def test_values_that_never_pass_through_the_log_bring_a_snapshot(self, source, captured):
        source.execute("alter table training.steps add column code int default (random() * 0)::int + 5")
        source.execute("alter table training.steps add column labels text[] default '{a,b}'")
        source.execute("insert into training.steps values (2, 82, 'second')")
        landed = capture.run_once(captured.settings)
        landed.add(capture.run_once(captured.settings))
        assert landed.blocked == {}
        assert today(captured.settings, "steps", "id, code, labels") == [(1, 5, ["a", "b"]), (2, 5, ["a", "b"])]

    def test_a_table_made_anew_under_its_old_name(self, source, captured):
        source.execute("insert into training.others values (1)")
        capture.run_once(captured.settings)
        source.execute("drop table training.others; create table training.others (id int primary key)")
        source.execute("insert into training.others values (5)")
        capture.run_once(captured.settings)
        assert today(captured.settings, "others", "id") == [(5,)]


def history(settings, columns: str) -> list:
    with warehouse.reading(settings) as lake:
        return lake.execute(f"select _op, {columns} from raw.training__steps order by _lsn, _seq").fetchall()


class TestResumedWithoutASnapshot:
    """Changes of a blocked table are put aside; once people say what its new shape means, each of them lands."""

    @pytest.fixture
    def blocked(self, source, captured):
        source.execute("insert into training.steps values (2, 81, 'before')")
        source.execute("alter table training.steps rename note to remark")
        with source.transaction():
            source.execute("insert into training.others values (7); insert into training.steps values (3, 82, 'a')")
            source.execute(
                "update training.steps set remark = 'b' where id = 3; insert into training.others values (8)"
            )
        assert "note" in capture.run_once(captured.settings).blocked["training__steps"]
        source.execute("delete from training.steps where id = 1")
        capture.run_once(captured.settings)
        return source

    def test_a_renamed_column_keeps_its_history_once_it_is_explained(self, blocked, captured):
        assert (
            "note"
            in capture.resume(captured.settings, "training__steps", Reshape(dropped=["weight"])).blocked[
                "training__steps"
            ]
        )
        assert history(captured.settings, "id, note") == [("r", 1, "first")]
        landed = capture.resume(captured.settings, "training__steps", Reshape(renamed={"note": "remark"}))
        assert (landed.blocked, landed.snapshots) == ({}, {})
        told = [("r", 1, "first"), ("i", 2, "before"), ("i", 3, "a"), ("u", 3, "b"), ("d", 1, None)]
        assert history(captured.settings, "id, remark") == told
        blocked.execute("insert into training.steps values (4, 83, 'after')")
        assert capture.run_once(captured.settings).rows == {"training__steps": 1}
        assert today(captured.settings, "steps", "id, remark") == [(2, "before"), (3, "b"), (4, "after")]

    def test_a_dropped_column_stays_gone(self, blocked, captured):
        told = Reshape(renamed={"note": "remark"}, dropped=["weight"])
        blocked.execute("alter table training.steps drop column weight; insert into training.steps values (5, 'light')")
        capture.run_once(captured.settings)
        assert capture.resume(captured.settings, "training__steps", told).blocked == {}
        blocked.execute("insert into training.steps values (6, 'lighter')")
        assert capture.run_once(captured.settings).blocked == {}
        assert history(captured.settings, "id, weight::int")[-3:] == [("d", 1, None), ("i", 5, None), ("i", 6, None)]

    def test_a_retyped_column_is_rewritten(self, blocked, captured):
        blocked.execute("alter table training.steps alter weight type bigint using weight * 100")
        blocked.execute("insert into training.steps values (6, 9050, 'in hundredths')")
        told = Reshape(renamed={"note": "remark"}, retyped={"weight": "round(old * 100)::bigint"})
        assert capture.resume(captured.settings, "training__steps", told).blocked == {}
        assert today(captured.settings, "steps", "id, weight") == [(2, 8100), (3, 8200), (6, 9050)]
        assert history(captured.settings, "id, weight")[0] == ("r", 1, 8050)
        with warehouse.writing(captured.settings) as lake:
            lake.execute("call ducklake_flush_inlined_data('raw'); call ducklake_merge_adjacent_files('raw')")
        assert history(captured.settings, "id, weight")[0] == ("r", 1, 8050)

    def test_a_truncate_among_them(self, blocked, captured):
        blocked.execute("truncate training.others, training.steps; insert into training.steps values (9, 1, 'new')")
        capture.run_once(captured.settings)
        capture.resume(captured.settings, "training__steps", Reshape(renamed={"note": "remark"}))
        assert today(captured.settings, "steps", "id, remark") == [(9, "new")]
        assert today(captured.settings, "others", "id") == []

    def test_a_running_stream_takes_it_up(self, blocked, captured, monkeypatch):
        monkeypatch.setattr(capture, "_LOCK_WAIT", "100ms")
        monkeypatch.setattr(capture, "_REQUESTS_SECONDS", 0.2)
        deadline, refused = time.monotonic() + 60, []

        def ask_and_wait() -> bool:
            if not refused:
                with pytest.raises(capture.AlreadyRunning) as stopped:
                    capture.resume(captured.settings, "training__steps", Reshape(renamed={"note": "remark"}))
                refused.append(stopped)
            with warehouse.reading(captured.settings) as lake:
                done = lake.execute("select count(*) from raw.training__steps").fetchone() == (5,)
            return done or time.monotonic() > deadline

        capture.stream(captured.settings, stop=ask_and_wait)
        assert len(history(captured.settings, "id, remark")) == 5

    def test_a_table_that_was_never_captured(self, source, captured):
        with pytest.raises(capture.UnknownTable):
            capture.resume(captured.settings, "training__nothing")


class TestLostSlot:
    def test_is_answered_by_a_snapshot_that_keeps_history(self, source, captured):
        slot = captured.settings.cdc_slot
        source.execute("insert into training.steps values (2, 1, 'kept')")
        capture.run_once(captured.settings)
        source.execute("select pg_drop_replication_slot(%s)", [slot])
        source.execute("delete from training.steps where id = 1; insert into training.steps values (3, 1, 'unseen')")
        capture.run_once(captured.settings)
        assert today(captured.settings, "steps", "id") == [(2,), (3,)]
        with warehouse.reading(captured.settings) as lake:
            history = lake.execute("select _op from raw.training__steps where id = 1 order by _lsn, _seq").fetchall()
        assert history == [("r",), ("d",)]

    def test_so_is_a_slot_that_somebody_moved(self, source, captured):
        source.execute("insert into training.steps values (2, 1, 'skipped')")
        source.execute("select pg_replication_slot_advance(%s, pg_current_wal_lsn())", [captured.settings.cdc_slot])
        capture.run_once(captured.settings)
        assert today(captured.settings, "steps", "id") == [(1,), (2,)]


class TestTwoAtOnce:
    def test_the_second_is_refused(self, source, captured, monkeypatch):
        monkeypatch.setattr(capture, "_LOCK_WAIT", "100ms")
        with capture.Capture(captured.settings), pytest.raises(capture.AlreadyRunning):
            capture.run_once(captured.settings)
