"""Coaches: how much of their time is sold, and who has room."""

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
    weeks = plyo.dataset("coach_utilisation").sort("week_starts_on")
    if weeks.is_empty():
        return nothing("No coach has worked a week yet.")
    name = "coach_name" if "coach_name" in weeks.columns else "coach_id"
    weeks = weeks.with_columns(pl.col(name).cast(pl.String))
    team = (
        weeks.group_by("week_starts_on", maintain_order=True)
        .agg(pl.col("delivered_hours").sum(), pl.col("available_hours").sum())
        .with_columns((pl.col("delivered_hours") / pl.col("available_hours")).alias("utilisation"))
    )
    recent = weeks.filter(pl.col("week_starts_on") >= weeks["week_starts_on"].max() - pl.duration(weeks=8))
    by_coach = (
        recent.group_by(name)
        .agg(pl.col("delivered_hours", "available_hours", "sessions_delivered", "no_shows").sum())
        .with_columns((pl.col("delivered_hours") / pl.col("available_hours")).alias("utilisation"))
        .sort("utilisation", descending=True)
    )
    figure = charts.lines(team, x="week_starts_on", series={"utilisation": "all coaches"}, y_format=".0%")
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
            name: "Coach",
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
