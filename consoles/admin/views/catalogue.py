"""Every metric: found by word and domain, with its trend, parts, meaning, sources, and what was told before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import panel as pn
import param
import plotly.graph_objects as go
import polars as pl

from consoles import charts, figures
from consoles.admin import tiles
from consoles.admin.lineage import STYLE, picture
from consoles.admin.moments import day_picker, months_back, past, with_period
from consoles.admin.names import Names
from consoles.admin.pictures import chart
from consoles.admin.style import CARD, LINK, TEXT
from consoles.admin.tables import side_by_side, table
from consoles.admin.views.behind import Behind
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import MetricAnswer, Plyo
from consoles.theme import SERIES, colour
from contracts.money import exponent

ALL = "all"
"""Every currency counted together: for whatever is not money."""
UNITS = {"money": "money", "count": "a count", "ratio": "a share", "number": "a number of its own"}
D3 = {"ratio": ".0%"}


class Catalogue(pn.viewable.Viewer):
    """The metric dictionary as a page.

    Args:
        plyo: Asks for the dictionary, numbers, lineage and rows.
        currencies: Those the business earns in, largest first.
        zone: Of whoever reads.
    """

    search = param.String(default="")
    domain = param.Selector(objects=["Every domain"])
    metric = param.Selector(objects={})
    grain = param.Selector(objects=["month"])
    months = param.Selector(objects={"6 months": 6, "12 months": 12, "24 months": 24}, default=12)
    period = param.Selector(objects={words: name for name, words in figures.PERIODS.items()}, default="this_month")
    compare = param.Selector(
        objects={f"with {words}": name for name, words in figures.COMPARISONS.items()}, default="previous_period"
    )
    by = param.Selector(objects={"nothing": ""}, default="")
    currency = param.Selector(objects=["EUR"])
    as_of = param.Date(default=None, allow_None=True)
    restated_since = param.Date(default=None, allow_None=True)

    def __init__(self, plyo: Plyo, currencies: list[str], *, zone: str = "UTC") -> None:
        super().__init__()
        self._plyo, self._currencies, self._zone = plyo, currencies, zone
        self._metrics: dict[str, dict[str, Any]] = {one["name"]: one for one in plyo.metrics()}
        self._states: dict[str, str] = plyo.freshness().get("metrics", {})
        self._names = Names(plyo)
        domains = list(dict.fromkeys(one["domain"] for one in self._metrics.values()))
        self.param.domain.objects = ["Every domain", *domains]
        self.param.metric.objects = self._found()
        self.metric = next(iter(self._metrics))
        self._choose()

    def open(self, name: str) -> None:
        """Show that metric, whatever was searched for."""
        self.search, self.domain = "", "Every domain"
        self.metric = name

    def _found(self) -> dict[str, str]:
        words = self.search.strip().lower().split()
        return {
            f"{one['domain']} · {one['label']}": name
            for name, one in self._metrics.items()
            if self.domain in ("Every domain", one["domain"])
            and all(word in f"{name} {one['label']} {one['definition']}".lower() for word in words)
        }

    @param.depends("search", "domain", watch=True)
    def _narrow(self) -> None:
        found = self._found()
        if found and self.metric not in found.values():
            with param.parameterized.batch_call_watchers(self):  # no page is of none
                self.metric = None
                self.param.metric.objects = found
                self.metric = next(iter(found.values()))
        else:
            self.param.metric.objects = found or {"Nothing found": self.metric}

    @param.depends("metric", watch=True)
    def _choose(self) -> None:
        """Offer what the chosen metric allows."""
        if self.metric is None:
            return
        one = self._metrics[self.metric]
        currencies = self._currencies if one["is_by_currency"] else [ALL]
        if one["is_by_currency"] and one["unit"] != "money":
            currencies = [ALL, *currencies]
        dimensions = [name for name in one["dimensions"] if name != "currency"]
        with param.parameterized.batch_call_watchers(self):
            self.param.grain.objects = one["grains"]
            self.param.currency.objects = currencies
            self.param.by.objects = {"nothing": ""} | {name.replace("_", " "): name for name in dimensions}
            self.grain = "month" if "month" in one["grains"] else one["grains"][-1]
            self.currency = currencies[0]
            self.by = ""

    @param.depends("metric", "search", "domain")
    def count(self) -> pn.viewable.Viewable:
        """How many were found."""
        found = len(self._found())
        words = f"{found} of {len(self._metrics)} metrics" if found else "No metric says that. Try another word."
        return pn.pane.HTML(f'<span role="status" style="color:{colour("ink-soft")}">{words}</span>')

    @param.depends("metric", "grain", "months", "period", "compare", "by", "currency", "as_of")
    def trend(self) -> pn.viewable.Viewable:
        """The number, its comparison, its history and its parts."""
        return guarded(self._trend)

    def _asked(self) -> dict[str, Any]:
        one = self._metrics[self.metric]
        asked: dict[str, Any] = {"by": [self.by] if self.by else [], "as_of": self.as_of}
        return asked | ({"currency": self.currency} if one["is_by_currency"] else {})

    def answer(self) -> MetricAnswer:
        """What is asked: the history, with the period's number beside the other's."""
        since = months_back(self.months, self.as_of)
        with ThreadPoolExecutor(2) as asking:
            history = asking.submit(self._plyo.metric, self.metric, grain=self.grain, since=since, **self._asked())
            period = asking.submit(
                self._plyo.metric, self.metric, period=self.period, compare=self.compare, **self._asked()
            )
            return with_period(history.result(), period.result())

    def _trend(self) -> pn.viewable.Viewable:
        answer = self.answer()
        one = self._metrics[self.metric]
        parts: list[pn.viewable.Viewable] = [heading(one["label"], one["definition"])]
        state, token = figures.freshness(answer)
        if not self.by:
            said = figures.days(*answer.period) if answer.period else ""
            parts.append(
                pn.pane.HTML(
                    f'<div class="plyo-value" style="font-size:2rem;font-weight:680">'
                    f"{figures.headline(answer, self.currency)}</div>"
                    f'<div style="color:{colour("ink-soft")}">{figures.PERIODS[self.period]}: {said}</div>',
                    sizing_mode="stretch_width",
                )
            )
            parts.append(tiles.comparison(answer, self.currency))
        parts.append(pn.pane.HTML(f'<div style="color:{colour(token)}">● {state}</div>', sizing_mode="stretch_width"))
        if told := figures.restated(answer, self.currency):
            parts.append(tiles.restated(told))
        if answer.points.is_empty():
            parts.append(nothing("Nothing happened in this time that this number counts. Choose a longer history."))
            return _card(*parts)
        parts.append(chart(self._picture(answer)))
        if self.by:
            parts.append(self._parts(answer))
        parts.append(self._points(answer))
        return _card(*parts)

    def _picture(self, answer: MetricAnswer) -> go.Figure:
        points = answer.points.sort("at")
        unit = self._metrics[self.metric]["unit"]
        if unit == "money":
            points = points.with_columns(pl.col("value") / 10 ** exponent(self.currency))
        title = {"money": self.currency, "ratio": "", "number": "", "count": ""}.get(unit, unit)
        if not self.by:
            return charts.lines(points, x="at", series={"value": ""}, y_title=title, y_format=D3.get(unit, ""))
        points = points.with_columns(self._names.called(self.by, points[self.by]).alias("part"))
        largest = (
            points.group_by("part").agg(pl.col("value").abs().sum()).sort("value", descending=True)["part"].to_list()
        )
        shown = points.filter(pl.col("part").is_in(largest[: len(SERIES)]))
        return charts.groups(shown, x="at", y="value", by="part", y_title=title, y_format=D3.get(unit, ""))

    def _parts(self, answer: MetricAnswer) -> pn.viewable.Viewable:
        """The period's number of each part beside the other period's."""
        if answer.comparison.is_empty():
            return nothing("No part has a number in this period.")
        called = self._names.called(self.by, answer.comparison[self.by]).rename(self.by.replace("_", " ").capitalize())
        return table(side_by_side(answer, called, currency=self.currency, period=figures.PERIODS[self.period]))

    def _points(self, answer: MetricAnswer) -> pn.viewable.Viewable:
        """The picture as a table, for who cannot see it or wants the figures."""
        points = answer.points.sort("at", descending=True)
        shown = {"Begins": points["at"].cast(pl.String)}
        if self.by:
            shown["Part"] = self._names.called(self.by, points[self.by])
        shown["Value"] = pl.Series([figures.value(answer, value, self.currency) for value in points["value"]])
        return tiles.fold("The same as a table", table(pl.DataFrame(shown)))

    @param.depends("as_of")
    def banner(self) -> pn.viewable.Viewable:
        """That the past is shown, where it is."""
        return past(self.as_of, lambda: setattr(self, "as_of", None))

    @param.depends("metric", "grain", "currency", "restated_since")
    def restatements(self) -> pn.viewable.Viewable:
        """What has been told otherwise since a day, and why."""
        since = self.restated_since
        if since is None:
            return nothing("Choose a day to see which points were told otherwise then, and why they changed.")
        return guarded(lambda: self._restatements(since))

    def _restatements(self, since: date) -> pn.viewable.Viewable:
        asked = {name: value for name, value in self._asked().items() if name == "currency"}
        items = self._plyo.restatements(self.metric, since=since.isoformat(), grain=self.grain, **asked)
        answer = self._plyo.metric(self.metric, grain=self.grain, since=datetime.now(UTC).date(), **asked)
        lines = figures.restatements(items, answer, self.currency)
        if not lines:
            return nothing(f"Nothing was restated since {since:%-d %b %Y}: every point reads as it did.")
        return tiles.restated(lines)

    @param.depends("metric")
    def meaning(self) -> pn.viewable.Viewable:
        """What the metric means, who answers for it, and what it meant before."""
        if self.metric is None:
            return pn.Spacer(height=0)
        one = self._metrics[self.metric]
        before = "".join(f"\n- until {told['until'][:10]}: {told['reason']}" for told in one.get("former", []))
        text = (
            f"*Left out:* {one['exclusions']}\n\n"
            f"*Unit:* {UNITS.get(one['unit'], one['unit'])} · *Grain:* {', '.join(one['grains'])} · "
            f"*Kind:* {'at the end of a period' if one['kind'] == 'stock' else 'over a period'} · "
            f"*Owner:* {one['owner']}\n\n"
            f"*From:* `{one['relation']}` ({one['relation_grain']})"
        ) + (f"\n\n*Meant something else before:*{before}" if before else "")
        return pn.pane.Markdown(text, stylesheets=[TEXT], sizing_mode="stretch_width")

    @param.depends("metric")
    def sources(self) -> pn.viewable.Viewable:
        """The SQL that gives the number, and its parts back to the product's tables."""
        return guarded(self._sources)

    def _sources(self) -> pn.viewable.Viewable:
        lineage = self._plyo.lineage(self.metric)
        sql = lineage.get("sql")
        parts: list[pn.viewable.Viewable] = []
        if sql:
            parts.append(tiles.fold("SQL that gives it", pn.pane.Markdown(f"```sql\n{sql}\n```", stylesheets=[TEXT])))
        parts.append(pn.pane.HTML(picture(lineage), stylesheets=[STYLE], sizing_mode="stretch_width"))
        return pn.Column(*parts, sizing_mode="stretch_width")

    @param.depends("metric", "period", "currency", "as_of")
    def rows(self) -> pn.viewable.Viewable:
        """Rows behind the number, asked for when somebody wants to see them."""
        holder = pn.Column(sizing_mode="stretch_width")
        button = pn.widgets.Button(name="Show rows behind it", button_type="light", stylesheets=[LINK])

        def show(_: object) -> None:
            holder.objects = [guarded(self._rows)]

        button.on_click(show)
        return pn.Column(button, holder, sizing_mode="stretch_width")

    def _rows(self) -> pn.viewable.Viewable:
        one = self._metrics[self.metric]
        asked: dict[str, Any] = {"period": self.period, "as_of": self.as_of}
        if one["is_by_currency"]:
            asked["currency"] = self.currency
        return Behind(self._plyo, self._plyo.metric(self.metric, **asked), asked, zone=self._zone).__panel__()

    def __panel__(self) -> pn.viewable.Viewable:
        search = pn.widgets.TextInput(name="Search", value=self.search, placeholder="churn, load, refund…", width=220)
        # With each letter, and never back: an answer that is later than the next letter would take it away.
        search.param.watch(lambda typed: self.param.update(search=typed.new), "value_input")
        self.param.watch(lambda told: told.new or search.param.update(value="", value_input=""), "search")
        find = _card(
            heading("Every number, by one definition"),
            pn.FlexBox(
                search,
                pn.widgets.Select.from_param(self.param.domain, name="Domain", width=160),
                gap="8px", sizing_mode="stretch_width",
            ),
            self.count,
            pn.widgets.Select.from_param(self.param.metric, name="Metric", size=9, sizing_mode="stretch_width"),
        )  # fmt: skip
        choices = pn.FlexBox(
            pn.widgets.Select.from_param(self.param.period, name="Period", width=150),
            pn.widgets.Select.from_param(self.param.compare, name="Compared", width=190),
            pn.widgets.Select.from_param(self.param.currency, name="Currency", width=110),
            pn.widgets.Select.from_param(self.param.by, name="Told apart by", width=140),
            pn.widgets.Select.from_param(self.param.grain, name="Grain", width=110),
            pn.widgets.Select.from_param(self.param.months, name="History", width=130),
            day_picker(self.param.as_of),
            gap="8px", sizing_mode="stretch_width",
        )  # fmt: skip
        since = pn.widgets.DatePicker.from_param(
            self.param.restated_since, name="Since", width=150, end=datetime.now(UTC).date() - timedelta(days=1)
        )
        return pn.Column(
            find, choices, self.banner, self.trend,
            _card(heading("Rows behind it", "Those that the number counts, down to the product's own."), self.rows),
            _card(heading("What counts"), self.meaning),
            _card(heading("Restated since", "Points that were told otherwise at the end of a day."), since,
                  self.restatements),
            _card(heading("Where it comes from", "Back to the product's tables, with SQL and checks."), self.sources),
            sizing_mode="stretch_width",
        )  # fmt: skip


def _card(*parts: Any) -> pn.viewable.Viewable:
    return pn.Column(*parts, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
