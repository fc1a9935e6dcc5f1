"""How far the lake is behind its source, how near the slot is to filling the disk. Only looks; any process may ask."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import progress, slot
from ingestion.settings import CdcSettings

_LATELY = timedelta(hours=1)
_MUCH_TOO_OLD = 10  # times the objective


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
        changes_lately: Changes landed in the last hour.
        batches_lately: Lake commits that brought them.
    """

    bytes: int
    seconds: float | None
    retained_bytes: int
    safe_bytes: int | None
    is_slot_lost: bool
    blocked: dict[str, str]
    changes_lately: int = 0
    batches_lately: int = 0

    @property
    def is_slot_in_danger(self) -> bool:
        """Whether the slot has used up most of what it may hold: time for an alarm."""
        return self.safe_bytes is not None and self.safe_bytes < self.retained_bytes


@dataclass(frozen=True)
class Finding:
    """One thing that is watched, judged: whether it is as promised, and if not, whether a person must act now.

    Args:
        name: `lake_is_fresh`, `slot_is_safe` or `no_table_stands_still`.
        problem: What is wrong, for people; None when all is well.
        level: `warn`: look today. `error`: data is late for everybody, or will be until somebody acts.
    """

    name: str
    problem: str | None = None
    level: Literal["warn", "error"] = "error"


def judge(lag: Lag, *, objective_seconds: float) -> list[Finding]:
    """What the figures mean; always the same three findings. A source that was never captured is behind nobody."""
    return [_freshness(lag, objective_seconds), _slot(lag), _tables(lag)]


def _freshness(lag: Lag, objective: float) -> Finding:
    if lag.seconds is None or lag.seconds <= objective:
        return Finding("lake_is_fresh")
    problem = f"the lake holds what is older than {lag.seconds:.0f} s; promised are {objective:.0f} s"
    return Finding("lake_is_fresh", problem, "error" if lag.seconds > _MUCH_TOO_OLD * objective else "warn")


def _slot(lag: Lag) -> Finding:
    if lag.is_slot_lost and lag.seconds is not None:
        return Finding("slot_is_safe", "the slot is lost: the next run copies every table anew")
    if lag.is_slot_in_danger:
        return Finding("slot_is_safe", "the slot has used up more than half of the log it may hold", "warn")
    return Finding("slot_is_safe")


def _tables(lag: Lag) -> Finding:
    told = "; ".join(f"{table}: {reason}" for table, reason in sorted(lag.blocked.items()))
    return Finding("no_table_stands_still", told or None)


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
        changes, batches = progress.landed_since(lake, settings.cdc_slot, datetime.now(UTC) - _LATELY)
    return Lag(
        bytes=max(end - mark.lsn, 0) if mark else end,
        seconds=max((datetime.now(UTC) - mark.landed_at).total_seconds(), 0.0) if mark else None,
        retained_bytes=anchor.retained_bytes if anchor else 0,
        safe_bytes=anchor.safe_bytes if anchor else None,
        is_slot_lost=anchor is None or anchor.is_lost,
        blocked={table: state.reason or "" for table, state in states.items() if state.state == "blocked"},
        changes_lately=changes,
        batches_lately=batches,
    )
