"""No model that a metric stands on changes what it computes without a word, and none is asked for a word for less."""

import shutil
from pathlib import Path

import pytest

from contracts.metrics import METRICS, models
from contracts.metrics.models import behind, complaints, due, fingerprint, metrics_on
from tests.dbt_project.lake import ROOT

DECISIONS = (ROOT / "docs" / "metrics_decisions.md").read_text()
ADHERENCE = "training.fct_adherence_weeks"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be changed."""
    for folder in ("models", "macros"):
        shutil.copytree(models.PROJECT / folder, tmp_path / folder)
    return tmp_path


def edited(project: Path, file: str, old: str, new: str) -> list[str]:
    """What is complained of after an edit."""
    path = project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    before = due(behind([ADHERENCE]), [], today="2026-11-01", decision="")
    return complaints(behind([ADHERENCE], project), before, DECISIONS)


def test_every_model_behind_a_metric_is_what_the_ledger_says() -> None:
    assert complaints(models.of_metrics(), models.read(), DECISIONS) == []


def test_each_metric_stands_on_its_mart_down_to_staging() -> None:
    for name, metric in METRICS.items():
        found = behind([metric.relation])
        assert metric.relation.split(".")[1] in found, name
        is_seed = metric.relation in ("engagement.fct_survey_answers", "quality.fct_column_distances")  # of no model
        assert is_seed or any(one.startswith("stg_") for one in found), name


class TestChanges:
    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("models/marts/training/fct_adherence_weeks.sql", "completed", "skipped"),
            ("models/staging/training/stg_training__workouts.sql", "scheduled_on", "coalesce(scheduled_on, x)"),
            ("macros/latest_rows.sql", "_op <> 'd'", "_op <> 'u'"),
            ("models/marts/training/fct_adherence_weeks.sql", "'key'", "'keys'"),
        ],
        ids=["the mart", "three models below", "a macro", "which rows are made anew"],
    )
    def test_of_sql_are_seen_however_deep(self, project: Path, file: str, old: str, new: str) -> None:
        told = edited(project, file, old, new)
        assert told
        assert all("metrics_decisions.md" in one for one in told)
        assert "adherence" in told[0], "it names the metrics"

    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("models/marts/training/fct_adherence_weeks.sql", "select", "\n\n-- chosen:\nSELECT   "),
            ("models/marts/training/fct_adherence_weeks.sql", "config(", "config(tags=['x'], "),
            ("macros/latest_rows.sql", "{%- endmacro %}", "{# end #}\n{% endmacro -%}"),
            ("macros/dialect.sql", "macro snowflake__", "macro snowflake__another_"),
        ],
        ids=["layout", "config", "Jinja's dashes", "another dialect"],
    )
    def test_of_layout_and_config_are_not(self, project: Path, file: str, old: str, new: str) -> None:
        assert edited(project, file, old, new) == []

    def test_of_sql_that_stands_for_a_models_own_are_seen(self, project: Path) -> None:
        """A small build says `instead`: it is the number as much as the text that it stands for."""
        mart, file = "retention.fct_churn_features", project / "models/marts/retention/fct_churn_features.sql"
        before = due(behind([mart]), [], today="2026-11-01", decision="")
        assert "macro activity_features_in_groups" in {one.model for one in before}, "called nowhere else"
        sql, condition = file.read_text(), "activity.day < dates.cutoff_on\n        group"
        file.write_text(sql.replace(condition, "true\n        group"))
        [told] = complaints(behind([mart], project), before, DECISIONS)
        assert told.startswith("parts of fct_churn_features: computes something else")
        file.write_text(sql.replace(condition, "activity.day<dates.cutoff_on GROUP"))
        assert complaints(behind([mart], project), before, DECISIONS) == []

    def test_of_a_text_are_seen(self) -> None:
        assert fingerprint("select 'a  b'") != fingerprint("select 'a b'")
        assert fingerprint("select 'A'") != fingerprint("select 'a'")
        assert fingerprint("SELECT a") == fingerprint("select\n  a")
        assert fingerprint("select '--a'") != fingerprint("select '--b'")
        assert fingerprint("select a from b") != fingerprint("select ab from")

    def test_need_a_decision(self) -> None:
        first = due({"fct_x": "1"}, [], today="2026-11-01", decision="")
        for decision, is_refused in (("", True), ("9999", True), ("1", False)):
            second = [*first, *due({"fct_x": "2"}, first, today="2026-12-01", decision=decision)]
            assert bool(complaints({"fct_x": "2"}, second, DECISIONS)) == is_refused
        assert "never taken away" in complaints({"fct_x": "2"}, second[1:], DECISIONS)[0]

    def test_what_goes_is_retired(self) -> None:
        first = due({"fct_x": "1"}, [], today="2026-11-01", decision="")
        assert complaints({}, first, DECISIONS)
        assert complaints({}, [*first, *due({}, first, today="2026-12-01", decision="1")], DECISIONS) == []


def test_a_model_tells_the_metrics_that_stand_on_it() -> None:
    assert {"mrr", "active_members"} <= set(metrics_on("int_membership_changes"))
    assert metrics_on("fct_churn_labels") == []
