"""From a number to its rows, from a row to what made it: finer rows, and the changes of the product's own tables.

Each step can be gone back. All of them are of one snapshot: the one at which the number's rows were read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import panel as pn
import polars as pl

from consoles import figures
from consoles.admin import tables
from consoles.admin.style import LINK, TEXT
from consoles.admin.views.states import guarded, nothing
from consoles.client import MetricAnswer, Plyo
from consoles.theme import when

MOST_ROWS = 50


@dataclass(frozen=True)
class Step:
    """A row on the way down.

    Args:
        relation: Its mart.
        key: What tells it from every other.
    """

    relation: str
    key: dict[str, Any]

    @property
    def words(self) -> str:
        """The row as people name it: its mart and the beginning of its key."""
        return f"{self.relation}: {_short(self.key)}"


class Behind(pn.viewable.Viewer):
    """What is behind one number, a step at a time.

    Args:
        plyo: Asks for rows and for where they come from.
        answer: The number's definition and unit.
        asked: How the number was asked for: period, currency, `as_of`.
        zone: Of the reader, for when changes were made.
    """

    def __init__(self, plyo: Plyo, answer: MetricAnswer, asked: dict[str, Any], *, zone: str) -> None:
        super().__init__()
        self._plyo, self._answer, self._asked, self._zone = plyo, answer, asked, zone
        self._snapshot: int | None = None
        self._steps: list[Step] = []
        self._cursors: list[str | None] = [None]
        self._body = pn.Column(sizing_mode="stretch_width")
        self._draw()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._body

    def _draw(self) -> None:
        self._body.objects = [guarded(self._row if self._steps else self._rows)]

    def _go(self, step: Step) -> None:
        self._steps.append(step)
        self._draw()

    def _back(self, to: int) -> None:
        del self._steps[to:]
        self._draw()

    def _turn(self, cursor: str | None) -> None:
        """To the page that the cursor stands for; None for the one before."""
        if cursor is None:
            self._cursors.pop()
        else:
            self._cursors.append(cursor)
        self._draw()

    def _rows(self) -> pn.viewable.Viewable:
        told = self._plyo.rows_behind(
            self._answer.name, limit=MOST_ROWS, cursor=self._cursors[-1], **self._asked
        )  # fmt: skip
        self._snapshot = told["snapshot_id"]
        currency = str(self._asked.get("currency") or "")
        numbers = [
            figures.value(self._answer, one.get("value"), one.get("currency") or currency)
            for one in told["number"]["items"]
        ]
        first, here = MOST_ROWS * (len(self._cursors) - 1) + 1, len(told["items"])
        shown = f": rows {first} to {first + here - 1}" if 0 < here < told["counted"] else ""
        rows = "1 row" if told["counted"] == 1 else f"{told['counted']:,} rows"
        counted = f" where `{told['where']}`" if told["where"] else ""
        words = (
            f"**{' · '.join(numbers) or 'No number'}** is made of {rows} of `{told['relation']}`"
            f"{counted}{shown}, as of snapshot {told['snapshot_id']}."
        )
        parts: list[Any] = [pn.pane.Markdown(words, stylesheets=[TEXT])]
        if told["items"]:
            parts += self._choice(told["relation"], told["key"], told["items"])
        elif told["counted"]:
            parts.append(nothing("You may see this number, and not its rows one by one."))
        else:
            parts.append(nothing("No row counts in this period. Choose a longer one above."))
        if len(self._cursors) > 1:
            parts.append(_button("Rows before", lambda: self._turn(None)))
        if told["next"]:
            parts.append(_button("More rows", lambda: self._turn(told["next"])))
        return pn.Column(*parts, sizing_mode="stretch_width")

    def _row(self) -> pn.viewable.Viewable:
        step = self._steps[-1]
        told = self._plyo.row(step.relation, step.key, snapshot=self._snapshot)
        back = [_button("Back to all rows", lambda: self._back(0))]
        if len(self._steps) > 1:
            before = self._steps[-2]
            back.append(_button(f"Back to {before.words}", lambda: self._back(len(self._steps) - 1)))
        read = f", which had read the product's log up to {told['read_up_to_lsn']}" if told["read_up_to_lsn"] else ""
        words = f"**{step.words}**: {told['grain']} As of snapshot {told['snapshot_id']}{read}."
        parts: list[Any] = [pn.FlexBox(*back, gap="8px"), pn.pane.Markdown(words, stylesheets=[TEXT])]
        parts.append(tables.table(pl.DataFrame({"Column": list(told["row"]), "Value": _texts(told["row"].values())})))
        for part in told["parts"]:
            if part.get("refused"):
                parts.append(nothing(f"Made of rows of {part['relation']} too, which you may not see one by one."))
            elif part["items"]:
                more = f" The first {len(part['items'])}." if part["is_more"] else ""
                parts.append(pn.pane.Markdown(f"Made of rows of `{part['relation']}`.{more}", stylesheets=[TEXT]))
                parts += self._choice(part["relation"], part["key"], part["items"])
        if told["changes"]:
            more = " The first of them." if told["next"] else ""
            parts.append(pn.pane.Markdown(f"Changes of the product's tables that made it, oldest first.{more}"))
            parts.append(tables.table(_changes(told["changes"], self._zone)))
        if told["why_not"]:
            parts.append(nothing(told["why_not"]))
        return pn.Column(*parts, sizing_mode="stretch_width")

    def _choice(self, relation: str, key: list[str], items: list[dict[str, Any]]) -> list[pn.viewable.Viewable]:
        """Rows as a table, and a way on from one of them that needs no mouse."""
        steps = [Step(relation, {name: one[name] for name in key}) for one in items]
        names = {f"{number}: {_short(step.key)}": number - 1 for number, step in enumerate(steps, 1)}
        chosen = pn.widgets.Select(name="Row", options=names, width=300)
        shown = tables.table(pl.DataFrame({name: _texts(one.get(name) for one in items) for name in items[0]}))
        shown.on_click(lambda event: setattr(chosen, "value", event.row))
        go = _button("Where this row comes from", lambda: self._go(steps[chosen.value]))
        return [shown, pn.FlexBox(chosen, go, align_items="flex-end", gap="8px")]


def _changes(changes: list[dict[str, Any]], zone: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "Table": [one["table"] for one in changes],
            "Row": [_short(one["key"]) for one in changes],
            "What": [one["operation"] for one in changes],
            "When": [when(tables.instant(one["committed_at"]), zone) for one in changes],
            "Place in the log": [one["lsn"] for one in changes],
            "Values": [", ".join(f"{name} {value}" for name, value in one["values"].items()) for one in changes],
        }
    )


def _short(key: dict[str, Any]) -> str:
    return ", ".join(str(value)[:13] for value in key.values())


def _texts(values: Any) -> list[str]:
    return ["–" if value is None else str(value) for value in values]


def _button(name: str, act: Callable[[], None]) -> pn.widgets.Button:
    made = pn.widgets.Button(name=name, button_type="light", stylesheets=[LINK])
    made.on_click(lambda _: act())
    return made
