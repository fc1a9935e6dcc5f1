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

from contracts import warehouse
from contracts.telemetry import get_logger
from ingestion.postgres_cdc import own_tables, parked, progress, publication, requests, slot, snapshot
from ingestion.postgres_cdc.copying import Copying
from ingestion.postgres_cdc.decode import Decoder, Piece, Rows
from ingestion.postgres_cdc.land import RawTables
from ingestion.postgres_cdc.landed import Landed
from ingestion.postgres_cdc.moment import Moment
from ingestion.postgres_cdc.parked import Parking
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Reshape, TableStopped
from ingestion.postgres_cdc.source import TEXT_OPTIONS, Source
from ingestion.postgres_cdc.standing import Standing
from ingestion.postgres_cdc.texts import SourceTexts
from ingestion.settings import CdcSettings

_ADVANCE_SECONDS = 10.0  # moving the anchor reads the log again, so not after every batch
_NOTE_SECONDS = 1.0
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
        landed = capture.get_ready()
        if capture.has_snapshots_to_take:
            capture.catch_up(landed)
        landed.blocked = capture.blocked()
        return landed


def run_once(settings: CdcSettings) -> Landed:
    """Bring everything that is committed now into the lake, and say what it was. Raises as `ensure_ready`."""
    with Capture(settings) as capture:
        landed = capture.get_ready()
        capture.catch_up(landed)
        # Only now is all that a blocked table has missed put aside.
        if capture.answer_requests():
            capture.catch_up(landed)
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
        own_tables.ensure(lake)
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
        self._export: slot.SnapshotExport | None = None
        self._copying: Copying | None = None
        self._caught_up: tuple[int, datetime] | None = None
        self._advanced_at = self._flushed_at = self._asked_at = self._noted_at = monotonic()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._control = opened.enter_context(
                psycopg.connect(self._url, autocommit=True, application_name="plyo-cdc", options=TEXT_OPTIONS)
            )
            self._lock()
            self._may_note = slot.may_note_running(self._control)
            self._lake = opened.enter_context(warehouse.writing(self._settings))
            own_tables.ensure(self._lake)
            self._source = Source(self._control, self._settings.cdc_publication)
            self._raw = RawTables(self._lake, self._source)
            self._standing = Standing(self._lake, self._raw, self._slot)
            self._mark = progress.watermark(self._lake, self._slot)
            self._texts = opened.enter_context(closing(SourceTexts(self._url)))
            opened.callback(self._close_reader)
            opened.callback(self._end_copying)
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
        problem = progress.problem_of(anchor, self._mark)
        if problem is None:
            if anchor and not anchor.is_on_standbys:
                slot.let_standbys_have(self._url, self._slot)
            return Landed(blocked=self.blocked(), lsn=self._mark.lsn if self._mark else 0)
        log.info("cdc.snapshot_of_everything", reason=problem)
        self._close_reader()
        slot.drop(self._control, self._slot)
        with slot.exported_snapshot(self._url, self._slot, kind="persistent") as exported:
            self._step("anchor made")
            self._end_copying()
            self._copying = Copying(self._lake, self._raw, self._slot, Moment(self._url, exported))
        self._copying.plan(list(self._source.relations().values()), [])
        return self._copy_lot(is_first=True)

    @property
    def has_snapshots_to_take(self) -> bool:
        """Whether a snapshot is under way, or to come: `batches` goes on with it each time."""
        return self._copying is not None or self._export is not None or self._standing.is_any_due

    def catch_up(self, landed: Landed) -> None:
        """Land what is committed now, with all there is to be copied for it; adds to `landed`."""
        while True:
            for batch in self.batches():
                landed.add(batch)
            if self._export:
                self._export.wait_until_ready()
            elif self._copying is None:
                return

    def has_news(self) -> bool:
        """Whether there may be something to land: one question to the source, where `batches` asks a dozen."""
        looked_at, lsn = datetime.now(UTC), slot.readable_lsn(self._control)
        if self._caught_up is None or self._caught_up[0] != lsn or self.has_snapshots_to_take:
            return True
        self._caught_up = lsn, looked_at
        return False

    def batches(self) -> Iterator[Landed]:
        """Land what is committed now, batch by batch, then go on with the snapshot of tables that need one.

        After the changes one lot of the snapshot is copied, about two seconds' worth, and the caller should come back.
        """
        yield from self._begin_copying()
        looked_at, until = datetime.now(UTC), slot.readable_lsn(self._control)
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
        # What is copied at a moment must not meet changes from before it, but for those of tables it starts.
        if self._copying and until >= self._copying.lsn:
            yield self._copy_lot()

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
            state = self._standing.get(raw_table)
            if reshape is None or state is None or state.state != "blocked":
                with warehouse.transaction(self._lake):
                    if reshape is None:
                        lsn = self._mark.lsn if self._mark else 0
                        self._standing.set(raw_table, TableState("due", lsn, 0, "resumed by hand"))
                    requests.answered(self._lake, self._slot, request)
                if self._copying:
                    self._copying.leave(raw_table)
                continue
            try:
                with warehouse.transaction(self._lake):
                    self._land_parked(raw_table, state, reshape)
                    requests.answered(self._lake, self._slot, request)
                log.info("cdc.table_resumed", table=raw_table)
            except TableStopped as stopped:
                self._raw.refresh()
                with warehouse.transaction(self._lake):
                    self._standing.set(raw_table, replace(state, reason=stopped.reason))
                    requests.answered(self._lake, self._slot, request)
            finally:
                self._raw.told.pop(raw_table, None)
            self._standing.refresh()
        self._note_refused()
        self._asked_at = monotonic()
        return bool(asked)

    def _note_refused(self) -> None:
        for name, (oid, reason) in publication.refused(self._control).items():
            raw_table = name.replace(".", "__", 1)
            known = self._standing.get(raw_table)
            if known is None or known.state != "blocked":
                log.error("cdc.table_stopped", table=name, state="blocked", reason=reason)
                with warehouse.transaction(self._lake):
                    self._standing.set(raw_table, TableState("blocked", 0, oid, f"it is not published: {reason}"))
                if self._copying:
                    self._copying.leave(raw_table)

    def _land_parked(self, raw_table: str, state: TableState, reshape: Reshape) -> None:
        self._raw.told[raw_table] = reshape
        for piece in parked.pieces(self._lake, self._slot, raw_table, state, self._source, self._texts):
            self._land(piece)
        live = TableState("live", state.lsn, state.oid, gone=self._raw.gone_of(raw_table))
        self._standing.set(raw_table, live)

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

    def _begin_copying(self) -> Iterator[Landed]:
        # Ask for a moment of the source when tables need one, and begin with it once it is there.
        relations = list(self._source.relations().values())
        due, half = self._standing.due(relations), self._standing.half(relations)
        is_ours = self._copying is not None and not self._copying.is_old
        if self._export is None and (due or (half and not is_ours)):
            self._export = slot.SnapshotExport(self._url, f"{self._slot}_snapshot_{self._control.info.backend_pid}")
        if self._export is None:
            return
        # Changes of a table half copied may need what only a moment knows, so they cannot pass without.
        if half and self._copying is None:
            self._export.wait_until_ready()
        exported = self._export.poll()
        if exported is None:
            return
        moment = Moment(self._url, exported)
        self._end_copying()
        self._copying = Copying(self._lake, self._raw, self._slot, moment)
        if self._copying.plan(due, half):
            yield self._copy_lot()

    def _end_copying(self) -> None:
        if self._copying:
            self._copying.close()
        if self._export:
            self._export.close()
        self._copying = self._export = None

    def _copy_lot(self, *, is_first: bool = False) -> Landed:
        copying = self._copying
        if copying is None:
            raise AssertionError("unreachable")
        while True:
            try:
                with snapshot.source_attached(self._lake, self._url), warehouse.transaction(self._lake):
                    copying.start()
                    copied = copying.copy_lot(self._control, self._source.relations())
                    if is_first:
                        self._move_mark(copying.lsn, datetime.now(UTC), 0)
                    self._step("snapshot commit")
                self._step("snapshot committed")
                break
            except TableStopped as stopped:
                self._stop_table(stopped)
        copying.lot_is_copied(copied)
        self._standing.refresh()
        log.info("cdc.snapshot", tables=len(copied), rows=sum(copied.values()), lsn=copying.lsn)
        if copying.is_over:
            copying.close()
            self._copying = None
        return Landed(snapshots=copied, blocked=self.blocked(), lsn=self._mark.lsn if self._mark else 0)

    def _land_batch(self, until: int) -> Landed | None:
        reader = self._reader = self._reader or self._open_reader()
        started = monotonic()
        pieces = reader.batch(self._settings.cdc_batch_changes, until)
        first = next((batch for batch in pieces if batch.num_rows), None)
        if first is None:
            return None
        landed = Landed(batches=1)
        landed.seconds["read"] = monotonic() - started
        decoder = Decoder(self._source.completed, self._standing.wanted_from, self._texts.column)
        parking = Parking(self._standing.parked())
        with ExitStack() as opened:
            if self._copying:
                opened.enter_context(snapshot.source_attached(self._lake, self._url))
            opened.enter_context(warehouse.transaction(self._lake))
            if self._copying:
                self._copying.adopt()
            for messages in slot.in_chunks(landed.timed(chain([first], pieces), "read")):
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
        if self._copying:
            self._copying.settle(is_committed=True)
        if self._may_note and monotonic() - self._noted_at > _NOTE_SECONDS:
            slot.note_running(self._control)
            self._noted_at = monotonic()
        age = datetime.now(UTC) - decoder.committed_at.as_py()
        landed.blocked, landed.lsn = self.blocked(), decoder.end_lsn
        landed.lag_bytes = max(slot.current_lsn(self._control) - decoder.end_lsn, 0)
        landed.lag_seconds = max(age.total_seconds(), 0.0)
        return landed

    def _land(self, piece: Piece) -> int:
        if isinstance(piece, Rows):
            self._raw.prepare(piece.relation)
            unfinished = self._copying.unfinished(piece.relation.raw_table) if self._copying else None
            return self._raw.append(piece, unfinished)
        return self._raw.remove_all(piece)

    def _stop_table(self, stopped: TableStopped) -> None:
        log.error("cdc.table_stopped", table=stopped.relation.name, state=stopped.state, reason=stopped.reason)
        self._raw.refresh()
        self._close_reader()  # it is past the batch that was given up
        self._mark = progress.watermark(self._lake, self._slot)
        raw_table, lsn = stopped.relation.raw_table, self._mark.lsn if self._mark else 0
        known = self._standing.get(raw_table)
        if known is None or known.state != "live":
            lsn = 0
        gone = known.gone if known else ()
        state = TableState(stopped.state, lsn, stopped.relation.oid, stopped.reason, gone)
        with warehouse.transaction(self._lake):
            self._standing.set(raw_table, state)
        self._standing.refresh()
        if self._copying:
            self._copying.settle(is_committed=False)
            self._copying.leave(raw_table)

    def _move_mark(self, lsn: int, committed_at: datetime, changes: int) -> None:
        self._mark = progress.move_watermark(
            self._lake, self._slot, lsn=lsn, committed_at=committed_at, changes=changes
        )  # fmt: skip

    def blocked(self) -> dict[str, str]:
        """Why a table's changes are not landed, for every table that is blocked now."""
        return self._standing.blocked()

    def _open_reader(self) -> slot.ChangeReader:
        from_lsn = self._mark.lsn if self._mark else 0
        return slot.ChangeReader(self._url, self._slot, self._settings.cdc_publication, from_lsn)

    def _close_reader(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None
