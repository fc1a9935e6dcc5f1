"""Connectors to sources outside: how each fares, where each of its streams goes on, what an admin can do about it."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import panel as pn
import polars as pl

from consoles.admin.style import CARD
from consoles.admin.views.states import guarded, heading
from consoles.client import Plyo, Refused, length
from consoles.theme import colour

HEALTH = {
    "healthy": ("healthy", "good"),
    "failing": ("failing", "bad"),
    "late": ("late", "warn"),
    "waiting": ("waiting for its first pull", "ink-soft"),
    "paused": ("paused", "warn"),
    "off": ("not connected", "ink-soft"),
}
ACTIONS = {
    "off": ("connect",),
    "revoked": ("connect",),
    "connected": ("test", "pause", "resync", "revoke"),
    "paused": ("test", "resume", "revoke"),
}
DONE = {
    "connect": "Connected: the next pull brings it in.",
    "pause": "Paused. A pull under way ends by itself.",
    "resume": "Resumed from where it was.",
    "resync": "The next pull begins at the beginning; nothing is stored twice.",
    "revoke": "Revoked. What it brought stays.",
}


def page(plyo: Plyo) -> pn.viewable.Viewable:
    """The page: one card for each connector, drawn anew after each action."""
    words = "Each is pulled by itself: one that fails holds back no other. What you do here is audited."
    return pn.Column(
        _card(heading("Connectors", words)), guarded(lambda: _connectors(plyo)), sizing_mode="stretch_width"
    )


def _connectors(plyo: Plyo) -> pn.viewable.Viewable:
    items = plyo.get("/api/integrations/connectors")["items"]
    return pn.Column(*(_Connector(plyo, one) for one in items), sizing_mode="stretch_width")


class _Connector(pn.viewable.Viewer):
    """One connector's card; it asks for itself again after each action."""

    def __init__(self, plyo: Plyo, told: dict[str, Any]) -> None:
        super().__init__()
        self._plyo, self._name, self._told = plyo, str(told["name"]), told
        self._body = pn.Column(sizing_mode="stretch_width")
        self._draw()

    def __panel__(self) -> pn.viewable.Viewable:
        return _card(self._body)

    def _draw(self, said: str = "") -> None:
        told = self._told
        buttons = [self._button(action, told) for action in ACTIONS[told["state"]]]
        self._body.objects = [
            pn.pane.HTML(_head(told), sizing_mode="stretch_width"),
            *([_streams(told["streams"])] if told["streams"] else []),
            pn.FlexBox(*buttons, gap="8px"),
            pn.pane.Markdown(said, sizing_mode="stretch_width", visible=bool(said)),
        ]

    def _button(self, action: str, told: dict[str, Any]) -> pn.viewable.Viewable:
        button = pn.widgets.Button(
            name=action.capitalize(),
            color="primary" if action in ("connect", "resume") else "default",
            width=110,
            disabled=action == "connect" and bool(told["missing_settings"]),
        )
        button.on_click(self._asks_first(button, told) if action == "revoke" else self._does(action))
        return button

    def _asks_first(self, button: Any, told: dict[str, Any]) -> Callable[[object], None]:
        def once(_event: object) -> None:
            if button.name == "Revoke":
                button.name, button.color = f"Really end {told['label']}?", "danger"
                button.width = 190
            else:
                self._does("revoke")(None)

        return once

    def _does(self, action: str) -> Callable[[object], None]:
        def act(_event: object) -> None:
            said = DONE.get(action, "")
            try:
                answer = self._plyo.post(f"/api/integrations/connectors/{self._name}/{action}")
                if action == "test":
                    problem = answer["problem"]
                    said = f"**It does not let us in:** {problem}" if problem else "It lets us in."
                items = self._plyo.get("/api/integrations/connectors")["items"]
                self._told = next(one for one in items if one["name"] == self._name)
            except Refused as error:
                said = f"**Not done:** {error}"
            self._draw(said)

        return act


def _head(told: dict[str, Any]) -> str:
    words, tone = HEALTH[told["health"]]
    lines = [html.escape(told["what"]) + f". Pulled every {length(told['every_minutes'] * 60)}."]
    if told["missing_settings"]:
        names = ", ".join(f"<code>{html.escape(name)}</code>" for name in told["missing_settings"])
        lines.append(f"Not set up on the server: {names}")
    if told["problem"]:
        since = f" since {_ago(told['failing_since'])}" if told["failing_since"] else ""
        lines.append(f'<span style="color:{colour("bad")}">Failing{since}: {html.escape(told["problem"])}</span>')
    if told["last_success_at"]:
        lines.append(f"Last success {_ago(told['last_success_at'])}")
    if told["is_resync_due"]:
        lines.append("The next pull begins at the beginning.")
    if told["test_problem"]:
        lines.append(f"The last test failed: {html.escape(told['test_problem'])}")
    return (
        f"<h3>{html.escape(told['label'])} "
        f'<small style="color:{colour(tone)};font-weight:600">● {words}</small></h3><p>{"<br>".join(lines)}</p>'
    )


def _streams(streams: list[dict[str, Any]]) -> pn.viewable.Viewable:
    frame = pl.DataFrame(
        [
            (
                one["stream"],
                one["rows"],
                one["quarantined"],
                one["cursor"] or "–",
                one["problem"] or "",
                _ago(one["at"]),
            )
            for one in streams
        ],
        schema=["Stream", "New rows", "Put aside", "Goes on after", "Problem", "Pulled"],
        orient="row",
    )
    return pn.widgets.Tabulator(
        frame.to_pandas(), show_index=False, disabled=True, sizing_mode="stretch_width", layout="fit_data_stretch",
        page_size=12, pagination="local" if len(streams) > 12 else None,
    )  # fmt: skip


def _ago(moment: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return f"{length(max(seconds, 0))} ago"


def _card(*parts: Any) -> pn.viewable.Viewable:
    return pn.Column(*parts, stylesheets=[CARD], sizing_mode="stretch_width", margin=6)
