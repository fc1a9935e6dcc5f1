"""From a row of a mart to the changes of the product's tables that made it, and to no others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import duckdb
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from contracts import warehouse
from contracts.captured import CAPTURED
from contracts.ids import new_id
from contracts.relations import RELATIONS
from contracts.traces import TRACES, key_of
from operational_api.analytics.settings import AnalyticsSettings
from plyo.postgres import PostgresServer
from tests.dbt_project.lake import copied
from tests.operational_api.analytics.conftest import (
    ANNA,
    BORIS,
    MIA,
    NOAH,
    OLGA,
    build,
    decide,
    fill_the_rest,
    insert,
    make_marts,
    new_lake,
    person,
    serve,
)
from tests.operational_api.analytics.test_audited_reads import newest, since

pytestmark = pytest.mark.usefixtures("one_loop")

ROWS = "/api/analytics/rows/"
PAYMENT, REFUND, INVOICE, SLOT = (UUID(int=0xC0 + number) for number in range(4))
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
_DUCK = {"jsonb": "json", "real": "float", "double precision": "double", "time without time zone": "time"}


def make_raw(lake: duckdb.DuckDBPyConnection) -> None:
    """Each table of the product as the capture lands it, empty."""
    tables = CAPTURED | {"integrations__wearable_payloads": {"id": "uuid"}}
    for table, columns in tables.items():
        told = {name: _DUCK.get(kind, kind) for name, kind in columns.items()}
        own = "_op varchar, _lsn ubigint, _seq bigint, _committed_at timestamptz, _landed_at timestamptz"
        lake.execute(f"create table raw.main.{table} ({', '.join(f'{n} {k}' for n, k in told.items())}, {own})")


def change(lake: duckdb.DuckDBPyConnection, table: str, operation: str, lsn: int, **row: object) -> None:
    told = row | {
        "_op": operation, "_lsn": lsn, "_seq": 0, "_committed_at": NOON + timedelta(minutes=lsn),
        "_landed_at": NOON + timedelta(minutes=lsn, seconds=2),
    }  # fmt: skip
    marks = ", ".join(f"${column} as {column}" for column in told)
    lake.execute(f"insert into raw.main.{table} by name select {marks}", told)


@pytest.fixture(scope="module")
def twins(
    postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AnalyticsSettings, AnalyticsSettings]:
    """A payment of Mia's with its history, one of Olga's, a slot with a seat; a build that has read up to 60.

    In two lakes that are alike: the second one may be changed.
    """
    settings = new_lake(postgres, tmp_path_factory.mktemp("traced"), template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        with warehouse.transaction(lake):
            make_raw(lake)
            whose = {"id": PAYMENT, "invoice_id": INVOICE, "customer_id": MIA, "amount_minor": 9900, "currency": "EUR"}
            change(lake, "commerce__payments", "i", 10, **whose, status="pending", failure_code="none")
            change(lake, "commerce__payments", "u", 20, **whose, status="captured")
            change(lake, "commerce__payments", "u", 99, **whose, status="disputed")
            change(lake, "commerce__payments", "i", 11, id=new_id(), invoice_id=new_id(), customer_id=OLGA)
            change(lake, "commerce__invoices", "r", 5, id=INVOICE, number="2026-0001", customer_id=MIA, status="open")
            change(lake, "commerce__refunds", "i", 30, id=REFUND, payment_id=PAYMENT, amount_minor=500)
            change(lake, "commerce__refunds", "d", 40, id=REFUND)
        with warehouse.transaction(lake):
            build(lake, 60, datetime.now(UTC))
            for customer, coach in ((MIA, ANNA), (NOAH, ANNA), (OLGA, BORIS)):
                insert(lake, "core.dim_customers", {"customer_id": customer, "coach_id": coach, "display_name": "Mia"})
            insert(lake, "finance.fct_payments", {
                "payment_id": PAYMENT, "invoice_id": INVOICE, "customer_id": MIA, "status": "captured",
                "currency": "EUR", "amount_minor": 9900, "captured_on": "2026-09-01", "provider": "stripe",
                "kind": "membership",
            })  # fmt: skip
            insert(lake, "finance.fct_payments", {"payment_id": new_id(), "invoice_id": new_id(), "customer_id": OLGA})
            insert(lake, "scheduling.fct_slots", {"slot_id": SLOT, "coach_id": ANNA, "local_day": "2026-09-01"})
            for customer, coach in ((MIA, ANNA), (NOAH, ANNA)):
                insert(lake, "scheduling.fct_bookings", {
                    "booking_id": new_id(), "slot_id": SLOT, "customer_id": customer, "coach_id": coach,
                })  # fmt: skip
            fill_the_rest(lake)
    decide(settings, MIA, dict.fromkeys(("activity", "sleep", "daily"), True))
    other = copied(settings, postgres).lake_catalog_url
    return settings, settings.model_copy(update={"lake_catalog_url": other})


@pytest.fixture(scope="module")
def app(twins: tuple[AnalyticsSettings, AnalyticsSettings]) -> Iterator[FastAPI]:
    """Over the lake that stays as it is."""
    app = serve(twins[0])
    yield app
    app.state.lake.close()


@pytest.fixture
def admin(app: FastAPI) -> TestClient:
    return person(app, "admin", OLGA)


class TestChanges:
    def test_are_those_that_made_the_row_in_the_order_of_their_commits(self, admin: TestClient) -> None:
        told = admin.get(f"{ROWS}finance.fct_payments", params={"payment_id": str(PAYMENT)}).json()
        assert [(one["table"], one["key"]["id"], one["operation"], one["lsn"]) for one in told["changes"]] == [
            ("commerce.invoices", str(INVOICE), "first read", "0/5"),
            ("commerce.payments", str(PAYMENT), "insert", "0/A"),
            ("commerce.payments", str(PAYMENT), "update", "0/14"),
            ("commerce.refunds", str(REFUND), "insert", "0/1E"),
            ("commerce.refunds", str(REFUND), "delete", "0/28"),
        ]
        assert told["read_up_to_lsn"] == "0/3C", "and what was committed since did not make it"
        assert told["changes"][2]["committed_at"].startswith("2026-09-01T12:20:00")
        assert told["changes"][2]["values"]["status"] == "captured"
        assert told["row"]["amount_minor"] == told["changes"][2]["values"]["amount_minor"] == 9900

    def test_come_in_pages_that_are_the_whole(self, admin: TestClient) -> None:
        asked = {"payment_id": str(PAYMENT)}
        whole = admin.get(f"{ROWS}finance.fct_payments", params=asked).json()["changes"]
        read, cursor = [], None
        while True:
            page = admin.get(
                f"{ROWS}finance.fct_payments", params=asked | {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            ).json()
            read += page["changes"]
            if (cursor := page["next"]) is None:
                break
        assert read == whole
        assert len(whole) == 5

    def test_tell_nothing_of_a_person_but_numbers(self, admin: TestClient) -> None:
        told = admin.get(f"{ROWS}finance.fct_payments", params={"payment_id": str(PAYMENT)}).json()
        assert "number" in told["changes"][0]["masked"]
        assert "2026-0001" not in str(told["changes"])

    def test_of_a_number_are_found_from_its_rows(self, admin: TestClient) -> None:
        """Tile, row, change: each step by what the one before told."""
        number = admin.get("/api/analytics/metrics/net_revenue/rows?from=2026-09-01&to=2026-09-01").json()
        [row] = [one for one in number["items"] if one["customer_id"] == str(MIA)]
        told = admin.get(number["trace"], params={name: row[name] for name in number["key"]}).json()
        assert {one["key"]["id"] for one in told["changes"] if one["table"] == "commerce.payments"} == {str(PAYMENT)}

    def test_are_those_of_the_snapshot(self, twins: tuple[AnalyticsSettings, AnalyticsSettings]) -> None:
        app, asked = serve(twins[1]), {"payment_id": str(PAYMENT)}
        admin = person(app, "admin", OLGA)
        before = admin.get(f"{ROWS}finance.fct_payments", params=asked).json()
        with warehouse.writing(twins[1]) as lake:
            build(lake, 99, datetime.now(UTC))
        now = admin.get(f"{ROWS}finance.fct_payments", params=asked).json()
        assert [one["values"]["status"] for one in now["changes"]][-1] == "disputed"
        then = admin.get(f"{ROWS}finance.fct_payments", params=asked | {"snapshot": before["snapshot_id"]}).json()
        assert then["changes"] == before["changes"]
        app.state.lake.close()


class TestParts:
    def test_are_finer_rows_that_can_be_asked_for_in_turn(self, admin: TestClient) -> None:
        told = admin.get(f"{ROWS}scheduling.fct_slots", params={"slot_id": str(SLOT)}).json()
        [part] = told["parts"]
        assert (part["relation"], len(part["items"]), part["is_more"]) == ("scheduling.fct_bookings", 2, False)
        assert admin.get(part["trace"], params=part["items"][0]).json()["row"]["slot_id"] == str(SLOT)
        less = admin.get(f"{ROWS}scheduling.fct_slots", params={"slot_id": str(SLOT), "limit": 1}).json()["parts"][0]
        assert (len(less["items"]), less["is_more"]) == (1, True)

    def test_that_a_reader_may_not_see_are_named_and_not_told(self, app: FastAPI, admin: TestClient) -> None:
        week = admin.get("/api/analytics/datasets/retention.fct_churn_features?limit=1").json()["items"][0]
        asked = {"customer_id": week["customer_id"], "as_of": week["as_of"]}
        parts = {
            one["relation"]: one
            for one in admin.get(f"{ROWS}retention.fct_churn_features", params=asked).json()["parts"]
        }
        assert parts["training.fct_adherence_weeks"]["refused"] == "analytics.health_data"
        assert parts["training.fct_adherence_weeks"]["items"] == []


class TestReaders:
    def test_see_no_row_that_is_not_theirs(self, app: FastAPI) -> None:
        mine = person(app, "coach", ANNA).get(f"{ROWS}scheduling.fct_slots", params={"slot_id": str(SLOT)})
        others = person(app, "coach", BORIS).get(f"{ROWS}scheduling.fct_slots", params={"slot_id": str(SLOT)})
        assert (mine.status_code, others.status_code, others.json()["code"]) == (200, 404, "analytics.unknown_row")
        for role in ("customer", "service", "front_desk"):
            refused = person(app, role, MIA).get(f"{ROWS}finance.fct_payments", params={"payment_id": str(PAYMENT)})
            assert refused.status_code == 403, role
        assert person(app, "coach", ANNA).get(
            f"{ROWS}finance.fct_payments", params={"payment_id": str(PAYMENT)}
        ).status_code == 403  # fmt: skip

    def test_are_written_down_with_whom_it_was_about(self, app: FastAPI, admin: TestClient) -> None:
        before = newest(app)
        admin.get(f"{ROWS}finance.fct_payments", params={"payment_id": str(PAYMENT)})
        [entry] = since(app, before)
        assert (entry.subject_id, entry.actor_id, entry.details) == (
            MIA, OLGA, {"what": "changes of finance.fct_payments"}
        )  # fmt: skip

    @pytest.mark.parametrize(
        "asked",
        [
            "",
            "payment_id=x",
            f"payment_id={PAYMENT}&colour=red",
            f"payment_id={PAYMENT}&cursor=x",
            f"payment_id={PAYMENT}&cursor=WzFlNDAwLCAxLCAxXQ",
            f"payment_id={PAYMENT}&cursor=Wy01LCAieCIsIDk5XQ",
        ],
    )
    def test_mistakes_are_told(self, admin: TestClient, asked: str) -> None:
        answer = admin.get(f"{ROWS}finance.fct_payments?{asked}")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed")
        assert admin.get(f"{ROWS}finance.fct_shoes?x=1").status_code == 404


class TestEveryMart:
    def test_has_a_way_back_to_the_product_or_says_why_not(self) -> None:
        assert TRACES.keys() == RELATIONS.keys()

        def ends(mart: str) -> bool:
            return any(way.is_raw or ends(way.to) for way in TRACES[mart].ways)

        for mart, trace in TRACES.items():
            assert ends(mart) != bool(trace.why_not), mart
            assert {way.to for way in trace.ways if not way.is_raw} <= RELATIONS.keys(), mart

    def test_keys_are_columns_that_the_product_promises(self) -> None:
        raw = {way.to for trace in TRACES.values() for way in trace.ways if way.is_raw}
        for table in raw - {"integrations__wearable_payloads"}:
            assert set(key_of(table)) <= CAPTURED[table].keys(), table

    def test_is_traced_by_sql_that_runs(self, app: FastAPI) -> None:
        """A row of each, by whoever may see it."""
        seen = set()
        for mart, relation in RELATIONS.items():
            for role, account in (("admin", OLGA), ("coach", ANNA)):
                client = person(app, role, account)
                page = client.get(f"/api/analytics/datasets/{mart}?limit=1")
                if page.status_code != 200 or not page.json()["items"]:
                    continue
                row = page.json()["items"][0]
                told = client.get(
                    f"{ROWS}{mart}", params={name: "" if row[name] is None else row[name] for name in relation.key}
                )
                assert told.status_code == 200, (mart, told.text)
                assert {one["relation"] for one in told.json()["parts"]} <= {
                    way.to for way in TRACES[mart].ways if not way.is_raw
                }
                seen.add(mart)
        assert seen == set(RELATIONS)
