"""From payloads of any source to rows of the raw tables: all payloads of a group at once, in DuckDB.

Pure: no lake, no keys, no network. The same payloads and `tables.VERSION` always give the same rows.
"""

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.batch import Batch
from ingestion.wearables import files, fitbit, garmin, terra
from ingestion.wearables.fields import Mapping
from ingestion.wearables.query import Query
from ingestion.wearables.tables import KEY, REJECTIONS, REJECTIONS_KEY, REJECTIONS_SCHEMA, SAME, TABLES, VERSION

_INSTANT = pa.timestamp("us", tz="UTC")
PAYLOADS = pa.schema(
    [
        pa.field("payload_id", pa.uuid()),
        pa.field("customer_id", pa.uuid()),
        pa.field("source", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("provider", pa.string()),
        pa.field("external_user_id", pa.string()),
        pa.field("ordering_at", _INSTANT),
        pa.field("received_at", _INSTANT),
        pa.field("body", pa.binary()),
    ]
)
"""What `normalise` takes; `body` is as the source sent it, opened. A null body gives no rows."""

SOURCES: dict[str, Sequence[Mapping]] = {
    "terra": terra.MAPPINGS,
    "fitbit": fitbit.MAPPINGS,
    "garmin": garmin.MAPPINGS,
    "file": files.MAPPINGS,
}


def normalise(payloads: pa.Table) -> dict[str, pa.Table]:
    """Rows of every raw table of wearables, empty ones too; payloads without measurements give none.

    Args:
        payloads: Of schema `PAYLOADS`.

    Returns:
        By raw table, of the schemas in `tables`. What could not be kept is in `REJECTIONS` with its reason.
    """
    payloads, unreadable = files.as_documents(payloads)
    found: dict[str, list[pa.Table]] = {name: [one.schema.empty_table()] for name, one in TABLES.items()}
    rejected = [unreadable]
    with duckdb.connect(config={"threads": 2, "autoinstall_known_extensions": "false"}) as engine:
        engine.execute(
            "set timezone = 'UTC'; set arrow_lossless_conversion = true; set python_enable_replacements = false"
        )
        engine.register("payloads", _without_zones(payloads))
        engine.execute(
            """create temp table documents as
               select * exclude (body), body is not null as has_body, try_cast(try(decode(body)) as json) as document
               from payloads"""
        )
        rejected.append(_rejections(engine, _NOT_JSON))
        present = set(engine.execute("select distinct source, kind from documents").fetchall())
        for source, mappings in SOURCES.items():
            for mapping in mappings:
                if (source, mapping.kind) in present:
                    query = Query(source, mapping)
                    engine.execute(query.judged)
                    found[mapping.table.name].append(_cast(_read(engine, query.rows), mapping.table.schema))
                    rejected.append(_rejections(engine, query.rejections))
    return {name: pa.concat_tables(tables) for name, tables in found.items()} | {REJECTIONS: pa.concat_tables(rejected)}


def batches(tables: dict[str, pa.Table], *, cursor: str | None = None, changes_only: bool = False) -> Iterator[Batch]:
    """What `normalise` gave, to be landed once per payload; the last batch, and only that, carries the cursor.

    A pull that is killed between them brings the group again, and what is there is recognised by its key.

    Args:
        changes_only: Land what differs from the newest row of the same thing, whichever payload told that.
    """
    for name in TABLES:
        if tables[name].num_rows:
            yield Batch(name, tables[name], SAME if changes_only else KEY, changes_only=changes_only)
    yield Batch(REJECTIONS, tables[REJECTIONS], REJECTIONS_KEY, cursor)


_NOT_JSON = """
    select payload_id, '$' as position, 'payload' as field, customer_id, source, kind, provider,
           left(document::varchar, 100) as value,
           case when document is null then 'not JSON' else 'not an object' end as reason, received_at
    from documents
    where has_body and source in ('terra', 'fitbit', 'garmin') and coalesce(json_type(document), '') <> 'OBJECT'"""


def _without_zones(payloads: pa.Table) -> pa.Table:
    for name in ("ordering_at", "received_at"):
        place = payloads.schema.get_field_index(name)
        payloads = payloads.set_column(place, name, pc.cast(payloads[name], pa.timestamp("us")))
    return payloads


def _read(engine: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return engine.execute(query).to_arrow_table()


def _rejections(engine: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return _cast(_read(engine, f"select *, {VERSION} as normaliser_version from ({query})"), REJECTIONS_SCHEMA)


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return rows.select(schema.names).cast(schema)
