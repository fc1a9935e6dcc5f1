"""One number as a tile: value, change, history, definition, freshness, and the SQL that gives it."""

import html

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.style import CARD, QUIET
from consoles.client import MetricAnswer
from consoles.theme import colour, money, percent

FRESHNESS = {"fresh": "good", "late": "warn", "stale": "bad"}
LESS_IS_BETTER = frozenset(
    {"attrition", "no_show_rate", "late_cancel_rate", "payment_failure_rate", "involuntary_churn_rate", "members_ended"}
)


def written(answer: MetricAnswer, value: float | None, currency: str) -> str:
    """A value of the metric as people write it."""
    if value is None:
        return "–"
    if answer.unit == "money":
        return money(round(value), currency)
    if answer.unit == "ratio":
        return percent(value, 1)
    if answer.unit in ("number", "days", "months"):
        return f"{value:,.1f}" + {"days": " days", "months": " months"}.get(answer.unit, "")
    return f"{value:,.0f}" + {"hours": " h", "kg": " kg"}.get(answer.unit, "")


def tile(answer: MetricAnswer, *, currency: str, is_running: bool) -> pn.Column:
    """Draw a metric.

    Args:
        answer: Its series, one row per period.
        currency: Which of its currencies, where the metric is told by currency.
        is_running: Whether the last period is not over, so that a change against it would mislead.
    """
    points = answer.points.sort("at")
    if "currency" in points.columns and points["currency"].null_count() < len(points):
        points = points.filter(pl.col("currency") == currency)
    values = points["value"].to_list()
    shown = values[-1] if values else None
    return pn.Column(
        pn.pane.HTML(_words(answer, shown, _change(answer, values, is_running), currency), sizing_mode="stretch_width"),
        pn.pane.Plotly(
            _spark(points), config={"displayModeBar": False, "staticPlot": True}, height=56, sizing_mode="stretch_width"
        ),
        pn.Card(
            pn.pane.Markdown(
                f"{answer.definition}\n\nFrom `{answer.relation}`\n\n```sql\n{answer.sql}\n```",
                sizing_mode="stretch_width",
            ),
            header=pn.pane.HTML(f'<span style="color:{colour("ink-soft")};font-size:.85rem">How it is made</span>'),
            collapsed=True,
            header_background="transparent",
            stylesheets=[QUIET],
            sizing_mode="stretch_width",
            margin=0,
        ),
        stylesheets=[CARD],
        sizing_mode="stretch_width",
        styles={"flex": "1 1 245px", "max-width": "420px"},
        min_width=240,
        margin=6,
    )


def _words(answer: MetricAnswer, value: float | None, change: str, currency: str) -> str:
    token = FRESHNESS.get(answer.freshness.state, "ink-soft")
    return (
        f'<div style="color:{colour("ink-soft")};font-size:.9rem" title="{html.escape(answer.definition)}">'
        f"{html.escape(answer.label)}</div>"
        f'<div style="font-size:1.75rem;font-weight:680;letter-spacing:-.02em">{written(answer, value, currency)}</div>'
        f'<div style="font-size:.85rem;display:flex;justify-content:space-between">{change}'
        f'<span style="color:{colour(token)}" title="How old the data is">● {answer.freshness.words}</span></div>'
    )


def _change(answer: MetricAnswer, values: list[float | None], is_running: bool) -> str:
    if len(values) < 2 or values[-1] is None or not values[-2]:
        return "<span></span>"
    if is_running:
        return f'<span style="color:{colour("ink-soft")}">so far this month</span>'
    is_ratio = answer.unit == "ratio"
    change = values[-1] - values[-2] if is_ratio else values[-1] / values[-2] - 1
    if abs(change) < 0.0005:
        return f'<span style="color:{colour("ink-soft")}">as the month before</span>'
    is_good = (change > 0) != (answer.name in LESS_IS_BETTER)
    unit = "points" if is_ratio else "%"
    arrow = "▲" if change > 0 else "▼"
    return f'<span style="color:{colour("good" if is_good else "bad")}">{arrow} {abs(change) * 100:.1f} {unit}</span>'


def _spark(points: pl.DataFrame) -> object:
    figure = charts.lines(points, x="at", series={"value": ""}, height=56)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 2, "b": 2}, showlegend=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, rangemode="normal")
    return figure
