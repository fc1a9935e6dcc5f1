"""What every pack buyer will probably bring in the year to come, in `marts.ml.lifetime_values`.

How often people buy is learned from all currencies together, what a purchase brings from each alone. Doing it again
writes only what differs. Does not belong here: members, whose lifetime is Kaplan and Meier's in the marts
(`customer_lifetime`, `ltv_by_lifetime`), for a membership says when it ends.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from contracts import warehouse
from contracts.telemetry import get_logger
from ml.lifetime import purchases, tables
from ml.lifetime.bg_nbd import BgNbd, NotFitted
from ml.lifetime.purchases import Buyers
from ml.lifetime.spend import GammaGamma
from ml.marts import known_until
from ml.tables import make_equal

log = get_logger(__name__)
AHEAD_WEEKS = 365 / purchases.DAYS_A_WEEK
"""How far ahead it is told: a year."""
ENOUGH = 30
"""People who bought twice, below which four numbers are guesses: then nothing is told of anybody."""
ENOUGH_SPEND = 10
"""People of one currency who bought twice, below which everybody is taken to spend what all do on average."""


@dataclass(frozen=True, slots=True)
class Valued:
    """What a run came to.

    Attributes:
        as_of: Up to the end of which day purchases were known.
        rows: Buyers who are told a value: all who are not members.
        buyers: Of whom it was learned, members of today included up to their joining.
        repeat_buyers: Of these, who bought twice.
        decision: Why there are values, or none.
    """

    as_of: date
    rows: int
    buyers: int
    repeat_buyers: int
    decision: str


def run(settings: warehouse.WarehouseSettings, as_of: date | None = None) -> Valued:
    """Learn from all purchases up to a day (default: the newest in the marts), and write both tables.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    with warehouse.writing(settings) as lake:
        day = as_of or known_until(lake)
        known = purchases.by_currency(lake, day)
        tables.ensure(lake)
        timing, decision = _timing(known)
        models, values = [], []
        for currency, buyers in known.items():
            spend = _spend(buyers)
            models.append(_model(currency, day, buyers, timing, spend, decision))
            if timing is not None:
                values.append(_values(buyers.where(~pl.col("is_member")), day, timing, spend))
        fitted = pl.DataFrame(models, schema=_MODELS, orient="row")
        told = pl.concat(values) if values else pl.DataFrame(schema=_VALUES)

        def write() -> None:
            make_equal(lake, tables.MODELS, fitted, but=("fitted_at",))
            make_equal(lake, tables.VALUES, told)

        warehouse.in_transaction(lake, write)
    everybody, again = (sum(column) for column in (map(len, known.values()), fitted["repeat_buyers"]))
    log.info("lifetimes_valued", as_of=str(day), rows=len(told), buyers=everybody, decision=decision)
    return Valued(day, len(told), everybody, int(again), decision)


_MODELS: dict[str, type[pl.DataType] | pl.DataType] = {
    "currency": pl.String, "as_of": pl.Date, "fitted_at": pl.Datetime("us", "UTC"), "buyers": pl.Int64,
    "repeat_buyers": pl.Int64, "purchase_r": pl.Float64, "purchase_alpha": pl.Float64, "dropout_a": pl.Float64,
    "dropout_b": pl.Float64, "spend_p": pl.Float64, "spend_q": pl.Float64, "spend_v": pl.Float64, "decision": pl.String,
}  # fmt: skip
_VALUES: dict[str, type[pl.DataType]] = {
    "customer_id": pl.String, "currency": pl.String, "as_of": pl.Date, "purchases": pl.Int64,
    "first_purchased_on": pl.Date, "last_purchased_on": pl.Date, "mean_spend_minor": pl.Float64,
    "probability_alive": pl.Float64, "expected_purchases": pl.Float64, "expected_spend_minor": pl.Float64,
    "expected_value_minor": pl.Float64,
}  # fmt: skip


def _timing(known: dict[str, Buyers]) -> tuple[BgNbd | None, str]:
    frequency, recency, age = (
        np.concatenate([getattr(buyers, name) for buyers in known.values()]) if known else np.empty(0)
        for name in ("frequency", "recency", "age")
    )
    again = int((frequency > 0).sum())
    if again < ENOUGH:
        return None, f"{again} people bought packs twice; {ENOUGH} are needed to tell who will again."
    try:
        timing = BgNbd.fit(frequency, recency, age)
    except NotFitted as error:
        return None, f"These purchases tell no pace: {error}."
    return timing, f"Learned from {len(frequency)} buyers, {again} of whom bought again."


def _spend(buyers: Buyers) -> GammaGamma | None:
    again = buyers.where((pl.col("purchases") > 1) & (pl.col("mean_of_repeats_minor") > 0))
    if len(again) < ENOUGH_SPEND:
        return None
    try:
        return GammaGamma.fit(again.frequency, again.mean_of_repeats)
    except NotFitted:
        return None


def _model(
    currency: str, day: date, buyers: Buyers, timing: BgNbd | None, spend: GammaGamma | None, decision: str
) -> tuple[object, ...]:
    often = (timing.r, timing.alpha, timing.a, timing.b) if timing else (None,) * 4
    much = (spend.p, spend.q, spend.v) if spend else (None,) * 3
    again = int((buyers.frequency > 0).sum())
    said = decision if spend or timing is None else f"{decision} All are taken to spend the same: few bought twice."
    return (currency, day, datetime.now(UTC), len(buyers), again, *often, *much, said)


def _values(buyers: Buyers, day: date, timing: BgNbd, spend: GammaGamma | None) -> pl.DataFrame:
    purchases_told = buyers.frequency, buyers.recency, buyers.age
    often = timing.expected_purchases(AHEAD_WEEKS, *purchases_told)
    everybodys = buyers.frame["mean_spend_minor"].mean() if len(buyers) else None
    mean = everybodys if isinstance(everybodys, float) else 0.0
    each = spend.expected_mean(buyers.frequency, buyers.mean_of_repeats) if spend else np.full(len(buyers), mean)
    return buyers.frame.with_columns(
        pl.lit(day).alias("as_of"),
        pl.Series("probability_alive", timing.probability_alive(*purchases_told)),
        pl.Series("expected_purchases", often),
        pl.Series("expected_spend_minor", each),
        pl.Series("expected_value_minor", often * each),
    ).select(pl.col(name).cast(kind) for name, kind in _VALUES.items())
