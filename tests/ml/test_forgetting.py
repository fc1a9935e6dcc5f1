"""What ml holds of people who may no longer be kept goes, and nothing of others."""

import json
from uuid import UUID

import polars as pl

from contracts import warehouse
from ml import forgetting
from ml.churn import artefact, tables
from ml.churn.settings import ChurnSettings
from tests.ml import marts

MIA, TOM = UUID(int=1), UUID(int=2)


def scored(settings: ChurnSettings, **inputs: float | None) -> None:
    with warehouse.writing(settings) as lake:
        tables.ensure(lake)
        for one in (MIA, TOM):
            lake.execute(
                f"insert into {tables.SCORES} by name select ? as customer_id, json(?) as inputs",
                [one, json.dumps(inputs)],
            )


def decided(settings: ChurnSettings, kind: str, *, is_given: bool, purpose: str = "modelling") -> None:
    marts.write(settings, core__fct_consents=pl.DataFrame({
        "decision_id": [str(UUID(int=9))], "customer_id": [str(MIA)], "data_kind": [kind], "purpose": [purpose],
        "is_given": [is_given], "is_current": [True],
    }))  # fmt: skip


class TestWithdrawn:
    def test_a_score_made_of_what_may_no_longer_be_learned_from(self, settings):
        scored(settings, sleep_trend=0.2, hrv_trend=None)
        decided(settings, "sleep", is_given=False)
        assert forgetting.withdrawn(settings) == [MIA]

    def test_not_of_other_kinds_purposes_or_words(self, settings):
        scored(settings, sleep_trend=0.2, hrv_trend=None)
        for kind, is_given, purpose in (
            ("daily", False, "modelling"),
            ("sleep", True, "modelling"),
            ("sleep", False, "coaching"),
        ):
            decided(settings, kind, is_given=is_given, purpose=purpose)
            assert forgetting.withdrawn(settings) == []

    def test_nothing_is_scored_yet(self, settings):
        assert forgetting.withdrawn(settings) == []


class TestForget:
    def test_rows_and_backtests_of_these_people_only(self, settings):
        scored(settings, has_open_injury=1.0)
        folder = settings.ml_path / "churn-1"
        folder.mkdir(parents=True)
        pl.DataFrame({"customer_id": [str(MIA), str(TOM), str(MIA)]}).write_parquet(folder / artefact.BACKTEST)
        gone = forgetting.forget(settings, settings.ml_path, [MIA])
        assert gone == {tables.SCORES: 1, "churn-1/backtest.parquet": 2}
        with warehouse.reading(settings) as lake:
            assert lake.execute(f"select customer_id from {tables.SCORES}").fetchall() == [(TOM,)]
        assert artefact.tested(folder)["customer_id"].to_list() == [str(TOM)]
        assert forgetting.forget(settings, settings.ml_path, [MIA]) == {}

    def test_nobody_is_nothing(self, settings):
        assert forgetting.forget(settings, settings.ml_path, []) == {}
