"""The tags of `contracts.classification` as `meta` of the dbt project's columns, where dbt and its page show them.

Written into the schema files, not added to a manifest later, so that whatever reads the project (dbt's page, a masking
policy of a warehouse, a person) finds them. `python -m contracts.dbt_tags` writes them anew after a column was added or
a class changed; a test holds the files to it, and dbt's own `refuse_untagged` begins no build without them.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from contracts.classification import SUBJECT_KEYS, TAGS, class_of

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
SUBJECTS = (
    *SUBJECT_KEYS,
    "account_id",
    "author_id",
    "stripe_customer_id",
    "contact_id",
    "hubspot_owner_id",
    "workout_id",
)
"""Columns by which the person of a row is found, the nearest first; those after the marts' are of staging models."""
ABOUT_PEOPLE = ("identity", "words", "money", "behaviour", "health")

_SECTION = re.compile(r"^(\w+):")
_MODEL = re.compile(r"^  - name: (\w+)$")
_COLUMN = re.compile(r"^      - name: (\w+)$")
_TAG = re.compile(r"^        config: \{meta: \*\w+\}$")


def files(project: Path = PROJECT) -> list[Path]:
    """The schema files whose columns are tagged."""
    return sorted([*project.glob("models/**/*.yml"), *project.glob("seeds/*.yml")])


def tagged(text: str) -> str:
    """A schema file with the tags of its columns; one that says nothing of columns stays as it is.

    Raises:
        contracts.classification.Unclassified: nobody has said what a column tells about a person.
    """
    lines = list(_untagged(text.splitlines()))
    columns = _columns_of(lines)
    names: dict[str, str] = {}
    out: list[str] = []
    for place, line in enumerate(lines):
        out.append(line)
        if place in columns:
            column, subject = columns[place]
            anchor, meta = _tag(column, subject)
            names[anchor] = meta
            out.append(f"        config: {{meta: *{anchor}}}")
    if names:
        begin = next(place for place, line in enumerate(out) if line and not line.startswith("#"))
        anchors = [f"  - &{anchor} {meta}" for anchor, meta in sorted(names.items())]
        out[begin:begin] = ["anchors: # what columns tell about people, written by contracts.dbt_tags", *anchors, ""]
    return "\n".join(out) + "\n"


def _untagged(lines: Sequence[str]) -> Iterator[str]:
    is_anchors = False
    for line in lines:
        if match := _SECTION.match(line):
            is_anchors = match[1] == "anchors"
        if not is_anchors and not _TAG.match(line):
            yield line


def _columns_of(lines: Sequence[str]) -> dict[int, tuple[str, str | None]]:
    """By place of a line: the column it begins, and the column of its model by which its person is found."""
    models: dict[int, list[tuple[int, str]]] = {}
    section, model = "", -1
    for place, line in enumerate(lines):
        if match := _SECTION.match(line):
            section = match[1]
        if section not in ("models", "seeds"):
            continue
        if _MODEL.match(line):
            model = place
        elif match := _COLUMN.match(line):
            models.setdefault(model, []).append((place, match[1]))
    found: dict[int, tuple[str, str | None]] = {}
    for columns in models.values():
        held = {column for _, column in columns}
        subject = next((key for key in SUBJECTS if key in held), None)
        found |= {place: (column, subject) for place, column in columns}
    return found


def _tag(column: str, subject: str | None) -> tuple[str, str]:
    kind = class_of(column)
    tag = TAGS[kind]
    is_of = subject if kind in ABOUT_PEOPLE else None
    fields = [f"class: {kind}", *([f"subject_key: {is_of}"] if is_of else []), f'purpose: "{tag.purpose}"']
    fields += [f'retention: "{tag.retention}"', f"mask: {str(tag.is_masked).lower()}"]
    return kind + (f"_of_{is_of.removesuffix('_id')}" if is_of else ""), f"{{{', '.join(fields)}}}"


def main() -> None:
    """Write the tags into the project and say which files changed."""
    for file in files():
        before = file.read_text()
        after = tagged(before)
        if after != before:
            file.write_text(after)
            sys.stdout.write(f"{file.relative_to(PROJECT)}\n")


if __name__ == "__main__":
    main()
