"""Documents of sources outside become typed rows: of other people's data, of ours, and of sources that held nothing."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.money import EXPONENTS
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import Document, documents, snapshots
from ingestion.crm.hubspot import HubSpot
from ingestion.payments.momo import Momo
from ingestion.payments.stripe import Stripe
from plyo.postgres import PostgresServer
from tests.dbt_project import elsewhere
from tests.dbt_project import lake as lakes
from tests.dbt_project.seeds import hubspot as crm
from tests.dbt_project.seeds import stripe as payments
from tests.dbt_project.seeds.rows import instant, number, read
from tests.ingestion.conftest import shared_data, shared_folder

__all__ = ["shared_data"]
Ask = Callable[[str], list[tuple[Any, ...]]]
MARIA, MIA, MAREIKE = "501", "502", "503"


def lake_of_connectors(postgres: PostgresServer, folder: Path) -> WarehouseSettings:
    """A lake with the connectors' tables and nothing in them."""
    name = f"connectors_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=str(folder))
    warehouse.set_up(settings)
    for connector in (Stripe, Momo, HubSpot):
        with landing.pulling(settings, connector.name) as lake:
            landing.ensure_tables(lake, connector.tables)
    return settings


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt_connectors")


def build(settings: WarehouseSettings, target: Path) -> WarehouseSettings:
    done = lakes.dbt("build", "--select", "tag:connectors", settings=settings, target=target)
    assert done.returncode == 0, done.stdout[-4000:]
    return settings


@pytest.fixture(scope="module")
def built_empty(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, target: Path) -> WarehouseSettings:
    return build(lake_of_connectors(postgres, tmp_path_factory.mktemp("empty")), target)


@pytest.fixture(scope="module")
def built(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, target: Path) -> WarehouseSettings:
    """A lake with everybody's seeds, where they are, and its models' tests passed."""
    settings = lake_of_connectors(postgres, tmp_path_factory.mktemp("seeds"))
    if (folder := shared_folder()).is_dir():
        land_seeds(settings, folder / "stripe_warehouse_seeds", folder / "hubspot_warehouse_seeds")
    return build(settings, target)


def land_seeds(settings: WarehouseSettings, stripe: Path, hubspot: Path) -> None:
    with landing.pulling(settings, "seeds") as lake:
        for plural in payments.KINDS:
            found = payments.documents(stripe, plural)
            living = [Document(one.id, one.body) for one in found]  # what is deleted was there before
            landing.land(lake, "seeds", plural, snapshots(f"stripe__{plural}", living))
            landing.land(lake, "seeds", plural, snapshots(f"stripe__{plural}", found))
        kinds = {plural: crm.objects(hubspot, plural) for plural in ("contacts", "companies", "deals")}
        kinds |= {f"{kind}s": crm.engagements(hubspot, kind) for kind in crm.ENGAGEMENTS}
        for plural, found in kinds.items():
            landing.land(lake, "seeds", plural, documents(f"hubspot__{plural}", found))
        for plural, found in (("owners", crm.owners(hubspot)), ("pipelines", crm.pipelines(hubspot)),
                              ("associations", crm.associations(hubspot))):  # fmt: skip
            landing.land(lake, "seeds", plural, snapshots(f"hubspot__{plural}", found))


@pytest.fixture
def ask(shared_data: Path, built: WarehouseSettings) -> Iterator[Ask]:
    with warehouse.reading(built) as lake:
        yield lambda query: lake.execute(query).fetchall()


@pytest.mark.drill
class TestWithoutAnyRow:
    def test_every_model_can_be_built_and_describes_each_of_its_columns(
        self, built_empty: WarehouseSettings, target: Path
    ) -> None:
        nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
        models = [node for node in nodes if node["resource_type"] == "model" and "connectors" in node["tags"]]
        assert len(models) == 21
        with warehouse.reading(built_empty) as lake:
            for node in models:
                assert "One row" in node["description"], node["name"]
                actual = {row[0]: row[1] for row in lake.execute(f"describe {node['relation_name']}").fetchall()}
                described = {name for name, column in node["columns"].items() if column["description"].strip()}
                assert described == actual.keys(), node["name"]
                wrong = {
                    name: kind
                    for name, kind in actual.items()
                    if (name.endswith("_at") and kind != "TIMESTAMP WITH TIME ZONE")
                    or (name.endswith("_minor") and kind != "BIGINT")
                    or (name.startswith("is_") and kind != "BOOLEAN")
                }
                assert wrong == {}, node["name"]

    def test_a_build_without_a_selection_leaves_them_alone(self, target: Path, built_empty: WarehouseSettings) -> None:
        listed = lakes.dbt(
            "ls", "--no-write-json", "--resource-type", "model", settings=built_empty, target=target
        ).stdout
        assert "stg_commerce__payments" in listed
        assert "stg_stripe__" not in listed


class TestStripeSeeds:
    @pytest.mark.parametrize("plural", payments.KINDS)
    def test_there_is_a_row_for_each_id(self, ask: Ask, shared_data: Path, plural: str) -> None:
        rows = payments.rows(shared_data / "stripe_warehouse_seeds", plural)
        assert ask(f"select count(*) from marts.staging.stg_stripe__{plural}") == [(len({row["id"] for row in rows}),)]

    @pytest.mark.parametrize(
        ("plural", "column", "seed"),
        [
            ("charges", "amount_minor", "amount"),
            ("charges", "amount_refunded_minor", "amount_refunded"),
            ("payment_intents", "amount_received_minor", "amount_received"),
            ("refunds", "amount_minor", "amount"),
            ("disputes", "amount_minor", "amount"),
            ("payouts", "amount_minor", "amount"),
            ("invoices", "total_minor", "total"),
            ("invoices", "amount_paid_minor", "amount_paid"),
            ("balance_transactions", "amount_minor", "amount"),
            ("balance_transactions", "fee_minor", "fee"),
            ("balance_transactions", "net_minor", "net"),
            ("prices", "amount_minor", "unit_amount"),
        ],
    )
    def test_amounts_add_up_by_currency(self, ask: Ask, shared_data: Path, plural: str, column: str, seed: str) -> None:
        expected: dict[str, int] = {}
        for row in payments.rows(shared_data / "stripe_warehouse_seeds", plural):
            currency = row["currency"].upper()
            expected[currency] = expected.get(currency, 0) + (number(row[seed]) or 0)
        query = f"select currency, sum({column})::bigint from marts.staging.stg_stripe__{plural} group by 1"
        assert dict(ask(query)) == expected

    def test_times_are_the_seeds(self, ask: Ask, shared_data: Path) -> None:
        rows = payments.rows(shared_data / "stripe_warehouse_seeds", "charges")
        expected = {row["id"]: at.replace(microsecond=0) for row in rows if (at := instant(row["created"])) is not None}
        assert dict(ask("select charge_id, charged_at from marts.staging.stg_stripe__charges")) == expected

    def test_a_deleted_customer_is_one_row_that_keeps_what_was_known(self, ask: Ask, shared_data: Path) -> None:
        rows = payments.rows(shared_data / "stripe_warehouse_seeds", "customers")
        gone = {row["id"]: row["name"] or None for row in rows if row["is_deleted"] == "TRUE"}
        query = "select stripe_customer_id, customer_name from marts.staging.stg_stripe__customers where is_deleted"
        assert dict(ask(query)) == gone


class TestHubSpotSeeds:
    @pytest.mark.parametrize(("plural", "key"), [("contacts", "id"), ("companies", "id"), ("deals", "deal_id")])
    def test_there_is_a_row_for_each_object(self, ask: Ask, shared_data: Path, plural: str, key: str) -> None:
        rows = crm.seed(shared_data / "hubspot_warehouse_seeds", plural)
        assert ask(f"select count(*) from marts.staging.stg_hubspot__{plural}") == [(len({row[key] for row in rows}),)]

    def test_there_is_a_row_for_each_engagement_owner_and_stage(self, ask: Ask, shared_data: Path) -> None:
        folder = shared_data / "hubspot_warehouse_seeds"
        expected = {
            kind: len({row["engagement_id"] for row in read(folder / f"engagement_{kind}_data.csv")})
            for kind in crm.ENGAGEMENTS
        }
        query = "select engagement_kind, count(*) from marts.staging.stg_hubspot__engagements group by 1"
        assert dict(ask(query)) == expected
        owners = {row["owner_id"] for row in read(folder / "owner_data.csv")}
        assert ask("select count(*) from marts.staging.stg_hubspot__owners") == [(len(owners),)]
        stages = {(row["pipeline_id"], row["stage_id"]) for row in read(folder / "deal_pipeline_stage_data.csv")}
        assert set(ask("select pipeline_id, stage_id from marts.staging.stg_hubspot__pipeline_stages")) == stages

    def test_an_id_that_was_merged_away_leads_to_its_survivor(self, ask: Ask, shared_data: Path) -> None:
        folder = shared_data / "hubspot_warehouse_seeds"
        merged = "select old_id, surviving_id from marts.staging.stg_hubspot__merged_objects where object_type = '{}'"
        deals = {row["deal_id"] for row in crm.seed(folder, "deals")}
        told = {row["merged_deal_id"]: row["deal_id"] for row in read(folder / "merged_deal_data.csv")}
        assert dict(ask(merged.format("deals"))) == {old: new for old, new in told.items() if new in deals}
        contacts = {"76340251": "78971951", "46897301": "78971951", "76226001": "78971951"}
        assert dict(ask(merged.format("contacts"))) == contacts
        query = "select contact_id, merged_into_id from marts.staging.stg_hubspot__contacts where is_deleted"
        assert dict(ask(query)) == contacts

    def test_every_association_is_there(self, ask: Ask, shared_data: Path) -> None:
        folder = shared_data / "hubspot_warehouse_seeds"
        names = ("deal_company", "deal_contact", "engagement_company", "engagement_contact", "engagement_deal")
        expected = sum(len(read(folder / f"{name}_data.csv")) for name in names)
        assert ask("select count(*) from marts.staging.stg_hubspot__associations") == [(expected,)]


@pytest.mark.drill
class TestMerges:
    def test_a_chain_of_merges_ends_at_the_last_survivor_also_in_associations(self, built: WarehouseSettings) -> None:
        def contact(id_: str, *merged: str) -> Document:
            properties = {"hs_merged_object_ids": ";".join(merged) or None}
            return Document(id_, {"id": id_, "properties": properties, "createdAt": "2026-01-01T00:00:00Z"})

        bond = {"toObjectId": int(MARIA), "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 3}]}
        deal = {"from_type": "deals", "from_id": "9", "to": {"contacts": [bond]}}
        found = [contact(MARIA), contact(MIA, MARIA), contact(MAREIKE, MIA)]
        with landing.pulling(built, "hubspot") as lake:
            landing.land(lake, "hubspot", "contacts", snapshots("hubspot__contacts", found))
            landing.land(lake, "hubspot", "deals", snapshots("hubspot__associations", [Document("deals/9", deal)]))
        with warehouse.reading(built) as lake:
            assert lake.execute(
                """select old_id, surviving_id from marts.staging.stg_hubspot__merged_objects
                   where old_id in ('501', '502') order by 1"""
            ).fetchall() == [(MARIA, MAREIKE), (MIA, MAREIKE)]
            assert lake.execute(
                "select to_id from marts.staging.stg_hubspot__associations where from_id = '9'"
            ).fetchall() == [(MAREIKE,)]
        with warehouse.writing(built) as lake:
            lake.execute("delete from raw.main.hubspot__contacts where id in ('501', '502', '503')")
            lake.execute("delete from raw.main.hubspot__associations where id = 'deals/9'")


def documented(id_: str, **members: Any) -> Document:
    return Document(id_, {"id": id_, "createdAt": "2026-01-01T00:00:00Z"} | members)


PLANTED = {
    "hubspot__contacts": [
        documented("c1", properties={"hs_merged_object_ids": "c2; c3", "email": 'mía"ö@example.test'}),
        documented("c4", properties={"hs_merged_object_ids": "c1", "email": None}),
    ],
    "hubspot__deals": [
        documented("d1", createdAt="2026-03-29T01:00:00.5Z",
                   properties={"amount": "490.505", "deal_currency_code": "EUR"}),
        documented("d2", properties={"amount": "7", "deal_currency_code": "XXX"}),
    ],
    "hubspot__pipelines": [
        documented("p1", label="Sales", displayOrder=2, stages=[
            {"id": "s1", "label": "Won", "displayOrder": 0, "metadata": {"isClosed": "true", "probability": "1.0"}},
            {"id": "s2", "label": "Open", "displayOrder": 1, "metadata": {"isClosed": "false", "probability": "0.25"}},
        ]),
    ],
    "hubspot__associations": [
        documented("deals/d1", from_type="deals", from_id="d1", to={"contacts": [
            {"toObjectId": "c2", "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None},
                {"category": "USER_DEFINED", "typeId": 9, "label": "Pays"},
            ]},
        ]}),
    ],
    "stripe__charges": [
        documented("ch1", amount=4900, amount_refunded=0, currency="eur", created=1774746000, status="succeeded"),
    ],
}  # fmt: skip
"""Documents with what dialects read in their own ways: lists in lists, texts of several ids, amounts, instants."""


@pytest.fixture(scope="module")
def on_snowflake(
    built: WarehouseSettings, target: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[str], Path]]:
    """Names of the models and a folder with a file of each, as built on the stand-in, while the lake says the same."""
    raw, folder, told = (tmp_path_factory.mktemp(name) for name in ("raw", "dbt_snowflake", "told"))
    for table, found in PLANTED.items():
        source = table.split("__")[0]
        with landing.pulling(built, source) as lake:
            landing.land(lake, source, table.split("__")[1], snapshots(table, found))
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    names = [node["name"] for node in nodes if node["resource_type"] == "model" and "connectors" in node["tags"]]
    with warehouse.reading(built) as lake:
        tables = lake.execute("select table_name from duckdb_tables() where database_name = 'raw'").fetchall()
        elsewhere.land(lake, {table for (table,) in tables if "__" in table}, raw)
    (told / "queries.json").write_text(json.dumps({name: f"select * from staging.{name}" for name in names}))
    with elsewhere.snowflake(folder) as port:
        elsewhere.stand_in("load", port, raw)
        done = lakes.dbt(
            "build", "--select", "tag:connectors,resource_type:model", "--target", "snowflake",
            target=folder, more=elsewhere.snowflake_profile(port), python=elsewhere.python(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:]
        elsewhere.stand_in("fetch", port, told)
    yield names, told
    with warehouse.writing(built) as lake:
        for table, found in PLANTED.items():
            lake.execute(f"delete from raw.main.{table} where id in (select unnest(?))", [[one.id for one in found]])


class TestSnowflake:
    @pytest.mark.drill  # the marts that are made of it are compared by `test_rebuilds`
    def test_every_model_says_there_what_it_says_in_the_lake(
        self, built: WarehouseSettings, on_snowflake: tuple[list[str], Path]
    ) -> None:
        names, told = on_snowflake
        with warehouse.reading(built) as lake:
            for name in names:
                ours = f"marts.staging.{name}"
                kinds = {row[0]: row[1] for row in lake.execute(f"describe {ours}").fetchall()}
                columns = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in kinds.items())
                theirs = f"read_parquet('{told / name}.parquet')"
                for one, other in ((ours, theirs), (theirs, ours)):
                    query = f"select {columns} from {one} except all select {columns} from {other} limit 3"
                    assert lake.execute(query).fetchall() == [], name
            assert lake.execute("select count(*) from marts.staging.stg_hubspot__associations").fetchone() != (0,)

    def test_what_was_planted_is_read(self, on_snowflake: tuple[list[str], Path]) -> None:
        def told(name: str, *columns: str) -> set[tuple[Any, ...]]:
            table = pq.read_table(on_snowflake[1] / f"{name}.parquet", columns=list(columns))
            return {tuple(row[column] for column in columns) for row in table.to_pylist()}

        assert {("c1", "c4"), ("c2", "c4"), ("c3", "c4")} <= told(
            "stg_hubspot__merged_objects", "old_id", "surviving_id"
        )
        assert {("s1", True), ("s2", False)} <= told("stg_hubspot__pipeline_stages", "stage_id", "is_won")
        bonds = told("stg_hubspot__associations", "from_id", "to_id", "association_type_id")
        assert {("d1", "c4", 3), ("d1", "c4", 9)} <= bonds


class TestMinorUnits:
    def test_a_deal_is_worth_what_its_currency_makes_of_the_text(self, built: WarehouseSettings) -> None:
        told = {"1": ("490.50", "EUR"), "2": ("1500000", "VND"), "3": ("7", "XXX"), "4": (None, "EUR")}
        found = [
            Document(
                f"priced{id_}",
                {"id": id_, "properties": {"amount": amount, "deal_currency_code": currency}},
            )
            for id_, (amount, currency) in told.items()
        ]
        with landing.pulling(built, "hubspot") as lake:
            landing.land(lake, "hubspot", "deals", snapshots("hubspot__deals", found))
        query = "from marts.staging.stg_hubspot__deals select amount_minor where deal_id ^@ 'priced' order by deal_id"
        with warehouse.reading(built) as lake:
            assert lake.execute(query).fetchall() == [(49050,), (1500000,), (None,), (None,)]
        with warehouse.writing(built) as lake:
            lake.execute("delete from raw.main.hubspot__deals where id ^@ 'priced'")

    def test_the_macro_knows_the_currencies_of_contracts_money(self) -> None:
        macro = (lakes.PROJECT / "macros" / "documents.sql").read_text()
        said = {
            currency: len(factor) - 1
            for codes, factor in re.findall(r"in \(('[A-Z', ]+')\) then (\d+)", macro)
            for currency in re.findall("[A-Z]{3}", codes)
        }
        assert said == EXPONENTS
