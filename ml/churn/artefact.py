"""One trained churn model with its calibration: what is kept in the registry, and what scores customers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml.churn.baselines import BaseRate, Logistic, Model, Recency
from ml.churn.boosting import Boosted
from ml.churn.calibration import Calibration, sigmoid
from ml.churn.features import NAMES, Matrix
from ml.registry import NoModel

ALGORITHMS = {kind.algorithm: kind for kind in (BaseRate, Recency, Logistic, Boosted)}
NINETY_PERCENT = 1.645

BACKTEST = "backtest.parquet"
"""The file of a model's folder that tells what was predicted of whom."""


class OtherFeatures(NoModel):
    """This model was trained on other features than the code now reads: train again."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities with their reasons: log-odds of `probability` = `base` + the row's sum of `contributions`.

    Attributes:
        probability: Shape (rows,), of leaving within 30 days.
        low: Shape (rows,), lower end of the 90 % interval.
        high: Shape (rows,), upper end.
        base: Log-odds of a typical customer.
        contributions: Shape (rows, features), in log-odds.
    """

    probability: Matrix
    low: Matrix
    high: Matrix
    base: float
    contributions: Matrix


@dataclass(frozen=True, slots=True)
class ChurnModel:
    """A model, the calibration on top, and what is known about both."""

    model: Model
    calibration: Calibration
    facts: dict[str, Any]
    """Trained when, on what, how good: JSON-ready."""

    def score(self, x: Matrix) -> Scores:
        told = self.model.explain(x)
        slope = self.calibration.slope
        base, contributions = self.calibration.intercept + slope * told.base, slope * told.contributions
        log_odds = base + contributions.sum(axis=1)
        width = NINETY_PERCENT * slope * told.spread
        return Scores(sigmoid(log_odds), sigmoid(log_odds - width), sigmoid(log_odds + width), base, contributions)

    def probability(self, x: Matrix) -> Matrix:
        return self.calibration.apply(self.model.log_odds(x))

    def save(self, folder: Path, tested: pl.DataFrame) -> None:
        """Write into an empty folder.

        Args:
            tested: customer_id, as_of, probability: what the backtest predicted, to compare later models with.
        """
        (folder / "model.json").write_text(json.dumps({
            "algorithm": self.model.algorithm, "features": NAMES, "model": self.model.to_json(),
            "calibration": [self.calibration.slope, self.calibration.intercept], "facts": self.facts,
        }))  # fmt: skip
        tested.write_parquet(folder / BACKTEST)


def load(folder: Path) -> ChurnModel:
    """The model saved in this folder.

    Raises:
        OtherFeatures: its features are not those of this code.
    """
    told = json.loads((folder / "model.json").read_text())
    if tuple(told["features"]) != NAMES:
        raise OtherFeatures(f"{folder.name} was trained on other features than the code now reads: train again.")
    slope, intercept = told["calibration"]
    return ChurnModel(
        ALGORITHMS[told["algorithm"]].from_json(told["model"]), Calibration(slope, intercept), told["facts"]
    )


def tested(folder: Path) -> pl.DataFrame:
    """customer_id, as_of, probability: what this model's backtest predicted."""
    return pl.read_parquet(folder / BACKTEST)


def log_odds(probability: Matrix) -> Matrix:
    """Of calibrated probabilities."""
    odds: Matrix = np.log(probability / (1 - probability))
    return odds
