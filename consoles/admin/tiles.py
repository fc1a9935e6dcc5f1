"""One number as a tile: value, comparison, history, freshness, whether it was restated, and how it is made."""

import html
from collections.abc import Callable
from typing import Any

import panel as pn
import polars as pl

from consoles import charts, figures
from consoles.admin.style import CARD, LINK, QUIET, TEXT
from consoles.client import MetricAnswer
from consoles.theme import colour

ARROWS = {"+": "▲", "-": "▼"}


def tile(
    answer: MetricAnswer,
    *,
    currency: str,
    period: str = "",
    compare: Callable[[], pn.viewable.Viewable] | None = None,
    look: Callable[[], None] | None = None,
) -> pn.Column:
    """Draw a metric.

    Args:
        answer: Its series, one row per period, with the period's total and comparison where they were asked for.
        currency: Which of its currencies, where the metric is told by currency.
        period: Words for what the value is of.
        compare: Draws the comparison once the page is there, where the answer has none.
        look: Opens the metric's own page, with its trend, its parts and its sources.
    """
    points = figures.series(answer, currency)
    parts: list[Any] = [pn.pane.HTML(_words(answer, currency, period), sizing_mode="stretch_width", margin=(0, 5))]
    if compare is not None:
        later = pn.panel(lambda: compare(), defer_load=True, sizing_mode="stretch_width", min_height=40, margin=0)
        parts.append(later)
    else:
        parts.append(comparison(answer, currency))
    parts += [
        pn.pane.HTML(_state(answer), sizing_mode="stretch_width", margin=(0, 5)),
        pn.pane.Plotly(
            _spark(points), config={"displayModeBar": False, "staticPlot": True}, height=56, sizing_mode="stretch_width"
        ),
    ]
    if told := figures.restated(answer, currency):
        parts.append(restated(told))
    parts.append(made(answer))
    if look is not None:
        button = pn.widgets.Button(name="Trend, parts and sources", button_type="light", stylesheets=[LINK])
        button.on_click(lambda _: look())
        parts.append(button)
    return pn.Column(
        *parts, stylesheets=[CARD], sizing_mode="stretch_width", styles={"flex": "1 1 245px", "max-width": "420px"},
        min_width=240, margin=6,
    )  # fmt: skip


def comparison(answer: MetricAnswer, currency: str) -> pn.pane.HTML:
    """The line that sets the period's number beside another's; empty where none was asked for."""
    found = figures.compared(answer, currency)
    text = ""
    if found is not None:
        arrow = ARROWS.get(found.change[0], "")
        text = (
            f'<div style="font-size:.85rem;color:{colour(found.token)}">{arrow} '
            f"{html.escape(found.words)}</div>"
        )  # fmt: skip
    return pn.pane.HTML(text, sizing_mode="stretch_width", margin=(0, 5), min_height=40)


def restated(lines: list[str]) -> pn.Card:
    """A marker that unfolds to what is told otherwise now, and why."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines[:24])
    more = f"<p>And {len(lines) - 24} more.</p>" if len(lines) > 24 else ""
    points = f"{len(lines)} point{'s' if len(lines) > 1 else ''}"
    return fold(f"Restated since: {points}", pn.pane.HTML(f"<ul>{items}</ul>{more}"), token="warn")  # noqa: S106


def made(answer: MetricAnswer) -> pn.Card:
    """What the number means and the SQL that gives it, folded."""
    return fold(
        "How it is made",
        pn.pane.Markdown(
            f"{answer.definition}\n\n*Left out:* {answer.exclusions or 'None.'}\n\n"
            f"*Owner:* {answer.owner or 'nobody yet'} · *From:* `{answer.relation}`\n\n```sql\n{answer.sql}\n```",
            stylesheets=[TEXT],
            sizing_mode="stretch_width",
        ),
    )


def fold(title: str, body: pn.viewable.Viewable, *, token: str = "ink-soft") -> pn.Card:  # noqa: S107 - of a colour
    return pn.Card(
        body,
        header=pn.pane.HTML(f'<span style="color:{colour(token)};font-size:.85rem">{html.escape(title)}</span>'),
        collapsed=True,
        header_background="transparent",
        stylesheets=[QUIET],
        sizing_mode="stretch_width",
        margin=0,
    )


def _words(answer: MetricAnswer, currency: str, period: str) -> str:
    return (
        f'<div style="color:{colour("ink-soft")};font-size:.9rem" title="{html.escape(answer.definition)}">'
        f"{html.escape(answer.label)}</div>"
        f'<div class="plyo-value" style="font-size:1.75rem;font-weight:680;letter-spacing:-.02em">'
        f"{figures.headline(answer, currency)}</div>"
        f'<div style="color:{colour("ink-soft")};font-size:.85rem">{html.escape(period)}</div>'
    )


def _state(answer: MetricAnswer) -> str:
    words, token = figures.freshness(answer)
    return (
        f'<div style="font-size:.85rem;color:{colour(token)}" title="How old the data is">'
        f"● {html.escape(words)}</div>"
    )  # fmt: skip


def _spark(points: pl.DataFrame) -> object:
    figure = charts.lines(points, x="at", series={"value": ""}, height=56)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 2, "b": 2}, showlegend=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, rangemode="normal")
    return figure
