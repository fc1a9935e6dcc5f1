"""The SQL of one mapping: from the documents of its source and kind to judged items, rows and rejections.

How one value is judged belongs to `judge`; where values are, to the sources.
"""

import re

from ingestion.wearables.fields import Field, Mapping
from ingestion.wearables.judge import Judgement, judgement, quoted, told
from ingestion.wearables.tables import SLEEPS, VERSION, Column

_PAYLOAD = "payload_id, customer_id, source, kind, provider, external_user_id, ordering_at, received_at"


class Query:
    """SQL over the table `documents` (columns of a payload and `document`, JSON or null).

    Attributes:
        judged: Makes the table `judged`: a row per item, what is told, and why it is not kept.
        rows: Reads rows of the mapping's table from it.
        rejections: Reads what was not kept.
    """

    def __init__(self, source: str, mapping: Mapping) -> None:
        """The queries of a source's mapping."""
        self._mapping = mapping
        self._source = source
        self._fields = list(enumerate(mapping.fields))
        self._inner: list[str] = []
        self._outer: list[str] = []
        self.judged = self._judge()
        self.rows = self._select_rows()
        self.rejections = self._select_rejections()

    def _pick(self, path: str) -> str:
        outside = path.startswith("^")
        paths, values = (self._outer, "around") if outside else (self._inner, "within")
        place = _json_path(path.removeprefix("^"))
        if place not in paths:
            paths.append(place)
        return f"{values}[{paths.index(place) + 1}]"

    def _judge(self) -> str:
        raws = [f"{told(one, self._pick)} as f{n}" for n, one in self._fields]
        judged = [(n, one, self._judgement(n, one)) for n, one in self._fields]
        reasons = ["coalesce(json_type(item) <> 'OBJECT', true) as is_no_object"]
        values = []
        for n, _, each in judged:
            reasons.append(f"case when f{n} is not null then {each.reason} end as r{n}")
            values.append(f"case when r{n} is null and f{n} is not null then {each.value} end as v{n}")
            if each.offset is not None:
                values.append(f"case when r{n} is null and f{n} is not null then {each.offset} end as o{n}")
        return f"""
            create or replace temp table judged as
            with {self._items()},
            picked as (select {_PAYLOAD}, position, item,
                              json_extract(item, {_paths(self._inner)}) as within,
                              json_extract(around, {_paths(self._outer)}) as around from items),
            raw as (select *, {", ".join(raws)} from picked),
            reasoned as (select *, {", ".join(reasons)} from raw),
            valued as (select *, {", ".join(values)} from reasoned),
            typed as (select *, {", ".join(self._typed())} from valued)
            {_completed(self._mapping)}"""

    def _judgement(self, n: int, field: Field) -> Judgement:
        return judgement(field, self._mapping.table.column(field.column), self._mapping, f"f{n}", self._pick)

    def _items(self) -> str:
        mine = f"""mine as (select * from documents where source = {quoted(self._source)}
                   and kind = {quoted(self._mapping.kind)} and json_type(document) = 'OBJECT')"""
        if not self._mapping.items:
            return f"""{mine}, items as (
                select {_PAYLOAD}, '$' as position, document as item, null::json as around from mine)"""
        outer, _, inner = self._mapping.items.rpartition("[*].")
        if not outer:
            return f"{mine}, {_unnested('items', 'mine', 'document', inner, quoted(''))}"
        return f"""{mine}, {_unnested("outside", "mine", "document", outer, quoted(""))},
                   {_unnested("items", "outside", "item", inner, "position || '.'")}"""

    def _typed(self) -> list[str]:
        table = self._mapping.table
        typed = []
        for column in (*table.columns, table.column("external_id"), table.column("device")):
            places = [f"v{n}" for n, one in self._fields if one.column == column.name]
            if column.name in self._mapping.fixed:
                places.append(quoted(self._mapping.fixed[column.name]))
            typed.append(f"{_first(places)}::{_SQL_TYPES[column.kind]} as {column.name}")
        # The offset of the night's end says which date the person woke up on.
        instants = [one.name for one in table.columns if one.kind == "instant"]
        ordered = instants[::-1] if table is SLEEPS else instants
        offsets = [f"o{n}" for name in ordered for n, one in self._fields if one.column == name]
        typed.append(f"{_first(offsets)}::integer as utc_offset_minutes")
        return typed

    def _select_rows(self) -> str:
        table = self._mapping.table
        kept = [f"{name} is not null" for name in table.required] + ["not is_no_object"]
        if self._mapping.needs_value:
            measured = [one.name for one in table.columns if one.kind in ("number", "count")]
            kept.append(f"coalesce({', '.join(measured)}) is not null")
        told = ", ".join(_hashed(one) for one in table.columns)
        list_name = quoted(self._mapping.items.rpartition("[*].")[2])
        external_id = "external_id" if self._mapping.is_identified else "null"
        identity = _IDENTITY[table.name].format(list=list_name, id=external_id)
        return f"""select *, {VERSION} as normaliser_version, {identity} as identity,
                          md5(concat_ws('|', {told})) as _hash
                   from (select {_PAYLOAD}, position, external_id, device, utc_offset_minutes,
                                {", ".join(_arrow(one) for one in table.columns)}
                         from judged where {" and ".join(kept)})"""

    def _select_rejections(self) -> str:
        found = [
            f"{{field: {quoted(one.column)}, value: left(f{n}::varchar, 100), reason: r{n}}}" for n, one in self._fields
        ]
        missing = [
            f"""{{field: {quoted(name)}, value: null, reason: case when {name} is null and not is_no_object
                 and {" and ".join(self._unrejected(name) or ["true"])} then 'missing' end}}"""
            for name in self._mapping.table.required
        ]
        whole = """{field: 'payload', value: left(item::varchar, 100),
                    reason: case when is_no_object then 'not an object' end}"""
        return f"""
            select payload_id, position, told.field, customer_id, source, kind, provider, told.value, told.reason,
                   received_at
            from (select *, unnest(list_filter([{", ".join([whole, *found, *missing])}] || contradictions,
                                               lambda one: one.reason is not null)) as told from judged)
            {self._no_lists()}"""

    def _unrejected(self, column: str) -> list[str]:
        places = [f"r{n} is null" for n, one in self._fields if one.column == column]
        return [*places, f"not list_contains(list_transform(contradictions, lambda one: one.field), {quoted(column)})"]

    def _no_lists(self) -> str:
        if not self._mapping.items:
            return ""
        outer = (self._mapping.items.split("[*].")[0]).removesuffix("[*]")
        place = quoted(_json_path(outer))
        return f"""
            union all
            select payload_id, {quoted(outer)}, 'payload', customer_id, source, kind, provider,
                   left(json_extract(document, {place})::varchar, 100), 'not a list', received_at
            from documents where source = {quoted(self._source)} and kind = {quoted(self._mapping.kind)}
                and json_type(document, {place}) not in ('ARRAY', 'NULL')"""


_SQL_TYPES = {
    "number": "double", "count": "bigint", "text": "varchar", "flag": "boolean", "instant": "timestamp", "day": "date",
}  # fmt: skip

_IDENTITY = {
    "wearables__activities": "coalesce({id}, strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'))",
    "wearables__sleeps": "coalesce({id}, strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'))",
    "wearables__days": "day::varchar",
    "wearables__bodies": "coalesce({id}, strftime(measured_at, '%Y-%m-%dT%H:%M:%SZ')) || ' ' || {list}",
}


def _completed(mapping: Mapping) -> str:
    """What follows from what is told: lengths from ends, ends from lengths, the night's date and efficiency."""
    nothing = "[]::struct(field varchar, value varchar, reason varchar)[]"
    length = {"wearables__activities": "duration_seconds", "wearables__sleeps": "in_bed_seconds"}.get(
        mapping.table.name
    )
    if length is None:
        return f"select *, {nothing} as contradictions from typed"
    high = mapping.table.column(length).high
    spans = f""", ordered as (
            select * replace (case when ended_at < started_at then null else ended_at end as ended_at),
                   ended_at < started_at as is_backwards, ended_at as told_end from typed),
        spanned as (
            select * replace (coalesce(ended_at, started_at + to_microseconds(({length} * 1e6)::bigint)) as ended_at,
                              coalesce({length}, case when epoch(ended_at - started_at) <= {high}
                                                      then epoch(ended_at - started_at) end) as {length}),
                   case when is_backwards then [{{field: 'ended_at', value: told_end::varchar,
                                                  reason: 'before it starts'}}] else {nothing} end as contradictions
            from ordered)"""
    if mapping.table.name != "wearables__sleeps":
        return f"{spans} select * from spanned"
    return f"""{spans}, slept as (
            select * replace (coalesce(asleep_seconds, rem_seconds + deep_seconds + light_seconds) as asleep_seconds,
                              coalesce(day, (ended_at + to_minutes(coalesce(utc_offset_minutes, 0)))::date) as day)
            from spanned)
        select * replace (
            case when asleep_seconds <= in_bed_seconds and in_bed_seconds > 0
                 then asleep_seconds / in_bed_seconds end as efficiency,
            contradictions || case when asleep_seconds > in_bed_seconds then [{{field: 'efficiency',
                value: asleep_seconds::varchar, reason: 'asleep for longer than in bed'}}] else {nothing} end
                as contradictions)
        from slept"""


def _unnested(name: str, source: str, holder: str, path: str, prefix: str) -> str:
    members = f"json_extract({holder}, {quoted(_json_path(path) + '[*]')})"
    return f"""{name} as (
        select {_PAYLOAD}, {prefix} || {quoted(path)} || '[' || place || ']' as position, members[place + 1] as item,
               around
        from (select {_PAYLOAD}, {"" if holder == "document" else "position,"} {holder} as around, {members} as members,
                     unnest(range(len({members}))) as place from {source}))"""


def _json_path(path: str) -> str:
    # `distances[0]` is the first of a list.
    return "$" + "".join(f'."{name}"{place}' for name, place in re.findall(r"([^.\[]+)((?:\[\d+\])?)", path))


def _paths(paths: list[str]) -> str:
    return f"[{', '.join(quoted(one) for one in paths)}]" if paths else "['$']"


def _first(places: list[str]) -> str:
    return f"coalesce({', '.join(places)})" if len(places) > 1 else (places or ["null"])[0]


def _hashed(column: Column) -> str:
    return f"coalesce({column.name}::varchar, '')"


def _arrow(column: Column) -> str:
    # Arrow has no cast from DuckDB's lossless booleans.
    return f"{column.name}::tinyint as {column.name}" if column.kind == "flag" else column.name
