"""Scoring on a real lake: rows, reasons that sum up, news, and the truth behind them."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts import warehouse
from ml.churn import explain, features, score, train
from ml.churn.artefact import load
from ml.churn.settings import ChurnSettings
from ml.registry import NoModel
from tests.ml.conftest import TODAY, simulate, write


@pytest.fixture
def scored(built: ChurnSettings, trained_models: Path) -> tuple[ChurnSettings, score.Scored]:
    shutil.copytree(trained_models, built.ml_path)
    assert not train.run(built).is_new
    return built, score.run(built)


def stored(settings: ChurnSettings) -> pl.DataFrame:
    with warehouse.reading(settings) as lake:
        return lake.execute(
            "select * replace (cast(customer_id as varchar) as customer_id) from marts.ml.churn_scores"
        ).pl()


class TestRun:
    def test_every_active_member_has_one_score_of_the_newest_date(self, scored):
        settings, told = scored
        rows = stored(settings)
        assert told.as_of == TODAY
        assert told.rows == len(rows) == len(told.changed) == rows["customer_id"].n_unique()
        assert rows["probability"].is_between(0, 1).all()
        assert (rows["probability_low"] <= rows["probability"]).all()
        assert (rows["probability"] <= rows["probability_high"]).all()
        assert (rows["probability_low"] < rows["probability_high"]).all()

    def test_base_and_contributions_sum_to_the_score(self, scored):
        settings, _ = scored
        for row in stored(settings).iter_rows(named=True):
            parts = json.loads(row["contributions"])
            log_odds = np.log(row["probability"] / (1 - row["probability"]))
            assert abs(row["base_value"] + sum(parts.values()) - log_odds) < 1e-6
            for reason in json.loads(row["reasons"]):
                assert abs(parts[reason["feature"]] - reason["contribution"]) < 1e-9
                assert reason["label"]

    def test_shap_values_sum_to_the_raw_score_of_the_trees(self, built):
        from ml.churn.boosting import Boosted

        with warehouse.reading(built) as lake:
            rows = features.labelled(lake)
        model = Boosted.fit(rows, seed=1, members=3)
        assert np.abs(model.explain(rows.x).log_odds - model.log_odds(rows.x)).max() < 1e-6

    def test_scoring_again_writes_nothing_and_has_no_news(self, scored):
        settings, _ = scored
        with warehouse.reading(settings) as lake:
            before = warehouse.snapshot_id(lake, "marts")
        again = score.run(settings)
        with warehouse.reading(settings) as lake:
            assert warehouse.snapshot_id(lake, "marts") == before
        assert again.changed == []

    def test_only_the_customer_who_changed_is_news(self, scored, business):
        settings, told = scored
        somebody = told.changed[-1]["customer_id"]
        worse = business.features.with_columns(
            pl.when((pl.col("customer_id") == somebody) & (pl.col("as_of") == TODAY))
            .then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
            for name, value in {"days_since_last_session": 60, "coach_changes_90d": 1, "price_increase_90d": 0.3,
                                "has_open_injury": True, "no_shows_90d": 6, "adherence_28d": 0.0}.items()
        )  # fmt: skip
        write(settings, replace(business, features=worse))
        again = score.run(settings)
        assert [one["customer_id"] for one in again.changed] == [somebody]
        assert {one["label"] for one in again.changed[0]["reasons"]} & {
            "No session in 60 days",
            "6 missed sessions in 3 months",
        }
        assert len(stored(settings)) == told.rows

    def test_a_past_date_can_be_scored(self, scored):
        settings, told = scored
        past = score.run(settings, as_of=TODAY - timedelta(weeks=4))
        assert past.as_of == TODAY - timedelta(weeks=4)
        assert len(stored(settings)) == told.rows + past.rows

    def test_a_date_without_members_scores_nobody(self, scored):
        settings, _ = scored
        assert score.run(settings, as_of=TODAY + timedelta(days=400)).rows == 0

    def test_without_a_model_it_says_to_train(self, built):
        with pytest.raises(NoModel, match="train one first"):
            score.run(built)


class TestLatest:
    def test_has_what_activation_posts_riskiest_first(self, scored):
        settings, told = scored
        newest = score.latest(settings)
        assert len(newest) == told.rows
        assert newest[0]["probability"] == max(one["probability"] for one in newest)
        assert {"customer_id", "coach_id", "scored_at", "probability", "reasons"} <= newest[0].keys()
        assert newest[0]["coach_id"] in {one["coach_id"] for one in told.changed}

    def test_is_empty_before_the_first_scoring(self, built):
        train.run(built)
        assert score.latest(built) == []


class TestTruth:
    def test_scores_follow_the_true_risk_and_reasons_the_true_cause(self, settings, record_property):
        business = simulate(600, 60, seed=5)
        write(settings, business)
        train.run(settings)
        told = pl.DataFrame(
            [
                (one["customer_id"], one["probability"], [reason["feature"] for reason in one["reasons"][:3]])
                for one in score.run(settings).changed
            ],
            schema=["customer_id", "probability", "named"],
            orient="row",
        )
        today = told.join(business.truth.filter(pl.col("as_of") == TODAY), on="customer_id")
        follows = today.select(pl.corr("probability", "hazard", method="spearman")).item()
        caused = today.filter(pl.col("cause").is_not_null())
        found = caused.filter(pl.col("named").list.contains(pl.col("cause"))).height / caused.height
        chance = 3 / len(features.NAMES)
        record_property("rank_correlation_with_true_hazard", follows)
        record_property("cause_among_three_reasons", found)
        assert follows > 0.5
        assert found > 3 * chance


class TestPointInTime:
    def test_features_that_only_know_the_past_do_not_change(self, scored, business):
        settings, _ = scored
        with warehouse.reading(settings) as lake:
            then = warehouse.snapshot_id(lake, "marts")
        write(settings, business)
        with warehouse.reading(settings) as lake:
            assert features.rewritten(lake, since_snapshot=then) == {}
            assert score.rewritten_since_served(lake) == {}

    def test_a_planted_look_into_the_future_is_caught(self, scored, business):
        settings, _ = scored
        with warehouse.reading(settings) as lake:
            then = warehouse.snapshot_id(lake, "marts")
        # The leak: "days since" counts to the last session there is, not to the last one before as_of.
        leaking = business.features.with_columns(
            pl.when(pl.col("as_of") >= TODAY - timedelta(weeks=3))
            .then(pl.col("days_since_last_session") + 5).otherwise(pl.col("days_since_last_session"))
            .alias("days_since_last_session")
        )  # fmt: skip
        write(settings, replace(business, features=leaking))
        with warehouse.reading(settings) as lake:
            assert list(features.rewritten(lake, since_snapshot=then)) == ["days_since_last_session"]
            assert list(score.rewritten_since_served(lake)) == ["days_since_last_session"]


class TestLabel:
    @pytest.mark.parametrize(
        ("feature", "value", "says"),
        [
            ("days_since_last_session", 19, "No session in 19 days"),
            ("days_since_last_session", 1, "Last session 1 day ago"),
            ("days_since_last_session", None, "No session yet"),
            ("coach_changes_90d", 1, "Coach changed in the last 3 months"),
            ("price_increase_90d", 0.1, "Price rose by 10 % in the last 3 months"),
            ("no_shows_90d", 1, "1 missed session in 3 months"),
            ("has_open_injury", 1, "Has an open injury"),
            ("adherence_drop", 0.3, "Follows the plan 30 points less than before"),
        ],
    )
    def test_is_what_a_coach_would_say(self, feature, value, says):
        assert explain.label(feature, value) == says

    @pytest.mark.parametrize("feature", features.NAMES)
    @pytest.mark.parametrize("value", [None, float("nan"), -1.0, 0.0, 0.5, 1.0, 400.0])
    def test_every_feature_has_words_for_every_value(self, feature, value):
        assert explain.label(feature, value)


def test_low_risk_customers_have_reasons_too(scored):
    settings, _ = scored
    model = load(settings.ml_path / train.registry(settings).current())
    x = np.full((1, len(features.NAMES)), np.nan)
    assert len(explain.reasons(x, model.score(x).contributions)) == 1
