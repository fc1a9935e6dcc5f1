"""Churn: who is at risk and why, how good the model is, how cohorts last, where new people stop, what training load has
to do with it."""

import json
from typing import Any

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.pictures import chart
from consoles.admin.style import CARD, TEXT
from consoles.admin.views import effects
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo
from consoles.theme import colour, when

REASONS = 4
"""How many of what pushes a score up stand beside it: those that push most."""


def page(plyo: Plyo, zone: str) -> pn.viewable.Viewable:
    """The page; moments are told in that zone."""
    return pn.Column(
        guarded(lambda: _watchlist(plyo)),
        guarded(lambda: _model(plyo, zone)),
        guarded(lambda: _cohorts(plyo)),
        guarded(lambda: _setting_up(plyo)),
        guarded(lambda: effects.card(plyo)),
        sizing_mode="stretch_width",
    )


def _watchlist(plyo: Plyo) -> pn.viewable.Viewable:
    scores = plyo.dataset("watchlist").sort("probability", descending=True, nulls_last=True)
    if scores.is_empty():
        return nothing("Nobody is scored yet. Scores come with the first pipeline run, and daily after that.")
    why = pl.col("reasons").map_elements(_top_reasons, return_dtype=pl.String)
    table = scores.head(200).select(
        pl.col("display_name").alias("Customer"),
        pl.col("coach_name").alias("Coach"),
        (pl.col("probability") * 100).round(1).alias("Risk %"),
        why.alias("Why"),
        pl.col("plan_name").alias("Plan"),
    )
    shown = pn.widgets.Tabulator(
        table.to_pandas(),
        show_index=False,
        pagination="local",
        page_size=12,
        disabled=True,
        sizing_mode="stretch_width",
        layout="fit_data_stretch",
        widths={"Why": 520},
        formatters={
            "Why": {"type": "textarea"},
            "Risk %": {
                "type": "progress",
                "max": 100,
                "legend": True,
                "color": [colour("good-soft"), colour("warn-soft"), colour("bad-soft")],
            },
        },
        header_filters={
            "Customer": {"type": "input", "placeholder": "search"},
            "Coach": {"type": "input", "placeholder": "search"},
        },
    )
    return _card(
        heading("Who may leave within 30 days", "Riskiest first, with the facts that push the score up."), shown
    )


def _top_reasons(found: str | list[dict[str, Any]]) -> str:
    reasons = json.loads(found) if isinstance(found, str) else found
    pushing = sorted((one for one in reasons if one["contribution"] > 0), key=lambda one: -one["contribution"])
    return " · ".join(one["label"] for one in pushing[:REASONS])


def _model(plyo: Plyo, zone: str) -> pn.viewable.Viewable:
    models = plyo.dataset("churn_model_card")
    if models.is_empty():
        return nothing("No model is trained yet.")
    current = models.filter(pl.col("is_current"))
    row = (current if not current.is_empty() else models).row(0, named=True)
    found = row["metrics"]
    metrics = json.loads(found) if isinstance(found, str) else found
    facts = pn.pane.Markdown(_card_text(row, metrics, zone), stylesheets=[TEXT], sizing_mode="stretch_width")
    parts: list[Any] = [facts]
    bins = metrics.get("calibration") or metrics.get("calibration_bins")
    if bins:
        figure = charts.calibration(pl.DataFrame(bins))
        parts.append(chart(figure))
    return _card(heading("How good the model is", "Measured on months it had never seen."), pn.Column(*parts))


MEASURES = {
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "calibration error",
    "lift_at_10_percent": "lift, top 10 %",
}


def _card_text(row: dict[str, Any], metrics: dict[str, Any], zone: str) -> str:
    """The model and, in a table, what it and its baselines measured on the same rows."""
    tested = metrics.get("test") or {row["algorithm"]: metrics}
    measures = {name: label for name, label in MEASURES.items() if any(name in told for told in tested.values())}
    lines = [
        f"| {name.replace('_', ' ')} | " + " | ".join(f"{told[m]:.3g}" if m in told else "–" for m in measures) + " |"
        for name, told in tested.items()
    ]
    head = f"`{row['model_id'][:16]}` · {row['algorithm']} · trained {when(row['trained_at'], zone)}"
    titles = "| model | " + " | ".join(measures.values()) + " |\n|" + "---|" * (len(measures) + 1)
    return f"{head}\n\n{titles}\n" + "\n".join(lines)


def _cohorts(plyo: Plyo) -> pn.viewable.Viewable:
    cohorts = plyo.dataset("cohort_retention").sort("cohort_month", "months_since")
    if cohorts.is_empty():
        return nothing("No cohort is a month old yet.")
    shown = cohorts.filter(pl.col("months_since") <= 12).with_columns(
        pl.col("cohort_month").cast(pl.String).str.slice(0, 7), pl.col("months_since").cast(pl.String)
    )
    figure = charts.heat(shown, x="months_since", y="cohort_month", value="retention", height=420)
    return _card(
        heading("How long members stay", "Share of each month's new members who still are members."),
        chart(figure),
    )


STEPS = ("goal", "screening", "consents", "plan", "booking")
"""Of setting up, in the order in which people are asked."""


def _setting_up(plyo: Plyo) -> pn.viewable.Viewable:
    answer = plyo.metric("onboarding_drop_off", grain="month", period="last_12_months", by=["step"])
    if answer.total.is_empty() or answer.total["value"].null_count() == len(answer.total):
        return nothing("Nobody has set up their account in the last 12 months and had a week for it.")
    order = pl.DataFrame({"step": STEPS, "place": range(len(STEPS))})
    shown = answer.total.join(order, on="step", how="left").sort("place", nulls_last=True)
    figure = charts.bars(shown, x="step", series={"value": "stopped"}, y_title="not left within a week", y_format=".0%")
    return _card(
        heading("Where new people stop", f"{answer.definition} Steps entered in the last 12 months, in their order."),
        chart(figure),
    )


def _card(title: pn.viewable.Viewable, body: pn.viewable.Viewable) -> pn.viewable.Viewable:
    return pn.Column(title, body, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
