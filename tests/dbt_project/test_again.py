"""Another warehouse that is built a second time, over what changed since, says what the lake says."""

import json
from pathlib import Path

import numpy as np
import pytest

from contracts import warehouse
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project import elsewhere, histories
from tests.dbt_project import lake as lakes
from tests.dbt_project.test_rebuilds import MARTS, TIMES, cast, differing

STEPS, SEED = 120, 8


@pytest.mark.drill
class TestSnowflake:
    def test_every_mart_is_the_lakes_after_the_second_build(
        self, built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path: Path
    ) -> None:
        settings = lakes.copied(built_lake, postgres)
        first, later, target, marts = (tmp_path / name for name in ("first", "later", "target", "marts"))
        for folder in (first, later, target, marts):
            folder.mkdir()
        with warehouse.reading(settings) as lake:
            before = warehouse.snapshot_id(lake, "raw")
            known = {
                table for (table,) in lake.execute(
                    "select table_name from duckdb_tables() where database_name = 'raw'"
                ).fetchall()
            }  # fmt: skip
        with warehouse.writing(settings) as lake, warehouse.transaction(lake):
            lsn = histories.live(lake, np.random.default_rng(SEED), lsn=lakes.SNAPSHOT_LSN, steps=STEPS)
            lakes.watermark(lake, histories.complete(lake, lsn=histories.empty(lake, lsn=lsn)), at=TIMES[-1])
        done = lakes.dbt("run", settings=settings, target=target / "lake", now=TIMES[-1])
        assert done.returncode == 0, done.stdout[-3000:]
        (marts / "queries.json").write_text(json.dumps({name: f"select * from {name}" for name in MARTS}))
        with warehouse.reading(settings) as lake, elsewhere.snowflake(target) as port:
            elsewhere.land(lake, known, first, until=before)
            elsewhere.land(lake, known, later, since=before)
            for folder, now in ((first, lakes.NOW), (later, TIMES[-1])):
                elsewhere.stand_in("load", port, folder)
                done = lakes.dbt(
                    "build", "--resource-type", "model", "--resource-type", "seed", "--target", "snowflake",
                    settings=settings, target=target, now=now, more=elsewhere.snowflake_profile(port),
                    python=elsewhere.python(),
                )  # fmt: skip
                assert done.returncode == 0, done.stdout[-4000:]
            elsewhere.stand_in("fetch", port, marts)
            wrong = {
                name: found for name in MARTS
                if (found := differing(
                    lake, cast(name, RELATIONS[name].path), cast(name, f"read_parquet('{marts / name}.parquet')")
                ))
            }  # fmt: skip
        assert wrong == {}
