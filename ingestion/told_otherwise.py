"""Which months of which metrics are told otherwise because people were forgotten: noted before the marts' past ends.

Nothing of what was told is kept, and not how much it was: next to what is told now it would be what was erased. A row
of `raw.main._told_otherwise` names a metric, a month, and when that was found.

Does not belong here: what is forgotten (`erasures`, `withdrawals`), and ending the past (`lake_maintenance`).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import duckdb

from contracts import warehouse
from contracts.metrics import METRICS, Metric
from contracts.relations import RELATIONS
from contracts.telemetry import get_logger
from contracts.warehouse import WarehouseSettings
from ingestion import forgotten

TABLE = "raw.main._told_otherwise"
_SCHEMA = "(metric varchar, month date, noted_at timestamptz)"
_WORD_TAKEN_BACK = """
    select min(decided_at) from raw.main.compliance__consents
    where purpose = 'coaching' and _op not in ('d', 't') and not is_given and list_contains(?, customer_id)
"""

_WORD = re.compile(r"[a-z_][a-z_0-9]*")

log = get_logger(__name__)


def note(settings: WarehouseSettings) -> int:
    """Compare marts of before with those of now, of the people whose erasure has begun, and note what is different.

    Called when marts are built without them and their past is still there. Doing it again is harmless.

    Returns:
        Months of metrics that were noted.
    """
    with warehouse.writing(settings) as lake:
        people = forgotten.unfinished(lake).since
        if not people:
            return 0
        then = _snapshot_before(lake, list(people), min(people.values()))
        found = list(_different(lake, list(people), then))
        now = datetime.now(UTC)

        def write() -> None:
            lake.execute(f"create table if not exists {TABLE} {_SCHEMA}")
            if found:
                lake.executemany(f"insert into {TABLE} values (?, ?, ?)", [[*one, now] for one in found])

        warehouse.in_transaction(lake, write)
    log.info("told_otherwise.noted", metrics=len({name for name, _ in found}), months=len(found))
    return len(found)


def _snapshot_before(lake: duckdb.DuckDBPyConnection, people: Sequence[UUID], since: datetime) -> int:
    """The marts before the first of them was forgotten in the product; the oldest there are, if that is longer ago."""
    try:
        row = lake.execute(_WORD_TAKEN_BACK, [people]).fetchone()
    except duckdb.CatalogException:  # nobody was ever asked
        row = None
    taken_back = row[0] if row else None
    found = lake.execute(
        """select coalesce(max(snapshot_id) filter (snapshot_time < ?), min(snapshot_id)) from marts.snapshots()""",
        [min(since, taken_back or since)],
    ).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has a row
    return int(found[0])


def _different(
    lake: duckdb.DuckDBPyConnection, people: Sequence[UUID], then: int
) -> Iterator[tuple[str, date]]:  # fmt: skip
    for metric in METRICS.values():
        relation = RELATIONS[metric.relation]
        if "customer_id" not in relation.columns:
            continue
        try:
            before = lake.execute(f"select * from {relation.path} at (version => {then:d}) limit 0").description
        except duckdb.CatalogException:  # a mart that was not there then, so nothing was told of it
            continue
        read = [
            *dict.fromkeys(
                one for one in _WORD.findall(f"{metric.expression} {metric.where}") if one in relation.columns
            )
        ]
        if not {*relation.key, metric.at, "customer_id", *read} <= {name for name, *_ in before or []}:
            continue  # a column came later, and what is told by it with it
        key = ", ".join(relation.key)
        old, new = (
            _rows(metric, source, read) for source in (f"{relation.path} at (version => {then:d})", relation.path)
        )
        months = lake.execute(
            f"""select distinct unnest([old.month, new.month]) as month
                from ({old}) as old full join ({new}) as new using ({key})
                where (old.month, old.contents) is distinct from (new.month, new.contents)""",
            {"people": list(people)},
        ).fetchall()
        yield from sorted((metric.name, month) for (month,) in months if month is not None)


def _rows(metric: Metric, source: str, columns: Sequence[str]) -> str:
    """Key, month and a hash of what the metric reads, of each row of theirs that it counts."""
    where = f"({metric.where}) and " if metric.where else ""
    return f"""select {", ".join(RELATIONS[metric.relation].key)}, date_trunc('month', {metric.at})::date as month,
        hash({", ".join(columns) or "1"}) as contents
        from {source} where {where}{metric.at} is not null and list_contains($people, customer_id)"""
