"""Every way a table of PostgreSQL can be kept and changed: the lake holds its rows, and every change in order."""

import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, publication
from tests.ingestion.conftest import Captured
from tests.ingestion.histories import assert_equal

TABLES = """
    create table training.generated (
        id int primary key, body text, shout text generated always as (upper(body)) stored,
        whisper text generated always as (lower(body)) virtual);
    create table training.regions (region text, id int, note text, primary key (region, id)) partition by list (region);
    create table training.regions_north partition of training.regions for values in ('north');
    create table training.regions_south partition of training.regions for values in ('south', 'west')
        partition by range (id);
    create table training.regions_south_low partition of training.regions_south for values from (0) to (100);
    create table training.logs (number int, body text) partition by range (number);
    create table training.logs_old partition of training.logs for values from (0) to (10);
    create table training.indexed (a int not null, b text not null, note text);
    create unique index indexed_ab on training.indexed (a, b) include (note);
    alter table training.indexed replica identity using index indexed_ab;
    create table training.whole (id int primary key, body text, note text);
    alter table training.whole alter body set storage external, replica identity full;
    create table training.keyless (a int, b text);
    create table training.moved (id int primary key, body text);
    alter table training.moved alter body set storage external;
    create table training.addressed (address inet primary key, bits bit varying, note text);
    alter table training.addressed alter bits set storage external;
    create table training.parents (id int primary key);
    create table training.children (primary key (id)) inherits (training.parents);
    create table training.prepared (id int primary key);
    create table training.nested (id int primary key, note text);
"""
LONG = "long " * 2000
BITS = "10" * 20_000


def _write(captured: Captured, tag: int) -> None:
    # Some rows in every table, before the snapshot (1) and after it (2).
    captured.source.execute(
        f"""insert into training.generated values ({tag}, 'Row {tag}');
            insert into training.regions values ('north', {tag}, 'n'), ('south', {tag}, 's');
            insert into training.logs values ({tag}, 'line');
            insert into training.indexed values ({tag}, 'b', 'first');
            insert into training.whole values ({tag}, '{LONG}', 'first');
            insert into training.keyless values ({tag}, 'twin'), ({tag}, 'twin'), (null, null);
            insert into training.moved values ({tag}, '{LONG}');
            insert into training.parents values ({tag}); insert into training.children values ({tag} + 10);
            insert into training.addressed values ('10.0.0.{tag}', '{BITS}', 'first');"""
    )


@pytest.fixture(scope="module")
def landed(captured_once) -> Captured:
    """Tables of every kind, written before the snapshot and changed after it, all captured."""
    source = captured_once.source
    source.execute(TABLES)
    _write(captured_once, 1)
    capture.ensure_ready(captured_once.settings)
    _write(captured_once, 2)
    source.execute("update training.generated set body = 'New'; delete from training.generated where id = 1")
    source.execute("update training.regions set note = 'n2' where region = 'north'")
    source.execute("update training.regions set region = 'west' where region = 'north' and id = 1")
    source.execute("delete from training.regions where region = 'south' and id = 1")
    source.execute("create table training.logs_new partition of training.logs for values from (10) to (20)")
    source.execute("insert into training.logs values (12, 'new'); update training.logs set body = 'changed'")
    source.execute("update training.indexed set note = 'second' where a = 1; update training.indexed set b = 'c'")
    source.execute("delete from training.indexed where a = 2")
    source.execute(
        "update training.whole set note = 'second' where id = 1; update training.whole set id = 10 where id = 1"
    )
    source.execute("delete from training.whole where id = 2")
    source.execute("delete from training.keyless where a is null; update training.keyless set b = 'one' where a = 2")
    source.execute("update training.moved set id = id + 10; update training.moved set id = id + 10 where id = 11")
    source.execute("update training.addressed set note = 'second'")
    source.execute("begin; insert into training.prepared values (1); prepare transaction 'kept'")
    source.execute("begin; insert into training.prepared values (2); prepare transaction 'lost'")
    source.execute("insert into training.prepared values (3)")
    capture.run_once(captured_once.settings)
    source.execute("rollback prepared 'lost'")
    source.execute("commit prepared 'kept'")
    source.execute(
        """begin; insert into training.nested values (1, 'kept');
           savepoint a; insert into training.nested values (2, 'lost'); update training.nested set note = 'lost';
           savepoint b; delete from training.nested; rollback to a;
           savepoint c; insert into training.nested values (3, 'kept'); release c; commit"""
    )
    source.execute("truncate training.logs")
    capture.run_once(captured_once.settings)
    return captured_once


def changes(captured: Captured, table: str, columns: str) -> list[tuple]:
    """Every change of a table in order, its operation first."""
    with warehouse.reading(captured.settings) as lake:
        return lake.execute(
            f"select _op, {columns} from raw.training__{table} order by _lsn, _seq, {columns}"
        ).fetchall()  # fmt: skip


class TestGeneratedColumns:
    def test_stored_ones_arrive_and_virtual_ones_are_no_columns(self, landed):
        assert changes(landed, "generated", "id, body, shout") == [
            ("r", 1, "Row 1", "ROW 1"), ("i", 2, "Row 2", "ROW 2"), ("u", 1, "New", "NEW"), ("u", 2, "New", "NEW"),
            ("d", 1, None, None),
        ]  # fmt: skip

    def test_a_table_that_withholds_a_column_may_have_a_virtual_one(self, captured):
        captured.source.execute(
            """create table identity.accounts (
                id int primary key, password_hash text, twice int generated always as (id * 2) virtual)"""
        )
        publication.create(captured.source)
        published = captured.source.execute("select attnames::text[] from pg_publication_tables").fetchall()
        assert published == [(["id"],)]


class TestPartitionedTables:
    def test_are_one_table_whose_rows_may_move_between_partitions(self, landed):
        assert changes(landed, "regions", "region, id, note") == [
            ("r", "north", 1, "n"), ("r", "south", 1, "s"), ("i", "north", 2, "n"), ("i", "south", 2, "s"),
            ("u", "north", 1, "n2"), ("u", "north", 2, "n2"), ("d", "north", 1, None), ("i", "west", 1, "n2"),
            ("d", "south", 1, None),
        ]  # fmt: skip

    def test_need_no_key_and_may_get_partitions(self, landed):
        assert changes(landed, "logs", "number, body") == [
            ("r", 1, "line"), ("i", 2, "line"), ("i", 12, "new"), ("d", 1, "line"), ("u", 1, "changed"),
            ("d", 2, "line"), ("u", 2, "changed"), ("d", 12, "new"), ("u", 12, "changed"),
            ("d", 1, "changed"), ("d", 2, "changed"), ("d", 12, "changed"),
        ]  # fmt: skip

    def test_made_before_the_publication_was_can_still_be_updated(self, captured):
        captured.source.execute("drop event trigger plyo_publish_new_tables")
        captured.source.execute(
            """create table training.logs (at int) partition by range (at);
               create table training.logs_old partition of training.logs for values from (0) to (10)"""
        )
        publication.create(captured.source)
        captured.source.execute("insert into training.logs values (1); update training.logs set at = 2")


class TestInheritance:
    def test_each_table_has_its_own_rows(self, landed):
        assert changes(landed, "parents", "id") == [("r", 1), ("i", 2)]
        assert changes(landed, "children", "id") == [("r", 11), ("i", 12)]


class TestIdentities:
    def test_an_index_is_the_key(self, landed):
        assert changes(landed, "indexed", "a, b, note")[:8] == [
            ("r", 1, "b", "first"), ("i", 2, "b", "first"), ("u", 1, "b", "second"),
            ("d", 2, "b", None), ("u", 2, "c", "first"), ("d", 1, "b", None), ("u", 1, "c", "second"),
            ("d", 2, "c", None),
        ]  # fmt: skip

    def test_a_new_snapshot_goes_by_that_index_too(self, landed):
        landed.source.execute("delete from training.indexed")
        capture.resume(landed.settings, "training__indexed")
        assert changes(landed, "indexed", "a, b, note")[8:] == [("d", 1, "c", None)]

    def test_full_has_whole_old_rows(self, landed):
        assert changes(landed, "whole", "id, body, note") == [
            ("r", 1, LONG, "first"), ("i", 2, LONG, "first"), ("u", 1, LONG, "second"),
            ("d", 1, LONG, "second"), ("u", 10, LONG, "second"), ("d", 2, LONG, "first"),
        ]  # fmt: skip

    def test_without_a_key_every_twin_has_its_change(self, landed):
        assert changes(landed, "keyless", "a, b") == [
            ("r", 1, "twin"), ("r", 1, "twin"), ("r", None, None),
            ("i", 2, "twin"), ("i", 2, "twin"), ("i", None, None), ("d", None, None), ("d", None, None),
            ("d", 2, "twin"), ("u", 2, "one"), ("d", 2, "twin"), ("u", 2, "one"),
        ]  # fmt: skip

    def test_a_changed_key_is_a_removal_and_a_row_with_its_untouched_values(self, landed):
        assert changes(landed, "moved", "id, body") == [
            ("r", 1, LONG), ("i", 2, LONG), ("d", 1, None), ("u", 11, LONG), ("d", 2, None), ("u", 12, LONG),
            ("d", 11, None), ("u", 21, LONG),
        ]  # fmt: skip

    def test_a_key_of_a_type_that_only_the_source_can_read(self, landed):
        assert changes(landed, "addressed", "address, bits, note") == [
            ("r", "10.0.0.1", BITS, "first"), ("i", "10.0.0.2", BITS, "first"),
            ("u", "10.0.0.1", BITS, "second"), ("u", "10.0.0.2", BITS, "second"),
        ]  # fmt: skip


class TestUntouchedValues:
    """Long values that a statement leaves alone, whose bytes are not in the log."""

    def test_stay_whatever_their_type_beside_columns_that_come_and_go(self, captured):
        source = captured.source
        source.execute(
            """create table training.plans (
                   id int primary key, body text, document jsonb, tags text[], bytes bytea, dropped text, note text);
               alter table training.plans alter body set storage external, alter document set storage external,
                   alter tags set storage external, alter bytes set storage external, alter dropped set storage external
            """
        )
        insert = """insert into training.plans select %s, long, jsonb_build_object('plan', long), array[long, 'short'],
                        long::bytea, long, 'first' from (values (%s)) as given (long)"""
        source.execute(insert, [1, LONG])
        capture.ensure_ready(captured.settings)
        source.execute(insert, [2, LONG])
        source.execute("update training.plans set note = 'second'")
        source.execute(f"alter table training.plans add column extra text default '{LONG}', add column empty text")
        source.execute("alter table training.plans alter extra set storage external")
        for note in ("third", "fourth"):  # the first writes the default into the row, the second leaves it alone
            source.execute("update training.plans set note = %s", [note])
        assert capture.run_once(captured.settings).blocked == {}
        source.execute("update training.plans set note = 'fifth', empty = 'used' where id = 1")
        assert capture.run_once(captured.settings).blocked == {}
        assert_equal(source, captured.settings, "plans")
        with warehouse.reading(captured.settings) as lake:
            lengths = lake.execute(
                """select distinct length(body), length(document), length(tags[1]), octet_length(bytes), length(extra)
                   from raw.training__plans where _op = 'u'"""
            ).fetchall()
        assert lengths == [(len(LONG), len(LONG) + len('{"plan": ""}'), len(LONG), len(LONG), len(LONG))]
        source.execute("alter table training.plans drop column dropped; update training.plans set note = 'sixth'")
        assert "dropped" in capture.run_once(captured.settings).blocked["training__plans"]
        assert capture.resume(captured.settings, "training__plans").blocked == {}
        source.execute("update training.plans set note = 'seventh'")
        assert capture.run_once(captured.settings).blocked == {}
        assert_equal(source, captured.settings, "plans")


class TestTransactions:
    def test_prepared_ones_arrive_when_they_are_committed(self, landed):
        assert changes(landed, "prepared", "id") == [("i", 3), ("i", 1)]

    def test_what_a_subtransaction_rolled_back_never_arrives(self, landed):
        assert changes(landed, "nested", "id, note") == [("i", 1, "kept"), ("i", 3, "kept")]
