"""The business at a look: each KPI with its definition, change and freshness."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

import panel as pn
import param

from consoles import charts, figures
from consoles.admin.moments import day_picker, months_back, past, with_period
from consoles.admin.pictures import chart
from consoles.admin.style import CARD
from consoles.admin.tiles import comparison, tile
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import MetricAnswer, Plyo
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
"""Of history, shown first."""
AGAIN_AFTER_MS = 4000  # what was missing comes with the next look, which the page takes by itself
AT_ONCE = 4
"""Questions under way at a time: as many as analytics answers at once."""


class Overview(pn.viewable.Viewer):
    """KPI tiles for one currency, each beside another period, as known now or at a day of the past.

    Args:
        plyo: Asks for the metrics: all of them in one call, as long as nothing else was chosen.
        currencies: Those the business earns in, largest first.
        first: The first screen of `MONTHS`, where it was asked for already.
        look: Opens a metric's own page by its name.
    """

    currency = param.Selector(objects=["EUR"])
    months = param.Selector(objects={"6 months": 6, "12 months": 12, "24 months": 24}, default=MONTHS)
    period = param.Selector(objects={words: name for name, words in figures.PERIODS.items()}, default="this_month")
    compare = param.Selector(
        objects={f"with {words}": name for name, words in figures.COMPARISONS.items()}, default="previous_period"
    )
    as_of = param.Date(default=None, allow_None=True)

    def __init__(
        self, plyo: Plyo, currencies: list[str], first: dict[str, Any] | None = None,
        look: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._plyo, self._look = plyo, look
        self._screens = {MONTHS: first} if first is not None else {}
        self.param.currency.objects = currencies
        self.currency = currencies[0]

    @param.depends("currency", "months", "period", "compare", "as_of")
    def tiles(self) -> pn.viewable.Viewable:
        """Every tile."""
        return guarded(self._tiles)

    def _tiles(self) -> pn.viewable.Viewable:
        if self.as_of is not None or self.period != "this_month":
            return self._drawn([(answer, None) for answer in self._asked()])
        if self.months not in self._screens:
            self._screens = {self.months: self._plyo.first_screen("admin", months=self.months)}
        screen = self._screens[self.months]
        if screen.get("currencies"):  # they may have been missing at first
            self.param.currency.objects = screen["currencies"]
        found = screen.get("figures") or {}
        tiles = self._drawn(
            [(self._plyo.answer(name, found[name]), partial(self._comparison, name)) for name in TILES if name in found]
        )
        if screen.get("missing"):
            self._ask_again_soon()
        gap = note(_gathered(screen), {"mrr": "MRR", "arpm": "ARPM", "person": "your name"})
        return pn.Column(nothing(gap), tiles, sizing_mode="stretch_width") if gap else tiles

    def _drawn(
        self, answers: list[tuple[MetricAnswer, Callable[[], pn.viewable.Viewable] | None]]
    ) -> pn.viewable.Viewable:  # fmt: skip
        drawn = [
            tile(
                answer, currency=self.currency, period=self._words_of(answer), compare=compare,
                look=partial(self._look, answer.name) if self._look else None,
            )
            for answer, compare in answers
        ]  # fmt: skip
        return pn.FlexBox(*drawn, sizing_mode="stretch_width", gap="4px")

    def _asked(self) -> list[MetricAnswer]:
        """Every tile's series with the period's number and its comparison, as known now or at the day chosen."""
        with ThreadPoolExecutor(AT_ONCE) as asking:
            return list(asking.map(self._answer, TILES))

    def _answer(self, name: str) -> MetricAnswer:
        history = self._plyo.metric(name, since=months_back(self.months, self.as_of), as_of=self.as_of)
        return with_period(history, self._of_period(name))

    def _of_period(self, name: str) -> MetricAnswer:
        return self._plyo.metric(name, period=self.period, compare=self.compare, as_of=self.as_of)

    def _comparison(self, name: str) -> pn.viewable.Viewable:
        return guarded(lambda: comparison(self._of_period(name), self.currency))

    def _words_of(self, answer: MetricAnswer) -> str:
        if answer.period is not None:
            return f"{figures.PERIODS[self.period]}: {figures.days(*answer.period)}"
        points = figures.series(answer, self.currency)
        if points.is_empty():
            return ""
        month: date = points["at"][-1]
        return f"{month:%B %Y}" + (", so far" if month == months_back(0) else "")

    def _ask_again_soon(self) -> None:
        self._screens = {}
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.add_periodic_callback(
                lambda: self.param.trigger("months"), period=AGAIN_AFTER_MS, count=1, start=True
            )

    @param.depends("as_of")
    def banner(self) -> pn.viewable.Viewable:
        """That the past is shown, where it is."""
        return past(self.as_of, lambda: setattr(self, "as_of", None))

    @param.depends("months", "as_of")
    def stages(self) -> pn.viewable.Viewable:
        """Customers by lifecycle stage over time."""
        return guarded(self._stages)

    def _stages(self) -> pn.viewable.Viewable:
        since = months_back(self.months, self.as_of)
        frame = self._plyo.dataset("stages_daily", as_of=self.as_of, **{"from": since}).sort("day")
        frame = frame.filter(~frame["stage"].is_in(["lead", "churned"]))
        if frame.is_empty():
            return nothing("Nobody was a customer in these months.")
        frame = frame.with_columns(frame["stage"].str.replace("_", " "))
        figure = charts.groups(frame, x="day", y="customers", by="stage", y_title="customers")
        return pn.Column(
            heading("Customers by stage", "Stage is derived from facts, at the end of each day."),
            chart(figure),
            stylesheets=[CARD],
            sizing_mode="stretch_width",
            margin=6,
        )

    def __panel__(self) -> pn.viewable.Viewable:
        choices = pn.FlexBox(
            pn.widgets.RadioButtonGroup.from_param(self.param.currency, color="light", name="Currency"),
            pn.widgets.Select.from_param(self.param.period, name="Period", width=150),
            pn.widgets.Select.from_param(self.param.compare, name="Compared", width=190),
            pn.widgets.Select.from_param(self.param.months, name="History", width=130),
            day_picker(self.param.as_of),
            align_items="flex-end", gap="8px", sizing_mode="stretch_width",
        )  # fmt: skip
        return pn.Column(choices, self.banner, self.tiles, self.stages, sizing_mode="stretch_width")


def _gathered(screen: dict[str, Any]) -> dict[str, Any]:
    """The screen, where no figure came with one gap for all of them."""
    missing = screen.get("missing") or {}
    if not all(name in missing for name in TILES):
        return screen
    rest = {name: why for name, why in missing.items() if name not in TILES}
    return screen | {"missing": {"the figures": "failed"} | rest}
