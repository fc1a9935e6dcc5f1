"""Values as cells of a file that people open with a spreadsheet."""

from datetime import datetime
from typing import Any


def cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula; None is empty."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
