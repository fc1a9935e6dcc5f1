"""Buying while alive, dying unseen: the BG/NBD model of who buys again without a contract.

While a customer is alive they buy at random at a rate of their own (gamma over people); after each purchase they may
have bought for the last time (beta over people). Nobody says when they leave, so it is told from how long they have
been silent for their own pace. Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24
(2005); numbers of equations are theirs. Time is in any unit, the same everywhere.

`lifetimes`, the library for it, is no longer kept, and its successor brings a sampler of a gigabyte for four numbers:
it is what the test compares with. Does not belong here: what a purchase brings (`spend`), and the lake (`value`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from scipy.special import betaln, gammaln, hyp2f1

Vector = NDArray[np.float64]


class NotFitted(ValueError):
    """These purchases do not tell the four numbers: too few people bought twice, or the search found no maximum."""


BELIEF = 30.0
"""Standard deviation of what is believed beforehand of each number's logarithm. It moves CDNOW's numbers in the fifth
digit; of people who are all alike it keeps those finite of which a likelihood only says that they are large."""

ALIKE = 7.0
"""Logarithm up to which a number is looked for: people whose rates differ by three in a hundred are alike."""
HARDLY = 1e-5
"""What a person's likelihood may gain where a search that ended is begun again."""


def likeliest(likelihood: Callable[[Vector], float], numbers: int, people: int) -> tuple[float, ...]:
    """The positive numbers that make it likeliest what so many people did.

    Args:
        likelihood: Logarithm of it for numbers, of all people together.

    Raises:
        NotFitted: the search found no maximum.
    """

    def lost(logs: Vector) -> float:
        return (float(np.sum(logs**2)) / (2 * BELIEF**2) - likelihood(np.exp(logs))) / people

    def search(start: Vector) -> OptimizeResult:
        return minimize(
            lost, start, method="L-BFGS-B", jac="3-point", bounds=[(-ALIKE, ALIKE)] * numbers,
            options={"maxiter": 1000, "maxfun": 100_000, "ftol": 1e-14, "gtol": 1e-7},
        )  # fmt: skip

    found = search(np.zeros(numbers))
    again = search(found.x)  # along a ridge it may have stopped halfway; a second search finds nothing better at a top
    if not np.isfinite(again.fun) or found.fun - again.fun > HARDLY:
        raise NotFitted(f"the search ended at {np.exp(again.x)}: {again.message}")
    return tuple(float(one) for one in np.exp(again.x))


@dataclass(frozen=True, slots=True)
class BgNbd:
    """The four numbers.

    Attributes:
        r, alpha: Shape and rate of the gamma distribution of purchase rates.
        a, b: Of the beta distribution of the chance that a purchase is the last.
    """

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, frequency: Vector, recency: Vector, age: Vector) -> "BgNbd":
        """The numbers that make these purchases likeliest.

        Args:
            frequency: Purchases after the first, shape (customers,).
            recency: From the first to the last purchase; 0 where there was one.
            age: From the first purchase to the end of what is known.

        Raises:
            NotFitted: it has no maximum, or the search did not reach it.
        """
        if not (frequency > 0).any():
            raise NotFitted("nobody bought twice")
        scale = 10 / age.max()  # numbers near one: the search takes steps alike in all four

        def likelihood(numbers: Vector) -> float:
            return float(np.sum(_log_likelihood(numbers, frequency, recency * scale, age * scale)))

        r, alpha, a, b = likeliest(likelihood, 4, len(frequency))
        return cls(r, float(alpha / scale), a, b)

    def log_likelihood(self, frequency: Vector, recency: Vector, age: Vector) -> float:
        """Of these purchases, summed over customers."""
        return float(np.sum(_log_likelihood(np.array([self.r, self.alpha, self.a, self.b]), frequency, recency, age)))

    def probability_alive(self, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        """That each will ever buy again, shape (customers,). By the model nobody dies before their second purchase."""
        return 1 / (1 + self._odds_gone(frequency, recency, age))

    def expected_purchases(self, ahead: float, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        """How often each will buy in the time `ahead`, shape (customers,); equation 10."""
        a, b, x = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6, self.b, frequency  # the limit there is finite
        known = self.alpha + age
        grown = hyp2f1(self.r + x, b + x, a + b + x - 1, ahead / (known + ahead))
        if_nobody_died = (a + b + x - 1) / (a - 1) * (1 - (known / (known + ahead)) ** (self.r + x) * grown)
        expected: Vector = if_nobody_died * self.probability_alive(frequency, recency, age)
        return expected

    def _odds_gone(self, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        again = np.maximum(frequency, 1)
        silence = (self.r + frequency) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        odds: Vector = np.where(frequency > 0, self.a / (self.b + again - 1) * np.exp(np.minimum(silence, 700)), 0.0)
        return odds


def _log_likelihood(numbers: Vector, x: Vector, recency: Vector, age: Vector) -> Vector:
    """Of each customer; equation 6, in logarithms."""
    r, alpha, a, b = numbers
    again = np.maximum(x, 1)
    pace = np.where(x > 0, gammaln(again) - betaln(r, again), 0)  # as gammaln(r + x) - gammaln(r), of large r too
    bought = pace + betaln(a, b + x) - betaln(a, b) - x * np.log(alpha)
    alive = -(r + x) * np.log1p(age / alpha)
    gone = np.where(x > 0, np.log(a) - np.log(b + again - 1) - (r + x) * np.log1p(recency / alpha), -np.inf)
    return np.asarray(bought + np.logaddexp(alive, gone))
