"""The data itself: how fresh each part is, which numbers wait for a source, and what suites said of what came in."""

from typing import Any

import panel as pn
import polars as pl

from consoles.admin import tables
from consoles.admin.style import CARD
from consoles.admin.tiles import tile
from consoles.admin.views.states import guarded, heading, nothing
from consoles.client import Plyo, length
from consoles.figures import FRESHNESS
from consoles.theme import colour, when

QUALITY = ("drifted_columns", "judged_columns")
"""Metrics of the data itself."""
WAYS = {
    "/dagster/": "Open the pipelines", "/warehouse/quality": "Quality of each raw table, and drift",
    "/warehouse/docs": "Models and lineage",
}  # fmt: skip
"""The app's pages about data, by path."""
JUDGEMENTS_SHOWN = 200


class Data(pn.viewable.Viewer):
    """Freshness of sources, marts and numbers, and judgements of what came in.

    Args:
        plyo: Asks for it.
        public_url: Where the app's own pages about data are, for the links.
        zone: Of the reader, for when something was judged.
    """

    def __init__(self, plyo: Plyo, public_url: str, *, zone: str) -> None:
        super().__init__()
        self._plyo, self._public_url, self._zone = plyo, public_url, zone

    def freshness(self) -> pn.viewable.Viewable:
        """How old the change stream and each mart are, and what waits for which source."""
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
            pn.pane.HTML(waiting(told), sizing_mode="stretch_width"),
            table,
            sizing_mode="stretch_width",
        )

    def quality(self) -> pn.viewable.Viewable:
        """How many watched columns are no longer what they were, as tiles."""
        return guarded(
            lambda: pn.FlexBox(
                *(tile(self._plyo.metric(name, grain="day"), currency="") for name in QUALITY),
                sizing_mode="stretch_width",
            )
        )

    def judgements(self) -> pn.viewable.Viewable:
        """What suites said of batches before they landed and of tables in raw, the newest first."""
        return guarded(self._judgements)

    def _judgements(self) -> pn.viewable.Viewable:
        found = self._plyo.rows("suite_judgements", limit=JUDGEMENTS_SHOWN)
        if found.is_empty():
            return nothing("No suite has judged anything yet. The first batch that comes in is judged before it lands.")
        return tables.table(judged(found, self._zone))

    def __panel__(self) -> pn.viewable.Viewable:
        ways = " · ".join(f"[{words}]({self._public_url}{path})" for path, words in WAYS.items())
        title = heading("How fresh it is", ways)
        fresh = pn.Column(title, self.freshness(), stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
        said = pn.Column(
            heading("What suites said", "Rows refused before they land stand aside; in raw they are only told."),
            pn.panel(self.judgements, defer_load=True, loading_indicator=True),
            stylesheets=[CARD], sizing_mode="stretch_width", margin=6,
        )  # fmt: skip
        return pn.Column(
            fresh, pn.panel(self.quality, defer_load=True, loading_indicator=True), said, sizing_mode="stretch_width"
        )


def judged(found: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Judgements as they are shown: when, of what, the outcome, how many rows stand aside, and what was not met."""
    rows = found.to_dicts()
    return pl.DataFrame(
        {
            "When": [when(tables.instant(one["judged_at"]), zone) for one in rows],
            "Table": [one["raw_table"] for one in rows],
            "Judged": ["a batch" if one["judged_where"] == "before landing" else "what is in raw" for one in rows],
            "Outcome": [
                "all rows are good" if one["is_met"] else f"{one['refused_rows']:,} of {one['judged_rows']:,} are not"
                for one in rows
            ],
            "Rows aside": [one["refused_rows"] if one["judged_where"] == "before landing" else 0 for one in rows],
            "Not met": [one["expectation"] or "–" for one in rows],
        }
    )  # fmt: skip


def waiting(told: dict[str, Any]) -> str:
    """HTML of the sources that are late, stale or not judged yet, each with how many numbers wait for it; empty where
    there is none. What nobody has judged and no number waits for is no news."""
    lines = []
    for one in told.get("sources", []):
        state, count = one["state"], len(one["metrics"])
        numbers = f"{count} number{'s' if count != 1 else ''} wait{'s' if count == 1 else ''} for it"
        if state == "not judged yet" and count:
            lines.append(f"<li>● {one['source']} is not judged yet: {numbers}</li>")
        elif state not in ("fresh", "not judged yet"):
            age = "of unknown age" if one["age_seconds"] is None else length(one["age_seconds"])
            lines.append(
                f'<li style="color:{colour(FRESHNESS[state])}">● {one["source"]} is {state}, {age}: {numbers}</li>'
            )
    return f'<ul style="list-style:none;padding:0">{"".join(lines)}</ul>' if lines else ""
