"""Running a suite over rows with Great Expectations, which is imported here and only when there is something to judge.

Its import takes seconds and its work on a batch a twentieth of one, so a process that judges keeps what it made.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when it is imported

import duckdb
import pyarrow as pa

from ingestion.quality.suite import Expectation, Suite

_ROW = "_row"


@dataclass(frozen=True)
class Finding:
    """How one expectation went.

    Args:
        judged: Rows that were looked at.
        unexpected: Rows that do not meet it, by their place in what was judged.
    """

    expectation: Expectation
    judged: int
    unexpected: tuple[int, ...]

    @property
    def is_met(self) -> bool:
        """By all rows."""
        return not self.unexpected


@dataclass(frozen=True)
class Verdict:
    """What was found in a table of rows.

    Args:
        document: What Great Expectations says of it, for its page; None where nothing was judged.
    """

    findings: tuple[Finding, ...]
    document: Any = None

    @property
    def reasons(self) -> Mapping[int, tuple[str, ...]]:
        """By the place of a bad row, what is wrong with it; good rows are not in it."""
        found: dict[int, list[str]] = defaultdict(list)
        for one in self.findings:
            for row in one.unexpected:
                found[row].append(one.expectation.reason)
        return {row: tuple(reasons) for row, reasons in sorted(found.items())}


class SuiteBroken(RuntimeError):
    """An expectation could not be judged at all; the message names it. Says nothing about the rows."""


def judge(suite: Suite, rows: pa.Table, lake: duckdb.DuckDBPyConnection | None = None) -> Verdict:
    """Judge rows by a suite.

    Args:
        rows: With the columns of the raw table.
        lake: A connection to read them with; one of its own where there is none.

    Raises:
        SuiteBroken: see there.
    """
    if not suite.expectations or not rows.num_rows:
        return Verdict(())
    frame = _frame(suite, rows, lake)
    result = (
        _whole_frames()
        .get_batch(batch_parameters={"dataframe": frame})
        .validate(_made(suite), result_format={"result_format": "COMPLETE"})
    )
    places = frame[_ROW].tolist()
    findings = []
    for one in result.results:
        expectation = suite.expectations[one.expectation_config.meta["place"]]
        if one.exception_info.get("raised_exception", False) or "unexpected_index_list" not in one.result:
            raise SuiteBroken(f"{expectation.type} {dict(expectation.arguments)}: {one.exception_info}")
        unexpected = tuple(sorted(places[index] for index in one.result["unexpected_index_list"] or ()))
        findings.append(Finding(expectation, len(frame), unexpected))
    return Verdict(tuple(findings), result)


def _frame(suite: Suite, rows: pa.Table, lake: duckdb.DuckDBPyConnection | None) -> Any:
    own = lake or duckdb.connect()
    own.register("_judged", rows)
    try:
        fields = ", ".join(f'({sql}) as "{name}"' for name, sql in suite.fields.items())
        return own.execute(
            f"""select {fields}, {_ROW} from (select *, row_number() over () - 1 as {_ROW} from _judged)
                where {suite.where} order by {_ROW}"""
        ).df()
    finally:
        own.unregister("_judged")
        if lake is None:
            own.close()


@cache
def _whole_frames() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("raw").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("whole")


@cache
def _made(suite: Suite) -> Any:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    expectations = [
        ExpectationConfiguration(type=one.type, kwargs=dict(one.arguments), meta={"place": place}).to_domain_obj()
        for place, one in enumerate(suite.expectations)
    ]
    return gx.ExpectationSuite(name="suite", expectations=expectations)
