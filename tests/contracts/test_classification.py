"""Every column of every mart has a class, and whoever a row is about can be found by a key."""

import pytest

from contracts.classification import CLASSES, TAGS, Unclassified, class_of, is_masked, masked, subject_key
from contracts.relations import RELATIONS, Relation
from operational_api.analytics.withheld import COLUMN_KINDS
from tests.contracts.test_dbt_tags import columns


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=RELATIONS)
def test_every_column_of_every_mart_has_a_class(relation: Relation) -> None:
    unclassified = [
        column for column in relation.columns if column not in CLASSES and not column.endswith(("_id", "_minor"))
    ]
    assert unclassified == []


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=RELATIONS)
def test_what_tells_of_a_person_has_a_key_by_which_they_are_found(relation: Relation) -> None:
    found = {class_of(column) for column in relation.columns} & {"identity", "health"}
    assert not found or subject_key(relation) is not None


def test_nothing_is_classed_that_no_model_has() -> None:
    promised = {column for relation in RELATIONS.values() for column in relation.columns}
    assert set(CLASSES) - promised - {column["name"] for _, column in columns()} == set()


def test_an_unclassified_column_is_refused_and_masked() -> None:
    with pytest.raises(Unclassified):
        class_of("what_somebody_wrote")
    assert is_masked("what_somebody_wrote")


def test_what_customers_may_withhold_is_masked_for_who_knows_no_people() -> None:
    assert [column for column in COLUMN_KINDS if not is_masked(column)] == []


def test_a_key_is_never_masked() -> None:
    for relation in RELATIONS.values():
        assert not set(masked(relation)) & set(relation.key)


def test_every_class_says_why_it_is_kept_and_until_when() -> None:
    assert all(tag.purpose and tag.retention for tag in TAGS.values())
