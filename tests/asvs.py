"""`make asvs`: how many requirements of the OWASP ASVS 5.0 (levels 1 and 2, without WebRTC) a named test verifies.

Tests are collected, not run: whether they pass is `make test`. The requirements are `docs/asvs.csv`, in words of our
own; one that does not apply here says why, and every other one without a test is open.
"""

import contextlib
import csv
import io
import sys
from collections import defaultdict
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parent.parent / "docs" / "asvs.csv"


def requirements() -> dict[str, dict[str, str]]:
    """Every requirement by its id: level, about, not_applicable (a reason, or empty)."""
    with REQUIREMENTS.open() as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def unknown_ids(items: list[pytest.Item]) -> list[str]:
    """Ids that tests claim and the list does not have."""
    known = requirements()
    return sorted({id_ for item in items for mark in item.iter_markers("asvs") for id_ in mark.args} - known.keys())


class _Collector:
    """A pytest plugin that remembers which tests verify what."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for mark in item.iter_markers("asvs"):
                for id_ in mark.args:
                    name = item.nodeid.split("[")[0]
                    if name not in self.tests[id_]:
                        self.tests[id_].append(name)


def main() -> int:
    """Print the figure, then what is verified, what is open, and what does not apply."""
    found, told = _Collector(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "tests"], plugins=[found])
    if code != 0:
        print(told.getvalue(), file=sys.stderr)  # noqa: T201 - a command's output
        return int(code)
    known = requirements()
    verified = [id_ for id_ in known if found.tests[id_]]
    lines = [f"asvs: {len(verified)} of {len(known)} verified by a named test", "", "verified"]
    for id_ in verified:
        lines.append(f"  V{id_:<7} L{known[id_]['level']} {known[id_]['about']}")
        lines += [f"             {name}" for name in found.tests[id_]]
    inapplicable = [id_ for id_ in known if known[id_]["not_applicable"] and id_ not in verified]
    rest = [id_ for id_ in known if id_ not in verified and id_ not in inapplicable]
    lines += ["", f"not applicable ({len(inapplicable)})"]
    lines += [
        f"  V{id_:<7} L{known[id_]['level']} {known[id_]['about']}: {known[id_]['not_applicable']}"
        for id_ in inapplicable
    ]
    lines += ["", f"open ({len(rest)})"]
    lines += [f"  V{id_:<7} L{known[id_]['level']} {known[id_]['about']}" for id_ in rest]
    print("\n".join(lines))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
