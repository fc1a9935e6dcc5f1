"""What is said to the database while something is done, and how PostgreSQL would go about it.

How many statements something may take, and which tables are large, is each test's to say.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

COUNTED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


class Heard(list[str]):
    """Statements in the order in which they were said, and the types of the events that were announced by them."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []


@contextmanager
def heard(engine: Engine) -> Iterator[Heard]:
    """The statements that are said meanwhile, without what begins each transaction: saying who looks."""
    said = Heard()

    def hear(_c: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        if _is_question(sql):
            said.append(sql)
        if "insert into platform.outbox_events" in sql:
            said.told += [one["type"] for one in json.loads(values["events"])]

    with _listening(engine, hear):
        yield said


class Explained:
    """What PostgreSQL would do for each statement that was said, each asked about once, before it is done.

    Args:
        large: Names of the tables that nothing should read from end to end.
    """

    def __init__(self, engine: Engine, large: Collection[str]) -> None:
        self.by: dict[str, tuple[str, list[str]]] = {}
        self._engine, self._large, self._who = engine, large, ""

    @contextmanager
    def of(self, who: str) -> Iterator[None]:
        """Whatever is said meanwhile is explained."""
        self._who = who
        with _listening(self._engine, self._hear):
            yield

    def _hear(self, connection: Any, _cursor: object, sql: str, values: Any, _context: object, many: bool) -> None:
        if sql in self.by or not _is_question(sql):
            return
        with connection.connection.driver_connection.cursor() as cursor:
            one = values[0] if many and isinstance(values, list | tuple) else values
            cursor.execute(f"explain (format json) {sql}", one)
            plan = cursor.fetchone()[0][0]["Plan"]
        self.by[sql] = (self._who, [one for one in _read_whole(plan) if one in self._large])

    def whole(self, *, but: Iterable[str] = ()) -> list[str]:
        """What reads a large table from end to end, but for who begins like one of `but`."""
        return [
            f"{who} reads all of {', '.join(tables)}:\n  {sql}"
            for sql, (who, tables) in self.by.items()
            if tables and not who.startswith(tuple(but))
        ]


def _is_question(sql: str) -> bool:
    text = sql.lstrip().upper()
    return text.startswith(COUNTED) and "SET_CONFIG(" not in text


@contextmanager
def _listening(engine: Engine, hear: Any) -> Iterator[None]:
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def _read_whole(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for one in plan.get("Plans", []):
        yield from _read_whole(one)
