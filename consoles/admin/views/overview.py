"""The business at a look: each KPI with its definition, change and freshness."""

from datetime import UTC, date, datetime
from typing import Any

import panel as pn
import param

from consoles import charts
from consoles.admin.style import CARD
from consoles.admin.tiles import tile
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo
from consoles.gaps import note

TILES = (
    "mrr",
    "active_members",
    "attrition",
    "arpm",
    "payments_captured",
    "sessions_delivered",
    "utilisation",
    "no_show_rate",
    "adherence",
    "payment_failure_rate",
    "lead_conversion",
    "net_member_movement",
)
MONTHS = 12
AGAIN_AFTER_MS = 4000  # what was missing comes with the next look, which the page takes by itself
"""Shown first."""
STOCKS = frozenset({"mrr", "active_members"})


class Overview(pn.viewable.Viewer):
    """KPI tiles for one currency.

    Args:
        plyo: Asks for the metrics, all of them in one call.
        currencies: Those the business earns in, largest first.
        first: The first screen of `MONTHS`, where it was asked for already.
    """

    currency = param.Selector(objects=["EUR"])
    months = param.Selector(objects={"6 months": 6, "12 months": 12, "24 months": 24}, default=MONTHS)

    def __init__(self, plyo: Plyo, currencies: list[str], first: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._plyo = plyo
        self._screens = {MONTHS: first} if first is not None else {}
        self.param.currency.objects = currencies
        self.currency = currencies[0]

    @param.depends("currency", "months")
    def tiles(self) -> pn.viewable.Viewable:
        """Every tile."""
        return guarded(self._tiles)

    def _tiles(self) -> pn.viewable.Viewable:
        if self.months not in self._screens:
            self._screens = {self.months: self._plyo.first_screen("admin", months=self.months)}
        screen = self._screens[self.months]
        if screen.get("currencies"):  # they may have been missing at first
            self.param.currency.objects = screen["currencies"]
        figures = screen.get("figures") or {}
        drawn = [
            tile(self._plyo.answer(name, figures[name]), currency=self.currency, is_running=name not in STOCKS)
            for name in TILES
            if name in figures
        ]
        tiles = pn.FlexBox(*drawn, sizing_mode="stretch_width", gap="4px")
        if screen.get("missing"):
            self._ask_again_soon()
        gap = note(_gathered(screen), {"mrr": "MRR", "arpm": "ARPM", "person": "your name"})
        return pn.Column(nothing(gap), tiles, sizing_mode="stretch_width") if gap else tiles

    def _ask_again_soon(self) -> None:
        self._screens = {}
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.add_periodic_callback(
                lambda: self.param.trigger("months"), period=AGAIN_AFTER_MS, count=1, start=True
            )

    @param.depends("months")
    def stages(self) -> pn.viewable.Viewable:
        """Customers by lifecycle stage over time."""
        return guarded(self._stages)

    def _stages(self) -> pn.viewable.Viewable:
        frame = self._plyo.dataset("stages_daily").sort("day")
        frame = frame.filter((frame["day"] >= _months_back(self.months)) & ~frame["stage"].is_in(["lead", "churned"]))
        frame = frame.with_columns(frame["stage"].str.replace("_", " "))
        figure = charts.groups(frame, x="day", y="customers", by="stage", y_title="customers")
        return pn.Column(
            heading("Customers by stage", "Stage is derived from facts, at the end of each day."),
            pn.pane.Plotly(figure, config={"displayModeBar": False}, sizing_mode="stretch_width"),
            stylesheets=[CARD],
            sizing_mode="stretch_width",
            margin=6,
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            pn.Row(
                pn.widgets.RadioButtonGroup.from_param(self.param.currency, color="light"),
                pn.widgets.Select.from_param(self.param.months, name="", width=130),
            ),
            self.tiles,
            self.stages,
            sizing_mode="stretch_width",
        )


def _gathered(screen: dict[str, Any]) -> dict[str, Any]:
    """The screen, where no figure came with one gap for all of them."""
    missing = screen.get("missing") or {}
    if not all(name in missing for name in TILES):
        return screen
    rest = {name: why for name, why in missing.items() if name not in TILES}
    return screen | {"missing": {"the figures": "failed"} | rest}


def _months_back(months: int) -> date:
    today = datetime.now(UTC).date()
    index = today.year * 12 + today.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
