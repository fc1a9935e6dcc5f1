"""How fast a movement is found, against the same SQL without SQLAlchemy.

    python -m benchmarks.exercises [--catalogue FILE] [--runs 5]

On a PostgreSQL of its own with the catalogue given, or with 873 made-up movements. Words as they are written, their
beginnings, filters and misspelt words are asked in turn. Each run prints its 95th percentile and its ratio to psycopg
executing the statements that the service sent; the last line is JSON with the median of the runs. Goal: p95 < 50 ms,
and p95 of processor time, ours and the server's for one search, < 20 ms: that one says the same on a busy machine.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from operational_api.core.database import make_engine
from operational_api.migrations import run as migrations
from operational_api.training.service import catalogue, exercises
from operational_api.training.service.exercises import Filters
from plyo.postgres import PostgresServer, free_port

SEARCHES: tuple[tuple[str, Filters], ...] = (
    ("bench press", Filters()), ("squat", Filters(level="beginner")), ("dumb shou", Filters()), ("", Filters("push")),
    ("barbel sqaut", Filters()), ("hamstirng strech", Filters()), ("deadlift", Filters(equipment="barbell")),
    ("", Filters(muscle="glutes", equipment="bodyweight")), ("benhc", Filters()), ("kettlebell swing", Filters()),
)  # fmt: skip
ROUNDS = 10


def made_up() -> str:
    """A catalogue of the real one's size, where that is not at hand."""
    draw = random.Random(1)  # noqa: S311 - the same catalogue each time, no secret
    names = ("Squat", "Bench Press", "Deadlift", "Row", "Curl", "Swing", "Lunge", "Shoulder Press", "Stretch")
    kits = ("Barbell", "Dumbbell", "Cable", "Machine", "Kettlebell", "Band")
    muscles = ("quadriceps", "chest", "hamstrings", "lats", "biceps", "glutes", "shoulders")
    return json.dumps(
        [
            {
                "id": f"m{n}", "name": f"{draw.choice(kits)} {draw.choice(names)} {n}", "force": "push",
                "level": "beginner", "mechanic": "compound", "equipment": "barbell", "category": "strength",
                "primaryMuscles": [draw.choice(muscles)], "secondaryMuscles": [], "instructions": ["Go."],
            }
            for n in range(873)
        ]
    )  # fmt: skip


def p95(ask: Callable[[int], Any], times: int) -> float:
    """95th percentile of `ask(n)` in milliseconds of the clock."""
    took = []
    for n in range(times):
        began = time.perf_counter()
        ask(n)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.quantiles(took, n=20)[-1]


@dataclass(frozen=True, slots=True)
class Measured:
    """95th percentiles of one run in milliseconds: of the clock, of the clock without SQLAlchemy, of processors."""

    service: float
    bare: float
    processor: float


def processor_ms(server_pid: int) -> float:
    """What this process and a PostgreSQL backend have used of processors so far."""
    of_server = int(Path(f"/proc/{server_pid}/schedstat").read_text().split()[0]) / 1e6
    return time.process_time() * 1000 + of_server


def measure(session: Session, runs: int) -> list[Measured]:
    """One a run."""
    sent: list[list[tuple[str, Any]]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent[-1].append((statement, parameters))

    def search(n: int) -> None:
        asked, filters = SEARCHES[n % len(SEARCHES)]
        session.expunge_all()
        exercises.search_exercises(session, text=asked, filters=filters, limit=24)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    for n in range(len(SEARCHES)):
        sent.append([])
        search(n)
    event.remove(engine, "before_cursor_execute", note)
    cursor = session.connection().connection.cursor()

    def bare(n: int) -> None:
        for statement, parameters in sent[n % len(sent)]:
            cursor.execute(statement, parameters)
            cursor.fetchall()

    times, server_pid = ROUNDS * len(SEARCHES), session.scalar(text("select pg_backend_pid()")) or 0

    def used(n: int) -> float:
        before = processor_ms(server_pid)
        search(n)
        return processor_ms(server_pid) - before

    return [
        Measured(p95(search, times), p95(bare, times), statistics.quantiles(map(used, range(times)), n=20)[-1])
        for _ in range(runs)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="How fast a movement is found.")
    parser.add_argument("--catalogue", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args(arguments)
    entries = catalogue.read(given.catalogue.read_bytes() if given.catalogue else made_up())
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            url = server.url().replace("postgresql://", "postgresql+psycopg://", 1)
            migrations.upgrade(url)
            with Session(make_engine(url, application_name="bench")) as session:
                catalogue.import_catalogue(session, entries)
                session.execute(text("analyze training.exercises"))
                measured = measure(session, given.runs)
        finally:
            server.stop()
    for one in measured:
        print(
            f"p95 {one.service:.1f} ms, bare SQL {one.bare:.1f} ms, ratio {one.service / one.bare:.2f}, "
            f"processors {one.processor:.1f} ms"
        )
    found = statistics.median(one.service for one in measured)
    ratio = statistics.median(one.service / one.bare for one in measured)
    used = statistics.median(one.processor for one in measured)
    told = {"search.p95_ms": round(found, 2), "ratio_to_sql": round(ratio, 2), "search.cpu_p95_ms": round(used, 2)}
    print(json.dumps({"movements": len(entries)} | told))
    return 0 if found < 50 and used < 20 else 1


if __name__ == "__main__":
    sys.exit(main())
