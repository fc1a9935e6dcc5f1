"""The states a page can be in besides right: empty, and wrong with what to do. Loading is Panel's own."""

from collections.abc import Callable

import panel as pn

from consoles.admin.style import HEADING, LINK
from consoles.client import Refused, SignedOut, Unreachable


def guarded(draw: Callable[[], pn.viewable.Viewable]) -> pn.viewable.Viewable:
    """The page, or what went wrong in words a person can act on, with a button to try again where that may help."""
    try:
        return draw()
    except SignedOut:
        return pn.pane.Alert("You were signed out. [Sign in again](./logout) to go on.", alert_type="warning")
    except Unreachable as error:
        again = pn.widgets.Button(name="Try again", stylesheets=[LINK], width=140)
        place = pn.Column(pn.pane.Alert(str(error), alert_type="warning"), again, sizing_mode="stretch_width")

        def draw_again(_event: object) -> None:
            place.objects = [guarded(draw)]

        again.on_click(draw_again)
        return place
    except Refused as error:
        return pn.pane.Alert(str(error), alert_type="danger")


def nothing(words: str) -> pn.viewable.Viewable:
    """An empty state that says why and what comes."""
    return pn.pane.Alert(words, alert_type="light")


def heading(title: str, words: str = "") -> pn.viewable.Viewable:
    """A section's title and what it says."""
    return pn.pane.Markdown(
        f"## {title}\n{words}", margin=(10, 6, 0, 6), sizing_mode="stretch_width", stylesheets=[HEADING]
    )
