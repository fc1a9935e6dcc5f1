"""A figure on a page: as wide as its place, without a toolbar, and with what it shows in words for who cannot see it.

Making figures is `consoles.charts`.
"""

import panel as pn
import plotly.graph_objects as go

from consoles import charts


def chart(figure: go.Figure) -> pn.pane.Plotly:
    """Draw a figure; the page's script makes `told` its name."""
    figure.update_layout(meta={"told": charts.told(figure)})
    return pn.pane.Plotly(figure, config={"displayModeBar": False}, sizing_mode="stretch_width")
