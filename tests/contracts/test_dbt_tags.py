"""Every column of the dbt project carries the tags that `contracts.classification` gives to its name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import dbt_tags
from contracts.classification import TAGS, Unclassified, class_of

FILE = """# Two models.
models:
  - name: fct_thing
    description: "One row per thing."
    columns:
      - name: customer_id
        description: "Whose."
      - name: session_load
        description: "How hard."
        data_type: double
        constraints: [{type: not_null}]

  - name: fct_other
    columns:
      - name: session_load
        description: "Nobody's."

unit_tests:
  - name: fct_thing_counts
    model: fct_thing
"""


def columns() -> Iterator[tuple[str, dict[str, Any]]]:
    """Model and column of every schema file."""
    for file in dbt_tags.files():
        said = yaml.safe_load(file.read_text())
        for model in (*(said.get("models") or ()), *(said.get("seeds") or ())):
            for column in model.get("columns") or ():
                yield model["name"], column


@pytest.mark.parametrize("file", dbt_tags.files(), ids=lambda file: file.stem)
def test_a_file_says_what_the_classification_says(file: Path) -> None:
    assert file.read_text() == dbt_tags.tagged(file.read_text()), "write them anew: python -m contracts.dbt_tags"


def test_every_column_is_tagged_with_class_purpose_retention_and_mask() -> None:
    found = list(columns())
    assert len(found) > 1000
    for model, column in found:
        meta, kind = column["config"]["meta"], class_of(column["name"])
        said = (meta["class"], meta["purpose"], meta["retention"], meta["mask"])
        assert said == (kind, TAGS[kind].purpose, TAGS[kind].retention, TAGS[kind].is_masked), (model, column["name"])


@pytest.mark.parametrize("seed", sorted(dbt_tags.PROJECT.glob("seeds/*.csv")), ids=lambda seed: seed.stem)
def test_a_seed_has_the_columns_that_its_file_tells_of(seed: Path) -> None:
    header = seed.read_text().splitlines()[0].split(",")
    assert header == [column["name"] for model, column in columns() if model == seed.stem]


def test_whoever_a_name_or_their_health_is_of_can_be_found() -> None:
    close = [(model, column["name"], column["config"]["meta"]) for model, column in columns()]
    lost = [
        (model, column)
        for model, column, meta in close
        if meta["class"] in ("identity", "health") and "subject_key" not in meta
    ]
    assert lost == []


class TestTagged:
    def test_columns_of_models_are_tagged_and_nothing_else_changes(self) -> None:
        before, after = yaml.safe_load(FILE), yaml.safe_load(dbt_tags.tagged(FILE))
        whose, load = after["models"][0]["columns"]
        assert whose.pop("config")["meta"]["class"] == "key"
        assert load.pop("config")["meta"] == {
            "class": "health", "subject_key": "customer_id", "purpose": TAGS["health"].purpose,
            "retention": TAGS["health"].retention, "mask": True,
        }  # fmt: skip
        assert "subject_key" not in after["models"][1]["columns"][0].pop("config")["meta"]
        after.pop("anchors")
        assert after == before

    def test_again_it_changes_nothing(self) -> None:
        once = dbt_tags.tagged(FILE)
        assert dbt_tags.tagged(once) == once

    def test_a_tag_that_somebody_changed_is_written_anew(self) -> None:
        once = dbt_tags.tagged(FILE)
        assert dbt_tags.tagged(once.replace("mask: true", "mask: false")) == once

    def test_a_column_that_nobody_has_thought_about_is_refused(self) -> None:
        with pytest.raises(Unclassified, match="shoe_size"):
            dbt_tags.tagged(FILE.replace("session_load", "shoe_size"))
