"""From commit in PostgreSQL to visible in the lake for another process, at several rates of change.

`python -m benchmarks.cdc_freshness [--rates 100,1000,10000 --seconds 20]` starts its own PostgreSQL and, in processes
of their own, a writer at a steady rate, the change stream as the product runs it, and a reader that asks the lake again
and again. Every tenth of a second the writer commits a probe with its clock in it; what the reader's clock says when it
first sees a probe is its age. Prints p50, p95 and p99 and the processor time of the stream, and of the session of the
source that decodes for it; the last line is JSON.
"""

import argparse
import json
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import psutil
import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer, free_port

AIM_P95_SECONDS, AIM_CORES = 0.3, 0.5
WARM_UP_SECONDS = 3.0  # after the first probe was seen
PROBE_SECONDS = 0.1
SETS = """gen_random_uuid(), gen_random_uuid(), n %% 20, (n %% 30000) / 100.0, n %% 12, 7.5, 'set ' || n
          from generate_series(1, %s) n"""

processes = get_context("spawn")


def _write(url: str, rate: int, over: Event) -> None:
    # Transactions of ten rows, or as many as make two hundred a second; a probe ends every tenth of a second.
    rows = max(10, rate // 200)
    pause = rows / rate
    with psycopg.connect(url, autocommit=True) as source:
        next_probe = due = time.time()
        while not over.is_set():
            with source.transaction():
                source.execute(f"insert into training.workout_sets select {SETS}", [rows])
                if time.time() >= next_probe:
                    next_probe += PROBE_SECONDS
                    source.execute("insert into training.probes (written_at) values (%s)", [time.time()])
            due += pause
            time.sleep(max(due - time.time(), 0))


def _stream(settings: CdcSettings, over: Event) -> None:
    capture.stream(settings, stop=over.is_set)


def _read(settings: CdcSettings, over: Event, line: Connection) -> None:
    seen: list[tuple[float, float]] = []
    with warehouse.reading(settings) as lake:
        [(newest,)] = lake.execute("select coalesce(max(id), 0) from raw.training__probes").fetchall()
        while not over.is_set():
            found = lake.execute(
                "select id, written_at from raw.training__probes where id > ? order by id", [newest]
            ).fetchall()
            now = time.time()
            if found:
                if not seen:
                    line.send("the first probe")
                newest = found[-1][0]
                seen += [(now, now - written_at) for _, written_at in found]
            time.sleep(0.005)
    line.send(seen)


def measure(settings: CdcSettings, url: str, rate: int, seconds: float) -> dict[str, float]:
    """Percentiles of age in seconds, and cores that the stream and its session in the source were busy with."""
    capture.run_once(settings)
    over = processes.Event()
    ours, theirs = processes.Pipe()
    stream = processes.Process(target=_stream, args=(settings, over))
    writer = processes.Process(target=_write, args=(url, rate, over))
    reader = processes.Process(target=_read, args=(settings, over, theirs))
    for process in (stream, writer, reader):
        process.start()
    ours.recv()
    time.sleep(WARM_UP_SECONDS)
    counted_from = time.time()
    with psycopg.connect(url) as source:
        [(pid,)] = source.execute("select pid from pg_stat_activity where application_name = 'plyo-cdc-reader'")
    busy = (psutil.Process(stream.pid), psutil.Process(pid))
    before, began = [sum(process.cpu_times()[:2]) for process in busy], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    cores, decoding = ((sum(one.cpu_times()[:2]) - was) / took for one, was in zip(busy, before, strict=True))
    over.set()
    ages = [age for seen_at, age in ours.recv() if seen_at > counted_from]
    for process in (stream, writer, reader):
        process.join()
    p50, p95, p99 = (float(age) for age in np.percentile(ages, [50, 95, 99]))
    print(
        f"{rate:,} changes/s: p50 {p50:.2f} s, p95 {p95:.2f} s, p99 {p99:.2f} s of {len(ages)} probes; "
        f"{cores:.2f} cores, {decoding:.2f} in the source; "
        f"{p95 / AIM_P95_SECONDS:.2f} of the aim for p95, {cores / AIM_CORES:.2f} for cores"
    )
    return {"p50": p50, "p95": p95, "p99": p99, "cores": cores, "source_cores": decoding, "probes": float(len(ages))}


def main() -> None:
    """Measure each rate on a lake and a source of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rates", default="100,1000,10000")
    options.add_argument("--seconds", type=float, default=20)
    asked = options.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", dies_with_parent=True)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create database source")
                connection.execute("create database lake")
            with psycopg.connect(server.url("source"), autocommit=True) as source:
                source.execute(
                    """create schema training;
                       create table training.probes (
                           id int primary key generated always as identity, written_at double precision);
                       create table training.workout_sets (id uuid primary key, workout_id uuid, position smallint,
                           weight_kg numeric(6, 2), reps smallint, rpe real, note text)"""
                )
                publication.create(source)
            settings = CdcSettings(
                cdc_url=server.url("source"), lake_catalog_url=server.url("lake"), lake_path=f"{folder}/lake"
            )
            warehouse.set_up(settings)
            for rate in (int(one) for one in asked.rates.split(",")):
                found[str(rate)] = measure(settings, server.url("source"), rate, asked.seconds)
        finally:
            server.stop()
    print(json.dumps({"freshness": found}))


if __name__ == "__main__":
    main()
