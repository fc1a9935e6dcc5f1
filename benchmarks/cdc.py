"""Change capture against PostgreSQL's own limits and its own streaming client, in one run on one machine.

`python -m benchmarks.cdc [--changes 1000000 --rows 3000000 --rounds 3]` starts its own PostgreSQL and measures

- a snapshot, against `COPY ... TO STDOUT (FORMAT binary)` of the same rows;
- the stream of changes to bookings, payments and workout sets (60 % insert, 30 % update, 10 % delete, transactions of 1
  to 50 rows), against decoding alone (`pg_logical_slot_peek_binary_changes`, counted in the server) and against
  `pg_recvlogical` writing to /dev/null.

Each side works in a process of its own. Figures are medians of the rounds; the last line is JSON.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import capture, publication
from ingestion.postgres_cdc.landed import Landed
from ingestion.settings import CdcSettings
from plyo.postgres import BINARIES, PostgresServer, free_port

TABLES = {
    "scheduling.bookings": (
        "id uuid primary key, slot_id uuid, customer_id uuid, coach_id uuid, starts_at timestamptz, status text",
        "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), 'booked'",
        "status = 'attended'",
    ),
    "commerce.payments": (
        """id uuid primary key, invoice_id uuid, amount_minor bigint, currency text, status text,
           captured_at timestamptz""",
        "gen_random_uuid(), gen_random_uuid(), n * 100, 'EUR', 'pending', null",
        "status = 'captured', captured_at = now()",
    ),
    "training.workout_sets": (
        """id uuid primary key, workout_id uuid, position smallint, weight_kg numeric(6, 2), reps smallint, rpe real,
           note text""",
        "gen_random_uuid(), gen_random_uuid(), n % 20, (n % 30000) / 100.0, n % 12, 7.5, 'set ' || n",
        "reps = reps + 1",
    ),
}
SNAPSHOT_TABLE = "training.workout_sets"
PGOUTPUT = {"proto_version": "1", "publication_names": "plyo_cdc", "binary": "true"}

processes = get_context("spawn")


def make_tables(source: psycopg.Connection, rows: int) -> None:
    """The tables, and a history for the snapshot to read."""
    for name, (columns, values, _) in TABLES.items():
        source.execute(f"create schema {name.split('.')[0]}; create table {name} ({columns})")
        count = rows if name == SNAPSHOT_TABLE else 1000
        source.execute(f"insert into {name} select {values} from generate_series(1, {count}) n")


def make_changes(source: psycopg.Connection, changes: int) -> None:
    """About so many row changes, in transactions of 1 to 50 rows of one table each; they touch rows they made."""
    for table, (_, values, change) in TABLES.items():
        source.execute(
            f"""do $$
            declare
                made uuid[]; rows int; inserts int; updates int; deletes int; done int := 0;
            begin
                while done < {changes // len(TABLES)} loop
                    rows := greatest(1, (random() * 50)::int);
                    inserts := ceil(rows * 0.6);
                    updates := floor(rows * 0.3);
                    deletes := floor(rows * 0.1);
                    with fresh as (
                        insert into {table} select {values} from generate_series(1, inserts) n returning id)
                    select array_agg(id) into made from fresh;
                    if updates > 0 then
                        update {table} set {change} where id = any(made[1:updates]);
                    end if;
                    if deletes > 0 then
                        delete from {table} where id = any(made[inserts - deletes + 1:]);
                    end if;
                    done := done + inserts + updates + deletes;
                    commit;
                end loop;
            end $$"""
        )


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _copy_out(source: psycopg.Connection) -> None:
    with source.cursor() as cursor, cursor.copy(f"copy {SNAPSHOT_TABLE} to stdout (format binary)") as copy:
        for _ in copy:
            pass


def _capture(settings: CdcSettings, line: Connection) -> None:
    """In a child: capture each time it is told to, and say how long it took, what landed, and the peak of memory."""
    with capture.Capture(settings) as running:
        running.get_ready()
        while line.recv():
            started = time.perf_counter()
            landed = Landed()
            for batch in running.batches():
                landed.add(batch)
            took = time.perf_counter() - started
            running.advance_anchor()  # ten seconds apart in the stream, so no part of what landing takes
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line.send((took, sum(landed.rows.values()), landed.seconds, peak))


def _snapshot(settings: CdcSettings, line: Connection) -> None:
    line.send(seconds(lambda: capture.ensure_ready(settings)))


def _receive(server: PostgresServer, slot: str, end: str) -> None:
    options = [part for name, value in PGOUTPUT.items() for part in ("-o", f"{name}={value}")]
    command = [
        str(BINARIES / "pg_recvlogical"), "-d", server.url("source"), "--slot", slot, "--start", "--no-loop",
        "--endpos", end, "-f", "/dev/null", *options,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def main() -> None:
    """Run all of it and print what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--changes", type=int, default=1_000_000)
    options.add_argument("--rows", type=int, default=3_000_000)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create database source")
            with psycopg.connect(server.url("source"), autocommit=True) as source:
                make_tables(source, asked.rows)
                publication.create(source)
                source.execute("checkpoint")
                snapshot = measure_snapshot(server, source, folder, asked.rounds)
                stream = measure_stream(server, source, folder, asked.changes, asked.rounds)
        finally:
            server.stop()
    print(json.dumps({"snapshot": snapshot, "stream": stream}))


def lake_of(server: PostgresServer, folder: str, name: str) -> CdcSettings:
    """A fresh lake with a slot of its own."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = CdcSettings(
        cdc_url=server.url("source"), cdc_slot=name, lake_catalog_url=server.url(name), lake_path=f"{folder}/{name}"
    )
    warehouse.set_up(settings)
    return settings


def measure_snapshot(
    server: PostgresServer, source: psycopg.Connection, folder: str, rounds: int
) -> dict[str, float]:  # fmt: skip
    """Seconds of a first snapshot of everything, and as a multiple of COPY's for the one large table."""
    copied, taken = [], []
    for number in range(rounds):
        copied.append(seconds(lambda: _copy_out(source)))
        settings = lake_of(server, folder, f"snapshot_{number}")
        ours, theirs = processes.Pipe()
        child = processes.Process(target=_snapshot, args=(settings, theirs))
        child.start()
        taken.append(ours.recv())
        child.join()
        source.execute("select pg_drop_replication_slot(%s)", [settings.cdc_slot])
        print(f"snapshot {taken[-1]:.2f} s, COPY {copied[-1]:.2f} s")
    return {"seconds": median(taken), "ratio_to_copy": median(taken) / median(copied)}


def measure_stream(
    server: PostgresServer, source: psycopg.Connection, folder: str, changes: int, rounds: int
) -> dict[str, float]:
    """Rates of landing rounds of changes, and as multiples of PostgreSQL's own."""
    settings = lake_of(server, folder, "stream")
    ours, theirs = processes.Pipe()
    child = processes.Process(target=_capture, args=(settings, theirs))
    child.start()
    found: list[dict[str, float]] = []
    phases: list[dict[str, float]] = []
    pgoutput = ", ".join(f"'{name}', '{value}'" for name, value in PGOUTPUT.items())
    for number in range(rounds + 1):
        peer = f"peer_{number}"
        make_changes(source, changes if number else 1000)
        if not number:  # warms up: kernels are loaded, tables are there
            ours.send(True)
            ours.recv()
            continue
        source.execute("select pg_copy_logical_replication_slot(%s, %s)", [settings.cdc_slot, peer])
        ours.send(True)
        took, landed, phase, peak = ours.recv()
        peek = f"select count(*) from pg_logical_slot_peek_binary_changes('{peer}', null, null, {pgoutput})"
        decoded = seconds(lambda query=peek: source.execute(query).fetchall())
        [(end,)] = source.execute("select pg_current_wal_flush_lsn()::text").fetchall()
        source.execute("select pg_logical_emit_message(true, 'bench', 'end')")  # something for the peer to end at
        received = seconds(lambda slot=peer, lsn=end: _receive(server, slot, lsn))
        source.execute("select pg_drop_replication_slot(%s)", [peer])
        found.append({
            "rows_per_second": landed / took, "ratio_to_pg_decode": decoded / took,
            "ratio_to_pg_recvlogical": received / took, "peak_mib": peak,
        })  # fmt: skip
        phases.append(phase)
        print(
            f"{landed:,} changes: {took:.2f} s, {landed / took:,.0f}/s, {peak:.0f} MiB; "
            f"decoding alone {decoded:.2f} s, pg_recvlogical {received:.2f} s"
        )
    ours.send(False)
    child.join()
    print("by phase:", ", ".join(f"{name} {median(p[name] for p in phases):.2f} s" for name in phases[0]))
    return {name: median(one[name] for one in found) for name in found[0]}


if __name__ == "__main__":
    main()
