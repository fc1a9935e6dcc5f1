"""The data itself: how fresh each part is, what every metric means, and where a number comes from."""

from typing import Any

import panel as pn
import param
import polars as pl

from consoles.admin.lineage import STYLE, picture
from consoles.admin.style import CARD
from consoles.admin.views.states import guarded, heading
from consoles.client import Plyo, length


class Data(pn.viewable.Viewer):
    """Freshness, dictionary and lineage.

    Args:
        plyo: Asks for all three.
        public_url: Where Dagster is, for the link.
    """

    metric = param.Selector(objects=[""])

    def __init__(self, plyo: Plyo, public_url: str) -> None:
        super().__init__()
        self._plyo, self._public_url = plyo, public_url
        self._metrics: dict[str, dict[str, Any]] = {one["name"]: one for one in plyo.metrics()}
        self.param.metric.objects = {one["label"]: name for name, one in self._metrics.items()}
        self.metric = next(iter(self._metrics))

    def freshness(self) -> pn.viewable.Viewable:
        """How old the change stream and each mart are."""
        return guarded(self._freshness)

    def _freshness(self) -> pn.viewable.Viewable:
        told = self._plyo.freshness()
        silent = (told.get("stream") or {}).get("silent_seconds")
        stream = "The change stream has not written yet." if silent is None else (
            f"The change stream wrote {length(silent)} ago."
        )  # fmt: skip
        table = pn.widgets.Tabulator(
            pl.DataFrame(
                [
                    (
                        one["relation"],
                        one["state"],
                        "–" if one["age_seconds"] is None else length(one["age_seconds"]),
                        length(one["late_after_seconds"]),
                    )
                    for one in told.get("relations", [])
                ],
                schema=["What", "State", "Age", "Late after"],
                orient="row",
            ).to_pandas(),
            show_index=False, disabled=True, sizing_mode="stretch_width", layout="fit_data_stretch", page_size=10,
            pagination="local",
        )  # fmt: skip
        return pn.Column(
            pn.pane.Markdown(f"Overall **{told['state']}**. {stream}", sizing_mode="stretch_width"),
            table,
            sizing_mode="stretch_width",
        )

    @param.depends("metric")
    def definition(self) -> pn.viewable.Viewable:
        """What the chosen metric means and where its rows come from."""
        return guarded(self._definition)

    def _definition(self) -> pn.viewable.Viewable:
        one = self._metrics[self.metric]
        lineage = self._plyo.lineage(one["name"])
        return pn.Column(
            pn.pane.Markdown(
                f"**{one['label']}** ({one['unit']})  \n{one['definition']}\n\n"
                f"*Left out:* {one.get('exclusions', '')}\n\n"
                f"*Owner:* {one.get('owner', '')} · *From:* `{one['relation']}`",
                sizing_mode="stretch_width",
            ),
            pn.pane.HTML(picture(lineage), stylesheets=[STYLE], sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            _card(heading("How fresh it is", f"[Open the pipelines]({self._public_url}/dagster/)"), self.freshness()),
            _card(
                heading("What a number means"),
                pn.widgets.Select.from_param(self.param.metric, name=""),
                self.definition,
            ),
            sizing_mode="stretch_width",
        )


def _card(*parts: Any) -> pn.viewable.Viewable:
    return pn.Column(*parts, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
