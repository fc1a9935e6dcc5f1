"""Change capture against PostgreSQL's own limits, in one run: `python -m benchmarks.cdc [--changes N] [--rows N]`.

Starts its own PostgreSQL, makes a snapshot and then a stream of changes (60 % insert, 30 % update, 10 % delete, in
transactions of about 25), and compares them with `COPY ... TO STDOUT (FORMAT binary)` and with decoding alone
(`pg_logical_slot_peek_binary_changes`, counted in the server). The last line is JSON.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer, free_port

COLUMNS = """id uuid primary key, customer_id uuid, coach_id uuid, starts_at timestamptz, status text,
             amount_minor bigint, weight_kg numeric(6, 2), reps smallint, rpe real, note text"""
VALUES = """gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), 'booked', n, (n % 30000) / 100.0,
            n % 20, 7.5, 'set ' || n"""


def make_changes(source: psycopg.Connection, changes: int) -> None:
    """About so many row changes, in transactions of 25."""
    source.execute("create temp table work as select row_number() over () as n, id from training.sets")
    source.execute("create unique index on work (n)")
    source.execute(
        f"""do $$ begin
            for step in 1 .. {changes} / 25 loop
                insert into training.sets select {VALUES} from generate_series(1, 15) n;
                update training.sets set status = 'attended'
                    where id in (select id from work where n between step * 10 and step * 10 + 7);
                delete from training.sets
                    where id in (select id from work where n in (step * 10 + 8, step * 10 + 9));
                commit;
            end loop;
        end $$"""
    )


def copy_out(source: psycopg.Connection) -> None:
    """Read the table as PostgreSQL gives it fastest, and drop it."""
    with source.cursor() as cursor, cursor.copy("copy training.sets to stdout (format binary)") as copy:
        for _ in copy:
            pass


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Run all of it and print what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--changes", type=int, default=250_000)
    options.add_argument("--rows", type=int, default=500_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            print(json.dumps(measure(server, folder, asked.changes, asked.rows)))
        finally:
            server.stop()


def measure(server: PostgresServer, folder: str, changes: int, rows: int) -> dict[str, dict[str, float]]:
    """Times and ratios of a snapshot of `rows` and a stream of about `changes`."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database source")
        connection.execute("create database lake")
    settings = CdcSettings(
        cdc_url=server.url("source"), lake_catalog_url=server.url("lake"), lake_path=str(Path(folder) / "lake")
    )
    warehouse.set_up(settings)
    with psycopg.connect(server.url("source"), autocommit=True) as source:
        source.execute(f"create schema training; create table training.sets ({COLUMNS})")
        source.execute(f"insert into training.sets select {VALUES} from generate_series(1, {rows}) n")
        publication.create(source)

        copied = seconds(lambda: copy_out(source))
        snapshot = seconds(lambda: capture.ensure_ready(settings))
        print(f"snapshot of {rows:,} rows: {snapshot:.2f} s, COPY alone {copied:.2f} s")

        source.execute("update training.sets set reps = 1 where amount_minor < 10")
        capture.run_once(settings)  # compiles the kernels, or loads what was compiled
        make_changes(source, changes)
        peek = """select count(*) from pg_logical_slot_peek_binary_changes('plyo_cdc', null, null, 'proto_version', '1',
                  'publication_names', 'plyo_cdc', 'binary', 'true')"""
        decoded = seconds(lambda: source.execute(peek).fetchall())
        landed = capture.Landed()
        stream = seconds(lambda: landed.add(capture.run_once(settings)))
    total = sum(landed.rows.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"stream of {total:,} changes: {stream:.2f} s, {total / stream:,.0f}/s; decoding alone {decoded:.2f} s")
    return {
        "snapshot": {"seconds": snapshot, "ratio_to_copy": snapshot / copied},
        "stream": {"rows_per_second": total / stream, "ratio_to_pg_decode": decoded / stream, "peak_mib": peak},
    }


if __name__ == "__main__":
    main()
