"""What the product must find out by itself: why customers left. Written to files, never to its tables."""

from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plyo.demo.block import Block
from plyo.demo.catalogue import STUDIOS
from plyo.demo.clock import Clock
from plyo.demo.columns import id_text
from plyo.demo.journey import ACTIVE, CAUSES

_WEEKS = pa.schema(
    [("customer_id", pa.large_string()), ("week_starts_on", pa.date32()), ("adherence", pa.float32())]
    + [("hazard", pa.float32())]
    + [(f"hazard_{cause}", pa.float32()) for cause in CAUSES]
    + [("decides_to_leave", pa.bool_())]
)
_CUSTOMERS = pa.schema(
    [
        ("customer_id", pa.large_string()), ("city", pa.string()), ("joined_at", pa.timestamp("us", tz="UTC")),
        ("decided_at", pa.timestamp("us", tz="UTC")), ("ended_at", pa.timestamp("us", tz="UTC")),
        ("main_cause", pa.string()), ("is_involuntary", pa.bool_()), ("is_protected", pa.bool_()),
        ("nudges", pa.int32()), ("held_out", pa.int32()), ("came_back_at", pa.timestamp("us", tz="UTC")),
    ]
)  # fmt: skip


class Truth:
    """Writes `truth.parquet` (customer and week) and `truth_customers.parquet`; the names appear when complete.

    Main causes are drawn with the odds of the hazard's parts in the week of the decision; protected customers are
    those of the demo logins, who do not leave.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._files = [folder / "truth.parquet", folder / "truth_customers.parquet"]
        for file in self._files:
            file.unlink(missing_ok=True)
        self._half = [file.with_suffix(".half") for file in self._files]
        self._writers = [
            pq.ParquetWriter(file, schema, compression="zstd")
            for file, schema in zip(self._half, (_WEEKS, _CUSTOMERS), strict=True)
        ]

    def __enter__(self) -> "Truth":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close()
        for half, file in zip(self._half, self._files, strict=True):
            if kind is None:
                half.rename(file)
            else:
                half.unlink()

    def tell(self, block: Block) -> None:
        """Append a block's truth."""
        journey, clock = block.journey, self._clock
        ids = id_text(block.customers.ids)
        who, week = np.nonzero((journey.state == ACTIVE) & (np.arange(clock.weeks) <= clock.current))
        hazard = journey.hazard[who, week]
        decided = np.where(np.isnat(journey.spells.requested), clock.start - 1, journey.spells.requested)
        decides = (clock.week_of(decided)[who] == week[:, None]).any(axis=1)
        columns = [
            ids.take(pa.array(who)), clock.day(week, np.zeros(len(week), int)),
            journey.adherence[who, week].astype(np.float32), hazard.sum(axis=1), *hazard.T, decides,
        ]  # fmt: skip
        arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, _WEEKS, strict=True)]
        self._writers[0].write_table(pa.table(arrays, schema=_WEEKS))
        self._writers[1].write_table(self._customers(block, ids))

    def _customers(self, block: Block, ids: pa.Array) -> pa.Table:
        spells, customers = block.journey.spells, block.customers
        who, *_, held, _, _ = block.journey.runs.columns(9)
        n = len(customers)
        # The last stay that ended says why somebody left.
        turn = (~np.isnat(spells.end[:, 1])).astype(int)
        everyone = np.arange(n)
        cause = spells.cause[everyone, turn]
        columns = [
            ids, pa.array([place.city for place in STUDIOS]).take(pa.array(customers.studio)),
            customers.joined_at, spells.requested[everyone, turn], spells.end[everyone, turn],
            pa.array(CAUSES).take(pa.array(cause, mask=cause < 0)), spells.is_involuntary[everyone, turn],
            customers.protected | (block.journey.protected_from < (1 << 20)),
            np.bincount(who.astype(int), weights=held == 0, minlength=n).astype(np.int32),
            np.bincount(who.astype(int), weights=held, minlength=n).astype(np.int32), spells.start[:, 1],
        ]  # fmt: skip
        arrays = [
            (pa.array(column) if isinstance(column, np.ndarray) else column).cast(field.type)
            for column, field in zip(columns, _CUSTOMERS, strict=True)
        ]
        return pa.table(arrays, schema=_CUSTOMERS)
