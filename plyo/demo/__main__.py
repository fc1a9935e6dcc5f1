"""`python -m plyo.demo --url postgresql://… --customers 400 --months 18 --seed 7`.

How far it is goes to standard error, a line a step with its name, how much is done and of how much, parted by tabs.
"""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from plyo.demo.loading import load
from plyo.demo.presence import (
    DEFAULT_CUSTOMERS,
    DEFAULT_MONTHS,
    DEFAULT_SEED,
    URL_VARIABLE,
    BusinessExists,
    LoadRunning,
)


def main() -> int:
    """Load the demo business and print what was written."""
    parser = argparse.ArgumentParser(prog="python -m plyo.demo", description="Load the simulated business.")
    parser.add_argument(
        "--url", default=os.environ.get(URL_VARIABLE), required=URL_VARIABLE not in os.environ,
        help=f"migrated, empty PostgreSQL database, as owner of the schemas (default: {URL_VARIABLE})",
    )  # fmt: skip
    parser.add_argument("--customers", type=int, default=DEFAULT_CUSTOMERS)
    parser.add_argument("--months", type=int, default=DEFAULT_MONTHS)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--until", type=datetime.fromisoformat, help="the simulated now, with offset (default: now)")
    parser.add_argument("--state-folder", type=Path, default=Path(".plyo"))
    chosen = parser.parse_args()
    try:
        report = load(
            chosen.url, customers=chosen.customers, months=chosen.months, seed=chosen.seed, until=chosen.until,
            state_folder=chosen.state_folder,
            progress=lambda step, done, total: print(step, done, total, sep="\t", file=sys.stderr, flush=True),  # noqa: T201
        )  # fmt: skip
    except (BusinessExists, LoadRunning, ValueError) as refusal:
        parser.exit(2, f"{refusal}\n")
    for table, count in sorted(report.rows.items()):
        sys.stdout.write(f"{table:40} {count:>12,}\n")
    sys.stdout.write(f"{'all':40} {sum(report.rows.values()):>12,} rows in {report.seconds:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
