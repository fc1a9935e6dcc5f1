"""Where one row of a mart comes from: finer marts' rows, and the changes of the product's tables it was made of.

Only changes that the build of that snapshot had read are told: what came later did not make the row. Who may not see
the row is told of none; of a change its key and place in the log are told, and of its values those that models read and
that tell nothing of a person but what the product knows by number (`contracts.classification`): for everybody masked,
since a table's row may hold more than its reader was shown of it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from contracts.captured import CAPTURED
from contracts.classification import is_masked
from contracts.relations import RELATIONS, Relation
from contracts.traces import TRACES, Way, key_of
from operational_api.analytics import datasets, withheld
from operational_api.analytics.catalogue import DATASETS
from operational_api.analytics.errors import HealthData, NotAllowed, UnknownRelation, UnknownRow, WholeBusiness
from operational_api.analytics.lake import Lake, one, rows
from operational_api.analytics.query import Query, Value
from operational_api.core.principal import Principal

OPERATIONS = {"r": "first read", "i": "insert", "u": "update", "d": "delete"}
_NAMED = re.compile(r"\$([a-z_0-9]+)")
_OR_NONE = re.compile(r"coalesce\(\w+, ''\) = \$([a-z_0-9]+)")
"""Columns of a row that its condition compares also where they are empty."""
_PARSED: dict[str, Callable[[str], Value]] = {
    "uuid": UUID, "date": date.fromisoformat, "integer": int, "bigint": int, "varchar": str,
    "timestamp with time zone": lambda told: datetime.fromisoformat(told.replace(" ", "+")),
}  # fmt: skip
_OWN = ("_op", "_lsn", "_seq", "_committed_at", "_landed_at")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a mart that the reader may see.

    Attributes:
        told: As the reader may see it.
        values: As it is, to look further with.
        lsn: Of the last change that its build had read; None where no build says.
        newest: Snapshot by which it is decided whose client somebody is.
    """

    relation: Relation
    snapshot_id: int
    told: dict[str, Any]
    values: dict[str, Value]
    lsn: int | None
    newest: int

    @property
    def subject(self) -> UUID | None:
        """Whom it is about."""
        found = self.values.get("customer_id")
        return found if isinstance(found, UUID) else None


@dataclass(frozen=True, slots=True)
class Page:
    """So many changes, after the place in the log that a cursor stands for."""

    limit: int
    after: tuple[int, str, int] | None = None


def relation_of(name: str) -> Relation:
    """The mart.

    Raises:
        UnknownRelation: there is none of that name.
    """
    if name not in RELATIONS:
        raise UnknownRelation(f"There is no mart `{name[:80]}`.", allowed=sorted(RELATIONS))
    return RELATIONS[name]


def key_from(relation: Relation, told: Mapping[str, str]) -> dict[str, Value | None]:
    """The row's key out of texts; an empty one is nothing, where the column holds no texts.

    Raises:
        NotAllowed: a column of it is missing, or no such value can be in it.
    """
    key: dict[str, Value | None] = {}
    for column in relation.key:
        if told.get(column) == "" and relation.columns[column] != "varchar":
            key[column] = None
            continue
        try:
            key[column] = _PARSED[relation.columns[column]](told[column])
        except (KeyError, ValueError, OverflowError):
            kinds = [f"{one}={relation.columns[one]}" for one in relation.key]
            raise NotAllowed(f"`{column}` must be given, as {relation.columns[column]}.", allowed=kinds) from None
        if isinstance(value := key[column], datetime) and value.tzinfo is None:
            raise NotAllowed(f"`{column}` needs a time zone.", allowed=["2026-03-01T12:00:00+00:00"])
    return key


def page_of(limit: int, cursor: str | None) -> Page:
    """The page that `next` of an answer leads to.

    Raises:
        NotAllowed: it is none.
    """
    if cursor is None:
        return Page(limit)
    try:
        lsn, table, seq = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"==="))
        if not 0 <= int(lsn) < 1 << 64 or not 0 <= int(seq) < 1 << 63:
            raise ValueError
        return Page(limit, (int(lsn), str(table), int(seq)))
    except (ValueError, TypeError, OverflowError) as error:
        raise NotAllowed("This cursor is of no page of changes.", allowed=["`next` of an answer"]) from error


def row_of(
    lake: Lake, principal: Principal, relation: Relation, key: Mapping[str, Value | None], snapshot_id: int,
    newest: int, shown: withheld.Shown,
) -> Row:  # fmt: skip
    """The row with that key.

    Args:
        newest: As `datasets.asked`.

    Raises:
        UnknownRow: there is none, or none that the reader may see.
        WholeBusiness, HealthData: the mart is not for this role.
    """
    where = " and ".join(f"{column} is null" if key[column] is None else f"{column} = ${column}" for column in key)
    values = {column: value for column, value in key.items() if value is not None}
    dataset = replace(DATASETS[relation.name], text=f"select * from @{relation.name} where {where}", values=values)
    query = datasets.asked(lake, principal, dataset, {}, newest, shown, is_past=newest != snapshot_id)
    table = lake.ask(query, snapshot_id=snapshot_id).table
    told = datasets.told(table, principal, dataset, shown)
    found, whole = one(told), one(table)
    if found is None or whole is None:
        raise UnknownRow
    build = one(lake.ask(Query("select lsn from @core.fct_builds"), snapshot_id=snapshot_id).table)
    return Row(
        relation, snapshot_id, dict(found),
        {name: _value(relation, name, value) for name, value in whole.items() if value is not None},
        build["lsn"] if build else None, newest,
    )  # fmt: skip


def parts_of(
    lake: Lake, principal: Principal, row: Row, shown: withheld.Shown, *, limit: int
) -> Iterator[tuple[Way, dict[str, Any]]]:
    """Rows of finer marts that the row was made of: how many there are, and the keys of the first.

    Whose rows the reader may not see is told with the reason, and no number.
    """
    for way in TRACES[row.relation.name].ways:
        if way.is_raw or (values := _values_for(way, row)) is None:
            continue
        dataset = replace(DATASETS[way.to], text=f"select * from @{way.to} where {way.on}", values=values)
        about = {"relation": way.to, "key": list(RELATIONS[way.to].key), "trace": f"/api/analytics/rows/{way.to}"}
        try:
            query = datasets.asked(
                lake, principal, dataset, {}, row.newest, shown, datasets.Page(limit),
                is_past=row.newest != row.snapshot_id,
            )  # fmt: skip
        except (WholeBusiness, HealthData) as refused:
            yield way, about | {"refused": refused.code(), "items": [], "is_more": False}
            continue
        table = lake.ask(query, snapshot_id=row.snapshot_id).table
        told = datasets.told(table.slice(0, limit), principal, dataset, shown)
        keys = [{name: each[name] for name in RELATIONS[way.to].key} for each in rows(told)]
        yield way, about | {"items": keys, "is_more": table.num_rows > limit}


def changes_of(lake: Lake, row: Row, page: Page) -> tuple[list[dict[str, Any]], str | None]:
    """The changes of the product's tables that the row was made of, in the order in which they were committed.

    Returns:
        raw_table, table (of the product), key, operation, lsn (as PostgreSQL writes it), committed_at, landed_at,
        values, masked (names of columns whose values are not told); and the cursor of the next page.
    """
    found: list[tuple[tuple[int, str, int], dict[str, Any]]] = []
    for way in TRACES[row.relation.name].ways:
        if way.is_raw and (values := _values_for(way, row)) is not None:
            found += _changes(lake, way, values, row.lsn, page)
    found.sort(key=lambda each: each[0])
    told = found[: page.limit]
    following = None
    if len(found) > page.limit:
        following = base64.urlsafe_b64encode(json.dumps(told[-1][0]).encode()).decode().rstrip("=")
    return [change for _, change in told], following


def _changes(
    lake: Lake, way: Way, values: Mapping[str, Value], lsn: int | None, page: Page
) -> Iterator[tuple[tuple[int, str, int], dict[str, Any]]]:
    key, promised = key_of(way.to), CAPTURED.get(way.to, {})
    hidden = [name for name in promised if name not in key and is_masked(name)]
    open_columns = [name for name in promised if name not in key and name not in hidden]
    table, keys = f"raw.main.{way.to}", ", ".join(key)
    conditions = [f"({keys}) in (select ({keys}) from {table} where {way.on})", "_op <> 't'"]
    parameters: dict[str, Value] = dict(values)
    if lsn is not None:
        conditions.append("_lsn <= $until_lsn")
        parameters["until_lsn"] = lsn
    if page.after is not None:
        conditions.append("row(_lsn, $this_table, _seq) > row($after_lsn::ubigint, $after_table, $after_seq::bigint)")
        parameters |= {"this_table": way.to} | dict(
            zip(("after_lsn", "after_table", "after_seq"), page.after, strict=True)
        )  # fmt: skip
    chosen = ", ".join((*_OWN, *key, *open_columns))
    statement = (  # names are the promise's, never a person's
        f"select {chosen} from {table} where {' and '.join(conditions)} order by _lsn, _seq limit {page.limit + 1:d}"
    )
    for told in lake.raw(statement, parameters):
        operation, at, place, committed_at, landed_at = told[: len(_OWN)]
        identity = dict(zip(key, told[len(_OWN) :], strict=False))
        yield (at, way.to, place), {
            "raw_table": way.to, "table": way.to.replace("__", ".", 1), "key": identity,
            "operation": OPERATIONS.get(operation, operation), "lsn": f"{at >> 32:X}/{at & 0xFFFFFFFF:X}",
            "committed_at": committed_at, "landed_at": landed_at,
            "values": dict(zip(open_columns, told[len(_OWN) + len(key) :], strict=True)), "masked": hidden,
        }  # fmt: skip


def _values_for(way: Way, row: Row) -> dict[str, Value] | None:
    """What the condition needs of the row; None where the row does not have it."""
    values = dict.fromkeys(_OR_NONE.findall(way.on), "") | row.values
    needed = set(_NAMED.findall(way.on))
    return {name: values[name] for name in needed} if needed <= values.keys() else None


def _value(relation: Relation, column: str, value: Any) -> Value:
    told: Value = UUID(str(value)) if relation.columns[column] == "uuid" else value
    return told


def described(
    lake: Lake, principal: Principal, row: Row, shown: withheld.Shown, page: Page
) -> dict[str, Any]:  # fmt: skip
    """All that is told of where a row comes from."""
    changes, following = changes_of(lake, row, page)
    parts: Sequence[dict[str, Any]] = [
        part for _, part in parts_of(lake, principal, row, shown, limit=page.limit)
    ] if page.after is None else []  # fmt: skip
    return {
        "relation": row.relation.name, "grain": row.relation.grain, "row": row.told, "snapshot_id": row.snapshot_id,
        "read_up_to_lsn": None if row.lsn is None else f"{row.lsn >> 32:X}/{row.lsn & 0xFFFFFFFF:X}",
        "parts": list(parts), "changes": changes, "next": following,
        "why_not": TRACES[row.relation.name].why_not or None,
    }  # fmt: skip
