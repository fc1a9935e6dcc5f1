"""Collects the rows of one block of customers, table by table, together with the events that announce them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.events.envelope import Event
from contracts.ids import ids_at
from plyo.demo.columns import Coded, Ids, Maybe, Times, arrow_table, id_text, insert_order, joined

POSITIONS_PER_BLOCK = 10_000_000
"""Outbox positions reserved for each block, so that they depend on the seed alone."""


class Batch:
    """What one transaction will write.

    Args:
        block: Number of the block, unique in the load.
        random: The block's own generator.
        until: The simulated now; everything announced was relayed by then.
    """

    def __init__(self, *, block: int, random: np.random.Generator, until: np.datetime64) -> None:
        self.block = block
        self.random = random
        self.until = until
        self._tables: dict[str, list[pa.Table]] = {}
        self._occurred: list[Times] = []
        self._events: list[pa.Table] = []

    def ids(self, at: Times) -> Ids:
        """New ids of rows made at these instants."""
        return ids_at(at.astype("datetime64[ms]").astype(np.int64), self.random)

    def add(self, table: str, **columns: Any) -> None:
        """Rows of a product table, as `plyo.demo.columns.arrow_table` takes them."""
        self._tables.setdefault(table, []).append(arrow_table(table, columns))

    def announce(self, event: type[Event], at: Times, **facts: Any) -> None:
        """One event of the class for each row.

        Args:
            at: When each happened.
            facts: The class's own fields: ids, moments (UTC), whole or real numbers, booleans, `Coded`, or one value
                for all.

        Raises:
            ValueError: a fact is not a field of the class, or a required field is missing.
        """
        fields = {name: field for name, field in event.model_fields.items() if name not in ("event_id", "occurred_at")}
        missing = {name for name, field in fields.items() if field.is_required()} - facts.keys()
        if missing or facts.keys() - fields.keys():
            raise ValueError(f"{event.__name__} has {sorted(fields)}, not {sorted(facts)}")
        count = len(at)
        if count == 0:
            return
        parts: list[Any] = ["\x01{"]
        for position, (name, value) in enumerate(facts.items()):
            parts += [f'{"," if position else ""}"{name}":', _json(value, count)]
        payload = joined(*parts, "}")
        self._occurred.append(at.astype("datetime64[us]"))
        self._events.append(
            arrow_table(
                "platform.outbox_events",
                {
                    "event_id": self.ids(at),
                    "type": event.type,
                    "version": event.version,
                    "aggregate_id": facts[event.aggregate],
                    "occurred_at": at,
                    "payload": payload,
                },
            )
        )

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Every table's rows, in an order that meets every foreign key, the outbox last and in order of time."""
        for name in sorted(self._tables, key=insert_order().__getitem__):
            yield name, pa.concat_tables(self._tables[name])
        if self._events:
            yield "platform.outbox_events", self._outbox()

    def _outbox(self) -> pa.Table:
        occurred = np.concatenate(self._occurred)
        order = np.argsort(occurred, kind="stable")
        relayed = np.minimum(occurred[order] + np.timedelta64(800, "ms"), self.until)
        first = self.block * POSITIONS_PER_BLOCK + 1
        events = pa.concat_tables(self._events).take(order)
        return events.append_column(
            "position", pa.array(np.arange(first, first + len(order), dtype=np.int64))
        ).append_column("relayed_at", pa.array(relayed, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")))


def _json(value: Any, count: int) -> Any:
    """JSON text of each value, as an Arrow array or one string for all rows."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return f'"{value}"'
        case Coded():
            words = [f'"{word}"' for word in value.words]
            return pa.array([*words, "null"], pa.large_string()).take(
                pa.array(np.where(value.codes < 0, len(words), value.codes))
            )
        case Maybe():
            text = pa.array(value.values, mask=~value.known).cast(pa.large_string())
            return pc.fill_null(text, "null")
        case np.void():
            return _json(np.full(count, value, "V16"), count)
    if value.dtype == np.dtype("V16"):
        return pc.fill_null(joined('"', id_text(value), '"'), "null")
    if value.dtype.kind == "M":
        moments = pa.array(np.datetime_as_string(value, unit="us")).cast(pa.large_string())
        return joined('"', pc.replace_substring_regex(moments, r"\.000000$", ""), 'Z"')  # as events are written
    if value.dtype == np.bool_:
        return pa.array(["false", "true"], pa.large_string()).take(pa.array(value.astype(np.int8)))
    return pa.array(value).cast(pa.large_string())
