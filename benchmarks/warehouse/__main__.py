"""Building the warehouse and asking it, each a ratio or a difference measured in one run.

    python -m benchmarks.warehouse [--customers 10000 --months 24 --folder DIR]

On a business of so many customers, and on one of a tenth of it: a full `dbt build`, the SQL it compiled run bare in one
connection, a build after 1 % of the large tables' rows changed (the newest of each), each by the clock and in processor
seconds of all processes that work on it, and twenty questions of the consoles through HTTP, bare and on PostgreSQL,
with a line for each that says what it costs. `growth.exponent` is the larger of the builds' and the questions': 1 is
linear. Data is kept in `--folder` and used again. The last line is JSON.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.warehouse import builds, questions
from benchmarks.warehouse.business import business

SHARE = 0.01


def measured(folder: Path, *, customers: int, months: int) -> dict[str, Any]:
    """Everything for one size."""
    target = folder / "target"
    with business(folder, customers=customers, months=months) as one, builds.ready(one, target):
        full = builds.dbt(one, target, full=True)
        bare = builds.bare(one, target)
        builds.dbt(one, target, full=True)  # the bare run left tables of its own
        changed = one.live(SHARE)
        incremental = builds.dbt(one, target)
        found = {
            "customers": customers, "rows": one.rows, "changed": changed,
            "full_s": round(full.seconds, 1), "bare_s": round(bare.seconds, 1),
            "incremental_s": round(incremental.seconds, 1), "full_cpu_s": round(full.cpu_seconds, 1),
            "bare_cpu_s": round(bare.cpu_seconds, 1), "incremental_cpu_s": round(incremental.cpu_seconds, 1),
            "questions": questions.measure(one, folder, target / "manifest.json"),
        }  # fmt: skip
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    """Measure both sizes and print."""
    parser = argparse.ArgumentParser(description="Cost of building and of asking the warehouse.")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plyo-warehouse-") as scratch:
        folder: Path = (chosen.folder or Path(scratch)).resolve()
        sizes = (max(20, chosen.customers // 10), chosen.customers)
        small, large = (measured(folder / str(size), customers=size, months=chosen.months) for size in sizes)

    def exponent(before: float, after: float) -> float:
        return math.log(after / before) / math.log(sizes[1] / sizes[0])

    growth = {
        "full": exponent(small["full_s"], large["full_s"]),
        "incremental": exponent(small["incremental_s"], large["incremental_s"]),
        "bare_question": exponent(small["questions"]["bare_ms_median"], large["questions"]["bare_ms_median"]),
    }
    print(
        json.dumps(
            {
                "benchmark": "warehouse",
                "build": {
                    "full_over_bare": round(large["full_s"] / large["bare_s"], 2),
                    "incremental_over_full": round(large["incremental_s"] / large["full_s"], 3),
                    "full_over_bare_cpu": round(large["full_cpu_s"] / large["bare_cpu_s"], 2),
                    "incremental_over_full_cpu": round(large["incremental_cpu_s"] / large["full_cpu_s"], 3),
                },
                "questions": large["questions"],
                "growth": {"exponent": round(max(growth.values()), 2)} | {k: round(v, 2) for k, v in growth.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
