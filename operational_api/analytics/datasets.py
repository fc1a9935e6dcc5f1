"""Reading a dataset: whose rows, which page, what is masked and withheld; the same for every format."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

import pyarrow as pa

from contracts.classification import is_masked
from contracts.relations import RELATIONS
from operational_api.analytics import scope, withheld
from operational_api.analytics.catalogue import DATASETS, Dataset
from operational_api.analytics.errors import NotAllowed, NotBuilt, UnknownDataset, WholeBusiness
from operational_api.analytics.lake import Lake, one
from operational_api.analytics.query import Query, Value, of_then
from operational_api.core import policy
from operational_api.core.policy import Resource
from operational_api.core.principal import Principal

HEALTH_COLUMNS = frozenset(
    {
        "has_open_injury", "adherence", "adherence_30d", "load", "volume_kg", "best_e1rm_kg", "sleep_minutes",
        "sleep_efficiency", "hrv_rmssd_ms", "hrv_baseline_ms", "resting_heart_rate_bpm", "average_heart_rate_bpm",
        "max_heart_rate_bpm", "steps", "readiness", *withheld.COLUMN_KINDS.keys(),
    }
)  # fmt: skip
"""Columns of lists that tell of somebody's health; who reads such a list has read about everybody in it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a dataset: so many, after the row that a cursor stands for."""

    limit: int
    after: tuple[str | None, ...] | None = None
    snapshot_id: int | None = None


def page_of(dataset: Dataset, limit: int, cursor: str | None) -> Page:
    """The page that a cursor of `cursor_after` leads to; the first one without.

    Raises:
        NotAllowed: it is no cursor of this dataset.
    """
    if cursor is None:
        return Page(limit)
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"==="))
        after = tuple(None if value is None else str(value) for value in told["after"])
        if told["of"] != dataset.name:
            raise ValueError
        return Page(limit, after, int(told["snapshot"]))
    except (ValueError, KeyError, TypeError) as error:
        raise NotAllowed("This cursor is of no page of this dataset.", allowed=["`next` of an answer"]) from error


def cursor_after(principal: Principal, dataset: Dataset, table: pa.Table, snapshot_id: int) -> str:
    """Where the page after this one begins: its last row, at its snapshot, so pages of one reading fit together."""
    last = table.slice(table.num_rows - 1)
    values = [last[column][0].as_py() for column, _, _ in _order(principal, dataset)]
    after = [
        None if one is None else one.isoformat() if hasattr(one, "isoformat") else repr(one) if isinstance(one, float)
        else str(one) for one in values
    ]  # fmt: skip
    told = json.dumps({"of": dataset.name, "snapshot": snapshot_id, "after": after}, separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def dataset(name: str) -> Dataset:
    """The dataset.

    Raises:
        UnknownDataset: there is none of that name.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDataset(f"There is no dataset `{name[:60]}`.", allowed=sorted(DATASETS)) from None


def subjects_of(dataset: Dataset, principal: Principal, given: Mapping[str, Value], table: pa.Table) -> set[UUID]:
    """Whose health rows tell of, for the audit log: the client they are about, or everybody in a list that has a
    column of `HEALTH_COLUMNS`. A column that is masked for the reader tells of nobody."""
    if dataset.subject == "client":
        return {UUID(str(given.get("customer_id", principal.account_id)))}
    columns = {name for name in table.column_names if name in HEALTH_COLUMNS and not pa.types.is_null(table[name].type)}
    if "customer_id" not in table.column_names or not (columns or dataset.is_health) or _is_masked_for(principal):
        return set()
    return {withheld.person(one) for one in table["customer_id"].unique().to_pylist() if one is not None}


def asked(
    lake: Lake, principal: Principal, dataset: Dataset, given: Mapping[str, Value], newest: int,
    shown: withheld.Shown, page: Page | None = None, *, is_past: bool = False,
) -> Query:  # fmt: skip
    """The query for the principal's rows, once it is known that they may ask. What it brings passes through `told`.

    Args:
        newest: Snapshot by which it is decided whose client somebody is.
        is_past: Whether the query is for an older snapshot.
        page: All rows where it is left out. One row more than its limit is told, where there are more.

    Raises:
        NotAllowed: a parameter is missing or not understood.
        WholeBusiness, HealthData: the dataset is not for this role.
        NotFound: the client is nobody's the principal may know of.
    """
    given = _checked(principal, dataset, given)
    if dataset.subject == "client":
        _require_client(lake, principal, dataset, given["customer_id"], newest, shown)
    query = compile_rows(principal, dataset, given, page, newest=newest if is_past else None)
    if dataset.subject != "client" and (missing := _who_withholds(lake, principal, dataset, newest, shown)):
        return compile_rows(principal, dataset, given, page, newest=newest if is_past else None, missing=missing)
    return query


def without_lookahead(query: Query, page: Page) -> Query:
    """The query of a page without the one row more that tells whether another page follows."""
    return replace(query, text=f"{query.text.removesuffix(_limit(page.limit + 1))}{_limit(page.limit)}")


def batches(
    lake: Lake, principal: Principal, dataset: Dataset, query: Query, snapshot_id: int, shown: withheld.Shown
) -> Iterator[pa.Table]:
    """All rows of a query of `asked`, in pieces, as the principal may see them; the first piece has the columns."""
    for batch in lake.batches(query, snapshot_id=snapshot_id):
        yield told(pa.Table.from_batches([batch]), principal, dataset, shown)


def told(table: pa.Table, principal: Principal, dataset: Dataset, shown: withheld.Shown) -> pa.Table:
    """Rows as the principal may see them: without those withheld, with withheld and masked cells empty."""
    if dataset.subject != "client":
        table = withheld.without(table, principal, shown, dataset.kinds)
    if _is_masked_for(principal):
        return withheld.masked(table)
    return withheld.blank(table, principal, shown)


def compile_rows(
    principal: Principal, dataset: Dataset, given: Mapping[str, Value], page: Page | None = None, *,
    newest: int | None = None, missing: Sequence[UUID] = (),
) -> Query:  # fmt: skip
    """The query of `asked`, with the row policy inside.

    Args:
        newest: Snapshot of now, where the query is for an older one.
        missing: Customers of whom there is to be no row.
    """
    if dataset.subject != "client":
        scope.require_staff(principal)
    needed = ("analytics.read_money" if dataset.is_money else "analytics.read_everything", "analytics.read_masked")
    if dataset.subject == "business" and not any(policy.may_principal(principal, one) for one in needed):
        raise WholeBusiness
    allowed = _rows_of(principal, dataset)
    conditions, parameters = [], {**dataset.values, **allowed.parameters}
    names = {"from": (f"{dataset.day} >= $since", "since"), "to": (f"cast({dataset.day} as date) <= $until", "until")}
    for name, value in given.items():
        condition, parameter = names.get(name, (f"{name} = ${name}", name))
        conditions.append(condition)
        parameters[parameter] = value
    if allowed.condition:
        conditions.append(allowed.condition)
    if newest is not None and allowed.is_of_own_clients:
        conditions.append(of_then(allowed.condition))
    if missing:
        left_out = {f"missing_{number}": one for number, one in enumerate(missing)}
        conditions.append(f"customer_id not in ({', '.join(f'${name}' for name in left_out)})")
        parameters |= left_out
    order = _order(principal, dataset)
    limit = ""
    if page is not None:
        limit = _limit(page.limit + 1)
        if page.after is not None:
            conditions.append(_beyond(order, page.after))
            parameters |= {f"after_{n}": value for n, value in enumerate(page.after) if value is not None}
    hidden = dataset.hidden_from_customers if principal.role == "customer" else ()
    chosen = f"* exclude ({', '.join(hidden)})" if hidden else "*"
    where = f"\nwhere {' and '.join(conditions)}" if conditions else ""
    by = ", ".join(f"{column} desc" if falls else column for column, falls, _ in order)
    whose, mart = given.get("customer_id"), dataset.text.removeprefix("select * from @")
    return Query(
        f"select {chosen} from (\n    {dataset.text}\n){where}\norder by {by}{limit}", parameters, newest,
        parts={mart: ("customer_id", whose)} if mart in RELATIONS and isinstance(whose, UUID) else {},
    )  # fmt: skip


def _who_withholds(
    lake: Lake, principal: Principal, dataset: Dataset, newest: int, shown: withheld.Shown
) -> list[UUID]:  # fmt: skip
    """Those in the dataset who show the principal none of its kinds. They are left out before pages are made: how long
    a page is, and the row that its cursor stands for, would tell of them."""
    if not dataset.kinds:
        return []
    allowed = _rows_of(principal, dataset)
    rows_of, values = f"(\n    {dataset.text}\n)", dataset.values
    if allowed.is_of_own_clients:
        rows_of, values = "@core.dim_customers", {}
    where = f" where {allowed.condition}" if allowed.condition else ""
    text = f"select distinct customer_id from {rows_of}{where} order by all"
    people = lake.ask(Query(text, {**values, **allowed.parameters}), snapshot_id=newest).table
    seen = withheld.without(people, principal, shown, dataset.kinds)
    return sorted({withheld.person(one) for one in people["customer_id"].to_pylist()}
                  - {withheld.person(one) for one in seen["customer_id"].to_pylist()})  # fmt: skip


def _limit(rows: int) -> str:
    return f"\nlimit {rows:d}"


def _rows_of(principal: Principal, dataset: Dataset) -> scope.Scope:
    if dataset.subject == "client":
        return scope.of(principal, ("customer_id",), is_client_history=True)
    if dataset.is_health or (dataset.kinds and _is_masked_for(principal)):
        return scope.of_own_clients(principal)
    columns: tuple[str, ...] = ()
    if dataset.subject == "coach":
        columns = ("customer_id",) if dataset.of_customers else ("coach_id",)
    return scope.of(principal, columns, schema="finance" if dataset.is_money else "")


def _is_masked_for(principal: Principal) -> bool:
    return policy.may_principal(principal, "analytics.read_masked")


def _order(principal: Principal, dataset: Dataset) -> list[tuple[str, bool, str]]:
    """A page's cursor tells values of its last row: of no column that is masked for who reads it."""
    order = dataset.ordered()
    if not _is_masked_for(principal):
        return order
    return [one for one in order if not is_masked(one[0])] or order


def _beyond(order: Sequence[tuple[str, bool, str]], after: Sequence[str | None]) -> str:
    """The condition for rows that come after a row, nulls last as DuckDB sorts them."""
    if len(after) != len(order):
        raise NotAllowed("This cursor is of no page of this dataset.", allowed=["`next` of an answer"])
    ways, same = [], "true"
    for number, ((column, falls, kind), value) in enumerate(zip(order, after, strict=True)):
        _check(kind, value)
        mark = f"try_cast($after_{number} as {kind})"
        if value is not None:
            ways.append(f"({same} and ({column} {'<' if falls else '>'} {mark} or {column} is null))")
        same += f" and {column} is null" if value is None else f" and {column} = {mark}"
    return f"({' or '.join(ways) or 'false'})"


_READ: dict[str, Callable[[str], object]] = {
    "uuid": UUID, "date": date.fromisoformat, "timestamp with time zone": datetime.fromisoformat, "integer": int,
    "bigint": int, "double": float, "varchar": str.encode, "boolean": ("False", "True").index,
}  # fmt: skip


def _check(kind: str, value: str | None) -> None:
    """A cursor that was made up is refused. What is read here and not by DuckDB (`try_cast`) is after every row."""
    try:
        if value is not None:
            _READ[kind](value)
    except (ValueError, OverflowError) as error:
        raise NotAllowed("This cursor is of no page of this dataset.", allowed=["`next` of an answer"]) from error


def _checked(principal: Principal, dataset: Dataset, given: Mapping[str, Value]) -> dict[str, Value]:
    told = dict(given)
    if unknown := sorted(told.keys() - set(dataset.parameters)):
        raise NotAllowed(f"`{dataset.name}` does not know {', '.join(unknown)}.", allowed=list(dataset.parameters))
    if dataset.subject == "client" and "customer_id" not in told:
        if principal.role != "customer" or principal.account_id is None:
            raise NotAllowed(
                f"`{dataset.name}` is about one client: give customer_id.", allowed=list(dataset.parameters)
            )
        told["customer_id"] = principal.account_id
    return told


def _require_client(
    lake: Lake, principal: Principal, dataset: Dataset, customer_id: Value, snapshot_id: int, shown: withheld.Shown
) -> None:
    found = one(
        lake.ask(
            Query(
                "select coach_id from @core.dim_customers where customer_id = $customer_id",
                {"customer_id": customer_id},
            ),
            snapshot_id=snapshot_id,
        ).table
    )
    if found is None and principal.role == "customer" and customer_id == principal.account_id:
        raise NotBuilt("You are not in the numbers yet. They follow within minutes of joining.")
    coach_id = UUID(found["coach_id"]) if found and found["coach_id"] else None
    client = Resource(
        "Client",
        str(customer_id),
        customer_id=UUID(str(customer_id)) if found else None,
        coach_id=coach_id,
        kind="health" if dataset.is_health else None,
    )
    policy.require(principal, "analytics.read_client", client)
    if not dataset.kinds or client.customer_id is None or client.customer_id == principal.account_id:
        return
    consents = shown([client.customer_id])[client.customer_id]
    if not withheld.allowed_kinds(principal, client.customer_id, dataset.kinds, consents, coach_id):
        policy.require(
            principal, "analytics.read_client", replace(client, data_kind=dataset.kinds[0], consents=consents)
        )
