"""What the models behind each metric compute, and a ledger of it: a number changes its meaning below its words too.

`contracts.metrics.ledger` holds what a metric says of its mart's columns; what those columns are, the models' own SQL
says. Here each model in a metric's whole lineage, and each macro it calls, has a fingerprint: of its tokens, so that
lines, spaces, comments and the case of keywords say nothing, nor does `config`, which says how a model is built and not
what is in it. But for `parts` there: its SQL stands for the model's own, or says which rows are made anew, when little
has changed. It has a line of its own (`parts of fct_payments`). `docs/models_ledger.csv` keeps the lines, version by
version, each later one with the decision that says why.

The whole lineage and not one level: a filter in staging changes a number as much as one in the mart does. Each model
has its own line, so a change is said once, however many metrics stand on it. The text as it is written and not as dbt
compiles it: no warehouse is asked, and macros, which compiling would fold in, have their own lines.

`python -m contracts.metrics.models <number of the decision>` writes the lines that a change needs.
"""

import csv
import hashlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from contracts.metrics import METRICS, ledger
from contracts.relations import RELATIONS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
PATH = ROOT / "docs" / "models_ledger.csv"
COLUMNS = ("model", "version", "since", "sql", "decision")
PARTS = "parts of "
RETIRED = "retired"
"""Instead of a fingerprint, of what no metric stands on any more."""

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'      # a text, or a string of Jinja
    | "(?:[^"])*"           # a quoted name, or a string of Jinja
    | \w+ | \S""",
    re.VERBOSE,
)
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_COMMENT = re.compile(r"'(?:[^']|'')*'|\{#.*?#\}|--[^\n]*", re.DOTALL)
_REF = re.compile(r"\bref\(\s*['\"](\w+)['\"]\s*\)")
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\s*\((.*?)\{%-?\s*endmacro\s*-?%\}", re.DOTALL)
_CALL = re.compile(r"\b([a-z]\w+)\s*\(")
_OTHER_DIALECTS = ("postgres__", "snowflake__", "bigquery__")


@dataclass(frozen=True)
class Entry:
    """One version of one model (`fct_payments`), its parts (`parts of fct_payments`) or macro (`macro local_date`).

    Attributes:
        since: ISO date.
        sql: Fingerprint of its tokens.
        decision: Number of the line in `docs/metrics_decisions.md` that says why; empty for the first version.
    """

    model: str
    version: int
    since: str
    sql: str
    decision: str = ""


def behind(metric_relations: Iterable[str], project: Path = PROJECT) -> dict[str, str]:
    """Fingerprints of every model, its parts and every macro that these marts are made of, by name.

    Args:
        metric_relations: `schema.table` of marts; one that dbt does not build leads nowhere.
    """
    models = {file.stem: file.read_text() for file in sorted((project / "models").rglob("*.sql"))}
    macros = _macros(project)
    found: dict[str, str] = {}
    waiting = [RELATIONS[name].table if name in RELATIONS else name for name in metric_relations]
    while waiting:
        name = waiting.pop()
        text = macros.get(name.removeprefix("macro ")) if name.startswith("macro ") else models.get(name)
        if text is None or name in found:
            continue
        found[name] = fingerprint(text)
        parts, text = _parts(text), _said(text)
        if parts:
            found[f"{PARTS}{name}"] = fingerprint(parts)
        text += parts
        waiting += _REF.findall(text)
        called = {one for one in _CALL.findall(text) if one in macros}
        for one in called | {f"{way}__{one}" for one in called for way in ("default", "duckdb")} & macros.keys():
            waiting.append(f"macro {one}")
    return found


def fingerprint(text: str) -> str:
    """Of what a model or macro says; how it is broken into lines, spaced, commented and configured says nothing."""
    tokens = [token if token[0] in "'\"" else token.lower() for token in _TOKEN.findall(_said(text))]
    return hashlib.sha256(" ".join(tokens).encode()).hexdigest()[:16]


@cache
def of_metrics() -> dict[str, str]:
    """What is behind all metrics together."""
    return behind({metric.relation for metric in METRICS.values()})


def read(path: Path = PATH) -> list[Entry]:
    """The ledger's entries, in the file's order."""
    with path.open(newline="") as file:
        return [
            Entry(row["model"], int(row["version"]), row["since"], row["sql"], row["decision"])
            for row in csv.DictReader(file)
        ]


def complaints(now: Mapping[str, str], entries: Iterable[Entry], decisions: str) -> list[str]:
    """What is wrong between the models and the ledger, as sentences that say what to do.

    Args:
        now: As `behind` tells.
        decisions: The text of `docs/metrics_decisions.md`.
    """
    by_name: dict[str, list[Entry]] = {}
    for one in entries:
        by_name.setdefault(one.model, []).append(one)
    found = [
        f"{name}: metrics stand on it, and the ledger of models does not know it: python -m contracts.metrics.models"
        for name in now.keys() - by_name.keys()
    ]
    for name, versions in by_name.items():
        if [one.version for one in versions] != list(range(1, len(versions) + 1)):
            found.append(f"{name}: versions of the ledger are not 1, 2, 3… Lines are added, never taken away.")
        found += [
            f"{name}: version {one.version} names no decision in docs/metrics_decisions.md."
            for one in versions[1:]
            if f"\n| {one.decision} |" not in decisions
        ]
        if now.get(name, RETIRED) != versions[-1].sql:
            found.append(
                f"{name}: computes something else than version {versions[-1].version} in the ledger of models, and "
                f"metrics stand on it ({', '.join(metrics_on(name)) or 'none any more'}). Say in "
                "docs/metrics_decisions.md what changes of them, or that nothing does, then: "
                "python -m contracts.metrics.models <number of the decision>"
            )
    return sorted(found)


def metrics_on(model: str) -> list[str]:
    """Names of the metrics that a model or macro is behind."""
    return [name for name, metric in METRICS.items() if model in _behind_one(metric.relation)]


@cache
def _behind_one(relation: str) -> frozenset[str]:
    return frozenset(behind([relation]))


def due(now: Mapping[str, str], entries: Sequence[Entry], *, today: str, decision: str) -> list[Entry]:
    """The entries that the ledger lacks."""
    newest = {one.model: one for one in entries}
    added = []
    for name in sorted(now.keys() | newest.keys()):
        last, sql = newest.get(name), now.get(name, RETIRED)
        if last is None:
            added.append(Entry(name, 1, today, sql))
        elif last.sql != sql:
            added.append(replace(last, version=last.version + 1, since=today, sql=sql, decision=decision))
    return added


def _macros(project: Path) -> dict[str, str]:
    """Bodies of the project's macros by name, but for what another warehouse spells otherwise."""
    found = {}
    for file in sorted((project / "macros").glob("*.sql")):
        for name, body in _MACRO.findall(_stripped(file.read_text())):
            if not name.startswith(_OTHER_DIALECTS):
                found[name] = body
    return found


def _said(text: str) -> str:
    """Without what says nothing: comments, `config`, and the signs by which Jinja leaves out lines."""
    return re.sub(r"(\{[{%])-|-([%}]\})", r"\1\2", _without_config(_stripped(text)))


def _stripped(text: str) -> str:
    return _COMMENT.sub(lambda found: found[0] if found[0][0] == "'" else " ", text)


def _without_config(text: str) -> str:
    begin, end = _config(text)
    return text[:begin] + text[end:]


def _parts(text: str) -> str:
    """The `parts` of a model's `config`, which its SQL is partly in; empty where it has none."""
    text = _stripped(text)
    begin, end = _config(text)
    named = re.search(r"""['"]parts['"]\s*:""", text[begin:end])
    # Without the signs of Jinja's strings: what they hold is SQL, whose lines and spaces say nothing.
    return _STRING.sub(lambda found: f" {found[0][1:-1]} ", text[begin + named.end() : end]) if named else ""


def _config(text: str) -> tuple[int, int]:
    """Where the call of `config` begins and ends, with its braces; nowhere: twice 0."""
    begin = re.search(r"\{\{-?\s*config\s*\(", text)
    if begin is None:
        return 0, 0
    depth, place = 1, begin.end()
    for found in re.finditer(rf"{_STRING.pattern}|[()]", text[place:]):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return begin.start(), text.index("}}", place + found.end()) + 2
    return 0, 0


def main(decision: str = "") -> None:
    """Add what is due to the ledger and say it."""
    entries = read() if PATH.exists() else []
    added = due(of_metrics(), entries, today=datetime.now(UTC).date().isoformat(), decision=decision)
    ledger.write(PATH, COLUMNS, (*entries, *added))
    for one in added:
        sys.stdout.write(f"{one.model}: version {one.version}\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
