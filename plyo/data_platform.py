"""What the data platform needs before its processes start: lake, publication, Dagster's home, dbt's manifest."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import publication
from plyo.home import Home, checkout, read_json, write_json
from plyo.postgres import PostgresServer
from plyo.services import Service, environment_of


class DbtParseFailed(RuntimeError):
    """The dbt project cannot be parsed; the message carries what dbt said."""


def prepare_lake(home: Home, server: PostgresServer, secrets: Mapping[str, str]) -> None:
    """Make both lakes unless they are there, and publish the tables that go into them."""
    catalog = server.url("lake", user="lake_writer", password=secrets["lake_writer"])
    warehouse.set_up(warehouse.WarehouseSettings(lake_catalog_url=catalog, lake_path=str(home.lake)))
    with psycopg.connect(server.url("plyo"), autocommit=True) as connection:
        publication.create(connection)


def prepare_dagster(home: Home, ports: Mapping[str, int]) -> None:
    """Dagster's instance settings, and a workspace that names the one shared code server."""
    folder = home.path / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkout() / "deploy" / "dagster" / "dagster.yaml", folder / "dagster.yaml")
    server = {"host": "127.0.0.1", "port": ports["dagster_code"], "location_name": "plyo"}
    write_json(folder / "workspace.yaml", {"load_from": [{"grpc_server": server}]})


def prepare_dbt(data: Service, home: Home) -> None:
    """Parse the dbt project where it changed since the last manifest: Dagster and the lineage page read it.

    Args:
        data: A service with the data platform's settings.
        home: Where the manifest goes.

    Raises:
        DbtParseFailed: with dbt's own words.
    """
    project = checkout() / "dbt_project"
    digest = hashlib.sha256()
    for file in sorted(project.rglob("*")):
        if file.suffix in {".sql", ".yml", ".md", ".csv", ".py"} and not file.is_relative_to(project / "target"):
            digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    stamp = home.path / "dbt" / "parsed.json"
    manifest = home.path / "dbt" / "target" / "manifest.json"
    if manifest.exists() and read_json(stamp) == digest.hexdigest():
        return
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "parse", "--project-dir", str(project), "--profiles-dir", str(project)],
        cwd=checkout(), env=environment_of(data, home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise DbtParseFailed(done.stdout[-2000:] or done.stderr[-2000:])
    write_json(stamp, digest.hexdigest())


def first_pipeline_is_done(home: Home) -> bool:
    """Whether the lake of this copy was built once from start to end."""
    return read_json(home.path / "first_pipeline.json") is not None


def mark_first_pipeline(home: Home) -> None:
    """Remember that it was; later starts leave the work to sensors."""
    write_json(home.path / "first_pipeline.json", {"is_done": True})
