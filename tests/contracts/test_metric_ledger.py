"""No metric changes its meaning without keeping its old words and saying why."""

from dataclasses import replace

import pytest

from contracts.former import Former
from contracts.metrics import METRICS, Metric, ledger
from contracts.metrics.ledger import Entry, complaints, due
from tests.dbt_project.lake import ROOT

DECISIONS = (ROOT / "docs" / "metrics_decisions.md").read_text()
MRR = METRICS["mrr"]
DAY = "2026-12-01"
CHANGED = replace(MRR, expression="sum(something_else_minor)")
KEPT = replace(CHANGED, former=(Former(f"{DAY}T08:00:00Z", MRR.expression, MRR.where, "another question"),))


def first(metric: Metric = MRR) -> list[Entry]:
    return due({metric.name: metric}, [], today="2026-11-01", decision="")


def second(metric: Metric, decision: str = "1") -> list[Entry]:
    """The ledger after its own command was run for a changed metric."""
    return [*first(), *due({metric.name: metric}, first(), today=DAY, decision=decision)]


def test_every_metric_is_what_the_ledger_says() -> None:
    assert complaints(METRICS, ledger.read(), DECISIONS) == []


class TestComplaints:
    def test_an_unknown_metric_is_to_be_added(self) -> None:
        assert "is in no version" in complaints({"mrr": MRR}, [], DECISIONS)[0]
        assert complaints({"mrr": MRR}, first(), DECISIONS) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"expression": "sum(mrr_minor) + 1"}, {"where": "mrr_minor > 0"}, {"at": "month"}, {"kind": "flow"},
            {"unit": "number"}, {"relation": "finance.fct_mrr_months"}, {"exclusions": "Everybody."},
            {"grains": ("month",)},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_a_changed_definition_is_told_with_what_to_do(self, change: dict) -> None:
        (told,) = complaints({"mrr": replace(MRR, **change)}, first(), DECISIONS)
        assert "`Former`" in told
        assert "metrics_decisions.md" in told

    def test_a_new_line_of_the_ledger_does_not_stand_for_the_old_words(self) -> None:
        (told,) = complaints({"mrr": CHANGED}, second(CHANGED), DECISIONS)
        assert "its `former` is not what" in told
        assert complaints({"mrr": KEPT}, second(KEPT), DECISIONS) == []

    def test_other_old_words_than_the_ledgers_are_refused(self) -> None:
        wrong = replace(CHANGED, former=(replace(KEPT.former[0], expression="sum(mrr_minor) * 2"),))
        assert len(complaints({"mrr": wrong}, second(wrong), DECISIONS)) == 1

    def test_the_day_of_a_change_is_one_day(self) -> None:
        late = replace(CHANGED, former=(replace(KEPT.former[0], until="2026-12-02T00:00:00Z"),))
        assert "not the same day" in complaints({"mrr": late}, second(late), DECISIONS)[0]

    @pytest.mark.parametrize("decision", ["", "9999"])
    def test_a_change_without_a_decision_is_refused(self, decision: str) -> None:
        assert "names no decision" in complaints({"mrr": KEPT}, second(KEPT, decision), DECISIONS)[0]

    def test_a_changed_exclusion_needs_a_decision_and_no_old_words(self) -> None:
        other = replace(MRR, exclusions="Everybody.")
        assert complaints({"mrr": other}, second(other), DECISIONS) == []

    def test_a_metric_that_goes_is_retired(self) -> None:
        assert "Retire it" in complaints({}, first(), DECISIONS)[0]
        gone = [*first(), *due({}, first(), today=DAY, decision="1")]
        assert complaints({}, gone, DECISIONS) == []

    def test_a_line_taken_away_is_missed(self) -> None:
        assert "never taken away" in complaints({"mrr": KEPT}, second(KEPT)[1:], DECISIONS)[0]

    def test_how_sql_is_broken_into_lines_says_nothing(self) -> None:
        ratio = METRICS["fill_rate"]
        spread = replace(ratio, expression=f"  {ratio.expression.replace(' ', chr(10) + '    ')}")
        assert complaints({"fill_rate": spread}, first(ratio), DECISIONS) == []
