"""Capturing the operational database into raw: made ready, run once, or streamed. Plain functions for an orchestrator.

The order that makes every change land exactly once, whatever is killed when: rows and watermark in ONE lake
transaction; the anchor slot moves after it, and never past the watermark; a new start reads from the lake's watermark.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import duckdb
import psycopg
import pyarrow as pa

from contracts import warehouse
from contracts.telemetry import get_logger
from ingestion.postgres_cdc import parked, progress, requests, slot, snapshot
from ingestion.postgres_cdc.decode import Decoder, Piece, Rows
from ingestion.postgres_cdc.land import RawTables
from ingestion.postgres_cdc.landed import Landed
from ingestion.postgres_cdc.parked import Parking
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Relation, Reshape, TableStopped
from ingestion.postgres_cdc.source import TEXT_OPTIONS, Source
from ingestion.postgres_cdc.texts import SourceTexts
from ingestion.settings import CdcSettings

_CHUNK_BYTES = 64 << 20  # decoded at once, which bounds memory whatever the size of a transaction
_ADVANCE_SECONDS = 10.0  # moving the anchor reads the log again, so not after every batch
_FLUSH_SECONDS = 600.0
_REQUESTS_SECONDS = 5.0
_LOCK_WAIT = "10s"  # the session of a killed capture can take a moment to end

log = get_logger(__name__)


class AlreadyRunning(RuntimeError):
    """Another process captures this database; two would land every change twice."""


class UnknownTable(ValueError):
    """Not a table that was captured; the message names it."""


class SourceWentBack(RuntimeError):
    """The lake is ahead of the source, which was restored or replaced: give the lake a new folder and catalog."""


def _ignore(_: object) -> None:
    pass


def ensure_ready(settings: CdcSettings) -> Landed:
    """Make the slot and the first snapshot unless they are there; a lost slot is answered by a new snapshot.

    Raises:
        AlreadyRunning: another process captures this database.
        SourceWentBack: the lake holds changes that the source never made.
    """
    with Capture(settings) as capture:
        return capture.get_ready()


def run_once(settings: CdcSettings) -> Landed:
    """Bring everything that is committed now into the lake, and say what it was. Raises as `ensure_ready`."""
    with Capture(settings) as capture:
        landed = capture.get_ready()
        for batch in capture.batches():
            landed.add(batch)
        # Only now is all that a blocked table has missed put aside.
        if capture.answer_requests():
            for batch in capture.batches():
                landed.add(batch)
        landed.blocked = capture.blocked()
        capture.advance_anchor()
        return landed


def stream(settings: CdcSettings, stop: Callable[[], bool], on_batch: Callable[[Landed], None] = _ignore) -> None:
    """Bring changes into the lake as they are committed, until told to stop. Raises as `ensure_ready`.

    Args:
        stop: Asked a few times a second.
        on_batch: Told of every lake commit that brought rows.
    """
    with Capture(settings) as capture:
        first = capture.get_ready()
        if first.snapshots:
            on_batch(first)
        while not stop():
            started = monotonic()
            for landed in capture.batches() if capture.has_news() else ():
                on_batch(landed)
                if stop():
                    break
            capture.keep_up()
            while not stop() and (rest := started + settings.cdc_period_seconds - monotonic()) > 0:
                sleep(min(rest, 0.1))
        capture.advance_anchor()


def resume(settings: CdcSettings, raw_table: str, reshape: Reshape | None = None) -> Landed:
    """Take up a blocked table again: with a new snapshot that keeps its history, or with all changes put aside.

    Args:
        raw_table: Like `training__workouts`.
        reshape: What the new shape means; then no snapshot is needed.

    Raises:
        AlreadyRunning: a stream captures this database; it takes the table up within seconds.
        UnknownTable: there is no such table in raw.
    """
    with warehouse.writing(settings) as lake:
        progress.create_tables(lake)
        requests.create_table(lake)
        if raw_table not in progress.table_states(lake, settings.cdc_slot):
            raise UnknownTable(f"raw has no table {raw_table}, or nothing was captured yet")
        requests.ask(lake, settings.cdc_slot, raw_table, reshape)
    return run_once(settings)


class Capture:
    """One capture under way: the lake for writing, the source, and the lock that keeps others out. A context manager.

    After an exception it must be closed: what it read may not be what it landed.
    """

    def __init__(self, settings: CdcSettings, step: Callable[[str], None] = _ignore) -> None:
        """Keep settings; nothing is opened yet.

        Args:
            step: Told the name of each step just before it happens, so that drills can end the process there.
        """
        self._settings = settings
        self._step = step
        self._url = settings.cdc_url.get_secret_value()
        self._slot = settings.cdc_slot
        self._reader: slot.ChangeReader | None = None
        self._caught_up: tuple[int, datetime] | None = None
        self._advanced_at = self._flushed_at = self._asked_at = monotonic()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._control = opened.enter_context(
                psycopg.connect(self._url, autocommit=True, application_name="plyo-cdc", options=TEXT_OPTIONS)
            )
            self._lock()
            self._lake = opened.enter_context(warehouse.writing(self._settings))
            progress.create_tables(self._lake)
            parked.create_table(self._lake)
            requests.create_table(self._lake)
            self._source = Source(self._control, self._settings.cdc_publication)
            self._raw = RawTables(self._lake, self._source)
            self._take_states()
            self._mark = progress.watermark(self._lake, self._slot)
            self._texts = opened.enter_context(closing(SourceTexts(self._url)))
            opened.callback(self._close_reader)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def get_ready(self) -> Landed:
        """See `ensure_ready`."""
        anchor = slot.state(self._control, self._slot)
        if self._mark and self._mark.lsn > slot.current_lsn(self._control):
            raise SourceWentBack(f"the lake is at {slot.lsn_text(self._mark.lsn)}, which the source has not reached")
        problem = _problem_of(anchor, self._mark)
        if problem is None:
            return Landed(blocked=self.blocked(), lsn=self._mark.lsn if self._mark else 0)
        log.info("cdc.snapshot_of_everything", reason=problem)
        self._close_reader()
        slot.drop(self._control, self._slot)
        with slot.exported_snapshot(self._url, self._slot, kind="persistent") as exported:
            self._step("anchor made")
            return self._take_snapshot(exported, list(self._source.relations().values()), is_first=True)

    def has_news(self) -> bool:
        """Whether there may be something to land: one question to the source, where `batches` asks a dozen."""
        looked_at, lsn = datetime.now(UTC), slot.current_lsn(self._control)
        if self._caught_up is None or self._caught_up[0] != lsn or self._is_due():
            return True
        self._caught_up = lsn, looked_at
        return False

    def batches(self) -> Iterator[Landed]:
        """Land what is committed now, batch by batch, and snapshots of tables that are due for one."""
        looked_at, until = datetime.now(UTC), slot.current_lsn(self._control)
        due = self._due()
        if due:
            with slot.exported_snapshot(
                self._url, f"{self._slot}_snapshot_{self._control.info.backend_pid}"
            ) as exported:
                yield self._take_snapshot(exported, due)
        while True:
            try:
                landed = self._land_batch(until)
            except TableStopped as stopped:
                self._stop_table(stopped)
                continue
            if landed is None:
                break
            yield landed
        self._caught_up = (until, looked_at)

    def keep_up(self) -> None:
        """Between batches: note a quiet source, move the anchor, gather small batches in files; each in its time."""
        if self._mark is None or self._caught_up is None:
            return
        lsn, at = self._caught_up
        if (at - self._mark.landed_at).total_seconds() > self._settings.cdc_heartbeat_seconds:
            with warehouse.transaction(self._lake):
                self._move_mark(max(lsn, self._mark.lsn), at, 0)
        if monotonic() - self._advanced_at > _ADVANCE_SECONDS:
            self.advance_anchor()
        if monotonic() - self._asked_at > _REQUESTS_SECONDS:
            self.answer_requests()
        if monotonic() - self._flushed_at > _FLUSH_SECONDS:
            self._gather()

    def advance_anchor(self) -> None:
        """Let PostgreSQL drop the log that the lake no longer needs."""
        if self._mark:
            self._step("advance")
            slot.advance(self._control, self._slot, self._mark.lsn)
            self._step("advanced")
        self._advanced_at = monotonic()

    def answer_requests(self) -> bool:
        """Take up the tables that people asked for: call a snapshot due, or land what was put aside.

        Returns:
            Whether anybody had asked.
        """
        asked = requests.asked(self._lake, self._slot)
        for request, raw_table, reshape in asked:
            state = self._states.get(raw_table)
            if reshape is None or state is None or state.state != "blocked":
                with warehouse.transaction(self._lake):
                    if reshape is None:
                        lsn = self._mark.lsn if self._mark else 0
                        self._set_state(raw_table, TableState("due", lsn, 0, "resumed by hand"))
                    requests.answered(self._lake, self._slot, request)
                continue
            try:
                with warehouse.transaction(self._lake):
                    self._land_parked(raw_table, state, reshape)
                    requests.answered(self._lake, self._slot, request)
                log.info("cdc.table_resumed", table=raw_table)
            except TableStopped as stopped:
                self._raw.refresh()
                with warehouse.transaction(self._lake):
                    self._set_state(raw_table, replace(state, reason=stopped.reason))
                    requests.answered(self._lake, self._slot, request)
            finally:
                self._raw.told.pop(raw_table, None)
            self._take_states()
        self._asked_at = monotonic()
        return bool(asked)

    def _land_parked(self, raw_table: str, state: TableState, reshape: Reshape) -> None:
        if not state.lsn:
            schema, table = raw_table.split("__", 1)
            reason = "its changes are not all there, so it needs a snapshot: resume it without saying how"
            raise TableStopped(Relation(state.oid, schema, table, ()), reason)
        self._raw.told[raw_table] = reshape
        decoder = Decoder(
            self._source.completed,
            lambda relation: state.lsn if relation.oid == state.oid else None,
            self._texts.column,
        )
        for messages in parked.messages(self._lake, self._slot, raw_table, since_lsn=state.lsn):
            for piece in decoder.decode(messages):
                self._land(piece)
        self._set_state(raw_table, TableState("live", state.lsn, state.oid, gone=self._raw.gone_of(raw_table)))

    def _take_states(self) -> None:
        self._states = dict(progress.table_states(self._lake, self._slot))
        self._raw.gone = {raw_table: set(state.gone) for raw_table, state in self._states.items()}

    def _gather(self) -> None:
        self._flushed_at = monotonic()
        try:
            self._lake.execute("call ducklake_flush_inlined_data('raw')")
            self._lake.execute("call ducklake_merge_adjacent_files('raw')")
        except duckdb.TransactionException as error:
            log.info("cdc.gathering_left_out", reason=str(error))  # maintenance was at the same files

    def _lock(self) -> None:
        self._control.execute(f"set lock_timeout = '{_LOCK_WAIT}'")
        try:
            self._control.execute("select pg_advisory_lock(hashtext(%s))", [f"plyo.cdc.{self._slot}"])
        except psycopg.errors.LockNotAvailable as error:
            raise AlreadyRunning(f"another process captures this database through slot {self._slot}") from error

    def _is_due(self) -> bool:
        return any(state.state == "due" for state in self._states.values())

    def _due(self) -> list[Relation]:
        def is_due(relation: Relation) -> bool:
            state = self._states.get(relation.raw_table)
            return state is None or state.state == "due" or (state.state == "live" and state.oid != relation.oid)

        return [relation for relation in self._source.relations().values() if is_due(relation)]

    def _wanted_from(self, relation: Relation) -> int | None:
        # Changes of a table without a snapshot wait for it: it will hold them.
        state = self._states.get(relation.raw_table)
        return state.lsn if state and state.state == "live" and state.oid == relation.oid else None

    def _take_snapshot(
        self, exported: slot.ExportedSnapshot, relations: list[Relation], *, is_first: bool = False
    ) -> Landed:
        taken_at = datetime.now(UTC)
        while True:
            try:
                with snapshot.source_attached(self._lake, self._url), warehouse.transaction(self._lake):
                    copied = snapshot.copy_tables(
                        self._lake, self._raw, relations, exported, slot=self._slot, taken_at=taken_at
                    )
                    if is_first:
                        self._move_mark(exported.lsn, taken_at, 0)
                    self._step("snapshot commit")
                self._step("snapshot committed")
                break
            except TableStopped as stopped:
                self._stop_table(stopped)
                relations = [relation for relation in relations if relation != stopped.relation]
        self._take_states()
        log.info("cdc.snapshot", tables=len(copied), rows=sum(copied.values()), lsn=exported.lsn)
        return Landed(snapshots=copied, blocked=self.blocked(), lsn=exported.lsn)

    def _land_batch(self, until: int) -> Landed | None:
        reader = self._reader = self._reader or self._open_reader()
        started = monotonic()
        pieces = reader.batch(self._settings.cdc_batch_changes, until)
        first = next((batch for batch in pieces if batch.num_rows), None)
        if first is None:
            return None
        landed = Landed(batches=1)
        landed.seconds["read"] = monotonic() - started
        decoder = Decoder(self._source.completed, self._wanted_from, self._texts.column)
        blocked = {state.oid: table for table, state in self._states.items() if state.state == "blocked" and state.lsn}
        parking = Parking(blocked)
        with warehouse.transaction(self._lake):
            for messages in _in_chunks(landed.timed(chain([first], pieces), "read")):
                for table, picked in parking.pick(messages):
                    parked.park(self._lake, self._slot, table, picked)
                for piece in landed.timed(decoder.decode(messages), "decode"):
                    started = monotonic()
                    table, rows = piece.relation.raw_table, self._land(piece)
                    landed.rows[table] = landed.rows.get(table, 0) + rows
                    landed.seconds["land"] += monotonic() - started
                    self._step("landed")
            self._move_mark(decoder.end_lsn, decoder.committed_at.as_py(), sum(landed.rows.values()))
            self._control.execute("select 1")  # raises when the lock is gone with its session
            self._step("commit")
            started = monotonic()
        landed.seconds["commit"] += monotonic() - started
        self._step("committed")
        age = datetime.now(UTC) - decoder.committed_at.as_py()
        landed.blocked, landed.lsn = self.blocked(), decoder.end_lsn
        landed.lag_bytes = max(slot.current_lsn(self._control) - decoder.end_lsn, 0)
        landed.lag_seconds = max(age.total_seconds(), 0.0)
        return landed

    def _land(self, piece: Piece) -> int:
        if isinstance(piece, Rows):
            self._raw.prepare(piece.relation)
            return self._raw.append(piece)
        return self._raw.remove_all(piece)

    def _stop_table(self, stopped: TableStopped) -> None:
        log.error("cdc.table_stopped", table=stopped.relation.name, state=stopped.state, reason=stopped.reason)
        self._raw.refresh()
        self._close_reader()  # it is past the batch that was given up
        self._mark = progress.watermark(self._lake, self._slot)
        raw_table, lsn = stopped.relation.raw_table, self._mark.lsn if self._mark else 0
        known = self._states.get(raw_table)
        if known is None or known.state != "live":
            lsn = 0
        gone = known.gone if known else ()
        state = TableState(stopped.state, lsn, stopped.relation.oid, stopped.reason, gone)
        with warehouse.transaction(self._lake):
            self._set_state(raw_table, state)
        self._take_states()

    def _set_state(self, raw_table: str, state: TableState) -> None:
        progress.set_state(self._lake, self._slot, raw_table, state)
        self._states[raw_table] = state

    def _move_mark(self, lsn: int, committed_at: datetime, changes: int) -> None:
        self._mark = progress.move_watermark(
            self._lake, self._slot, lsn=lsn, committed_at=committed_at, changes=changes
        )  # fmt: skip

    def blocked(self) -> dict[str, str]:
        """Why a table's changes are not landed, for every table that is blocked now."""
        return {table: state.reason or "" for table, state in self._states.items() if state.state == "blocked"}

    def _open_reader(self) -> slot.ChangeReader:
        from_lsn = self._mark.lsn if self._mark else 0
        return slot.ChangeReader(self._url, self._slot, self._settings.cdc_publication, from_lsn)

    def _close_reader(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None


def _problem_of(anchor: slot.SlotState | None, mark: progress.Watermark | None) -> str | None:
    if mark is None:
        return "nothing was captured yet"
    if anchor is None:
        return "the slot is gone"
    if anchor.is_lost:
        return "the slot was given up: the log it held grew too large"
    if anchor.confirmed_lsn > mark.lsn:
        return "the slot is ahead of the lake"
    return None


def _in_chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.BinaryArray]:
    held: list[pa.BinaryArray] = []
    size = 0
    for batch in batches:
        held.append(batch.column(0))
        size += batch.nbytes
        if size >= _CHUNK_BYTES:
            yield held[0] if len(held) == 1 else pa.concat_arrays(held)
            held, size = [], 0
    if held:
        yield held[0] if len(held) == 1 else pa.concat_arrays(held)
