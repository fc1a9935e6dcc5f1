"""The data itself: how fresh each part is, what every metric means, and where a number comes from."""

import json
from typing import Any

import panel as pn
import param

from consoles.admin.style import CARD
from consoles.admin.views.states import guarded, heading
from consoles.client import Plyo


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
        """How old the change stream and the marts are."""
        return guarded(
            lambda: pn.pane.JSON(self._plyo.freshness(), depth=3, theme="light", sizing_mode="stretch_width")
        )

    @param.depends("metric")
    def definition(self) -> pn.viewable.Viewable:
        """What the chosen metric means and where its rows come from."""
        return guarded(self._definition)

    def _definition(self) -> pn.viewable.Viewable:
        one = self._metrics[self.metric]
        lineage = self._plyo.lineage(one["relation"])
        return pn.Column(
            pn.pane.Markdown(
                f"**{one['label']}** ({one['unit']})  \n{one['definition']}\n\n"
                f"*Left out:* {one.get('exclusions', '')}\n\n"
                f"*Owner:* {one.get('owner', '')} · *From:* `{one['relation']}`",
                sizing_mode="stretch_width",
            ),
            pn.pane.JSON(json.dumps(lineage), depth=2, theme="light", sizing_mode="stretch_width"),
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
