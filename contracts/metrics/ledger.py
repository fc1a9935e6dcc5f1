"""The ledger of definitions: what each metric has been, version by version, so that none changes without a word.

A published number is told by the words of its time (`Former`), and a decision says why they changed. Both are easy to
forget where only an expression is edited; the ledger (`docs/metrics_ledger.csv`) holds what every metric said before,
and a test holds the dictionary to it. `python -m contracts.metrics.ledger` adds the lines that a change needs.

What a mart's own SQL says of its columns is in a ledger beside it: `contracts.metrics.models`.
"""

import csv
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.metrics import METRICS
from contracts.metrics.definition import Metric

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PATH = Path(__file__).resolve().parents[2] / "docs" / "metrics_ledger.csv"
COLUMNS = ("metric", "version", "since", "words", "rest", "decision")
RETIRED = "retired"
"""Instead of fingerprints, of a metric that is told no more."""


@dataclass(frozen=True)
class Entry:
    """One version of one metric.

    Attributes:
        metric: Its name.
        version: 1 for the first.
        since: ISO date; of a later version, the day of its predecessor's `Former.until`.
        words: Fingerprint of `expression` and `where`, what a `Former` keeps.
        rest: Fingerprint of what else makes the number: unit, relation, place in time, kind, exclusions, grains.
        decision: Number of the line in `docs/metrics_decisions.md` that says why; empty for the first version.
    """

    metric: str
    version: int
    since: str
    words: str
    rest: str
    decision: str = ""


def words_of(expression: str, where: str) -> str:
    """Fingerprint of what a metric computes and over which rows; how it is broken into lines says nothing."""
    return _fingerprint(expression, where)


def rest_of(metric: Metric) -> str:
    """Fingerprint of what else makes the number."""
    return _fingerprint(
        metric.unit, metric.relation, metric.at, metric.kind, metric.exclusions, ",".join(sorted(metric.grains))
    )


def read(path: Path = PATH) -> list[Entry]:
    """The ledger's entries, in the file's order."""
    with path.open(newline="") as file:
        return [
            Entry(row["metric"], int(row["version"]), row["since"], row["words"], row["rest"], row["decision"])
            for row in csv.DictReader(file)
        ]


def write(path: Path, columns: Sequence[str], entries: Iterable["DataclassInstance"]) -> None:
    """A ledger's file: a line for each entry, below the names of its columns."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(astuple(one) for one in entries)


def complaints(metrics: Mapping[str, Metric], entries: Iterable[Entry], decisions: str) -> list[str]:
    """What is wrong between the dictionary and the ledger, as sentences that say what to do.

    Args:
        decisions: The text of `docs/metrics_decisions.md`.
    """
    by_name: dict[str, list[Entry]] = {}
    for one in entries:
        by_name.setdefault(one.metric, []).append(one)
    found = [
        f"{name}: is in no version of the ledger. Add it: python -m contracts.metrics.ledger"
        for name in metrics
        if name not in by_name
    ]
    for name, versions in by_name.items():
        if [one.version for one in versions] != list(range(1, len(versions) + 1)):
            found.append(f"{name}: versions of the ledger are not 1, 2, 3… Lines are added, never taken away.")
        for one in versions[1:]:
            if f"\n| {one.decision} |" not in decisions:
                found.append(
                    f"{name}: version {one.version} names no decision. Say why it changed in docs/metrics_decisions.md"
                    " and write the number of that line into the ledger."
                )
        metric = metrics.get(name)
        if metric is None:
            if versions[-1].words != RETIRED:
                found.append(f"{name}: is in the ledger and no metric any more. Retire it there, and decide why.")
            continue
        found += _unlike(metric, versions)
    return found


def due(metrics: Mapping[str, Metric], entries: Sequence[Entry], *, today: str, decision: str) -> list[Entry]:
    """The entries that the ledger lacks."""
    newest = {one.metric: one for one in entries}
    added = []
    for name, metric in metrics.items():
        last = newest.get(name)
        now = Entry(name, 1, today, words_of(metric.expression, metric.where), rest_of(metric))
        if last is None:
            added.append(now)
        elif (last.words, last.rest) != (now.words, now.rest):
            added.append(replace(now, version=last.version + 1, decision=decision))
    added += [
        Entry(name, last.version + 1, today, RETIRED, RETIRED, decision)
        for name, last in newest.items()
        if name not in metrics and last.words != RETIRED
    ]
    return added


def _unlike(metric: Metric, versions: Sequence[Entry]) -> list[str]:
    last, found = versions[-1], []
    if (last.words, last.rest) != (words_of(metric.expression, metric.where), rest_of(metric)):
        return [
            f"{metric.name}: means something else than version {last.version} in the ledger. If it should: keep the old"
            " `expression` and `where` as a `Former` with until and reason (contracts/metrics), say why in"
            " docs/metrics_decisions.md, then: python -m contracts.metrics.ledger <number of the decision>"
        ]
    told = [versions[0].words] + [now.words for before, now in pairwise(versions) if now.words != before.words]
    kept = [words_of(one.expression, one.where) for one in metric.former] + [last.words]
    if told != kept:
        found.append(
            f"{metric.name}: its `former` is not what the ledger says it was. Each change of `expression` or `where`"
            " leaves its old words there, oldest first: what was told of the past is told by them."
        )
    changed = [now.since for before, now in pairwise(versions) if now.words != before.words]
    if told == kept and changed != [one.until[:10] for one in metric.former]:
        found.append(f"{metric.name}: `Former.until` and `since` of the version after it are not the same day.")
    return found


def _fingerprint(*parts: str) -> str:
    text = "\n".join(" ".join(part.split()) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main(decision: str = "") -> None:
    """Add what is due to the ledger and say it."""
    entries = read() if PATH.exists() else []
    added = due(METRICS, entries, today=datetime.now(UTC).date().isoformat(), decision=decision)
    write(PATH, COLUMNS, (*entries, *added))
    for one in added:
        sys.stdout.write(f"{one.metric}: version {one.version}\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
