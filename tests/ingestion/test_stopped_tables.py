"""What cannot be landed stops one table, loudly; the others go on, and it can be taken up again."""

import psycopg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture


def today(settings, table: str, columns: str) -> list:
    with warehouse.reading(settings) as lake:
        return lake.execute(
            f"""select {columns} from raw.training__{table}
                qualify row_number() over (partition by id order by _lsn desc, _seq desc) = 1 and _op <> 'd'
                order by id"""
        ).fetchall()


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

    def test_a_type_the_lake_does_not_know(self, source, captured):
        source.execute("alter table training.steps add column address inet; update training.steps set address = '::1'")
        source.execute("insert into training.others values (8)")
        landed = capture.run_once(captured.settings)
        assert "address" in landed.blocked["training__steps"]
        assert landed.rows["training__others"] == 1

    def test_a_dropped_column_waits_for_people(self, source, captured):
        source.execute("alter table training.steps drop column note; insert into training.steps values (2, 82)")
        landed = capture.run_once(captured.settings)
        assert "note" in landed.blocked["training__steps"]
        assert capture.resume(captured.settings, "training__steps").blocked == {}
        assert today(captured.settings, "steps", "id, note") == [(1, None), (2, None)]

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
