"""`python -m plyo.demo --url postgresql://… --customers 400 --months 18 --seed 7`."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from plyo.demo.loading import (
    DEFAULT_CUSTOMERS,
    DEFAULT_MONTHS,
    DEFAULT_SEED,
    BusinessExists,
    LoadRunning,
    load,
)


def main() -> int:
    """Load the demo business and print what was written."""
    parser = argparse.ArgumentParser(prog="python -m plyo.demo", description="Load the simulated business.")
    parser.add_argument("--url", required=True, help="migrated, empty PostgreSQL database, as owner of the schemas")
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
            progress=lambda step, done, total: print(f"\r{step}: {done}/{total}", end="", file=sys.stderr),  # noqa: T201
        )  # fmt: skip
    except (BusinessExists, LoadRunning, ValueError) as refusal:
        parser.exit(2, f"{refusal}\n")
    sys.stderr.write("\n")
    for table, count in sorted(report.rows.items()):
        sys.stdout.write(f"{table:40} {count:>12,}\n")
    sys.stdout.write(f"{'all':40} {sum(report.rows.values()):>12,} rows in {report.seconds:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
