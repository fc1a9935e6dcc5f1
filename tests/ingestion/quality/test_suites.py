"""Every expectation of every connector's suite refuses a row that does not meet it, with its own reason."""

from typing import Any

import pyarrow as pa
import pytest

from ingestion.quality.judge import judge
from ingestion.quality.landed import ALL
from ingestion.quality.suite import Expectation, Suite


def wrong(expectation: Expectation) -> dict[str, Any]:
    """Fields of a row that does not meet it; those left out are missing."""
    said, kind = expectation.arguments, expectation.type.removeprefix("expect_column_")
    match kind:
        case "values_to_not_be_null":
            return {}
        case "values_to_be_in_set":
            return {said["column"]: "?"}
        case "values_to_match_regex":
            return {said["column"]: "?? ??"}
        case "values_to_be_between":
            low, high = said["min_value"], said["max_value"]
            return {said["column"]: float(high + 1 if low is None else low - 1)}
        case "pair_values_a_to_be_greater_than_b":
            return {said["column_A"]: 1.0, said["column_B"]: 2.0}
    raise AssertionError(f"say here what does not meet {expectation.type}")


@pytest.mark.parametrize("table", ALL)
def test_each_expectation_can_fail(table: str) -> None:
    suite = ALL[table]
    rows = [wrong(one) for one in suite.expectations]
    numbers = {name for row in rows for name, value in row.items() if isinstance(value, float)}
    columns = {
        name: pa.array([row.get(name) for row in rows], pa.float64() if name in numbers else pa.string())
        for name in suite.fields
    }
    as_told = Suite({name: f'"{name}"' for name in suite.fields}, suite.expectations)
    reasons = judge(as_told, pa.table(columns)).reasons
    assert rows
    assert [one.reason for place, one in enumerate(suite.expectations) if one.reason not in reasons[place]] == []
