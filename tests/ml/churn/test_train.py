"""Training on a real lake: what is kept, what is promoted, what stands in."""

import json
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import numpy as np
import polars as pl
import pytest

from contracts import warehouse
from contracts.metrics import models
from ml.churn import artefact, definitions, features, score, splits, train
from ml.churn.settings import ChurnSettings
from ml.churn.train import TrainedModel
from ml.marts import MartsMissing
from orchestration.automation import weekly_training
from orchestration.defs import churn
from tests.ml.conftest import TODAY, Business, simulate, write


@pytest.fixture(scope="module")
def grown() -> Business:
    """Enough members for a model to learn."""
    return simulate(500, 52, seed=3)


def models_in(settings: ChurnSettings) -> list[tuple]:
    with warehouse.reading(settings) as lake:
        return lake.execute(
            "select model_id, is_current, algorithm from marts.ml.churn_models order by trained_at"
        ).fetchall()


class TestRun:
    def test_beats_the_base_rate_and_is_calibrated_on_time_it_never_saw(self, settings, grown):
        write(settings, grown)
        trained = train.run(settings)
        test = trained.metrics["test"]
        assert trained.is_promoted
        assert trained.is_new
        assert trained.algorithm in ("lightgbm", "logistic")
        assert test[trained.algorithm]["log_loss"] < test["base_rate"]["log_loss"]
        assert test[trained.algorithm]["log_loss"] < test["recency"]["log_loss"]
        assert test[trained.algorithm]["ece"] <= 0.03
        assert test[trained.algorithm]["lift_at_10_percent"] > 1.5
        assert set(trained.metrics["folds"][0]) >= {"from", "to", "base_rate", "recency", "logistic", "lightgbm"}

    def test_is_quick_at_the_size_of_the_default_demo(self, built):
        began = time.process_time()  # of this process: the machine may be busy with others
        train.run(built)
        assert time.process_time() - began < 10

    def test_the_same_code_data_and_seed_are_the_same_model(self, built, tmp_path):
        first = train.run(built)
        again = train.run(built)
        elsewhere = train.run(built.model_copy(update={"ml_path": tmp_path / "other"}))
        assert not again.is_new
        assert again.is_promoted
        assert again.model_id == first.model_id == elsewhere.model_id
        assert elsewhere.is_new
        contents = [
            json.loads((path / first.model_id / "model.json").read_text())["model"]
            for path in (built.ml_path, tmp_path / "other")
        ]
        assert contents[0] == contents[1]
        assert len(models_in(built)) == 1

    def test_every_training_is_a_row_and_one_is_current(self, built):
        train.run(built)
        train.run(built.model_copy(update={"ml_seed": 8}))
        rows = models_in(built)
        assert len(rows) == 2
        assert sum(is_current for _, is_current, _ in rows) == 1

    def test_marts_that_are_not_built_say_what_to_do(self, settings):
        with pytest.raises(MartsMissing, match="dbt build"):
            train.run(settings)


class TestTooLittleToLearnFrom:
    @pytest.mark.parametrize(
        ("told", "algorithm", "says"),
        [
            ({"customers": 3, "weeks": 2}, "base_rate", "Too little to learn from: 0 outcomes"),
            ({"customers": 40, "weeks": 10}, None, ""),
            ({"customers": 60, "weeks": 16}, None, ""),
        ],
    )
    def test_a_simple_model_stands_in_and_says_so(self, settings, told, algorithm, says):
        write(settings, simulate(**told))
        trained = train.run(settings)
        assert trained.is_promoted
        assert trained.algorithm in ([algorithm] if algorithm else ["base_rate", "recency", "logistic"])
        assert says in trained.decision

    @pytest.mark.parametrize("outcome", [True, False])
    def test_outcomes_that_are_all_alike_give_the_base_rate(self, settings, business, outcome):
        labels = business.labels.with_columns(
            pl.when(pl.col("is_churned_30d").is_not_null()).then(pl.lit(outcome)).alias("is_churned_30d")
        )
        write(settings, replace(business, labels=labels))
        assert train.run(settings).algorithm == "base_rate"

    def test_features_that_are_all_unknown_do_not_break_it(self, settings, business):
        bare = business.features.select("customer_id", "as_of", "coach_id")
        write(settings, replace(business, features=bare))
        trained = train.run(settings)
        assert trained.metrics["test"][trained.algorithm]["log_loss"] > 0

    def test_empty_marts_give_the_assumed_rate(self, settings, business):
        write(settings, replace(business, features=business.features.clear(), labels=business.labels.clear()))
        trained = train.run(settings)
        assert (trained.algorithm, trained.labelled_rows, trained.trained_through) == ("base_rate", 0, None)


class TestPromotion:
    def test_a_model_that_is_worse_on_unseen_rows_is_refused(self, settings, grown, monkeypatch):
        write(settings, grown)
        good = train.run(settings)
        scrambled = grown.features.with_columns(  # same outcomes, but each row carries somebody else's features
            pl.col(name).shuffle(seed=1) for name in features.NAMES if name in grown.features.columns
        )
        write(settings, replace(grown, features=scrambled))
        bad = train.run(settings)
        assert bad.model_id != good.model_id
        assert not bad.is_promoted
        assert f"Not promoted, {good.model_id} stays" in bad.decision
        assert train.registry(settings).current() == good.model_id
        assert [is_current for _, is_current, _ in models_in(settings)] == [True, False]

    def test_newer_outcomes_replace_a_model(self, settings, grown):
        old = TODAY - timedelta(weeks=12)
        known = pl.col("as_of") <= old
        write(settings, replace(grown, features=grown.features.filter(known), labels=grown.labels.filter(known)))
        first = train.run(settings)
        write(settings, grown)
        second = train.run(settings)
        assert second.model_id != first.model_id
        assert second.is_promoted
        assert second.metrics["against_current"]["new"]["rows"] > 500

    def test_rolls_back_in_registry_and_lake(self, built):
        first = train.run(built)
        second = train.run(built.model_copy(update={"ml_seed": 8}))
        if not second.is_promoted:
            train.registry(built).promote(second.model_id)
        assert train.roll_back(built) == first.model_id
        assert [(one, is_current) for one, is_current, _ in models_in(built)] == [
            (first.model_id, True),
            (second.model_id, False),
        ]


class TestDefinitions:
    """A feature that means something else, under the same name."""

    @pytest.fixture(autouse=True)
    def environment(self, built, monkeypatch):
        """What the schedule's process is told."""
        monkeypatch.setenv("PLYO_ML_PATH", str(built.ml_path))
        monkeypatch.setenv("PLYO_LAKE_CATALOG_URL", built.lake_catalog_url.get_secret_value())
        monkeypatch.setenv("PLYO_LAKE_PATH", built.lake_path)

    @pytest.fixture
    def redefine(self, tmp_path, monkeypatch):
        """Changes a model of the dbt project: of a copy, which is the project from then on."""

        def change(file: str, old: str, new: str) -> None:
            shutil.copytree(models.PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("target", "logs"))
            path = tmp_path / "project" / file
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
            monkeypatch.setattr(models, "PROJECT", tmp_path / "project")

        return change

    def test_that_changed_make_the_model_stale_and_the_next_training_replaces_it(self, built, redefine):
        first = train.run(built)
        assert not score.run(built).is_stale
        assert not churn.is_stale()
        redefine("models/staging/training/stg_training__workouts.sql", "status", "lower(status) as status")
        assert score.run(built).is_stale
        assert churn.is_stale()
        second = train.run(built)
        assert second.is_promoted, "tests on rows of the old meaning do not keep the old model"
        assert second.model_id != first.model_id
        assert f"mean something else than {first.model_id} learned" in second.decision
        assert not score.run(built).is_stale
        with warehouse.reading(built) as lake:
            told = lake.execute("select count(distinct definitions), count(*) from marts.ml.churn_models").fetchone()
        assert told == (2, 2)

    def test_that_are_only_written_otherwise_do_not(self, built, redefine):
        train.run(built)
        redefine("models/staging/training/stg_training__workouts.sql", "select", "-- chosen\nSELECT")
        assert not score.run(built).is_stale

    def test_of_a_model_from_before_they_were_kept_are_unknown_so_it_is_stale(self, built):
        trained = train.run(built)
        file = built.ml_path / trained.model_id / "model.json"
        told = json.loads(file.read_text())
        del told["facts"]["definitions"]
        file.write_text(json.dumps(told))
        assert definitions.is_stale(train.registry(built))

    def test_are_trained_by_on_any_day_and_others_on_mondays(self, built, redefine):
        def asked(day: int) -> bool:
            at = datetime(2026, 11, day, 3, 30, tzinfo=UTC)
            with dg.DagsterInstance.ephemeral() as instance:
                context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
                return isinstance(weekly_training(context), dg.RunRequest)

        train.run(built)
        assert [asked(day) for day in (23, 24)] == [True, False]
        redefine("models/staging/training/stg_training__workouts.sql", "status", "lower(status) as status")
        assert asked(24)


class TestBlocks:
    def test_nothing_known_when_a_block_began_reaches_into_it(self, built):
        with warehouse.reading(built) as lake:
            rows = features.labelled(lake)
        blocks = splits.blocks(rows)
        assert len(blocks) >= 4
        for block in blocks:
            as_of = rows.as_of.astype("datetime64[D]")
            assert as_of[block.is_known].max() + np.timedelta64(30, "D") <= as_of[block.is_inside].min()
        assert all(one.ends_on < other.starts_on for one, other in pairwise(blocks))


class TestLoad:
    def test_a_model_of_other_features_is_refused_by_name(self, built, monkeypatch):
        trained: TrainedModel = train.run(built)
        monkeypatch.setattr(artefact, "NAMES", (*features.NAMES, "one_more"))
        with pytest.raises(artefact.OtherFeatures, match=trained.model_id):
            artefact.load(built.ml_path / trained.model_id)
