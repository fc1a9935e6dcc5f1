"""How far the lake is behind its source, how near the slot is to filling the disk. Only looks; any process may ask."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import progress, slot
from ingestion.settings import CdcSettings


@dataclass(frozen=True)
class Lag:
    """The lake against the source, now.

    Args:
        bytes: Log written in the source after what the lake holds; other databases of the server write it too.
        seconds: Since when the lake is known to hold everything; at most the heartbeat's period when all is well.
            None before the first snapshot.
        retained_bytes: Log that PostgreSQL keeps because of the slot.
        safe_bytes: Log that may still be written before PostgreSQL gives the slot up; None without a limit.
        is_slot_lost: There is no slot to read from: the next run takes a new snapshot of everything.
        blocked: Why a table's changes are not landed, for every table that is blocked now.
    """

    bytes: int
    seconds: float | None
    retained_bytes: int
    safe_bytes: int | None
    is_slot_lost: bool
    blocked: dict[str, str]

    @property
    def is_slot_in_danger(self) -> bool:
        """Whether the slot has used up most of what it may hold: time for an alarm."""
        return self.safe_bytes is not None and self.safe_bytes < self.retained_bytes


def lag(settings: CdcSettings) -> Lag:
    """Ask the source and the lake.

    Raises:
        contracts.warehouse.LakeMissing: the lake was never set up.
    """
    with psycopg.connect(settings.cdc_url.get_secret_value(), autocommit=True) as source:
        end = slot.current_lsn(source)
        anchor = slot.state(source, settings.cdc_slot)
    with warehouse.reading(settings) as lake:
        mark = progress.watermark(lake, settings.cdc_slot)
        states = progress.table_states(lake, settings.cdc_slot)
    return Lag(
        bytes=max(end - mark.lsn, 0) if mark else end,
        seconds=max((datetime.now(UTC) - mark.landed_at).total_seconds(), 0.0) if mark else None,
        retained_bytes=anchor.retained_bytes if anchor else 0,
        safe_bytes=anchor.safe_bytes if anchor else None,
        is_slot_lost=anchor is None or anchor.is_lost,
        blocked={table: state.reason or "" for table, state in states.items() if state.state == "blocked"},
    )
