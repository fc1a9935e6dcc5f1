"""What both consoles say of a metric: its value, what it is compared with, how fresh it is, whether it was restated.

Words and the token of their colour; drawing them is each console's. No number is worked out here: values, totals and
differences are the analytics service's.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from consoles.client import MetricAnswer
from contracts.figures import UNKNOWN, difference, written

FRESHNESS = {"fresh": "good", "not judged yet": "ink-soft", "late": "warn", "stale": "bad"}
"""The colour token of a state of freshness: green, grey, amber, red."""
PERIODS = {
    "this_month": "This month", "last_month": "Last month", "last_30_days": "Last 30 days", "last_90_days":
    "Last 90 days", "last_quarter": "Last quarter", "this_year": "This year", "last_12_months": "Last 12 months",
}  # fmt: skip
"""Words for the periods that a screen offers, by their name in the analytics service."""
COMPARISONS = {"previous_period": "the period before", "same_period_last_year": "the year before"}
"""Words for what a period is compared with."""
GOOD, BAD, PLAIN = "good", "bad", "ink-soft"


@dataclass(frozen=True)
class Compared:
    """A period's number beside another's, in words. `token` is the colour: good news, bad news, neither."""

    value: str
    before: str
    change: str
    share: str
    token: str
    against: str

    @property
    def words(self) -> str:
        """`+€120.00 (+4.2 %) on €2,857.00, 1 Oct to 26 Oct 2026`."""
        if self.before == UNKNOWN:
            return f"nothing to compare with, {self.against}"
        if self.change == UNKNOWN:
            return f"after {self.before}, {self.against}"
        share = "" if self.share == UNKNOWN else f" ({self.share})"
        return f"{self.change}{share} on {self.before}, {self.against}"


def series(answer: MetricAnswer, currency: str) -> pl.DataFrame:
    """The points of one currency, oldest first; all of them where the metric has no currency."""
    points = answer.points.sort("at")
    if "currency" in points.columns and points["currency"].null_count() < len(points):
        points = points.filter(pl.col("currency") == currency)
    return points


def headline(answer: MetricAnswer, currency: str) -> str:
    """The one number: of the whole period where one was asked for, else the last point's."""
    if answer.period is not None:
        return value(answer, _one(answer.total, currency).get("value"), currency)
    values = series(answer, currency)["value"].to_list()
    return value(answer, values[-1] if values else None, currency)


def compared(answer: MetricAnswer, currency: str) -> Compared | None:
    """The period's number beside the other's; None where none was asked for."""
    if answer.compared_with is None:
        return None
    return of_row(answer, _one(answer.comparison, currency), currency)


def of_row(answer: MetricAnswer, row: dict[str, Any], currency: str) -> Compared:
    """A row of `comparison` in words."""
    change, share = difference(row.get("change"), row.get("relative_change"), answer.unit, currency)
    against = days(*answer.compared_with) if answer.compared_with else ""
    token = PLAIN
    if row.get("change") and answer.better != "neither":
        token = GOOD if (row["change"] > 0) == (answer.better == "more") else BAD
    here, before = (value(answer, row.get(name), currency) for name in ("value", "compared"))
    return Compared(here, before, change, share, token, against)


def restated(answer: MetricAnswer, currency: str) -> list[str]:
    """What is told otherwise now than at `as_of`, a line for each point: when, then, now and why."""
    return restatements(list(answer.restated), answer, currency)


def restatements(items: list[dict[str, Any]], answer: MetricAnswer, currency: str) -> list[str]:
    """The same of a list of restatements."""
    lines = []
    for one in items:
        if one.get("currency") not in (None, currency):
            continue
        because = "; ".join(one["why"]) or "the cause is not known"
        if erased_at := one.get("erased_at"):
            month, day = (date.fromisoformat(str(told)[:10]) for told in (one["at"], erased_at))
            lines.append(f"{month:%b %Y}: told otherwise before {day:%-d %b %Y}, and that is not kept ({because})")
            continue
        then, now = (value(answer, one[name], currency) for name in ("then", "now"))
        lines.append(f"{date.fromisoformat(str(one['at'])[:10]):%-d %b %Y}: {then}, now {now} ({because})")
    return lines


def freshness(answer: MetricAnswer) -> tuple[str, str]:
    """How old the data is in words, with the source that holds it back, and the colour token."""
    told = answer.freshness
    source = told.because.replace("__", " ").replace("_", " ")  # a raw table: commerce__payments
    held = f", waits for {source}" if source and told.state in ("late", "stale") else ""
    return f"{told.words}{held}", FRESHNESS.get(told.state, PLAIN)


def days(since: date, until: date) -> str:
    """Days from one to another, both in it: `1 Oct to 26 Oct 2026`."""
    if since == until:
        return f"{since:%-d %b %Y}"
    first = f"{since:%-d %b}" if since.year == until.year else f"{since:%-d %b %Y}"
    return f"{first} to {until:%-d %b %Y}"


def _one(rows: pl.DataFrame, currency: str) -> dict[str, Any]:
    """The row of the currency, or the only one."""
    if rows.is_empty():
        return {}
    if "currency" in rows.columns and rows["currency"].null_count() < len(rows):
        rows = rows.filter(pl.col("currency") == currency)
    return rows.row(0, named=True) if len(rows) else {}


def value(answer: MetricAnswer, told: float | None, currency: str) -> str:
    """A value of the metric as people write it."""
    return written(told, answer.unit, currency)
