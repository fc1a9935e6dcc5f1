"""When a number is of, and as known when: months back, the day chosen, the banner that says the past is shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import panel as pn

from consoles.client import MetricAnswer


def months_back(months: int, day: date | None = None) -> date:
    """The first of the month so many before that of the day, by default today's."""
    day = day or datetime.now(UTC).date()
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def with_period(history: MetricAnswer, of_period: MetricAnswer) -> MetricAnswer:
    """A metric's history with a period's number and comparison of another answer."""
    return replace(
        history, total=of_period.total, comparison=of_period.comparison, period=of_period.period,
        compared_with=of_period.compared_with,
    )  # fmt: skip


def day_picker(chosen: Any) -> pn.widgets.DatePicker:
    """Chooses the day that numbers are shown as known at the end of; none for now.

    Args:
        chosen: A `param.Date` that may be None.
    """
    return pn.widgets.DatePicker.from_param(chosen, name="As known on", end=datetime.now(UTC).date(), width=150)


def past(day: date | None, back: Callable[[], None]) -> pn.viewable.Viewable:
    """A banner that says, for as long as it is so, that numbers are those of then, with the way back to now."""
    if day is None:
        return pn.Spacer(height=0, margin=0)
    button = pn.widgets.Button(name="Back to now", button_type="warning")
    button.on_click(lambda _: back())
    words = f"**As known on {day:%-d %b %Y}.** Each number is exactly what was shown at the end of that day (UTC)."
    return pn.Row(
        pn.pane.Alert(words, alert_type="warning", sizing_mode="stretch_width", margin=(5, 5)), button,
        sizing_mode="stretch_width", align="center",
    )  # fmt: skip
