"""The models that a better model has to beat: everybody alike, a line over one feature, a line over all of them.

They are full models with reasons and an interval, so each can stand in when there is too little to learn from.
Every model here and in `boosting` is linear in its contributions: log-odds = base + sum of contributions.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ml.churn.features import FEATURES, NAMES, Matrix, Rows

RIDGE = 0.03
"""scikit-learn's C: a few dozen leavers hold two dozen slopes only when these are kept short."""
PRIOR_LEAVERS, PRIOR_ROWS = 0.5, 10.0
"""What is assumed before anything is known: one in twenty leaves within 30 days, worth ten rows of evidence."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Log-odds of rows, taken apart.

    Attributes:
        base: Log-odds of a typical row.
        contributions: Shape (rows, features): what each feature adds to `base`.
        spread: Shape (rows,): standard deviation of the log-odds, how unsure the model is.
    """

    base: float
    contributions: Matrix
    spread: Matrix

    @property
    def log_odds(self) -> Matrix:
        total: Matrix = self.base + self.contributions.sum(axis=1)
        return total


class Model(Protocol):
    """Something that gives log-odds of leaving."""

    algorithm: ClassVar[str]
    is_calibrated: ClassVar[bool]
    """Whether a calibration is fitted on top."""

    def log_odds(self, x: Matrix) -> Matrix:
        """Shape (rows,), without the work of taking them apart."""
        ...

    def explain(self, x: Matrix) -> Explained: ...

    def to_json(self) -> dict[str, Any]: ...


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


@dataclass(frozen=True, slots=True)
class BaseRate:
    """Everybody gets the share that left."""

    algorithm: ClassVar[str] = "base_rate"
    is_calibrated: ClassVar[bool] = False
    log_odds_of_all: float
    error: float

    @classmethod
    def fit(cls, rows: Rows) -> "BaseRate":
        leavers, total = rows.target.sum() + PRIOR_LEAVERS, len(rows) + PRIOR_ROWS
        rate = leavers / total
        people = rows.keys["customer_id"].n_unique() + PRIOR_ROWS  # rows of one person are one piece of evidence
        return cls(logit(rate), float(1 / np.sqrt(people * rate * (1 - rate))))

    def log_odds(self, x: Matrix) -> Matrix:
        return np.full(len(x), self.log_odds_of_all)

    def explain(self, x: Matrix) -> Explained:
        return Explained(self.log_odds_of_all, np.zeros_like(x), np.full(len(x), self.error))

    def to_json(self) -> dict[str, Any]:
        return {"log_odds_of_all": self.log_odds_of_all, "error": self.error}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "BaseRate":
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic line over some features, each on a scale where equal steps mean equal news (log of days and counts).

    A missing value is typical, except for "never came", which counts as long away.

    Attributes:
        columns: Places of the features in `NAMES`.
        fill, mean, scale: Shape (columns,): value of a missing one, and how values are standardised.
        slopes: Shape (columns,).
        intercept: Log-odds of a row that is typical in everything.
        covariance: Shape (columns + 1, columns + 1), intercept last; rows of one person count as one piece of evidence.
    """

    algorithm: ClassVar[str] = "logistic"
    is_calibrated: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = NAMES
    columns: tuple[int, ...]
    fill: Matrix
    mean: Matrix
    scale: Matrix
    slopes: Matrix
    intercept: float
    covariance: Matrix

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit to rows of both outcomes."""
        columns = tuple(NAMES.index(name) for name in cls.names)
        x = _spread_out(rows.x[:, columns])
        has_any = np.isfinite(x).any(axis=0)
        safe = np.where(has_any, x, 0.0)
        mean, scale = np.nanmean(safe, axis=0), np.nanstd(safe, axis=0)
        is_recency = np.array([name.startswith("days_since_last") for name in cls.names])
        fill = np.where(is_recency, np.nanmax(safe, axis=0), mean)
        scale = np.where(scale > 1e-9, scale, 1.0)
        z = (np.where(np.isfinite(x), x, fill) - mean) / scale
        slopes, intercept = _fit_with_signs(z, rows.target, np.array([FEATURES[name] for name in cls.names]))
        probability = 1 / (1 + np.exp(-(intercept + z @ slopes)))
        design = np.column_stack([z, np.ones(len(z))])
        evidence = (design * (probability * (1 - probability))[:, None]).T @ design
        evidence /= len(rows) / rows.keys["customer_id"].n_unique()
        prior = np.diag([1 / RIDGE] * len(columns) + [1e-6])
        covariance = np.linalg.inv(evidence + prior)
        return cls(columns, fill, mean, scale, slopes, intercept, covariance)

    def log_odds(self, x: Matrix) -> Matrix:
        line: Matrix = self.intercept + self._standard(x) @ self.slopes
        return line

    def explain(self, x: Matrix) -> Explained:
        z = self._standard(x)
        contributions = np.zeros_like(x)
        contributions[:, self.columns] = z * self.slopes
        design = np.column_stack([z, np.ones(len(z))])
        spread = np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))
        return Explained(self.intercept, contributions, spread)

    def to_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name).tolist() for name in ("fill", "mean", "scale", "slopes", "covariance")}
        return told | {"columns": self.columns, "intercept": self.intercept}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        arrays = {name: np.array(value) for name, value in told.items() if name not in ("columns", "intercept")}
        return cls(columns=tuple(told["columns"]), intercept=told["intercept"], **arrays)

    def _standard(self, x: Matrix) -> Matrix:
        values = _spread_out(x[:, self.columns])
        z: Matrix = (np.where(np.isfinite(values), values, self.fill) - self.mean) / self.scale
        return z


class Recency(Logistic):
    """One line over the days since the last session, the rule of thumb of every gym ("not seen for 14 days")."""

    algorithm: ClassVar[str] = "recency"
    names: ClassVar[tuple[str, ...]] = ("days_since_last_session",)


def _fit_with_signs(z: Matrix, y: Matrix, signs: NDArray[np.int_]) -> tuple[Matrix, float]:
    """Slopes and intercept of a ridge line; a feature whose slope points against its direction is left out."""
    kept = np.ones(z.shape[1], dtype=bool)
    slopes, intercept = np.zeros(z.shape[1]), logit((y.sum() + PRIOR_LEAVERS) / (len(y) + PRIOR_ROWS))
    while kept.any():
        line = LogisticRegression(C=RIDGE, max_iter=500).fit(z[:, kept], y)
        slopes[:] = 0.0
        slopes[kept], intercept = line.coef_[0], float(line.intercept_[0])
        wrong = slopes * signs < 0
        if not wrong.any():
            break
        kept &= ~wrong
        slopes[wrong] = 0.0
    return slopes, intercept


def _spread_out(x: Matrix) -> Matrix:
    spread: Matrix = np.sign(x) * np.log1p(np.abs(x))
    return spread
