"""Warehouses elsewhere, as far as a machine without an account can have them: the environment of their adapters, a
stand-in for Snowflake with the raw rows that a copy brings, and what dbt is told to reach them.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns

from ingestion.destinations import DestinationSettings, columns_of, destination
from tests.dbt_project import lake as lakes


def python() -> Path:
    """The interpreter that has the adapters."""
    found = lakes.ROOT / ".venv-warehouses" / "bin" / "python"
    assert found.exists(), f"{found} is missing: `make install-warehouses` makes it, as `make test` does"
    return found


@contextmanager
def snowflake(folder: Path) -> Iterator[int]:
    """An empty stand-in for Snowflake; yields the port it listens at. Its log is left in the folder."""
    log = folder / "log"
    # It makes a folder for its stages when it is imported, and leaves it.
    with log.open("w") as written, TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [python(), "-m", "fakesnow", "-s"], stdout=written, stderr=written, cwd=log.parent,
            env=os.environ | {"TMPDIR": temporary},
        )  # fmt: skip
        try:
            yield _port(process, log)
        finally:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Where it says that it listens: of a port that we had chosen for it, somebody else might have been quicker."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(log.read_text()[-3000:])


def stand_in(verb: str, port: int, folder: Path) -> None:
    """Load a folder's tables into the stand-in, or fetch its queries from there: see `stand_in.py`."""
    done = subprocess.run(
        [python(), "-m", "tests.dbt_project.stand_in", verb, str(port), str(folder)],
        cwd=lakes.ROOT, text=True, capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def declaration(capabilities: DestinationCapabilitiesContext, table: str, rows: pa.Schema) -> str:
    """The table as dlt creates it in Snowflake."""
    types = capabilities.get_type_mapper()
    columns = ", ".join(
        f'"{name.upper()}" {types.to_destination_type(column, {"name": table, "columns": {}})}'
        for name, column in py_arrow_to_table_schema_columns(rows).items()
    )
    return f'create table "{table.upper()}" ({columns})'


def land(
    lake: duckdb.DuckDBPyConnection,
    tables: set[str],
    folder: Path,
    *,
    until: int | None = None,
    since: int | None = None,
) -> None:
    """Files and declarations of raw tables in a folder, as `ingestion.destinations` would copy them.

    Args:
        until: A snapshot of raw to take them from; of now without.
        since: Only rows that came after this snapshot, for tables that are declared already.
    """
    made = destination(DestinationSettings(kind="snowflake", credentials="snowflake://a:b@account/plyo"))
    capabilities = made.capabilities()
    for table in tables:
        selected = ", ".join(f'{c.expression} as "{c.name}"' for c in columns_of(lake, table, "snowflake"))
        path = f'raw.main."{table}"'
        of_then = "" if until is None else f" at (version => {until})"
        new = "" if since is None else f" where rowid not in (select rowid from {path} at (version => {since}))"
        rows = lake.execute(f"select {selected} from {path}{of_then}{new}").to_arrow_table()
        pa.parquet.write_table(rows, folder / f"{table}.parquet")
        declared = declaration(capabilities, table, rows.schema) if since is None else None
        (folder / f"{table}.json").write_text(json.dumps(declared))


def snowflake_profile(port: int) -> dict[str, str]:
    """What dbt is told of a Snowflake: all of it but the address is what an account would be told."""
    return {
        "PLYO_SNOWFLAKE_PRIVATE_KEY": _key(), "PLYO_SNOWFLAKE_HOST": "127.0.0.1", "PLYO_SNOWFLAKE_PORT": str(port),
        "PLYO_SNOWFLAKE_PROTOCOL": "http", "PLYO_SNOWFLAKE_DATABASE": "PLYO",
    }  # fmt: skip


def bigquery_profile(folder: Path) -> dict[str, str]:
    """What dbt is told of a BigQuery: a service account that nobody knows, in a file of the folder."""
    account = {
        "type": "service_account", "project_id": "plyo", "private_key_id": "k", "private_key": _key(),
        "client_email": "lake-writer@plyo.iam.gserviceaccount.com", "token_uri": "http://127.0.0.1:9/token",
    }  # fmt: skip
    (folder / "account.json").write_text(json.dumps(account))
    return {"PLYO_BIGQUERY_KEYFILE": str(folder / "account.json")}


def _key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.private_bytes(*kind).decode()
