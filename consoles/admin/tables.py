"""Tables as the admin console draws them, and instants in them as the person reads them."""

from datetime import datetime

import panel as pn
import polars as pl

from consoles import figures
from consoles.client import MetricAnswer


def table(frame: pl.DataFrame) -> pn.widgets.Tabulator:
    """Rows to look at, twelve a page."""
    return pn.widgets.Tabulator(
        frame.to_pandas(), show_index=False, disabled=True, sizing_mode="stretch_width", layout="fit_data_stretch",
        page_size=12, pagination="local",
    )  # fmt: skip


def side_by_side(answer: MetricAnswer, called: pl.Series, *, currency: str, period: str) -> pl.DataFrame:
    """The parts of a number, each beside the other period's, the largest first.

    Args:
        answer: With a comparison, a row for each part.
        called: What people call the parts, in its order; its name is the column's.
        currency: Of the values, where they are money.
        period: Words for the days that the number is of.
    """
    rows = answer.comparison
    said = [figures.of_row(answer, row, currency) for row in rows.iter_rows(named=True)]
    against = figures.days(*answer.compared_with) if answer.compared_with else "before"
    parts = pl.DataFrame(
        {
            called.name: called,
            period: [one.value for one in said],
            against: [one.before for one in said],
            "Change": [one.change for one in said],
            "In per cent": [one.share for one in said],
        }
    )
    return parts[sorted(range(len(said)), key=lambda place: -(rows["value"][place] or 0))]


def instant(told: str | None) -> datetime | None:
    """An ISO instant of the API."""
    return datetime.fromisoformat(told) if told else None
