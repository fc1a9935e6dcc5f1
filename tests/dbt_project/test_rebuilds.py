"""A build of parts says what a build of everything says: each mart, row by row."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import numpy as np
import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project import histories
from tests.dbt_project import lake as lakes

LATER = "2026-06-19 07:00:00+00"
STEPS, SEED = int(os.environ.get("PLYO_HISTORY_STEPS", "150")), int(os.environ.get("PLYO_HISTORY_SEED", "6"))
MARTS = sorted(name for name in RELATIONS if not name.startswith("ml."))


@dataclass(frozen=True)
class Rebuilt:
    """A lake with a random history, built in parts and then whole; the snapshot of its marts in between."""

    lake: duckdb.DuckDBPyConnection
    parts: int


@pytest.fixture(scope="module")
def rebuilt(
    built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rebuilt]:
    """The built lake copied by its catalog, so that nothing is built twice; the Parquet files are shared."""
    name, target = f"rebuilt_{new_id().hex}", tmp_path_factory.mktemp("rebuilt")
    original = urlsplit(built_lake.lake_catalog_url.get_secret_value()).path.strip("/")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {original}")
    settings = WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=built_lake.lake_path)
    with warehouse.writing(settings) as lake, warehouse.transaction(lake):
        last = histories.live(lake, np.random.default_rng(SEED), lsn=lakes.SNAPSHOT_LSN, steps=STEPS)
        lakes.watermark(lake, last, at=LATER)
    _run(settings, target)
    with warehouse.reading(settings) as lake:
        parts = warehouse.snapshot_id(lake, "marts")
    _run(settings, target, "--full-refresh")
    with warehouse.reading(settings) as lake:
        yield Rebuilt(lake, parts)


def _run(settings: WarehouseSettings, target: Path, *options: str) -> None:
    done = lakes.dbt("run", *options, settings=settings, target=target, now=LATER)
    assert done.returncode == 0, done.stdout[-3000:]


def told(relation: str, where: str) -> str:
    """A query of a mart's rows with floating numbers as far as sums in another order agree."""
    columns = RELATIONS[relation].columns
    told = ", ".join(f"round({name}, 6) as {name}" if kind == "double" else name for name, kind in columns.items())
    return f"select {told} from {where}"


def differing(lake: duckdb.DuckDBPyConnection, one: str, other: str) -> list[tuple]:
    """Some rows that only one of two queries gives, with its name."""
    found = []
    for name, left, right in (("first", one, other), ("second", other, one)):
        rows = lake.execute(f"({left}) except all ({right}) limit 3").fetchall()
        found += [(name, *row) for row in rows]
    return found


class TestParts:
    @pytest.mark.parametrize("name", MARTS)
    def test_a_mart_built_in_parts_is_the_mart_built_whole(self, rebuilt, name):
        path = RELATIONS[name].path
        in_parts = told(name, f"{path} at (version => {rebuilt.parts})")
        assert differing(rebuilt.lake, in_parts, told(name, path)) == []
