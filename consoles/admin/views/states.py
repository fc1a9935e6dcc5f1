"""The states a page can be in besides right: empty, and wrong with what to do. Loading is Panel's own."""

from collections.abc import Callable

import panel as pn

from consoles.admin.style import HEADING
from consoles.client import Refused, SignedOut, Unreachable


def guarded(draw: Callable[[], pn.viewable.Viewable]) -> pn.viewable.Viewable:
    """The page, or what went wrong in words a person can act on."""
    try:
        return draw()
    except SignedOut:
        return pn.pane.Alert("You were signed out. [Sign in again](./logout) to go on.", alert_type="warning")
    except Unreachable as error:
        return pn.pane.Alert(f"{error} Reload the page in a minute.", alert_type="warning")
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
