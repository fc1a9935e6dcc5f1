"""Replication slots: the anchor that holds the log for us, exported snapshots, and reading changes.

The anchor is persistent and moved only after the lake has committed. Changes are read from a temporary copy of it that
lives in our session, moved at once to where the lake is: reading and advancing it is one pass, and after kill -9 it is
gone and the next copy starts at the lake's own mark again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from queue import Full, Queue
from select import select
from threading import Event, Thread
from typing import Any, Literal, LiteralString
from urllib.parse import urlsplit, urlunsplit

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
from psycopg import pq

_CHUNK_BYTES = 32 << 20


class SlotLost(RuntimeError):
    """PostgreSQL gave up the slot because the log it held grew past `max_slot_wal_keep_size`."""


@dataclass(frozen=True)
class ExportedSnapshot:
    """A moment in the source: transactions that committed before `lsn` are in the snapshot, all others are not."""

    lsn: int
    name: str


@dataclass(frozen=True)
class SlotState:
    """What PostgreSQL says of a slot.

    Args:
        confirmed_lsn: The log before it is no longer needed.
        is_lost: It can no longer be read.
        retained_bytes: Log that PostgreSQL keeps because of it.
        safe_bytes: Log that may still be written before it is lost; None without a limit.
        is_on_standbys: A standby that synchronises slots has it too, and can go on with it when promoted.
    """

    confirmed_lsn: int
    is_lost: bool
    retained_bytes: int
    safe_bytes: int | None
    is_on_standbys: bool = True


def lsn_number(text: str) -> int:
    """An LSN like `1/6C936E0` as a number."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(number: int) -> str:
    """An LSN as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def state(connection: psycopg.Connection[Any], slot: str) -> SlotState | None:
    """The slot as it is now, or None where there is none."""
    row = connection.execute(
        """select coalesce(confirmed_flush_lsn, '0/0') - '0/0'::pg_lsn,
                  wal_status = 'lost' or invalidation_reason is not null,
                  pg_current_wal_lsn() - coalesce(restart_lsn, pg_current_wal_lsn()), safe_wal_size,
                  failover
           from pg_replication_slots where slot_name = %s and database = current_database()""",
        [slot],
    ).fetchone()
    return SlotState(int(row[0]), bool(row[1]), int(row[2]), row[3], row[4]) if row else None


def drop(connection: psycopg.Connection[Any], slot: str) -> None:
    """Remove a slot if it is there."""
    connection.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", [slot]
    )


def advance(connection: psycopg.Connection[Any], slot: str, lsn: int) -> None:
    """Tell PostgreSQL that the log before `lsn` is no longer needed."""
    connection.execute("select pg_replication_slot_advance(%s, %s::pg_lsn)", [slot, lsn_text(lsn)])


def may_note_running(connection: psycopg.Connection[Any]) -> bool:
    """Whether our role has been granted what `note_running` asks for."""
    row = connection.execute("select has_function_privilege('pg_log_standby_snapshot()', 'execute')").fetchone()
    return row == (True,)


def note_running(connection: psycopg.Connection[Any]) -> None:
    """Have PostgreSQL write into its log which transactions run now.

    Each call for changes reads the log again from the last such note. PostgreSQL makes one every 15 seconds: at 10,000
    changes a second, asked six times a second, it would spend most of its time on what was landed already.
    """
    connection.execute("select pg_log_standby_snapshot()")


def current_lsn(connection: psycopg.Connection[Any]) -> int:
    """Where the source's log ends now."""
    return _lsn(connection, "select pg_current_wal_flush_lsn() - '0/0'::pg_lsn")


def readable_lsn(connection: psycopg.Connection[Any]) -> int:
    """Up to where the source's log may be landed: its end, or where the last of `synchronized_standby_slots` is.

    PostgreSQL itself keeps from readers of a slot what a promoted standby would not have; we read a copy of the slot,
    to which that does not apply.
    """
    return _lsn(
        connection,
        """select least(pg_current_wal_flush_lsn(), (
               select min(coalesce(s.restart_lsn, '0/0'))
               from unnest(string_to_array(replace(current_setting('synchronized_standby_slots'), ' ', ''), ',')) name
               left join pg_replication_slots s on s.slot_name = name)) - '0/0'::pg_lsn""",
    )


def _lsn(connection: psycopg.Connection[Any], query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    if row is None:
        raise AssertionError("unreachable")
    return int(row[0])


class SnapshotExport:
    """A slot being made, and the snapshot of the source as of the very point where it starts.

    PostgreSQL waits for the transactions under way that have written something, so it can be asked whether it is done.
    """

    def __init__(self, url: str, slot: str, *, kind: Literal["persistent", "temporary"] = "temporary") -> None:
        """Ask for it.

        Args:
            url: libpq URL of a role that may replicate.
            slot: Name of the slot. A temporary one ends with `close`; a persistent one stays, and standbys have it too.
        """
        self._slot = slot
        options = "(SNAPSHOT 'export', FAILOVER true)" if kind == "persistent" else "(SNAPSHOT 'export')"
        word = "TEMPORARY " if kind == "temporary" else ""
        self._connection = pq.PGconn.connect(_with_query(url, "replication=database").encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise self._error()
        self._connection.send_query(f'CREATE_REPLICATION_SLOT "{slot}" {word}LOGICAL pgoutput {options}'.encode())

    def poll(self) -> ExportedSnapshot | None:
        """The snapshot, good until `close`; None while PostgreSQL waits. Not to be asked again after that."""
        self._connection.consume_input()
        return None if self._connection.is_busy() else self._taken()

    def wait(self) -> ExportedSnapshot:
        """`poll` once PostgreSQL has it."""
        self.wait_until_ready()
        return self._taken()

    def wait_until_ready(self) -> None:
        """Return when `poll` has something to say."""
        while self._connection.is_busy():
            select([self._connection.socket], [], [])
            self._connection.consume_input()

    def _taken(self) -> ExportedSnapshot:
        done = self._connection.get_result()
        if done is None or done.status != pq.ExecStatus.TUPLES_OK:
            raise self._error()
        lsn, name = done.get_value(0, 1), done.get_value(0, 2)
        return ExportedSnapshot(lsn_number((lsn or b"").decode()), (name or b"").decode())

    def close(self) -> None:
        """End the session, and with it the snapshot and a temporary slot."""
        self._connection.finish()

    def _error(self) -> psycopg.OperationalError:
        message = (self._connection.error_message or b"no connection").decode(errors="replace").strip()
        return psycopg.OperationalError(f"cannot make replication slot {self._slot}: {message}")


@contextmanager
def exported_snapshot(
    url: str, slot: str, *, kind: Literal["persistent", "temporary"] = "temporary"
) -> Iterator[ExportedSnapshot]:
    """`SnapshotExport` for the length of a block."""
    with closing(SnapshotExport(url, slot, kind=kind)) as export:
        yield export.wait()


def let_standbys_have(url: str, slot: str) -> None:
    """Have standbys keep a slot that was made before they could (`failover`). Nobody may be reading it."""
    connection = pq.PGconn.connect(_with_query(url, "replication=database").encode())
    try:
        done = connection.exec_(f'ALTER_REPLICATION_SLOT "{slot}" (FAILOVER true)'.encode())
        if done.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError((connection.error_message or b"").decode(errors="replace").strip())
    finally:
        connection.finish()


class ChangeReader:
    """Reads changes in the order of their commits through a temporary copy of the anchor.

    The next batch is read while the caller is busy with the last: PostgreSQL decodes it whole before it sends a row.
    """

    def __init__(self, url: str, anchor: str, publication: str, from_lsn: int) -> None:
        """Copy the anchor and move the copy to `from_lsn`, the end of what the lake holds.

        Raises:
            SlotLost: the anchor can no longer be read.
        """
        self._slot = f"{anchor}_{os.getpid()}_{id(self)}"
        self._publication = publication
        self._ahead: _Ahead | None = None
        self._read_until = 0
        self._connection = adbc.connect(_with_query(url, "application_name=plyo-cdc-reader"), autocommit=True)
        try:
            self._run("select pg_copy_logical_replication_slot($1, $2, true)::text", anchor, self._slot)
            self._run(
                """select pg_replication_slot_advance(slot_name, $2::text::pg_lsn)::text from pg_replication_slots
                   where slot_name = $1 and confirmed_flush_lsn < $2::text::pg_lsn""",
                self._slot,
                lsn_text(from_lsn),
            )
        except adbc.Error as error:
            self.close()
            if "can no longer" in str(error) or "invalidated" in str(error) or "cannot copy" in str(error):
                raise SlotLost(str(error)) from error
            raise

    def batch(self, changes: int, until_lsn: int) -> Iterator[pa.RecordBatch]:
        """Messages of the next transactions, in pieces of some 16 MiB; none when there are no more.

        To be read to its end. The slot moves past what was read, and past the batch after it.

        Args:
            changes: Stop at the end of the transaction in which so many messages are reached.
            until_lsn: Read no transaction that ended after it; a batch that was begun for an earlier call may end
                before.
        """
        if self._ahead is None and until_lsn <= self._read_until:
            return
        batch = self._ahead or self._begin(changes, until_lsn)
        self._ahead = None
        messages = 0
        for piece in batch:
            messages += piece.num_rows
            yield piece
        if messages < changes:
            # PostgreSQL stopped for nothing but the end, and would read the log again to say that there is no more.
            self._read_until = batch.until_lsn
        else:
            self._ahead = self._begin(changes, until_lsn)

    def close(self) -> None:
        """End the session, and with it the temporary slot."""
        if self._ahead:
            self._ahead.give_up()
        self._connection.close()

    def _begin(self, changes: int, until_lsn: int) -> "_Ahead":
        def read() -> Iterator[pa.RecordBatch]:
            with self._connection.cursor() as cursor:
                cursor.execute(
                    f"""select data from pg_logical_slot_get_binary_changes(
                            '{self._slot}', '{lsn_text(until_lsn)}', {changes},
                            'proto_version', '1', 'publication_names', '{self._publication}', 'binary', 'true')"""
                )
                yield from cursor.fetch_record_batch()

        return _Ahead(read, until_lsn)

    def _run(self, statement: str, *values: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            cursor.fetchall()


def in_chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.BinaryArray]:
    """The messages of a batch in pieces of some 32 MiB, which bounds memory whatever the size of a transaction."""
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


def _with_query(url: str, option: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=f"{parts.query}&{option}" if parts.query else option))


class _Ahead:
    """What an iterator yields, fetched by a thread before it is asked for, a few pieces at most. To be read once."""

    _END = object()

    def __init__(self, read: Callable[[], Iterator[pa.RecordBatch]], until_lsn: int) -> None:
        self._read = read
        self.until_lsn = until_lsn
        self._pieces: Queue[Any] = Queue(maxsize=4)
        self._is_given_up = Event()
        self._thread = Thread(target=self._work, name="cdc-read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while (piece := self._pieces.get()) is not self._END:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Read nothing more, and wait until the thread has ended."""
        self._is_given_up.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            for piece in self._read():
                if not self._put(piece):
                    return
            self._put(self._END)
        except BaseException as error:  # noqa: BLE001 handed to the thread that reads
            self._put(error)

    def _put(self, piece: object) -> bool:
        while not self._is_given_up.is_set():
            try:
                self._pieces.put(piece, timeout=0.1)
            except Full:
                continue
            return True
        return False
