"""The operational tables keep what they promise to the warehouse; a breaking change names whom it breaks."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.captured import CAPTURED
from contracts.warehouse import WarehouseSettings
from operational_api.core.database import Base
from operational_api.migrations.run import import_models
from tests.contracts.promises import Columns, Readers, broken, of_models, readers


@pytest.fixture(scope="module")
def manifest(built_lake: WarehouseSettings, target: Path) -> dict[str, Any]:
    """The manifest of the build, with the SQL of each model."""
    found: dict[str, Any] = json.loads((target / "manifest.json").read_text())
    return found


@pytest.fixture(scope="module")
def read_by(manifest: dict[str, Any]) -> Readers:
    """The promised columns' readers."""
    return readers(manifest, CAPTURED)


@pytest.fixture(scope="module")
def actual() -> Columns:
    """The product's tables."""
    import_models()
    return of_models(Base.metadata)


def test_every_promise_is_kept(manifest: dict[str, Any], actual: Columns, read_by: Readers) -> None:
    assert broken(CAPTURED, actual, read_by, manifest) == []


def test_all_that_models_read_is_promised_and_nothing_else(manifest: dict[str, Any], actual: Columns) -> None:
    read = {f"{table}.{column}" for table, column in readers(manifest, actual)}
    assert read == {f"{table}.{column}" for table, columns in CAPTURED.items() for column in columns}


class TestABreakingChange:
    def test_of_a_column_that_goes_names_models_marts_metrics_and_screens(
        self, manifest: dict[str, Any], actual: Columns, read_by: Readers
    ) -> None:
        changed = {table: dict(columns) for table, columns in actual.items()}
        del changed["commerce__payments"]["fee_minor"]
        (said,) = broken(CAPTURED, changed, read_by, manifest)
        assert said.startswith("commerce__payments.fee_minor is gone: read by stg_commerce__payments, ")
        assert {"finance.fct_payments", "net_revenue", "admin_revenue"} <= set(said.split(": read by ")[1].split(", "))

    def test_of_a_type_says_both(self, manifest: dict[str, Any], actual: Columns, read_by: Readers) -> None:
        changed = {table: dict(columns) for table, columns in actual.items()}
        changed["scheduling__bookings"]["starts_at"] = "timestamp without time zone"
        (said,) = broken(CAPTURED, changed, read_by, manifest)
        assert "is timestamp without time zone and was timestamp with time zone: read by stg_" in said

    @pytest.mark.parametrize("table", CAPTURED)
    def test_of_any_column_by_dropping_retyping_or_renaming_names_what_people_see(
        self, manifest: dict[str, Any], actual: Columns, read_by: Readers, table: str
    ) -> None:
        for column in CAPTURED[table]:
            rest = {name: kind for name, kind in actual[table].items() if name != column}
            for changed in (rest, rest | {column: "point"}, rest | {f"{column}_new": actual[table][column]}):
                (said,) = broken(CAPTURED, {**actual, table: changed}, read_by, manifest)
                assert said.startswith(f"{table}.{column} is ")
                whom = said.split(": read by ")[1].split(", ")
                assert any(not name.startswith(("stg_", "int_")) for name in whom), said
