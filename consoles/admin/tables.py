"""Tables as the admin console draws them, and instants in them as the person reads them."""

from datetime import datetime

import panel as pn
import polars as pl


def table(frame: pl.DataFrame) -> pn.widgets.Tabulator:
    """Rows to look at, twelve a page."""
    return pn.widgets.Tabulator(
        frame.to_pandas(), show_index=False, disabled=True, sizing_mode="stretch_width", layout="fit_data_stretch",
        page_size=12, pagination="local",
    )  # fmt: skip


def instant(told: str | None) -> datetime | None:
    """An ISO instant of the API."""
    return datetime.fromisoformat(told) if told else None
