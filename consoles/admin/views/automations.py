"""Automations: what each rule does, what it changed against its holdout, and the few settings that matter."""

from typing import Any

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.pictures import chart
from consoles.admin.style import CARD, TEXT
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo, Refused
from contracts.figures import percent


def page(plyo: Plyo, zone: str) -> pn.viewable.Viewable:
    """The page; moments are told in that zone."""
    return pn.Column(
        guarded(lambda: _effects(plyo)),
        guarded(lambda: _rules(plyo)),
        guarded(lambda: _runs(plyo, zone)),
        sizing_mode="stretch_width",
    )


def _effects(plyo: Plyo) -> pn.viewable.Viewable:
    effects = plyo.dataset("automation_effects")
    words = "Difference between customers treated and customers held out at random, with its 95 % interval."
    known = effects.drop_nulls("lift") if not effects.is_empty() else effects
    if known.is_empty():
        return _card(
            heading("What they change", words), nothing("No outcome is known yet: each run is judged after its window.")
        )
    # The rule's name stands in the lines below: on a phone it would leave the picture no room.
    name = pl.col("rule_name") + "<br>" if known["rule_name"].n_unique() > 1 else pl.lit("")
    figure = charts.intervals(
        known.with_columns((name + pl.col("outcome")).alias("label")),
        label="label", middle="lift", low="lift_low", high="lift_high", height=100 + 40 * len(known),
    )  # fmt: skip
    lines = "\n".join(
        f"- **{row['rule_name']}**, {row['outcome']}: {percent(row['treated_rate'], 1)} of {row['treated']} treated "
        f"against {percent(row['holdout_rate'], 1)} of {row['held_out']} held out; "
        f"{row['outcomes_pending']} still open."
        for row in known.iter_rows(named=True)
    )
    return _card(
        heading("What they change", words),
        chart(figure),
        pn.pane.Markdown(lines, sizing_mode="stretch_width"),
    )


def _rules(plyo: Plyo) -> pn.viewable.Viewable:
    rules = plyo.get("/api/automation/rules")["items"]
    if not rules:
        return _card(heading("Rules"), nothing("No rule yet."))
    return _card(
        heading("Rules", "Changes count from the next score on, and are audited."),
        *(_rule(plyo, rule) for rule in rules),
    )


def _rule(plyo: Plyo, rule: dict[str, Any]) -> pn.viewable.Viewable:
    threshold = pn.widgets.FloatSlider(
        name="Act from churn probability",
        start=0.01,
        end=0.95,
        step=0.01,
        value=float(rule["probability_at_least"]),
        width=260,
    )
    holdout = pn.widgets.IntSlider(
        name="Held out, %", start=0, end=90, step=5, value=rule["holdout_percent"], width=220
    )
    active = pn.widgets.Switch(name="Active", value=rule["is_active"])
    save = pn.widgets.Button(name="Save", color="primary", width=120)
    told = pn.pane.Markdown("")

    def store(_event: object) -> None:
        body = {
            "probability_at_least": threshold.value,
            "holdout_percent": holdout.value,
            "is_active": active.value,
        }
        try:
            plyo.send("PATCH", f"/api/automation/rules/{rule['id']}", body)
        except Refused as error:
            told.object = f"**Not saved:** {error}"
            return
        told.object = "Saved."

    save.on_click(store)
    return pn.Column(
        pn.pane.Markdown(f"**{rule['name']}** `{rule['code']}`  \n{rule['message_template']}", stylesheets=[TEXT]),
        pn.FlexBox(threshold, holdout, active, save, told),
    )


def _runs(plyo: Plyo, zone: str) -> pn.viewable.Viewable:
    runs = plyo.dataset("automation_runs").sort("started_at", descending=True)
    if runs.is_empty():
        return nothing("No rule has met a customer yet.")
    table = pn.widgets.Tabulator(
        runs.head(500)
        .select(
            pl.col("customer_name").alias("Customer"),
            pl.col("started_at").dt.convert_time_zone(zone).dt.strftime("%-d %b %Y, %H:%M").alias("Met"),
            pl.col("arm").alias("Arm"),
            pl.col("status").str.replace("_", " ").alias("State"),
            (pl.col("probability") * 100).round(1).alias("Risk %"),
            _yes_or_no("has_attended").alias("Came"),
            _yes_or_no("is_retained").alias("Stayed"),
            pl.col("rule_name").alias("Rule"),
        )
        .to_pandas(),
        show_index=False,
        pagination="local",
        page_size=12,
        disabled=True,
        sizing_mode="stretch_width",
        layout="fit_data_stretch",
    )
    return _card(
        heading("Runs", "One row each time a rule met a customer. Came and stayed are known when the window is over."),
        table,
    )


def _yes_or_no(column: str) -> pl.Expr:
    return pl.when(pl.col(column)).then(pl.lit("yes")).when(~pl.col(column)).then(pl.lit("no")).otherwise(pl.lit("–"))


def _card(*parts: pn.viewable.Viewable) -> pn.viewable.Viewable:
    return pn.Column(*parts, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
