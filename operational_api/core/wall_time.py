"""Days, and times of a clock on a wall: without a zone, which the place or the person has."""

import re
from datetime import date, time
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


def _read(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str) and re.fullmatch(_PATTERN, value):
        return time.fromisoformat(value)
    raise ValueError("a time of a clock like 09:30, without a zone")


WallTime = Annotated[
    time, BeforeValidator(_read), WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["09:30:00"]})
]
"""`time` crossing HTTP. OpenAPI's own format of that name means a time with an offset, which these never have."""

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]
"""A day that a business can mean: at its edges `date` cannot be told in every zone."""
