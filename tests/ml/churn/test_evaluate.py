"""Measures against scikit-learn's, calibration against a known truth."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from ml.churn import evaluate
from ml.churn.calibration import Calibration, sigmoid


class TestMeasure:
    def test_agrees_with_scikit_learn(self):
        random = np.random.default_rng(1)
        p = random.uniform(0.01, 0.6, 2000)
        y = (random.random(2000) < p).astype(float)
        told = evaluate.measure(p, y)
        assert told["log_loss"] == pytest.approx(log_loss(y, p))
        assert told["brier"] == pytest.approx(brier_score_loss(y, p))
        assert told["ece"] < 0.03
        assert told["lift_at_10_percent"] > 1.5

    def test_ece_is_the_gap_where_all_predictions_are_off_by_the_same(self):
        y = np.array([0.0] * 80 + [1.0] * 20)
        assert evaluate.measure(np.full(100, 0.5), y)["ece"] == pytest.approx(0.3)

    @pytest.mark.parametrize("y", [np.zeros(5), np.ones(5), np.zeros(0)])
    def test_one_outcome_only_leaves_rank_measures_empty(self, y):
        assert evaluate.measure(np.full(len(y), 0.2), y).get("auc") is None


class TestCalibration:
    def test_straightens_an_overconfident_model(self):
        random = np.random.default_rng(2)
        truth = random.normal(-2, 1, 20_000)
        y = (random.random(20_000) < sigmoid(truth)).astype(float)
        overconfident = 1 + 2 * truth
        before = evaluate.measure(sigmoid(overconfident), y)["ece"]
        after = evaluate.measure(Calibration.fit(overconfident, y).apply(overconfident), y)["ece"]
        assert after < 0.01 < before

    def test_does_not_believe_a_handful_of_rows(self):
        told = Calibration.fit(np.array([-3.0] * 12 + [-2.0] * 12), np.array([1.0] * 12 + [0.0] * 12))
        assert told.slope > 0.5

    def test_never_turns_the_order_around(self):
        random = np.random.default_rng(3)
        x = random.normal(0, 1, 5000)
        assert Calibration.fit(x, (random.random(5000) < sigmoid(-x)).astype(float)).slope > 0
