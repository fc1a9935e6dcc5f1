"""What a connector to a source outside is, and pulling it. One module per provider in `payments/ wearables/ crm/`.

Each stream of a connector is pulled by itself: one that fails says so in its outcome and holds back no other. When it
is pulled, and telling operations of it, belongs to `orchestration`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import duckdb
import pyarrow as pa

from contracts.telemetry import get_logger
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import Batch
from ingestion.quality import quarantine

log = get_logger(__name__)


class Connector(Protocol):
    """A source that is pulled.

    Attributes:
        name: One word, as the admin sees it and as raw tables begin.
        streams: Kinds of objects, in the order in which they are pulled.
        tables: Raw tables it lands in and their columns; made empty before the first pull.
    """

    name: str
    streams: Sequence[str]
    tables: Mapping[str, pa.Schema]

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """What is new in a stream since a cursor, in batches that each carry the cursor after them.

        Args:
            cursor: Of the last batch that was landed; None: from the beginning.
        """
        ...

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        """What a stream holds of a span of time, for a backfill; batches carry no cursor."""
        ...


@runtime_checkable
class Reconciled(Protocol):
    """A connector that can tell which of the objects in `<name>__<stream>` its source no longer has."""

    def is_whole(self, stream: str, cursor: str | None) -> bool:
        """Whether `pull` from this cursor brings every object of the stream, so that one it does not bring is gone."""
        ...

    def vanished(self, stream: str, ids: Sequence[str]) -> Iterator[Batch]:
        """Of objects that a whole pull did not bring, those that are gone for certain, as deleted documents."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How one stream of a connector went.

    Args:
        rows: Appended to raw.
        quarantined: Put aside because their suite refuses them; some may have been aside already.
        cursor: Where it goes on.
        problem: Why it ended early; None: it did not.
    """

    stream: str
    rows: int
    cursor: str | None
    problem: str | None = None
    quarantined: int = 0


def pull(
    settings: WarehouseSettings,
    connector: Connector,
    *,
    streams: Sequence[str] | None = None,
    resync: bool = False,
    on_batch: Callable[[str, int], None] = lambda _stream, _rows: None,
) -> list[Outcome]:
    """Bring what is new in a connector's streams into raw, and where all was brought, note what is gone.

    Args:
        streams: Only these; None: all.
        resync: From the beginning; what raw holds is not landed again.
        on_batch: Told the stream and the rows of each batch.

    Raises:
        ingestion.landing.AlreadyPulling: another process pulls for this connector.
    """

    def batches(stream: str, cursor: str | None) -> Iterable[Batch]:
        return connector.pull(stream, cursor)

    return _each(settings, connector, streams, batches, resync=resync, on_batch=on_batch, reconciles=True)


def backfill(
    settings: WarehouseSettings,
    connector: Connector,
    start: datetime,
    end: datetime,
    *,
    streams: Sequence[str] | None = None,
) -> list[Outcome]:
    """Bring what a connector's streams hold of a span of time into raw; cursors stay, and a second time adds nothing.

    Raises:
        ingestion.landing.AlreadyPulling: another process pulls for this connector.
    """

    def batches(stream: str, _cursor: str | None) -> Iterable[Batch]:
        return connector.window(stream, start, end)

    def untold(_stream: str, _rows: int) -> None:
        return

    return _each(settings, connector, streams, batches, resync=False, on_batch=untold, reconciles=False)


def _each(
    settings: WarehouseSettings,
    connector: Connector,
    streams: Sequence[str] | None,
    batches: Callable[[str, str | None], Iterable[Batch]],
    *,
    resync: bool,
    on_batch: Callable[[str, int], None],
    reconciles: bool,
) -> list[Outcome]:
    outcomes = []
    with landing.pulling(settings, connector.name) as lake:
        landing.ensure_tables(lake, connector.tables)
        cursors = landing.cursors_of(lake, connector.name)
        for stream in connector.streams if streams is None else streams:
            rows, quarantined, problem = 0, 0, None
            try:
                if resync:
                    landing.rewind(lake, connector.name, stream)
                    cursors[stream] = None
                begun = cursors.get(stream)
                arriving = batches(stream, begun)
                if reconciles and isinstance(connector, Reconciled) and connector.is_whole(stream, begun):
                    arriving = _with_vanished(lake, connector, f"{connector.name}__{stream}", stream, arriving)
                for batch in arriving:
                    sifted = quarantine.sift(batch)
                    landed = quarantine.land(lake, connector.name, stream, sifted)
                    rows += landed
                    quarantined += len(sifted.reasons)
                    cursors[stream] = batch.cursor if batch.cursor is not None else cursors.get(stream)
                    on_batch(stream, landed)
            except Exception as error:  # told in the outcome; the other streams go on
                log.exception("pull.stream_failed", connector=connector.name, stream=stream)
                problem = f"{type(error).__name__}: {error}"[:500]
            outcomes.append(Outcome(stream, rows, cursors.get(stream), problem, quarantined))
    return outcomes


def _with_vanished(
    lake: duckdb.DuckDBPyConnection, connector: Reconciled, table: str, stream: str, batches: Iterable[Batch]
) -> Iterator[Batch]:
    seen = []
    for batch in batches:
        if batch.table == table:
            seen.append(batch.rows["id"])
        yield batch
    if missing := landing.absent(lake, table, seen):
        yield from connector.vanished(stream, missing)
