"""The mutation score of money, slots and the ledger: `make mutation`.

mutmut changes one thing at a time in the pure modules that pyproject.toml names (`tool.mutmut`) and runs the tests that
reach it: a change that no test notices is a rule that no test states. What reads a database is not here; its rules are
in those modules, or are SQL that planted faults test (`commerce/books.py`).

`make mutation ARGS="dunning hours"` is of these modules alone. `--keep` goes on with what is known of a run before.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutmut.stats import status_by_exit_code

LEAST = 85.0
"""Percent of the mutants that some test must notice, in every module together."""
ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
NOTICED = frozenset({"killed", "timeout"})
"""What mutmut calls a mutant on which a test failed, or never ended."""


def verdicts(modules: Sequence[str]) -> dict[str, dict[str, str]]:
    """Of each module, or of these, what became of its mutants in mutmut's words."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(MUTANTS.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        name = path.relative_to(MUTANTS).as_posix().removesuffix(".meta")
        if codes and (not modules or Path(name).stem in modules):
            found[name] = {mutant: status_by_exit_code[code] for mutant, code in codes.items()}
    return found


def counted(said: dict[str, str]) -> Counter[str]:
    """How many of a module's mutants came to which end; any other word than noticed is mutmut's."""
    return Counter("noticed" if one in NOTICED else one for one in said.values())


def percent(counts: Counter[str]) -> float:
    """The share that was noticed; of no mutants it is none."""
    return 100 * counts["noticed"] / (counts.total() or 1)


def run(children: int, *mutants: str) -> int:
    """Let mutmut judge these mutants, or all that have no verdict; its exit code."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "HYPOTHESIS_STORAGE_DIRECTORY": str(MUTANTS / ".hypothesis")}
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *mutants]
    return subprocess.run(mutmut, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Run mutmut, print each module's score and the whole; 1 where that is below `LEAST`."""
    modules = [one for one in sys.argv[1:] if not one.startswith("-")]
    if "--keep" not in sys.argv:
        shutil.rmtree(MUTANTS, ignore_errors=True)
    if failed := run(os.cpu_count() or 2, *(f"*.{one}.*" for one in modules)):
        return failed
    # A clock on the wall ends what never ends, and on a busy machine what would have passed: judged again, alone.
    late = [mutant for said in verdicts(modules).values() for mutant, word in said.items() if word == "timeout"]
    if late and (failed := run(1, *late)):
        return failed
    found = {name: counted(said) for name, said in verdicts(modules).items()}
    for name, counts in found.items():
        print(f"{percent(counts):6.1f} %  {counts['noticed']:4} of {counts.total():4}  {name}")  # noqa: T201
    whole = sum(found.values(), Counter())
    told = {"mutants": whole.total(), **whole, "judged_twice": len(late), "score": round(percent(whole), 1)}
    print(json.dumps(told | {"least": LEAST}))  # noqa: T201
    return 0 if percent(whole) >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
