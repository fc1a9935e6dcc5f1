"""A stand-in for Snowflake: fakesnow's server, reached by Snowflake's own connector and by dbt's adapter over HTTP.

It reads Snowflake's SQL and runs it in DuckDB, so it accepts more than Snowflake does; `test_dialects.py` has what can
be known beyond. Run by the environment that `make install-warehouses` makes, so it imports nothing of ours:

    python -m tests.dbt_project.stand_in load PORT FOLDER     tables of FOLDER's *.json (DDL) and *.parquet, as raw
    python -m tests.dbt_project.stand_in fetch PORT FOLDER    queries of FOLDER/queries.json, each to NAME.parquet there
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import snowflake.connector
from snowflake.connector.constants import FIELD_TYPES

DATABASE = "PLYO"
EPOCH = "cast('1970-01-01T00:00:00+00:00' as timestamp with time zone)"


def connect(port: int) -> snowflake.connector.SnowflakeConnection:
    return snowflake.connector.connect(
        account="account", user="LAKE_WRITER", password="-", database=DATABASE, schema="RAW",
        host="127.0.0.1", port=port, protocol="http",
        session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
    )  # fmt: skip


def load(port: int, folder: Path) -> None:
    """Create each table that is declared, and copy its file into it by the names of its columns."""
    with connect(port) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists raw")
        cursor.execute("use schema raw")
        stage = f"landing_{folder.name}"
        cursor.execute(f"create stage {stage}")
        for declared in sorted(folder.glob("*.json")):
            if declaration := json.loads(declared.read_text()):
                cursor.execute(declaration)
            cursor.execute(f"put file://{declared.with_suffix('.parquet')} @{stage} auto_compress = false")
            cursor.execute(
                f"copy into {declared.stem} from @{stage}/{declared.stem}.parquet file_format = (type = parquet) "
                "match_by_column_name = case_insensitive"
            )


def fetch(port: int, folder: Path) -> None:
    with connect(port) as connection, connection.cursor() as cursor:
        for name, query in json.loads((folder / "queries.json").read_text()).items():
            columns = cursor.describe(query)
            instants = {column.name for column in columns if FIELD_TYPES[column.type_code].name.startswith("TIMESTAMP")}
            # As numbers: in the stand-in's answers an instant that is null has come to be 1970.
            selected = ", ".join(
                f'datediff(\'microsecond\', {EPOCH}, "{column.name}") as "{column.name}"'
                if column.name in instants
                else f'"{column.name}"'
                for column in columns
            )
            cursor.execute(f"select {selected} from ({query}) as told")
            told = cursor.fetch_arrow_all(force_return_table=True)
            table = pa.table({
                column.lower(): told[column].cast(pa.timestamp("us", "UTC")) if column in instants else told[column]
                for column in told.column_names
            })  # fmt: skip
            pa.parquet.write_table(table, folder / f"{name}.parquet")


if __name__ == "__main__":
    {"load": load, "fetch": fetch}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
