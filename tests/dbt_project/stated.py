"""What no system knows and somebody enters in a seed: entered bit by bit into a lake, and whole into a copy of the
project for warehouses elsewhere, with what metrics come to by it.
"""

import csv
import shutil
from pathlib import Path

import duckdb

from contracts.ids import new_id
from tests.dbt_project.lake import PROJECT

STUDIO = str(new_id())
ANSWERS = (
    ("2026-05-31", STUDIO, 10), ("2026-05-31", None, 10), ("2026-05-31", None, 10), ("2026-06-01", STUDIO, 9),
    ("2026-06-01", None, 8), ("2026-06-15", STUDIO, 7), ("2026-07-01", None, 6), ("2026-07-02", None, 0),
    ("2026-10-24", STUDIO, 9),
)  # fmt: skip
"""Day, studio and score; the same answers of one day are of different people."""
SPENT = (
    ("2026-01-01", "EUR", "fairs", 10_000), ("2026-01-01", "EUR", "leaflets", 2_500),
    ("2026-05-01", "VND", "fairs", 900), ("2026-05-01", "EUR", None, 7_000),
)  # fmt: skip
"""Month, currency, channel and minor units."""


def enter(lake: duckdb.DuckDBPyConnection, nth: int) -> None:
    """Enter every third fact, from the nth; nothing once all are there."""
    if nth < 3:
        for seed, rows in (("survey_answers", ANSWERS[nth::3]), ("marketing_spend", SPENT[nth::3])):
            for row in rows:
                lake.execute(f"insert into marts.seeds.{seed} values ({', '.join('?' * len(row))})", row)


def project(folder: Path) -> Path:
    """A copy of the project with all of it."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    for seed, rows in (("survey_answers", ANSWERS), ("marketing_spend", SPENT)):
        with (folder / "seeds" / f"{seed}.csv").open("a", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


def told() -> dict[str, float]:
    """Percentage of 9 and 10 less that of 0 to 6."""
    scores = [score for *_, score in ANSWERS]
    return {"nps": 100 * (sum(one >= 9 for one in scores) - sum(one <= 6 for one in scores)) / len(scores)}
