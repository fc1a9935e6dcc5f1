"""The churn model proper: a small bag of small LightGBM models.

Each member sees the customers with other random weights (a bootstrap over people, not over rows: a person's weeks are
one story). Their mean is the score, their disagreement the interval, the mean of their SHAP values the reasons.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm as lgb
import numpy as np

from ml.churn.baselines import Explained
from ml.churn.features import FEATURES, NAMES, Matrix, Rows

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 4,
    "min_data_in_leaf": 60,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "max_bin": 63,
    "extra_trees": True,
    "monotone_constraints": list(FEATURES.values()),
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
ROUNDS = 100
MEMBERS = 12
MAX_ROWS = 60_000
"""More rows than this are thinned by leaving whole customers out, each member others."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """A fitted bag."""

    algorithm: ClassVar[str] = "lightgbm"
    is_calibrated: ClassVar[bool] = True
    members: tuple[lgb.Booster, ...]

    @classmethod
    def fit(cls, rows: Rows, *, seed: int, members: int = MEMBERS) -> "Boosted":
        """Fit to rows of both outcomes."""
        random = np.random.default_rng(seed)
        people, person = np.unique(rows.keys["customer_id"].to_numpy(), return_inverse=True)
        share = min(1.0, MAX_ROWS / len(rows))
        data = None
        fitted = []
        for member in range(members):
            weight = random.poisson(1.0, len(people)).astype(np.float64)[person]
            if share < 1:
                kept = (random.random(len(people)) < share)[person]
                data = _dataset(rows.x[kept], rows.target[kept], weight[kept])
            elif data is None:
                data = _dataset(rows.x, rows.target, weight)
            else:
                data.set_weight(weight)
            fitted.append(lgb.train(PARAMETERS | {"seed": seed + member}, data, num_boost_round=ROUNDS))
        return cls(tuple(fitted))

    def log_odds(self, x: Matrix) -> Matrix:
        mean: Matrix = self._each(x).mean(axis=0)
        return mean

    def explain(self, x: Matrix) -> Explained:
        told = np.mean([member.predict(x, pred_contrib=True, num_threads=1) for member in self.members], axis=0)
        # The mean of the SHAP values is the SHAP value of the mean; the last column is the expected log-odds.
        return Explained(float(told[0, -1]) if len(x) else 0.0, told[:, :-1], self._each(x).std(axis=0))

    def _each(self, x: Matrix) -> Matrix:
        if not len(x):
            return np.zeros((len(self.members), 0))
        return np.stack([member.predict(x, raw_score=True, num_threads=1) for member in self.members])

    def to_json(self) -> dict[str, Any]:
        return {"members": [member.model_to_string() for member in self.members]}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Boosted":
        return cls(tuple(lgb.Booster(model_str=member) for member in told["members"]))


def _dataset(x: Matrix, y: Matrix, weight: Matrix) -> lgb.Dataset:
    return lgb.Dataset(
        x, label=y, weight=weight, feature_name=list(NAMES), params=PARAMETERS, free_raw_data=False
    ).construct()
