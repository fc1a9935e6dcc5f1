"""SQL that judges one value of a payload: is it of the type and in the range of its column, and if not, why not.

A judgement never fails: whatever JSON a source sends, the value is kept, or kept out with a reason.
"""

from collections.abc import Callable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass

from ingestion.wearables.fields import Field, Mapping, factor
from ingestion.wearables.tables import Column

NUMBERS = "('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')"
_INSTANT = r"^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\d*(Z|[+-]\d{2}:?\d{2})?$"
_LONGEST_TEXT = 300

Pick = Callable[[str], str]
"""From a path of a field to the SQL of the JSON there."""


@dataclass(frozen=True)
class Judgement:
    """SQL over a relation that has `raw`, the JSON as told, as a column.

    Args:
        reason: Why the value is kept out; null: it is kept, or there is none.
        value: What is kept, if there is no reason against it.
        offset: Of an instant: minutes from UTC, null where nobody says.
    """

    reason: str
    value: str
    offset: str | None = None


def quoted(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def told(field: Field, pick: Pick) -> str:
    """SQL of the JSON as told; null for JSON's null and for what the source calls not measured."""
    if "+" in field.path:
        date, time = (f"({pick(path)} ->> '$')" for path in field.path.split("+"))
        return f"case when {date} is not null then to_json(concat_ws('T', {date}, {time})) end"
    found = pick(field.path)
    conditions = [f"json_type({found}) <> 'NULL'"]
    if field.when:
        path, text = field.when
        conditions.append(f"({pick(path)} ->> '$') = {quoted(text)}")
    if field.absent:
        nothing = ", ".join(str(float(number)) for number in field.absent)
        conditions.append(f"coalesce(try_cast({found} as double) not in ({nothing}), true)")
    return f"case when {' and '.join(conditions)} then {found} end"


def judgement(field: Field, column: Column, mapping: Mapping, raw: str, pick: Pick) -> Judgement:
    """How a field of a column is judged.

    Args:
        raw: Name of the SQL column with the JSON.
        pick: For other members of the item, such as its offset from UTC.
    """
    if field.codes is not None:
        return _code(field, column, raw)
    if column.kind in ("number", "count"):
        return _number(field, column, raw)
    if column.kind == "flag":
        wrong = f"case when json_type({raw}) <> 'BOOLEAN' then 'not a yes or no' end"
        return Judgement(wrong, f"try_cast({raw} as boolean)")
    if column.kind == "text":
        return _text(raw)
    if column.kind == "day":
        return _day(raw)
    return _instant(field, mapping, raw, pick)


def _number(field: Field, column: Column, raw: str) -> Judgement:
    told_as = f"({raw} ->> '$')" if field.is_text else raw
    value = f"try_cast({told_as} as double) * {factor(field.unit, column.unit)!r}"
    wrong = f"try_cast({told_as} as double) is null" if field.is_text else f"json_type({raw}) not in {NUMBERS}"
    reason = f"""case when {wrong} then 'not a number'
                      when not coalesce({value} between {column.low} and {column.high}, false)
                          then 'not in {column.low:g} to {column.high:g} {column.unit}' end"""
    return Judgement(reason, f"round({value})::bigint" if column.kind == "count" else value)


def _text(raw: str) -> Judgement:
    value = rf"nullif(trim(regexp_replace({raw} ->> '$', '[\x00-\x1f\x7f]+', ' ', 'g')), '')"
    reason = f"""case when json_type({raw}) not in ('VARCHAR', 'BIGINT', 'UBIGINT') then 'not a text'
                      when length({value}) > {_LONGEST_TEXT} then 'longer than {_LONGEST_TEXT}' end"""
    return Judgement(reason, value)


def _code(field: Field, column: Column, raw: str) -> Judgement:
    # A number may come as 8.0; what is not a whole number finds no code.
    word = f"""case when json_type({raw}) = 'DOUBLE' then try_cast(try_cast({raw} as double) as bigint)::varchar
                    else lower({raw} ->> '$') end"""
    known = f"{_map(field.codes or {})}[{word}]"
    value = known if field.otherwise is None else f"coalesce({known}, {quoted(field.otherwise)})"
    words = "('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE', 'BOOLEAN')"
    reason = f"case when json_type({raw}) not in {words} then 'not a code' end"
    return Judgement(reason, f"({value})::boolean" if column.kind == "flag" else value)


def _day(raw: str) -> Judgement:
    value = f"try_cast(regexp_extract({raw} ->> '$', '^\\d{{4}}-\\d{{2}}-\\d{{2}}') as date)"
    reason = f"""case when json_type({raw}) <> 'VARCHAR' or {value} is null then 'not a date'
                      when {value} not between date '2000-01-01' and received_at::date + 3
                          then 'before 2000 or in the future' end"""
    return Judgement(reason, value)


def _instant(field: Field, mapping: Mapping, raw: str, pick: Pick) -> Judgement:
    beside = _offset_beside(mapping, pick)
    if field.unit == "epoch s":
        at = f"""case when abs(try_cast({raw} as double)) < 1e11
                      then make_timestamp((try_cast({raw} as double) * 1e6)::bigint) end"""
        wrong = f"json_type({raw}) not in {NUMBERS} or ({at}) is null"
        offset = beside
    else:
        text = f"({raw} ->> '$')"
        written = f"try_cast(regexp_extract({text}, {quoted(_INSTANT)}, 1) as timestamp)"
        zone = f"regexp_extract({text}, {quoted(_INSTANT)}, 2)"
        minutes = f"(({zone})[2:3]::int * 60 + ({zone})[-2:]::int) * case when ({zone})[1] = '-' then -1 else 1 end"
        offset = f"case when {zone} = '' then {beside} when {zone} = 'Z' then 0 else {minutes} end"
        at = f"({written} - to_minutes(coalesce({offset}, 0)))"
        wrong = f"json_type({raw}) <> 'VARCHAR' or {written} is null or abs({offset}) > 15 * 60"
    if mapping.utc_when:
        path, text = mapping.utc_when
        offset = f"case when coalesce(({pick(path)} ->> '$') <> {quoted(text)}, true) then {offset} end"
    reason = f"""case when {raw} is null then null when {wrong} then 'not a time'
                      when not {at} between timestamp '2000-01-01' and received_at + interval 2 days
                          then 'before 2000 or in the future' end"""
    return Judgement(reason, at, offset)


def _offset_beside(mapping: Mapping, pick: Pick) -> str:
    if mapping.offset is None:
        return "null::bigint"
    told = pick(mapping.offset)
    minutes = f"try_cast({told} as double) / {60 if mapping.offset_unit == 's' else 60_000}"
    return f"case when json_type({told}) in {NUMBERS} and abs({minutes}) <= 15 * 60 then round({minutes})::bigint end"


def _map(codes: Lookup[str, str]) -> str:
    entries = ", ".join(f"{quoted(code)}: {quoted(value)}" for code, value in codes.items())
    return f"map {{{entries}}}"
