"""The SQL of one request, learned by watching two, and said again for any other: with bound values, or by pgbench.

What differs between the two is of the request (its customer, coach, session, and when it starts, told apart by the ids
of `business`), new (ids made for it) or of the moment (when it is said), and is made anew for each; everything else is
said as it was.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Engine, event

from benchmarks.api.business import COACH, COACHES, CUSTOMERS, FIRST, PERSON, SLOT, named, starts_at

BEGIN, COMMIT = "begin", "commit"
LENGTH = timedelta(minutes=55)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBERS = {PERSON: ("c", CUSTOMERS), COACH: ("h", COACHES), SLOT: ("n", 10**11)}


@dataclass(frozen=True)
class Statement:
    """One statement as the driver was given it; of `BEGIN` and `COMMIT` there is nothing more to know."""

    sql: str
    values: dict[str, Any]


def watch(engine: Engine, do: Callable[[], object]) -> list[Statement]:
    """What a piece of work says to the database, in order."""
    heard: list[Statement] = []

    def hear(_c: object, _cursor: object, sql: str, values: Any, _context: object, many: bool) -> None:
        heard.extend(Statement(sql, dict(one)) for one in (values if many else [values]))

    def begun(_: object) -> None:
        heard.append(Statement(BEGIN, {}))

    def committed(_: object) -> None:
        heard.append(Statement(COMMIT, {}))

    for name, listener in (("before_cursor_execute", hear), ("begin", begun), ("commit", committed)):
        event.listen(engine, name, listener)
    try:
        do()
    finally:
        for name, listener in (("before_cursor_execute", hear), ("begin", begun), ("commit", committed)):
            event.remove(engine, name, listener)
    return heard


class Recorded:
    """The statements of one kind of request."""

    def __init__(self, number: int, first: list[Statement], second: list[Statement], *, said_at: datetime) -> None:
        """Learn from two requests.

        Args:
            number: Of the first one.
            said_at: When the first one was asked.

        Raises:
            ValueError: they did not say the same statements.
        """
        if [one.sql for one in first] != [one.sql for one in second]:
            raise ValueError("two requests of a kind said different statements")
        self._number, self.statements, self._said_at = number, first, said_at
        start = starts_at(number)
        self._moments = {
            value
            for one, other in zip(first, second, strict=True)
            for name, value in one.values.items()
            if isinstance(value, datetime) and value != other.values[name] and value not in (start, start + LENGTH)
        }
        ours, theirs = (
            {name for one in said for value in one.values.values() for name in _UUID.findall(_text(value))}
            for said in (first, second)
        )
        self._new = sorted(one for one in ours - theirs if _kind(one) is None)

    def bound(self, number: int) -> list[tuple[str, dict[str, Any]]]:
        """Statements and values for the request of another number."""
        names = {one: str(uuid4()) for one in self._new}
        for kind, (_, count) in _NUMBERS.items():
            names[str(named(kind, self._number % count))] = str(named(kind, number % count))
        start, later, passed = starts_at(self._number), starts_at(number), datetime.now(UTC) - self._said_at
        times = {start: later, start + LENGTH: later + LENGTH} | {one: one + passed for one in self._moments}
        return [
            (one.sql, {key: self._again(value, names, times) for key, value in one.values.items()})
            for one in self.statements
        ]

    def _again(self, value: Any, names: dict[str, str], times: dict[datetime, datetime]) -> Any:
        if isinstance(value, UUID):
            return UUID(names.get(str(value), str(value)))
        if isinstance(value, datetime):
            return times.get(value, value)
        if isinstance(value, list):
            return [self._again(one, names, times) for one in value]
        text = _text(value)
        if isinstance(value, str) or _is_json(value):
            again = _UUID.sub(lambda found: names.get(found[0], found[0]), text)
            return again if isinstance(value, str) else Jsonb(json.loads(again))
        return value

    def for_pgbench(self, connection: psycopg.Connection[Any]) -> str:
        """A script that counts: `start`, `per` and `i` are given by -D."""
        script = [
            "\\set i :i + 1", "\\set m :start + :client_id * :per + :i", f"\\set n :m + {FIRST}",
            f"\\set c :m % {CUSTOMERS} + {FIRST}", f"\\set h :m % {COACHES} + {FIRST}", f"\\set t :m / {COACHES}",
        ]  # fmt: skip
        for one in self.statements:
            script.append(self._literal(connection, one) + ";")
        return "\n".join(script) + "\n"

    def _literal(self, connection: psycopg.Connection[Any], one: Statement) -> str:
        if one.sql in (BEGIN, COMMIT):
            return one.sql
        # As text, in which the ids are found; the statements themselves say of what type they are.
        values = {key: str(value) if isinstance(value, UUID) else value for key, value in one.values.items()}
        said = psycopg.ClientCursor(connection).mogrify(one.sql, values)
        start = starts_at(self._number)
        for moment in (start, start + LENGTH):
            then = f"(timestamptz '{moment - timedelta(hours=self._number // COACHES)}' + :t * interval '1 hour')"
            said = said.replace(f"'{moment}'::timestamptz", then)
        for moment in self._moments:
            since = (moment - self._said_at).total_seconds()
            said = said.replace(f"'{moment}'::timestamptz", f"(now() + interval '{since} seconds')")

        def renamed(found: re.Match[str]) -> str:
            name = found[0]
            if name in self._new:
                return f"{0xB0 + self._new.index(name):08x}-0000-7000-8000-:n"
            kind = _kind(name)
            return f"{name[:24]}:{_NUMBERS[kind][0]}" if kind is not None else name

        return " ".join(_UUID.sub(renamed, said).split("\n"))


def _kind(name: str) -> int | None:
    kind = int(name[:8], 16)
    return kind if kind in _NUMBERS and name[9:23] == "0000-7000-8000" else None


def _is_json(value: object) -> bool:
    return hasattr(value, "obj") and hasattr(value, "dumps")


def _text(value: Any) -> str:
    if _is_json(value):
        return json.dumps(value.obj, default=str)
    return str(value)
