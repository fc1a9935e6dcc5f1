"""What a page of the admin console says, read from what Panel would draw."""

import panel as pn


def words(page: pn.viewable.Viewable) -> str:
    """Everything a page says, as HTML and Markdown sources."""
    return " ".join(str(pane.object) for pane in page.select(pn.pane.PaneBase) if isinstance(pane.object, str))
