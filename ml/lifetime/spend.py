"""What a purchase of somebody brings: the gamma-gamma model of spend.

Each person's purchases vary around a mean of their own, and means vary over people. Of somebody who bought twice the
mean is told half by those two and half by everybody else, so one large purchase promises no fortune. Fader and Hardie,
The Gamma-Gamma Model of Monetary Value (2013). Amounts are in one currency, in any unit.

Does not belong here: how often somebody buys (`bg_nbd`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from ml.lifetime.bg_nbd import NotFitted, Vector, likeliest


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """The three numbers.

    Attributes:
        p: Shape of a person's purchases around their mean.
        q, v: Shape and scale of how means vary over people.
    """

    p: float
    q: float
    v: float

    @classmethod
    def fit(cls, frequency: Vector, mean: Vector) -> "GammaGamma":
        """The numbers that make these means likeliest.

        Args:
            frequency: How many purchases each mean is of, at least 1; shape (customers,).
            mean: Mean amount of each, above 0.

        Raises:
            NotFitted: it has no maximum, or the search did not reach it.
        """
        scale = float(np.mean(mean)) if len(mean) else 0.0
        if len(mean) < 3 or np.ptp(mean) <= 1e-9 * scale:
            raise NotFitted("everybody spends the same, or hardly anybody bought twice")

        def likelihood(numbers: Vector) -> float:
            p, q, v = numbers
            shape = p * frequency
            return float(np.sum(
                q * np.log(v) - betaln(shape, q) + (shape - 1) * np.log(mean / scale) + shape * np.log(frequency)
                - (shape + q) * np.log(v + frequency * mean / scale)
            ))  # fmt: skip

        p, q, v = likeliest(likelihood, 3, len(mean))
        if q <= 1:
            raise NotFitted(f"a mean that has none: p={p:.3g}, q={q:.3g}, v={v * scale:.3g}")
        return cls(p, q, v * scale)

    def expected_mean(self, frequency: Vector, mean: Vector) -> Vector:
        """Mean of each person's purchases to come, shape (customers,); who has none (frequency 0) is like everybody."""
        among_all = self.p * self.v / (self.q - 1)
        weight = self.p * frequency / (self.p * frequency + self.q - 1)
        expected: Vector = (1 - weight) * among_all + weight * np.where(frequency > 0, mean, 0)
        return expected
