"""Whether what a column holds is still distributed as it was: the last week against the eight weeks before it.

Distance is the population stability index, PSI: the sum of (p - q) ln(p / q) over bins, which are tenths of the older
rows for numbers and the twenty commonest words for texts, with nothing as a bin of its own. A distance counts where it
matters (0.1, by usage "a moderate shift") and chance does not explain it: of two samples of n and m rows from the same
source, PSI n m / (n + m) is about chi-squared with as many degrees of freedom as there are bins less one, and the limit
is what it passes once in ten thousand times. So few rows raise no alarm, and neither does a shift too small to matter.

One SQL statement for a column, in the lake. The history is a raw table of ours; no person's value is in it,
but the bin that moved most is, by its limits or its word.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.postgres_cdc.land import quoted
from ingestion.quality.watched import WATCHED, Watched

TABLE = "raw.main._column_distances"
_SCHEMA = """(day date, relation varchar, field varchar, before_rows bigint, now_rows bigint, distance double,
    allowed double, moved varchar, told_at timestamptz)"""

NOW, BEFORE = timedelta(days=7), timedelta(days=56)
"""Whole weeks: a Saturday is compared with Saturdays too."""
MATTERS = 0.1
LEAST_ROWS = 100
"""Of each of the two; fewer are not judged."""
_Z = 3.719  # of the normal distribution: 1 in 10,000 lies above
_BINS, _WORDS = 10, 20
_KEPT = timedelta(days=400)


@dataclass(frozen=True)
class Distance:
    """How far a column has moved.

    Args:
        distance: PSI; None where there were too few rows to tell.
        allowed: More than that is drift.
        moved: The bin that moved most, and its share before and now; empty where there were too few rows.
    """

    day: date
    relation: str
    field: str
    before_rows: int
    now_rows: int
    distance: float | None
    allowed: float
    moved: str = ""

    @property
    def is_drift(self) -> bool:
        return self.distance is not None and self.distance > self.allowed


def distance(lake: duckdb.DuckDBPyConnection, watched: Watched, *, day: date) -> Distance | None:
    """How far a column has moved in the week that ends before a day; None where its table is not there."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC)
    moments = {"now_from": end - NOW, "before_from": end - NOW - BEFORE, "until": end}
    try:
        row = lake.execute(_statement(watched), moments).fetchone()
    except duckdb.CatalogException:
        return None
    before_rows, now_rows, bins, psi, moved, share_before, share_now = row or (0, 0, 0, None, None, 0, 0)
    is_told = min(before_rows, now_rows) >= LEAST_ROWS
    return Distance(
        day,
        watched.relation,
        watched.field,
        before_rows,
        now_rows,
        psi if is_told else None,
        allowed(bins, before_rows, now_rows) if is_told else MATTERS,
        f"{moved}: {share_before:.0%} before, {share_now:.0%} now" if is_told else "",
    )


def allowed(bins: int, before_rows: int, now_rows: int) -> float:
    """The distance that matters and that chance passes less than once in ten thousand times."""
    freedom = max(bins - 1, 1)
    part = 2 / (9 * freedom)  # Wilson and Hilferty: the cube root of chi-squared is nearly normal
    chance = freedom * (1 - part + _Z * math.sqrt(part)) ** 3
    return max(MATTERS, chance * (1 / before_rows + 1 / now_rows))


def watch(
    settings: WarehouseSettings, *, day: date | None = None, watched: Sequence[Watched] = WATCHED
) -> list[Distance]:
    """Measure all watched columns and add them to the history; measured again, a day is told anew.

    Args:
        day: The week before it is looked at; None: today, UTC.
    """
    now = datetime.now(UTC)
    day = day or now.date()
    with warehouse.writing(settings) as lake:
        found = [one for each in watched if (one := distance(lake, each, day=day)) is not None]

        def note() -> None:
            ensure(lake)
            lake.execute(f"delete from {TABLE} where day = ? or day < ?", [day, day - _KEPT])
            if found:
                lake.executemany(
                    f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?, ?)", [[*astuple(one), now] for one in found]
                )

        warehouse.in_transaction(lake, note)
    return found


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make the history, empty, unless it is there."""
    lake.execute(f"create table if not exists {TABLE} {_SCHEMA}")


def newest(lake: duckdb.DuckDBPyConnection) -> list[Distance]:
    """The last of each column that was measured in the last week of measuring; drift first, then the farthest."""
    try:
        rows = lake.execute(
            f"""select day, relation, field, before_rows, now_rows, distance, allowed, moved from {TABLE}
                where day > (select max(day) - 7 from {TABLE})
                qualify row_number() over (partition by relation, field order by day desc) = 1
                order by distance / allowed desc nulls last, relation, field"""
        ).fetchall()
    except duckdb.CatalogException:
        return []
    return [Distance(*row) for row in rows]


def _statement(one: Watched) -> str:
    relation = ".".join(quoted(part) for part in one.relation.split("."))
    if one.kind == "number":
        # A bin is how many of the limits lie below; nothing is -1.
        bins = f"""
            limits as (
                select list_distinct(quantile_cont(field, {[n / _BINS for n in range(1, _BINS)]})) as limits
                from looked where not is_now),
            binned as (
                select is_now, case when field is null then -1
                    else len(list_filter(limits, lambda x: x < field)) end as bin
                from looked cross join limits),
            named as (
                select bin, case when bin = -1 then 'nothing'
                    else coalesce('above ' || list_sort(limits)[bin]::decimal(18, 2)::varchar, 'lowest') end as name
                from (select distinct bin from binned) cross join limits)"""
        field = f"({one.field})::double"
    else:
        bins = f"""
            common as (
                select field from looked where not is_now group by field order by count(*) desc, field limit {_WORDS}),
            binned as (
                select is_now, case when field is null then 'nothing'
                    when field in (select field from common) then field else 'another' end as bin
                from looked),
            named as (select distinct bin, left(bin, 60) as name from binned)"""
        field = f"({one.field})::varchar"
    return f"""
        with looked as (
            select {field} as field, {quoted(one.at)}::timestamptz >= $now_from as is_now
            from {relation}
            where {quoted(one.at)}::timestamptz >= $before_from and {quoted(one.at)}::timestamptz < $until
                and ({one.where})),
        {bins},
        counted as (
            select name, count(*) filter (not is_now) as before, count(*) filter (is_now) as now
            from binned inner join named using (bin) group by name),
        shares as (
            select *, count(*) over () as bins, sum(before) over () as all_before, sum(now) over () as all_now,
                -- Half a row in each bin: one that is empty on a side is far, not infinitely far.
                (before + 0.5) / (sum(before) over () + 0.5 * count(*) over ()) as p,
                (now + 0.5) / (sum(now) over () + 0.5 * count(*) over ()) as q
            from counted)
        select max(all_before)::bigint, max(all_now)::bigint, max(bins), sum((q - p) * ln(q / p)),
            arg_max(name, (q - p) * ln(q / p)), arg_max(p, (q - p) * ln(q / p)), arg_max(q, (q - p) * ln(q / p))
        from shares"""
