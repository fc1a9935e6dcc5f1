"""Charts that both consoles draw, as Plotly figures in the house's colours. Each takes a frame and says what it needs.

A figure has one message, direct labels where they fit, and no decoration. Fetching the data is the page's.
"""

import textwrap
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
import polars as pl

from consoles.theme import SERIES, colour

HEIGHT = 280
WEEK = timedelta(days=7)
DATES = [
    {"dtickrange": [None, "M1"], "value": "%-d %b\n%Y"},
    {"dtickrange": ["M1", "M12"], "value": "%b\n%Y"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]
"""Dates under an axis: the year below them and only where it changes. Beside them, labels touch on a phone."""


def _figure(*, height: int = HEIGHT, y_title: str = "", y_format: str = "") -> go.Figure:
    figure = go.Figure()
    axis: dict[str, Any] = {"gridcolor": colour("line"), "zerolinecolor": colour("line"), "linecolor": colour("line")}
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": colour("ink")},
        hovermode="x unified",
        # Below, at the edge, which it pushes up; above, a narrow screen stacks it over the picture.
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        xaxis=axis | {"showgrid": False, "automargin": True, "nticks": 4, "tickangle": 0},
        yaxis=axis | {"title": y_title, "tickformat": y_format, "automargin": True, "rangemode": "tozero"},
        dragmode=False,
    )
    return figure


def _mode(frame: pl.DataFrame) -> str:
    """A line through one point is nothing to see."""
    return "lines+markers" if len(frame) < 3 else "lines"


def _show_days(figure: go.Figure, at: pl.Series) -> None:
    """Dates below, and a week's room for a history of a few days: by itself its axis would count milliseconds."""
    figure.update_xaxes(tickformatstops=DATES)
    first, last = at.min(), at.max()
    if isinstance(first, date) and isinstance(last, date) and last - first < WEEK:
        figure.update_xaxes(range=[last - WEEK, last + timedelta(days=1)])


def told(figure: go.Figure) -> str:
    """What a figure shows in words, for who cannot see it: each series with where it begins and ends, or its parts."""
    return "; ".join(part for trace in figure.data if (part := _told_of(trace, figure)))


def _told_of(trace: Any, figure: go.Figure) -> str:
    if trace.type == "heatmap":
        rows = {name: [one for one in row if one is not None] for name, row in zip(trace.y, trace.z, strict=True)}
        return "; ".join(f"{name}: {row[0]:.0%} to {row[-1]:.0%}" for name, row in rows.items() if row)
    points = [(x, y) for x, y in zip(trace.x or (), trace.y or (), strict=True) if x is not None and y is not None]
    if not points:
        return ""
    name = f"{trace.name}: " if trace.name else ""
    is_over_time = isinstance(points[0][0], date)
    if not is_over_time:
        axis = figure.layout.xaxis.tickformat if isinstance(points[0][1], str) else None
        sides = ((y, x) if isinstance(y, str) else (x, y) for x, y in points)
        return name + ", ".join(f"{_spoken(label)} {_spoken(value, axis)}" for label, value in sides)
    axis, values = figure.layout.yaxis.tickformat, [y for _, y in points]
    (first, began), (last, ends) = points[0], points[-1]
    span = f", between {_spoken(min(values), axis)} and {_spoken(max(values), axis)}" if len(points) > 2 else ""
    return f"{name}{_spoken(began, axis)} on {_spoken(first)} to {_spoken(ends, axis)} on {_spoken(last)}{span}"


def _spoken(value: Any, axis: str | None = None) -> str:
    if isinstance(value, date):
        return f"{value:%-d %b %Y}"
    if isinstance(value, str):
        return value.replace("<br>", " ")
    return f"{value:.1%}" if axis and "%" in axis else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def lines(
    frame: pl.DataFrame, *, x: str, series: dict[str, str], y_title: str = "", y_format: str = "", height: int = HEIGHT
) -> go.Figure:
    """Several measures over time.

    Args:
        frame: Sorted by `x`.
        x: Date or time column.
        series: Label by column name, in drawing order.
        y_title: Unit of the axis.
        y_format: d3 format, `.0%` for ratios.
        height: Pixels.
    """
    figure = _figure(height=height, y_title=y_title, y_format=y_format)
    for token, (column, label) in zip(SERIES, series.items(), strict=False):
        figure.add_scatter(
            x=frame[x].to_list(),
            y=frame[column].to_list(),
            name=label,
            mode=_mode(frame),
            connectgaps=False,
            line={"color": colour(token), "width": 2.5},
        )
    figure.update_layout(showlegend=len(series) > 1)
    _show_days(figure, frame[x])
    return figure


def groups(
    frame: pl.DataFrame, *, x: str, y: str, by: str, y_title: str = "", y_format: str = "", height: int = HEIGHT
) -> go.Figure:
    """One measure over time, a line for each value of `by`."""
    figure = _figure(height=height, y_title=y_title, y_format=y_format)
    for token, (key, part) in zip(
        SERIES, frame.partition_by(by, as_dict=True, maintain_order=True).items(), strict=False
    ):
        figure.add_scatter(
            x=part[x].to_list(),
            y=part[y].to_list(),
            name=str(key[0]),
            mode=_mode(part),
            line={"color": colour(token), "width": 2.5},
        )
    _show_days(figure, frame[x])
    return figure


def bars(
    frame: pl.DataFrame,
    *,
    x: str,
    series: dict[str, str],
    stacked: bool = True,
    y_title: str = "",
    y_format: str = "",
    tokens: Sequence[str] = SERIES,
    height: int = HEIGHT,
) -> go.Figure:
    """Measures per period as bars; stacked bars may go below zero.

    Args:
        tokens: Colours in the order of `series`.
    """
    figure = _figure(height=height, y_title=y_title, y_format=y_format)
    for token, (column, label) in zip(tokens, series.items(), strict=False):
        figure.add_bar(x=frame[x].to_list(), y=frame[column].to_list(), name=label, marker_color=colour(token))
    figure.update_layout(barmode="relative" if stacked else "group", showlegend=len(series) > 1, bargap=0.25)
    if frame[x].dtype.is_temporal():
        figure.update_xaxes(tickformatstops=DATES)
    return figure


def reasons(found: list[dict[str, Any]], *, height: int = 220) -> go.Figure:
    """Why a score is what it is: each reason's push towards leaving (right) or staying (left), largest on top.

    Args:
        found: {"label", "contribution"} each; contributions in log-odds.
        height: Pixels.
    """
    shown = sorted(found, key=lambda reason: abs(reason["contribution"]))[-6:]
    figure = _figure(height=height)
    figure.add_bar(
        x=[reason["contribution"] for reason in shown],
        y=["<br>".join(textwrap.wrap(reason["label"], 24)) for reason in shown],
        orientation="h",
        marker_color=[colour("bad" if reason["contribution"] > 0 else "good") for reason in shown],
        hovertemplate="%{y}<extra></extra>",
    )
    figure.update_layout(
        hovermode="closest", xaxis={"title": "stays  ←   → leaves", "showticklabels": False, "zeroline": True}
    )
    return figure


def calibration(bins: pl.DataFrame, *, height: int = HEIGHT) -> go.Figure:
    """Predicted against observed churn in bins; on the diagonal the probabilities mean what they say.

    Args:
        bins: predicted (Float64), observed (Float64), count (Int64).
        height: Pixels.
    """
    figure = _figure(height=height, y_title="observed", y_format=".0%")
    # As far as the model goes: it hardly says more than a half of anybody, and the rest of the picture would be empty.
    top = max([0.05, *bins["predicted"].to_list()])
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", name="perfect", line={"color": colour("line-strong"), "dash": "dot"}
    )
    figure.add_scatter(
        x=bins["predicted"].to_list(),
        y=bins["observed"].to_list(),
        mode="markers+lines",
        name="this model",
        marker={"color": colour("chart-1"), "size": 9},
        customdata=bins["count"].to_list(),
        hovertemplate="predicted %{x:.1%}, observed %{y:.1%}, %{customdata} customers<extra></extra>",
    )
    figure.update_layout(
        xaxis={"title": "predicted", "tickformat": ".0%", "range": [0, top * 1.05]}, hovermode="closest"
    )
    return figure


def intervals(frame: pl.DataFrame, *, label: str, middle: str, low: str, high: str, height: int = HEIGHT) -> go.Figure:
    """Effects with their 95 % intervals, one row each, against the line of no effect."""
    figure = _figure(height=height)
    middles, lows, highs = (frame[column].to_list() for column in (middle, low, high))
    figure.add_scatter(
        x=middles,
        y=["<br>".join(textwrap.wrap(one, 18)) for one in frame[label]],
        mode="markers",
        marker={"color": colour("chart-1"), "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            "color": colour("chart-1"),
            "thickness": 2,
            "array": [h - m for m, h in zip(middles, highs, strict=True)],
            "arrayminus": [m - low for m, low in zip(middles, lows, strict=True)],
        },
        hovertemplate="%{x:+.1%}<extra></extra>",
    )
    figure.add_vline(x=0, line_color=colour("line-strong"), line_dash="dot")
    figure.update_layout(
        xaxis={"tickformat": "+.0%", "nticks": 4}, yaxis={"rangemode": "normal"}, hovermode="closest", showlegend=False
    )
    return figure


def heat(frame: pl.DataFrame, *, x: str, y: str, value: str, height: int = 360) -> go.Figure:
    """A table of ratios as colour: cohorts down, months across."""
    wide = frame.pivot(on=x, index=y, values=value, sort_columns=False)
    columns = [name for name in wide.columns if name != y]
    figure = _figure(height=height)
    figure.add_heatmap(
        z=wide.select(columns).rows(),
        x=columns,
        y=[str(item) for item in wide[y].to_list()],
        zmin=0,
        zmax=1,
        colorscale=[[0, colour("bad-soft")], [0.5, colour("warn-soft")], [1, colour("brand")]],
        texttemplate="%{z:.0%}",
        hovertemplate="%{y}, month %{x}: %{z:.0%}<extra></extra>",
        showscale=False,
        xgap=2,
        ygap=2,
    )
    figure.update_layout(
        xaxis={"title": "months since joining", "nticks": 24},
        yaxis={"autorange": "reversed", "type": "category"},
        hovermode="closest",
    )
    return figure
