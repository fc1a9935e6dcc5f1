"""A large value that a statement does not touch is in no log: what models read is what the row had all along."""

import json
import secrets
from pathlib import Path
from typing import Any

from contracts import warehouse
from contracts.ids import new_id
from ingestion.postgres_cdc import capture, publication
from operational_api.core.database import Base
from operational_api.migrations.run import import_models
from plyo.postgres import PostgresServer
from tests.contracts.promises import of_models
from tests.ingestion.conftest import source_and_lake

LARGE = {"scheduling__slots": "title", "training__workouts": "title", "engagement__leads": "source"}
"""A raw table to a column of text that a mart tells."""
MARTS = {"scheduling__slots": "fct_slots", "training__workouts": "fct_workouts", "engagement__leads": "fct_leads"}


def behind(manifest: dict[str, Any], name: str) -> list[str]:
    """A model's id after those of all that it reads."""
    found: list[str] = []
    for parent in manifest["nodes"][name]["depends_on"]["nodes"]:
        if parent.startswith(("model.", "seed.")):
            found += [one for one in behind(manifest, parent) if one not in found]
    return [*found, name]


class TestUnchanged:
    def test_text_in_rows_that_changed_otherwise_reaches_the_marts(
        self, postgres: PostgresServer, built_lake: object, target: Path, tmp_path: Path
    ) -> None:
        import_models()
        tables, manifest = of_models(Base.metadata), json.loads((target / "manifest.json").read_text())
        models = list(dict.fromkeys(
            one for mart in MARTS.values() for one in behind(manifest, f"model.plyo.{mart}")
        ))  # fmt: skip
        read = {
            name.split(".")[-1] for one in models for name in manifest["nodes"][one]["depends_on"]["nodes"]
            if name.startswith("source.plyo.raw.")
        }  # fmt: skip
        texts = {table: secrets.token_hex(4096) for table in LARGE}
        with source_and_lake(postgres, tmp_path) as captured:
            source = captured.source
            for table in read | LARGE.keys():
                columns = ", ".join(f'"{name}" {kind}' for name, kind in tables[table].items())
                key = "workout_id, position" if table == "training__workout_sets" else "id"
                source.execute(f"create table {table.replace('__', '.')} ({columns}, primary key ({key}))")
            for table, column in LARGE.items():
                name = table.replace("__", ".")
                source.execute(f"alter table {name} alter {column} set storage external")
                source.execute(
                    f"insert into {name} (id, {column}) values (%s, %s), (%s, 'small')",
                    [new_id(), texts[table], new_id()],
                )
            publication.create(source)
            capture.ensure_ready(captured.settings)
            capture.run_once(captured.settings)
            witness = f"witness_{new_id().hex}"
            source.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", [witness])
            for table, change in (
                ("scheduling__slots", "status = 'open', capacity = 4"), ("training__workouts", "status = 'planned'"),
                ("engagement__leads", "lost_at = now()"),
            ):  # fmt: skip
                for _ in range(2):
                    source.execute(f"update {table.replace('__', '.')} set {change}")
            told = source.execute(
                """select count(*) from pg_logical_slot_get_changes(%s, null, null)
                where data like '%%unchanged-toast-datum%%'""",
                [witness],
            ).fetchone()
            assert told == (2 * len(LARGE),)
            source.execute("select pg_drop_replication_slot(%s)", [witness])
            capture.run_once(captured.settings)
            with warehouse.writing(captured.settings) as lake:
                for one in models:
                    node = manifest["nodes"][one]
                    if node["config"]["materialized"] != "ephemeral":
                        lake.execute(f"create schema if not exists marts.{node['schema']}")
                        kind = "view" if node["config"]["materialized"] == "view" else "table"
                        lake.execute(f"create {kind} {node['relation_name']} as {node['compiled_code']}")
                for table, mart in MARTS.items():
                    node = manifest["nodes"][f"model.plyo.{mart}"]
                    told = lake.execute(f"select {LARGE[table]} from {node['relation_name']}").fetchall()
                    assert sorted(told) == sorted([(texts[table],), ("small",)]), mart
                changed = lake.execute("select distinct status, capacity from marts.scheduling.fct_slots").fetchall()
                assert changed == [("open", 4)]
