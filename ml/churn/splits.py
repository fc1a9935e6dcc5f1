"""Splits by time only: a model is judged on dates after everything it could have known.

Blocks of 28 days go back from the newest row with an outcome. A model for a block learns from rows whose outcome was
known when the block began (the embargo); so does the calibration on top of it, from the predictions made for earlier
blocks. Nothing is shuffled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.churn.features import Rows
from ml.churn.labels import HORIZON

BLOCK_DAYS = 28
MAX_BLOCKS = 8
LEAST_ROWS = 200
LEAST_POSITIVES = 10


@dataclass(frozen=True, slots=True)
class Block:
    """One stretch of time to be predicted.

    Attributes:
        starts_on: First date of the block.
        ends_on: Last date of the block.
        is_known: Rows whose outcome was known at `starts_on`.
        is_inside: Rows of the block.
    """

    starts_on: np.datetime64
    ends_on: np.datetime64
    is_known: NDArray[np.bool_]
    is_inside: NDArray[np.bool_]


def known_at(as_of: NDArray[np.datetime64], moment: np.datetime64) -> NDArray[np.bool_]:
    """Rows whose 30 days were over at `moment`."""
    return as_of + np.timedelta64(HORIZON.days, "D") <= moment


def blocks(rows: Rows) -> list[Block]:
    """Blocks that can be predicted from their past, oldest first; none for too short a history."""
    return list(_blocks(rows))[::-1]


def _blocks(rows: Rows) -> Iterator[Block]:
    if not len(rows):
        return
    as_of = rows.as_of.astype("datetime64[D]")
    ends_on = as_of.max()
    for _ in range(MAX_BLOCKS):
        starts_on = ends_on - np.timedelta64(BLOCK_DAYS - 1, "D")
        is_known = known_at(as_of, starts_on)
        if is_known.sum() < LEAST_ROWS or rows.target[is_known].sum() < LEAST_POSITIVES:
            return
        is_inside = (as_of >= starts_on) & (as_of <= ends_on)
        if is_inside.any():
            yield Block(starts_on, ends_on, is_known, is_inside)
        ends_on = starts_on - np.timedelta64(1, "D")
