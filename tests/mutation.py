"""The mutation score of money, slots and the ledger: `make mutation`.

mutmut changes one thing at a time in the pure modules that pyproject.toml names (`tool.mutmut`) and runs the tests that
reach it: a change that no test notices is a rule that no test states. What reads a database is not here; its rules are
in those modules, or are SQL that planted faults test (`commerce/test_reconcile.py`).
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

LEAST = 85.0
"""Percent of the mutants that some test must notice, in every module together."""
ROOT = Path(__file__).parents[1]
NOTICED = frozenset({"killed", "timeout"})
"""What mutmut calls a mutant on which a test failed, or never ended."""


def scores(folder: Path) -> dict[str, Counter[str]]:
    """Of each module what became of its mutants; any other word than noticed is mutmut's."""
    found: dict[str, Counter[str]] = {}
    for path in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            name = str(path.relative_to(folder)).removesuffix(".meta")
            found[name] = Counter(
                "noticed" if (said := status_by_exit_code[code]) in NOTICED else said for code in codes.values()
            )
    return found


def percent(counts: Counter[str]) -> float:
    """The share that was noticed; of no mutants it is none."""
    return 100 * counts["noticed"] / (counts.total() or 1)


def main() -> int:
    """Run mutmut anew, print each module's score and the whole; 1 where that is below `LEAST`."""
    folder = ROOT / "mutants"
    if "--keep" not in sys.argv:
        shutil.rmtree(folder, ignore_errors=True)
    environment = os.environ | {"PYTHONHASHSEED": "0", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis")}
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 2)]
    ran = subprocess.run(mutmut, cwd=ROOT, env=environment, check=False)
    if ran.returncode:
        return ran.returncode
    found = scores(folder)
    for name, counts in found.items():
        print(f"{percent(counts):6.1f} %  {counts['noticed']:4} of {counts.total():4}  {name}")  # noqa: T201
    whole = sum(found.values(), Counter())
    print(json.dumps({"mutants": whole.total(), **whole, "score": round(percent(whole), 1), "least": LEAST}))  # noqa: T201
    return 0 if percent(whole) >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
