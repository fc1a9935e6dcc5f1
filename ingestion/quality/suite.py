"""What a suite is made of. Names of expectations and their arguments are those of Great Expectations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Expectation:
    """One expectation of one suite.

    Args:
        type: As Great Expectations calls it.
        arguments: Of it.
        reason: What is said of a row that does not meet it, to a person.
    """

    type: str
    arguments: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, eq=False)
class Suite:
    """What is expected of one raw table. Each is itself alone: what is made of one is kept under it.

    Args:
        fields: Name to SQL over the table's columns: what is looked at. A document's fields are read out of it here.
        expectations: Of these fields.
        where: SQL condition of the rows that are judged; a deleted document has nothing left to judge.
    """

    fields: Mapping[str, str]
    expectations: tuple[Expectation, ...]
    where: str = "true"


def told(name: str) -> Expectation:
    """The field is there."""
    return Expectation("expect_column_values_to_not_be_null", {"column": name}, f"{name} is missing or unreadable")


def among(name: str, *values: str) -> Expectation:
    """The field is one of these, where it is told."""
    reason = f"{name} is none of {', '.join(values)}"
    return Expectation("expect_column_values_to_be_in_set", {"column": name, "value_set": list(values)}, reason)


def between(name: str, low: float | None, high: float | None) -> Expectation:
    """The number lies within these limits, where it is told."""
    span = f"less than {low}" if high is None else f"more than {high}" if low is None else f"outside {low} to {high}"
    arguments = {"column": name, "min_value": low, "max_value": high}
    return Expectation("expect_column_values_to_be_between", arguments, f"{name} is {span}")


def matching(name: str, pattern: str, what: str) -> Expectation:
    """The text looks like this, where it is told."""
    arguments = {"column": name, "regex": pattern}
    return Expectation("expect_column_values_to_match_regex", arguments, f"{name} is no {what}")


def not_after(earlier: str, later: str) -> Expectation:
    """One moment is not after the other, where both are told."""
    arguments = {"column_A": later, "column_B": earlier, "or_equal": True, "ignore_row_if": "either_value_is_missing"}
    return Expectation("expect_column_pair_values_a_to_be_greater_than_b", arguments, f"{later} is before {earlier}")


def plausible(name: str) -> Expectation:
    """The moment, in seconds since 1970, lies in this century, where it is told."""
    arguments = {"column": name, "min_value": 946_684_800, "max_value": 4_102_444_800}
    return Expectation("expect_column_values_to_be_between", arguments, f"{name} is not of this century")
