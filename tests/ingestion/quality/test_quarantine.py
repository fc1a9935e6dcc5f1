"""Rows that a suite refuses are put aside once with their reasons; the good ones land; a mended suite lets them in."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import DOCUMENTS, Batch, Document, snapshots
from ingestion.connectors import pull
from ingestion.crm.hubspot import HubSpot
from ingestion.lake_maintenance import erase
from ingestion.payments.momo import Momo
from ingestion.payments.stripe import Stripe
from ingestion.quality import judgements, pulled, quarantine
from ingestion.quality.quarantine import KEPT, Driven, class_of, drive_in, forget_aged, sift, standing
from tests.ingestion.conftest import Captured

CHARGE = {
    "object": "charge", "created": 1_790_000_000, "amount": 9_900, "amount_refunded": 0, "currency": "eur",
    "status": "succeeded",
}  # fmt: skip


def charges(*changes: dict[str, Any], cursor: str | None = None) -> Batch:
    """A charge for each, `ch_0` first, that differs from a good one by it."""
    found = [Document(f"ch_{n}", {"id": f"ch_{n}"} | CHARGE | change) for n, change in enumerate(changes)]
    return snapshots("stripe__charges", found, cursor=cursor)


class OneStream:
    """A source that sends what it is told to."""

    name = "stripe"
    streams = ("charges",)
    tables = {"stripe__charges": DOCUMENTS}

    def __init__(self, *batches: Batch) -> None:
        self.batches = batches

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        yield from self.batches

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        yield from self.batches


class Contacts(OneStream):
    """The same of another connector."""

    name = "hubspot"
    streams = ("contacts",)
    tables = {"hubspot__contacts": DOCUMENTS}


@pytest.fixture
def settings(captured: Captured) -> WarehouseSettings:
    return captured.settings


@pytest.fixture
def lake(settings: WarehouseSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.writing(settings) as connection:
        yield connection


def ids(lake: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in lake.execute("select id from raw.main.stripe__charges order by id").fetchall()]


class TestSuites:
    def test_every_table_of_a_connector_has_one(self) -> None:
        tables = {*Stripe.tables, *Momo.tables, *HubSpot.tables}
        assert tables - set(pulled.SUITES) == {"momo__settlement_rejections"}  # what was refused already

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"amount": -1}, "amount is less than 0"),
            ({"amount": 12.5}, "amount is missing or unreadable"),
            ({"amount": "many"}, "amount is missing or unreadable"),
            ({"currency": "EURO"}, "currency is no currency of three letters"),
            ({"currency": None}, "currency is missing or unreadable"),
            ({"status": "perhaps"}, "status is none of succeeded, pending, failed"),
            ({"created": 1_790_000_000_000}, "created is not of this century"),
            ({"object": "invoice"}, "object is none of charge"),
        ],
    )
    def test_say_what_is_wrong(self, change: dict[str, Any], reason: str) -> None:
        assert sift(charges({}, change)).reasons == {1: (reason,)}

    def test_say_all_that_is_wrong(self) -> None:
        assert len(sift(charges({"amount": -1, "currency": "?", "status": "?"})).reasons[0]) == 3

    def test_ask_nothing_of_what_is_gone(self) -> None:
        gone = snapshots("stripe__charges", [Document("ch_0", {"id": "ch_0"}, deleted=True)])
        assert sift(gone).reasons == {}

    def test_find_fees_that_do_not_add_up(self) -> None:
        body = {"object": "balance_transaction", "created": 1_790_000_000, "currency": "eur", "type": "charge"}
        found = [
            Document(f"txn_{n}", {"id": f"txn_{n}", "amount": 1000, "fee": 50, "net": net} | body)
            for n, net in enumerate((950, 951))
        ]
        assert sift(snapshots("stripe__balance_transactions", found)).reasons == {1: ("net is not amount less fee",)}


class TestPulls:
    def test_land_the_good_and_put_the_bad_aside(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection
    ) -> None:
        (outcome,) = pull(settings, OneStream(charges({}, {"amount": -1}, {}, cursor="here")))
        assert (outcome.rows, outcome.quarantined, outcome.cursor, outcome.problem) == (2, 1, "here", None)
        assert ids(lake) == ["ch_0", "ch_2"]
        assert standing(lake) == {"stripe__charges": {"amount is less than 0": 1}}
        pull(settings, OneStream(charges({}, {})))
        assert lake.execute(
            f"""select expectation, judged_rows, refused_rows, judged_where, batch_id in (
                select _batch_id from raw.main.stripe__charges union all
                select batch_id from raw.main._ingestion_cursors)
            from {judgements.TABLE} order by judgement_id, expectation"""
        ).fetchall() == [
            ("amount is less than 0", 3, 1, "before landing", True), ("the suite", 3, 1, "before landing", True),
            ("the suite", 2, 0, "before landing", True),
        ]  # fmt: skip

    def test_put_a_row_aside_once(self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection) -> None:
        for _ in range(3):
            pull(settings, OneStream(charges({}, {"amount": -1})))
        pull(settings, OneStream(charges({}, {"amount": -2})))  # another version of it
        assert standing(lake) == {"stripe__charges": {"amount is less than 0": 2}}

    def test_put_nothing_aside_where_the_landing_fails(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = charges({}, {"amount": -1})
        retyped = replace(batch, rows=batch.rows.append_column("more", batch.rows["_version"]))
        pull(
            settings, OneStream(replace(batch, rows=batch.rows.append_column("more", batch.rows["_hash"]).slice(0, 1)))
        )
        (outcome,) = pull(settings, OneStream(retyped))
        assert outcome.problem is not None
        assert "ColumnRetyped" in outcome.problem
        assert standing(lake) == {}


class TestDrivingIn:
    @pytest.fixture
    def aside(self, settings: WarehouseSettings) -> None:
        """Two charges aside: one for its status, one for its amount."""
        pull(settings, OneStream(charges({}, {"status": "reversed"}, {"amount": -1})))

    @pytest.fixture
    def mended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite after somebody read the provider's changelog."""
        suite = pulled.SUITES["stripe__charges"]
        kept = tuple(one for one in suite.expectations if one.arguments["column"] != "status")
        suites = {**pulled.SUITES, "stripe__charges": replace(suite, expectations=kept)}
        monkeypatch.setattr(quarantine, "SUITES", suites)

    @pytest.mark.usefixtures("aside", "mended")
    def test_lands_what_is_good_by_now_as_it_was_sent(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection
    ) -> None:
        assert drive_in(settings, "stripe", raw_table="stripe__charges") == Driven(landed=1, kept=1)
        assert ids(lake) == ["ch_0", "ch_1"]
        assert standing(lake) == {"stripe__charges": {"amount is less than 0": 1}}
        assert drive_in(settings, "stripe") == Driven(kept=1), "and the next time nothing of it lands"
        assert ids(lake) == ["ch_0", "ch_1"]
        row = lake.execute("select document->>'$.status', _deleted from raw.main.stripe__charges where id = 'ch_1'")
        assert row.fetchone() == ("reversed", False)
        # Its hash came along: the source's next sending of the same lands nothing.
        assert [one.rows for one in pull(settings, OneStream(charges({}, {"status": "reversed"})))] == [0]

    @pytest.mark.usefixtures("aside")
    def test_changes_nothing_while_the_suite_stays(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection
    ) -> None:
        assert drive_in(settings, "stripe") == Driven(kept=2)
        assert drive_in(settings, "hubspot") == Driven()
        assert len(standing(lake)["stripe__charges"]) == 2

    @pytest.mark.usefixtures("aside")
    def test_drops_what_a_later_version_has_overtaken(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection, mended: None
    ) -> None:
        pull(settings, OneStream(charges({}, {"status": "failed"})))
        assert drive_in(settings, "stripe") == Driven(kept=1, superseded=1)
        newest = lake.execute(
            "select arg_max(document->>'$.status', _landed_at) from raw.main.stripe__charges where id = 'ch_1'"
        )
        assert newest.fetchone() == ("failed",)

    @pytest.mark.usefixtures("mended")
    def test_finds_its_columns_where_raw_gained_one_since(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection
    ) -> None:
        good = charges({})
        pull(settings, OneStream(replace(good, rows=good.rows.drop_columns(["document"]))))
        with pytest.MonkeyPatch.context() as before:
            before.setattr(quarantine, "SUITES", pulled.SUITES)
            pull(settings, OneStream(charges({}, {"status": "reversed"})))
        assert drive_in(settings, "stripe") == Driven(landed=1)
        row = lake.execute("select document->>'$.status' from raw.main.stripe__charges where id = 'ch_1'")
        assert row.fetchone() == ("reversed",)

    @pytest.mark.usefixtures("aside")
    def test_takes_its_turn_behind_a_pull(self, settings: WarehouseSettings) -> None:
        with landing.pulling(settings, "stripe"), pytest.raises(landing.AlreadyPulling):
            drive_in(settings, "stripe")


class TestForgetting:
    @pytest.fixture
    def aside(self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection) -> None:
        """A charge and a contact aside, both since forty days."""
        contact = Document("501", {"id": "501", "properties": {"email": "no address"}}, version=datetime.now(UTC))
        pull(settings, OneStream(charges({"customer": "cus_Mia00001"}, {"amount": -1, "customer": "cus_Mia00001"})))
        pull(settings, Contacts(snapshots("hubspot__contacts", [contact])))
        lake.execute(f"update {quarantine.TABLE} set quarantined_at = now() - interval 40 day")
        assert set(standing(lake)) == {"stripe__charges", "hubspot__contacts"}

    @pytest.mark.usefixtures("aside")
    def test_a_row_is_forgotten_when_it_is_older_than_its_class_may_be(
        self, settings: WarehouseSettings, lake: duckdb.DuckDBPyConnection
    ) -> None:
        assert forget_aged(settings, now=datetime.now(UTC) - timedelta(days=11)) == {}
        assert forget_aged(settings) == {"hubspot__contacts": 1}
        assert set(standing(lake)) == {"stripe__charges"}
        assert forget_aged(settings, now=datetime.now(UTC) + timedelta(days=400)) == {"stripe__charges": 1}
        assert standing(lake) == {}

    def test_nothing_is_forgotten_where_nothing_was_ever_aside(self, settings: WarehouseSettings) -> None:
        assert forget_aged(settings) == {}

    def test_every_table_that_rows_may_be_put_aside_of_has_a_time(self) -> None:
        assert {class_of(table) for table in pulled.SUITES} <= set(KEPT)
        assert class_of("hubspot__contacts") == class_of("stripe__customers") == "identity"

    @pytest.mark.usefixtures("aside")
    def test_a_persons_rows_go_with_them_and_no_file_holds_them(self, captured: Captured) -> None:
        assert "cus_Mia00001" in held(captured)
        erased = erase(captured.settings, {"stripe__charges": {"id": ["ch_0"]}, "hubspot__contacts": {"id": ["501"]}})
        assert (erased.rows["stripe__charges"], erased.aside) == (1, 1)  # of contacts; ch_1 is not named
        erased = erase(captured.settings, {"stripe__charges": {"id": ["cus_Mia00001"]}})  # told by the charge aside
        assert erased.aside == 1
        assert "cus_Mia00001" not in held(captured)
        assert "no address" not in held(captured)

    @pytest.mark.usefixtures("aside")
    def test_short_values_take_no_stranger_along(self, captured: Captured) -> None:
        assert erase(captured.settings, {"stripe__charges": {"id": ["9900", "charge"]}}).aside == 0


def held(captured: Captured) -> str:
    """All values of all Parquet files of the lake, and all rows that the catalog holds of it."""
    files = "".join(
        str(pq.read_table(file).to_pylist()) for file in Path(captured.settings.lake_path).rglob("*.parquet")
    )
    with psycopg.connect(captured.settings.lake_catalog_url.get_secret_value()) as catalog:
        tables = catalog.execute("select tablename from pg_tables where schemaname = 'raw'").fetchall()
        inlined = "".join(str(catalog.execute(f'select t::text from raw."{name}" t').fetchall()) for (name,) in tables)
    return files + inlined


def test_a_suite_that_cannot_be_judged_says_nothing_about_rows() -> None:
    from ingestion.quality.judge import SuiteBroken, judge
    from ingestion.quality.suite import Suite, told

    with pytest.raises(SuiteBroken, match="missing"):
        judge(Suite({"there": "1"}, (told("missing"),)), charges({}).rows)
