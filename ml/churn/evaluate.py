"""How good a model is, on time it has not seen, next to its baselines.

Belongs here: measures and the backtest that makes the predictions to be measured. What follows from the numbers is
decided in `train`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.churn.baselines import Model
from ml.churn.calibration import Calibration
from ml.churn.features import Matrix, Rows
from ml.churn.splits import Block, known_at

BINS = 10


@dataclass(frozen=True, slots=True)
class Backtest:
    """Predictions a kind of model made for blocks of time it knew nothing of.

    Attributes:
        log_odds: Shape (rows,), before calibration; NaN outside all blocks.
        probability: Shape (rows,), calibrated on earlier blocks only; NaN where there were none yet.
        block: Shape (rows,): number of the block, -1 outside.
    """

    log_odds: Matrix
    probability: Matrix
    block: np.ndarray[Any, np.dtype[np.int64]]


def backtest(rows: Rows, blocks: list[Block], fit: Callable[[Rows], Model]) -> Backtest:
    """Predict each block by a model, and a calibration, that knew only what was known when it began."""
    as_of = rows.as_of.astype("datetime64[D]")
    log_odds, probability = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    number = np.full(len(rows), -1, dtype=np.int64)
    for count, block in enumerate(blocks):
        model = fit(rows.where(block.is_known))
        inside = model.log_odds(rows.x[block.is_inside])
        calibration = Calibration()
        is_judged = not model.is_calibrated
        if model.is_calibrated:
            earlier = np.isfinite(log_odds) & known_at(as_of, block.starts_on)
            is_judged = rows.target[earlier].sum() >= 10
            calibration = Calibration.fit(log_odds[earlier], rows.target[earlier])
        log_odds[block.is_inside] = inside
        number[block.is_inside] = count
        if is_judged:
            probability[block.is_inside] = calibration.apply(inside)
    return Backtest(log_odds, probability, number)


def measure(probability: Matrix, y: Matrix) -> dict[str, Any]:
    """The measures of one set of predictions, by name; those that need both outcomes are null without.

    Returns:
        rows, positives, log_loss, brier, ece (10 bins of equal width), auc, pr_auc, lift_at_10_percent (how many times
        more leavers than average are among the tenth with the highest risk).
    """
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    measures: dict[str, Any] = {"rows": len(y), "positives": int(y.sum())}
    if not len(y):
        return measures
    measures |= {
        "log_loss": float(-np.mean(y * np.log(clipped) + (1 - y) * np.log(1 - clipped))),
        "brier": float(np.mean((probability - y) ** 2)),
        "ece": float(
            sum(one["count"] * abs(one["predicted"] - one["observed"]) for one in reliability(probability, y)) / len(y)
        ),
    }
    has_both = 0 < y.sum() < len(y)
    top = np.argsort(-probability, kind="stable")[: max(1, round(len(y) / 10))]
    return measures | {
        "auc": float(roc_auc_score(y, probability)) if has_both else None,
        "pr_auc": float(average_precision_score(y, probability)) if has_both else None,
        "lift_at_10_percent": float(y[top].mean() / y.mean()) if has_both else None,
    }


def reliability(probability: Matrix, y: Matrix) -> list[dict[str, Any]]:
    """Predicted against observed share of leavers, in bins of equal width that hold any row."""
    place = np.clip((probability * BINS).astype(int), 0, BINS - 1)
    return [
        {
            "from": one / BINS, "to": (one + 1) / BINS, "count": int((place == one).sum()),
            "predicted": float(probability[place == one].mean()), "observed": float(y[place == one].mean()),
        }
        for one in range(BINS) if (place == one).any()
    ]  # fmt: skip


def report(rows: Rows, blocks: list[Block], tests: dict[str, Backtest]) -> dict[str, Any]:
    """All measures of all models over the rows that all of them were judged on, together and by block."""
    is_judged = np.all([np.isfinite(one.probability) for one in tests.values()], axis=0)
    return {
        "test": {name: measure(one.probability[is_judged], rows.target[is_judged]) for name, one in tests.items()},
        "folds": [
            {
                "from": str(block.starts_on), "to": str(block.ends_on),
                **{
                    name: measure(one.probability[inside], rows.target[inside]) for name, one in tests.items()
                },
            }
            for count, block in enumerate(blocks)
            if (inside := is_judged & (next(iter(tests.values())).block == count)).any()
        ],
        "reliability": {
            name: reliability(one.probability[is_judged], rows.target[is_judged]) for name, one in tests.items()
        },
    }  # fmt: skip
