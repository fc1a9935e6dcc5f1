"""Automations: what each rule does, what it changed against its holdout, and the few settings that matter."""

from typing import Any

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.style import CARD
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo, Refused
from consoles.theme import percent


def page(plyo: Plyo) -> pn.viewable.Viewable:
    """The page."""
    return pn.Column(
        guarded(lambda: _effects(plyo)),
        guarded(lambda: _rules(plyo)),
        guarded(lambda: _runs(plyo)),
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
    labelled = known.with_columns((pl.col("rule_name") + "<br>" + pl.col("outcome")).alias("label"))
    figure = charts.intervals(
        labelled, label="label", middle="lift", low="lift_low", high="lift_high", height=140 + 50 * len(known)
    )
    lines = "\n".join(
        f"- **{row['rule_name']}**, {row['outcome']}: {percent(row['treated_rate'], 1)} of {row['treated']} treated "
        f"against {percent(row['holdout_rate'], 1)} of {row['held_out']} held out; "
        f"{row['outcomes_pending']} still open."
        for row in known.iter_rows(named=True)
    )
    return _card(
        heading("What they change", words),
        pn.pane.Plotly(figure, config={"displayModeBar": False}, sizing_mode="stretch_width"),
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
    save = pn.widgets.Button(name="Save", color="primary")
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
        pn.pane.Markdown(f"**{rule['name']}** `{rule['code']}`  \n{rule['message_template']}"),
        pn.FlexBox(threshold, holdout, pn.Row("Active", active), save, told),
    )


def _runs(plyo: Plyo) -> pn.viewable.Viewable:
    runs = plyo.dataset("automation_runs").sort("started_at", descending=True)
    if runs.is_empty():
        return nothing("No rule has met a customer yet.")
    columns = [
        name
        for name in (
            "started_at",
            "rule_name",
            "customer_name",
            "arm",
            "status",
            "probability",
            "has_attended",
            "is_retained",
        )
        if name in runs.columns
    ]
    table = pn.widgets.Tabulator(
        runs.head(500).select(columns).to_pandas(),
        show_index=False,
        pagination="local",
        page_size=12,
        disabled=True,
        sizing_mode="stretch_width",
        layout="fit_data_stretch",
        titles={name: name.replace("_", " ") for name in columns},
    )
    return _card(heading("Runs", "One row each time a rule met a customer."), table)


def _card(*parts: pn.viewable.Viewable) -> pn.viewable.Viewable:
    return pn.Column(*parts, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
