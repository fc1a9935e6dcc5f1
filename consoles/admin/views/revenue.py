"""Money: how recurring revenue moved, what was collected, and what comes from who buys without a membership."""

from dataclasses import replace

import panel as pn
import param
import plotly.graph_objects as go
import polars as pl

from consoles import charts, figures
from consoles.admin.names import Names
from consoles.admin.pictures import chart
from consoles.admin.style import CARD
from consoles.admin.tables import side_by_side, table
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo
from contracts.figures import written
from contracts.money import exponent


class Revenue(pn.viewable.Viewer):
    """MRR and payments of one currency.

    Args:
        plyo: Asks for the datasets.
        currencies: Those the business earns in, largest first.
    """

    currency = param.Selector(objects=["EUR"])

    def __init__(self, plyo: Plyo, currencies: list[str]) -> None:
        super().__init__()
        self._plyo = plyo
        self.param.currency.objects = currencies
        self.currency = currencies[0]

    @param.depends("currency")
    def body(self) -> pn.viewable.Viewable:
        """Charts and tables."""
        return guarded(self._body)

    def _body(self) -> pn.viewable.Viewable:
        days = self._plyo.dataset("mrr_daily").filter(pl.col("currency") == self.currency).sort("day")
        if days.is_empty():
            return nothing("No membership has ever been sold in this currency.")
        # Below what is seen first, so it is asked for when that is there.
        plans = pn.panel(lambda: guarded(self._plans), defer_load=True, loading_indicator=True)
        payments = pn.panel(self._payments, defer_load=True, loading_indicator=True)
        buyers = pn.panel(lambda: guarded(self._buyers), defer_load=True, loading_indicator=True)
        return pn.Column(self._recurring(days), self._moves(days), plans, payments, buyers, sizing_mode="stretch_width")

    def _recurring(self, days: pl.DataFrame) -> pn.viewable.Viewable:
        frame = days.with_columns(pl.col("mrr_minor").map_elements(self._major, return_dtype=pl.Float64))
        now = written(days["mrr_minor"][-1], "money", self.currency)
        figure = charts.lines(frame, x="day", series={"mrr_minor": "MRR"}, y_title=self.currency)
        return _card(heading("Monthly recurring revenue", f"{now} today, tax excluded."), figure)

    def _plans(self) -> pn.viewable.Viewable:
        told = self._plyo.metric(
            "mrr", grain=None, by=["plan"], period="this_month", compare="previous_period", currency=self.currency
        )
        # Money that came in is in a row of no plan, which brings nothing a month: left out, the rest adds up.
        brought = told.comparison.filter(pl.col("plan").is_not_null() | (pl.col("value") != 0))
        if brought.is_empty():
            return nothing("No plan brings anything in this currency yet.")
        together = written(sum(brought["value"].to_list()), "money", self.currency)
        title = heading("By plan", f"What each plan brings a month, tax excluded, largest first; {together} together.")
        called = Names(self._plyo).called("plan", brought["plan"]).rename("Plan")
        shown = side_by_side(
            replace(told, comparison=brought), called, currency=self.currency, period=figures.PERIODS["this_month"]
        )
        return pn.Column(title, table(shown), stylesheets=[CARD], sizing_mode="stretch_width", margin=6)

    def _buyers(self) -> pn.viewable.Viewable:
        cards = self._plyo.dataset("lifetime_model_card").filter(pl.col("currency") == self.currency)
        if cards.is_empty():
            return nothing("Nobody without a membership has bought a pack in this currency yet.")
        found = self._plyo.dataset("pack_buyers").filter(pl.col("currency") == self.currency)
        if found.is_empty():
            return nothing(f"What pack buyers are worth is not known yet: {cards['decision'][0]}")
        worth = self._written(round(found["expected_value_minor"].sum()))
        title = heading(
            "What pack buyers are worth",
            f"{len(found)} without a membership, who will probably bring {worth} in the year to come, tax excluded. It "
            "is told by how often each has bought, how long they have been silent for their own pace, and their spend.",
        )
        rows = found.sort("expected_value_minor", descending=True)
        shown = pl.DataFrame(
            {
                "Customer": rows["display_name"],
                "Coach": rows["coach_name"],
                "Bought": rows["purchases"],
                "Last": rows["last_purchased_on"].dt.strftime("%-d %b %Y"),
                "Will buy again": [f"{one:.0%}" for one in rows["probability_alive"]],
                "Purchases in a year": rows["expected_purchases"].round(1),
                "Each": [self._written(round(one)) for one in rows["expected_spend_minor"]],
                "Together": [self._written(round(one)) for one in rows["expected_value_minor"]],
            }
        )
        return pn.Column(title, table(shown), stylesheets=[CARD], sizing_mode="stretch_width", margin=6)

    def _written(self, minor: int) -> str:
        return written(minor, "money", self.currency)

    def _moves(self, days: pl.DataFrame) -> pn.viewable.Viewable:
        kinds = {
            "new_minor": "new",
            "expansion_minor": "expansion",
            "reactivation_minor": "won back",
            "contraction_minor": "contraction",
            "churn_minor": "churn",
        }
        months = days.group_by(pl.col("day").dt.truncate("1mo").alias("month")).agg(
            pl.col(name).sum() for name in kinds
        )
        months = months.sort("month").with_columns(
            pl.col(name).map_elements(self._major, return_dtype=pl.Float64) for name in kinds
        )
        figure = charts.bars(
            months, x="month", series=kinds, y_title=self.currency, tokens=("good", "chart-3", "spark", "warn", "bad")
        )
        return _card(
            heading("What moved it", "New, expansion and won back above the line; contraction and churn below."), figure
        )

    def _payments(self) -> pn.viewable.Viewable:
        days = self._plyo.dataset("payments_daily").filter(pl.col("currency") == self.currency).sort("day")
        if days.is_empty():
            return nothing("No payment yet.")
        amounts = {name: label for name, label in PAYMENTS.items() if name in days.columns}
        months = days.group_by(pl.col("day").dt.truncate("1mo").alias("month")).agg(
            pl.col(name).sum() for name in amounts
        )
        months = months.sort("month").with_columns(
            pl.col(name).map_elements(self._major, return_dtype=pl.Float64) for name in amounts
        )
        figure = charts.bars(
            months,
            x="month",
            series=amounts,
            stacked=False,
            y_title=self.currency,
            tokens=("chart-1", "bad", "warn", "chart-5"),
        )
        return _card(heading("Collected, failed, given back", "By month; tax included."), figure)

    def _major(self, minor: int) -> float:
        return minor / float(10 ** exponent(self.currency))

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            pn.widgets.RadioButtonGroup.from_param(self.param.currency, color="light"),
            self.body,
            sizing_mode="stretch_width",
        )


PAYMENTS = {
    "captured_minor": "collected",
    "failed_minor": "failed attempts",
    "refunded_minor": "refunded",
    "disputed_minor": "disputed",
}


def _card(title: pn.viewable.Viewable, figure: go.Figure) -> pn.viewable.Viewable:
    return pn.Column(
        title,
        chart(figure),
        stylesheets=[CARD],
        sizing_mode="stretch_width",
        margin=6,
    )
