"""Coaches: how much of their time is sold, and who has room."""

from datetime import date, timedelta

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.pictures import chart
from consoles.admin.style import CARD
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo


def page(plyo: Plyo) -> pn.viewable.Viewable:
    """The page."""
    return guarded(lambda: _page(plyo))


def _page(plyo: Plyo) -> pn.viewable.Viewable:
    team = plyo.metric("utilisation", grain="week").points.drop_nulls("value").sort("at")
    if team.is_empty():
        return nothing("No coach has worked a week yet.")
    last: date = team["at"].to_list()[-1]
    since = last - timedelta(weeks=7)  # the eight weeks that end with the last
    hours = (
        plyo.dataset("coach_utilisation", **{"from": since})
        .with_columns(pl.col("coach_id").cast(pl.String))
        .group_by("coach_id", "coach_name")
        .agg(pl.col("delivered_hours", "available_hours", "sessions_delivered", "no_shows").sum())
    )
    told = plyo.metric("utilisation", grain=None, since=since, until=last + timedelta(days=6), by=["coach"]).total
    shares = told.select(pl.col("coach").cast(pl.String).alias("coach_id"), pl.col("value").alias("utilisation"))
    by_coach = (
        hours.join(shares, "coach_id", how="left")
        .select("coach_name", pl.exclude("coach_id", "coach_name"))
        .sort("utilisation", descending=True, nulls_last=True)
    )
    figure = charts.lines(team, x="at", series={"value": "all coaches"}, y_format=".0%")
    figure.add_hrect(
        y0=0.65, y1=0.70, fillcolor="#14713f", opacity=0.12, line_width=0, annotation_text="target 65–70 %"
    )
    table = pn.widgets.Tabulator(
        by_coach.with_columns((pl.col("utilisation") * 100).round(1)).to_pandas(),
        show_index=False,
        disabled=True,
        sizing_mode="stretch_width",
        layout="fit_data_stretch",
        page_size=15,
        pagination="local",
        titles={
            "coach_name": "Coach",
            "delivered_hours": "Delivered h",
            "available_hours": "Available h",
            "no_shows": "No-shows",
            "sessions_delivered": "Sessions",
            "utilisation": "Utilisation %",
        },
    )
    return pn.Column(
        pn.Column(
            heading(
                "Coach utilisation",
                "Hours of sessions delivered over hours available; holidays and sick days are not available.",
            ),
            chart(figure),
            stylesheets=[CARD],
            sizing_mode="stretch_width",
            margin=6,
        ),
        pn.Column(heading("By coach, last 8 weeks"), table, stylesheets=[CARD], sizing_mode="stretch_width", margin=6),
        sizing_mode="stretch_width",
    )
