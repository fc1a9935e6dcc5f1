"""How long the big demo takes and how much memory, against its limits: five minutes and 4 GiB on two cores.

`python -m benchmarks.demo_load [--customers 10000 --months 24]` makes a PostgreSQL of its own, with fsync, loads, and
prints seconds and MiB of the loader and of all of PostgreSQL, each as a ratio to its limit.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import psycopg

from operational_api.migrations import run as migrations
from plyo.demo.loading import load
from plyo.postgres import PostgresServer, free_port

LIMIT_SECONDS, LIMIT_MIB = 300.0, 4096.0


class MemoryWatch:
    """The most that this process and its children held at one sampled instant, shared pages counted once (PSS)."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(1):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak_mib = max(self.peak_mib, total / 2**20)


def main() -> int:
    """Load once and print the ratios; exit status 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description="Time and memory of the big demo load.")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plyo-demo-load-") as folder:
        server = PostgresServer(Path(folder) / "postgres", free_port(), "benchmark", dies_with_parent=True)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create database plyo")
            migrations.upgrade(server.url("plyo").replace("postgresql://", "postgresql+psycopg://"))
            waited = os.getloadavg()[0]
            with MemoryWatch() as memory:
                began = time.monotonic()
                report = load(
                    server.url("plyo"), customers=chosen.customers, months=chosen.months, seed=chosen.seed,
                    state_folder=Path(folder),
                    progress=lambda step, done, total: print(f"\r{step}: {done}/{total}", end="", file=sys.stderr),
                )  # fmt: skip
                seconds = time.monotonic() - began
            cpu = _cpu_seconds(server)
        finally:
            server.stop()
    sets = report.rows["training.workout_sets"]
    print(f"\n{sum(report.rows.values()):,} rows, {sets:,} workout sets, load average before {waited:.1f}")
    print(f"seconds {seconds:.1f} of {LIMIT_SECONDS:.0f}: ratio {seconds / LIMIT_SECONDS:.2f}")
    print(f"MiB {memory.peak_mib:.0f} of {LIMIT_MIB:.0f}: ratio {memory.peak_mib / LIMIT_MIB:.2f}")
    print(f"CPU seconds {cpu:.0f}: {sets / cpu:,.0f} sets each")
    return int(seconds > LIMIT_SECONDS or memory.peak_mib > LIMIT_MIB)


def _cpu_seconds(server: PostgresServer) -> float:
    """CPU of this process and of PostgreSQL's, those that have ended included."""
    mine = sum(os.times()[:2])
    if server.process is None:
        return mine
    postmaster = psutil.Process(server.process.pid)
    ended = postmaster.cpu_times()
    running = sum(sum(child.cpu_times()[:2]) for child in postmaster.children())
    return mine + ended.children_user + ended.children_system + running


if __name__ == "__main__":
    sys.exit(main())
