"""What follows training load and rest: how much more often sessions are missed and memberships end."""

import panel as pn
import polars as pl

from consoles import charts
from consoles.admin.pictures import chart
from consoles.admin.style import CARD, TEXT
from consoles.admin.tables import table
from consoles.admin.views.states import heading, nothing
from consoles.client import Plyo

STATES = {
    "load_spike": "Load well above usual (ACWR over 1.3)",
    "load_drop": "Load well below usual (ACWR under 0.8)",
    "monotonous": "Every day alike (monotony over 2)",
    "low_readiness": "Badly rested (readiness under 25)",
}
OUTCOMES = {"no_show": "missed the next day's session", "left_in_30_days": "left within 30 days"}
WORDS = (
    "How much more often it happened than to clients who trained as usual; lines are 95 % intervals. Clients who are "
    "unlike each other in much else are compared here, so this is no proof of a cause; **same client** compares each "
    "only with their own other days."
)


def card(plyo: Plyo) -> pn.viewable.Viewable:
    """Pictures of both outcomes with the numbers behind them."""
    found = plyo.dataset("training_effects")
    if found.is_empty():
        return nothing("What follows training load is measured with the first pipeline run, and weekly after that.")
    known = found.filter(pl.col("difference").is_not_null())
    parts = [_outcome(said, known.filter(pl.col("outcome") == outcome)) for outcome, said in OUTCOMES.items()]
    shown = found.select(
        pl.col("state").replace_strict(STATES, default=pl.col("state")).alias("Clients"),
        pl.col("outcome").replace_strict(OUTCOMES, default=pl.col("outcome")).alias("Who"),
        _share("rate_in_state").alias("Of these"),
        _share("rate_else").alias("Of the others"),
        _share("difference", signed=True).alias("Difference"),
        _between("difference_low", "difference_high").alias("95 % interval"),
        _share("within_difference", signed=True).alias("Same client"),
        pl.col("clients_in_state").alias("Clients in it"),
        pl.col("observed_in_state").alias("Times"),
        pl.col("compared_with").alias("The others"),
    )
    return pn.Column(
        heading("What follows training load", ""), pn.pane.Markdown(WORDS, stylesheets=[TEXT]), *parts, table(shown),
        stylesheets=[CARD], sizing_mode="stretch_width", margin=6,
    )  # fmt: skip


def _outcome(said: str, known: pl.DataFrame) -> pn.viewable.Viewable:
    title = pn.pane.Markdown(f"**Who {said}**", stylesheets=[TEXT])
    if known.is_empty():
        return pn.Column(title, nothing("Fewer than ten clients have been in any of these states so far."))
    name = pl.col("state").replace_strict(STATES, default=pl.col("state"))
    everybody = known.select(
        name.alias("label"), pl.col("difference").alias("middle"),
        pl.col("difference_low").alias("low"), pl.col("difference_high").alias("high"), "state",
    )  # fmt: skip
    same = known.filter(pl.col("within_difference").is_not_null()).select(
        pl.format("{}, same client", name.str.replace(r" \(.*", "")).alias("label"),
        pl.col("within_difference").alias("middle"), pl.col("within_low").alias("low"),
        pl.col("within_high").alias("high"), "state",
    )  # fmt: skip
    rows = pl.concat([everybody, same]).sort("state", maintain_order=True, descending=True)
    figure = charts.intervals(rows, label="label", middle="middle", low="low", high="high", height=90 + 56 * len(rows))
    return pn.Column(title, chart(figure), sizing_mode="stretch_width")


def _share(column: str, *, signed: bool = False) -> pl.Expr:
    share = (pl.col(column) * 100).round(1)
    said = pl.when(share > 0).then(pl.format("+{} %", share)).otherwise(pl.format("{} %", share)) if signed else (
        pl.format("{} %", share)
    )  # fmt: skip
    return pl.when(pl.col(column).is_null()).then(pl.lit("–")).otherwise(said)


def _between(low: str, high: str) -> pl.Expr:
    bounds = pl.format("{} to {} %", (pl.col(low) * 100).round(1), (pl.col(high) * 100).round(1))
    return pl.when(pl.col(low).is_null()).then(pl.lit("–")).otherwise(bounds)
