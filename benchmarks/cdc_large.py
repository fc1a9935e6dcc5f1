"""One huge transaction: how much memory the capture needs for it, and how fast it lands.

`python -m benchmarks.cdc_large [--rows 10000000]` starts its own PostgreSQL, inserts so many rows in ONE transaction,
and lands them with a capture in a process of its own, whose peak of resident memory is taken. The lake must hold every
row. The last line is JSON.
"""

import argparse
import json
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from benchmarks.cdc import SNAPSHOT_TABLE, TABLES, lake_of, make_tables, processes, seconds
from contracts import warehouse
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer, free_port

AIM_PEAK_MIB = 1024


def _capture(settings: CdcSettings, line: Connection) -> None:
    """In a child: capture once when it is told to; says how long it took, and its peaks of memory before and after."""
    with capture.Capture(settings) as running:
        running.get_ready()
        for _ in running.batches():  # warms up: kernels are loaded
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line.send(before)
        line.recv()
        started, rows = time.perf_counter(), 0
        for landed in running.batches():
            rows += sum(landed.rows.values())
        took = time.perf_counter() - started
    line.send((took, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    """Run it and print what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10_000_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create database source")
            with psycopg.connect(server.url("source"), autocommit=True) as source:
                make_tables(source, 1000)
                publication.create(source)
                found = measure(server, source, folder, asked.rows)
        finally:
            server.stop()
    print(json.dumps({"large_transaction": found}))


def measure(server: PostgresServer, source: psycopg.Connection, folder: str, rows: int) -> dict[str, float]:
    """Peak of memory in MiB, what of it the transaction needed, and rows a second."""
    settings = lake_of(server, folder, "large")
    ours, theirs = processes.Pipe()
    child = processes.Process(target=_capture, args=(settings, theirs))
    child.start()
    before = ours.recv()
    values = TABLES[SNAPSHOT_TABLE][1]
    wrote = seconds(
        lambda: source.execute(f"insert into {SNAPSHOT_TABLE} select {values} from generate_series(1, {rows}) n")
    )
    print(f"{rows:,} rows inserted in one transaction: {wrote:.1f} s")
    ours.send(True)
    took, landed, peak = ours.recv()
    child.join()
    with warehouse.reading(settings) as lake:
        held = lake.execute(
            "select count(*), count(distinct _xid) from raw.training__workout_sets where _op = 'i'"
        ).fetchone()
    if landed != rows or held != (rows, 1):
        raise AssertionError(f"{landed} rows were landed, the lake holds (rows, transactions) {held}")
    print(
        f"landed in {took:.1f} s, {rows / took:,.0f}/s; peak of the capture {peak:.0f} MiB, {before:.0f} MiB before; "
        f"{peak / AIM_PEAK_MIB:.2f} of the aim"
    )
    return {"peak_mib": peak, "before_mib": before, "rows_per_second": rows / took, "seconds": took}


if __name__ == "__main__":
    main()
