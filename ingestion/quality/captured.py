"""Suites of change logs of PostgreSQL, judged after landing: the newest rows of every table.

The operational database refuses bad rows itself, and raw must be its log to the byte, so nothing is put aside here:
what is found is a migration that lost a constraint, or a capture that garbled a value, and a person looks at it. A
suite follows from a table's columns, whose names mean the same in every context; what spans two is said below.
"""

from collections.abc import Iterator, Mapping, Sequence

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.postgres_cdc.land import quoted
from ingestion.quality.judged import Judged
from ingestion.quality.suite import Expectation, Suite, among, between, matching, not_after, plausible, told

ROWS = 20_000
"""The newest so many changes of a table are looked at."""
OPERATIONS = ("r", "i", "u", "d", "t")
"""Of a change log: read by a snapshot, insert, update, delete, truncate."""

_ZONE = "^(UTC|[A-Z][A-Za-z]+/[A-Za-z0-9_+/-]+)$"

IN_ORDER: Mapping[str, tuple[tuple[str, str], ...]] = {
    "scheduling__slots": (("starts_at", "ends_at"),),
    "scheduling__bookings": (("starts_at", "ends_at"),),
    "scheduling__time_off": (("starts_at", "ends_at"),),
    "commerce__subscriptions": (("current_period_start", "current_period_end"),),
    "commerce__invoices": (("period_start", "period_end"),),
    "training__workouts": (("started_at", "completed_at"),),
    "integrations__connector_runs": (("started_at", "finished_at"),),
}
"""Columns of which one is never later than the other."""


def suite_of(table: str, columns: Mapping[str, str]) -> Suite:
    """The suite that follows from a raw table's columns.

    Args:
        columns: Name to DuckDB type, the loader's own among them.
    """
    fields: dict[str, str] = {"_op": "_op", "_lsn": "_lsn", "_committed_at": "epoch(_committed_at)"}
    expectations: list[Expectation] = [
        told("_op"), among("_op", *OPERATIONS), told("_lsn"), told("_committed_at"), plausible("_committed_at"),
    ]  # fmt: skip
    for name, kind in columns.items():
        if name.startswith("_"):
            continue
        if name == "id":
            fields[name], found = f"{quoted(name)}::varchar", [told(name)]
        elif name == "currency" and kind == "VARCHAR":
            fields[name], found = quoted(name), [matching(name, "^[A-Z]{3}$", "currency of three letters")]
        elif name == "email" and kind == "VARCHAR":
            fields[name], found = quoted(name), [matching(name, r"^[^@\s]+@[^@\s]+$", "address")]
        elif name == "time_zone" and kind == "VARCHAR":
            fields[name], found = quoted(name), [matching(name, _ZONE, "zone of IANA")]
        elif name.endswith("_at") and kind == "TIMESTAMP WITH TIME ZONE":
            fields[name], found = f"epoch({quoted(name)})", [plausible(name)]
        elif name.endswith("_minutes") and kind in ("SMALLINT", "INTEGER"):
            fields[name], found = quoted(name), [between(name, 0, None)]
        else:
            continue
        expectations += found
    for earlier, later in IN_ORDER.get(table, ()):
        if earlier in columns and later in columns:
            fields |= {one: f"epoch({quoted(one)})" for one in (earlier, later)}
            expectations.append(not_after(earlier, later))
    return Suite(fields, tuple(expectations), where="_op <> 't'")


def judged(settings: WarehouseSettings, tables: Sequence[str]) -> Iterator[tuple[str, Judged]]:
    """Judge the newest rows of each change log; one that is not there yet is left out.

    Raises:
        ingestion.quality.judge.SuiteBroken: an expectation could not be judged.
    """
    from ingestion.quality.judge import judge  # takes seconds to import

    with warehouse.reading(settings) as lake:
        for table in tables:
            columns = landing.columns_of(lake, table)
            if not columns:
                continue
            rows = lake.execute(
                f"select * from raw.main.{quoted(table)} order by _lsn desc, _seq desc limit {ROWS}"
            ).to_arrow_table()
            newest = rows["_committed_at"][0].as_py() if rows.num_rows else None
            yield table, Judged.of(rows.num_rows, judge(suite_of(table, columns), rows, lake), newest)
