"""Bends a model's log-odds until its probabilities mean what they say.

Platt's line, not isotonic steps: it keeps log-odds a sum of reasons (each is stretched alike), and a few dozen leavers
can hold two numbers, not a staircase. Without evidence the model is believed.
"""

from dataclasses import dataclass

import numpy as np

from ml.churn.features import Matrix

LEAST_SLOPE = 0.1
"""A model that ranks no better than chance keeps its order, hardly."""
_BELIEF = 10.0
_ROW_WORTH = 0.25
"""A month's outcome is seen by four weekly rows, so a row is worth a quarter of an outcome."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """log-odds -> intercept + slope x log-odds, with slope > 0 so that the order of customers stays."""

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, log_odds: Matrix, y: Matrix) -> "Calibration":
        """Fit to predictions the model made for rows it had not seen.

        Slope and shift (at the middle of the predictions) start from 1 and 0, believed as much as a sharp prior of
        standard deviation 0.3 says, so a few unlucky weeks do not overturn the model.

        Args:
            log_odds: Shape (rows,); NaN rows were not predicted and are left out.
            y: Shape (rows,), 0 or 1. With fewer than 10 of either the calibration leaves everything as it is.
        """
        seen = np.isfinite(log_odds)
        x, y = log_odds[seen], y[seen]
        if min(y.sum(), len(y) - y.sum()) < 10:
            return cls()
        middle = float(x.mean())
        x = x - middle
        slope, shift = 1.0, 0.0
        for _ in range(50):  # Newton's method on two numbers; a handful of steps is enough
            probability = sigmoid(middle + shift + slope * x)
            weight = _ROW_WORTH * probability * (1 - probability)
            wrong = _ROW_WORTH * (probability - y)
            gradient = np.array([(wrong * x).sum() + _BELIEF * (slope - 1), wrong.sum() + _BELIEF * shift])
            mixed = (weight * x).sum()
            curvature = np.array([[(weight * x * x).sum() + _BELIEF, mixed], [mixed, weight.sum() + _BELIEF]])
            step = np.linalg.solve(curvature, gradient)
            slope, shift = slope - float(step[0]), shift - float(step[1])
            if np.abs(step).max() < 1e-9:
                break
        slope = max(slope, LEAST_SLOPE)
        return cls(slope, middle + shift - slope * middle)

    def apply(self, log_odds: Matrix) -> Matrix:
        """Probabilities, shape (rows,)."""
        return sigmoid(self.intercept + self.slope * log_odds)


def sigmoid(log_odds: Matrix) -> Matrix:
    """Probabilities of log-odds, between one in a million and its opposite."""
    probability: Matrix = 1 / (1 + np.exp(-np.clip(log_odds, -13.8, 13.8)))
    return probability
