"""Lists in pages: `?limit&cursor` in, `{"items": […], "next_cursor": …}` out. The caller orders by a unique key.

A cursor is the sort key of the last row shown, so a page stays right while rows are added before it.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from operational_api.core.errors import Invalid

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=200, description="Rows on a page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


class InvalidCursor(Invalid):
    """That cursor was not given out by this list. Start again without one."""


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None


def cut(rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[object]]) -> tuple[list[Row], str | None]:
    """The page out of `limit + 1` fetched rows, and the cursor of the next one.

    Args:
        rows: In list order; one row more than `limit` says that there is a next page.
        key: The row's sort key: strings, numbers, times and ids.
    """
    if len(rows) <= limit:
        return list(rows), None
    page = list(rows[:limit])
    values = [value.isoformat() if isinstance(value, date) else value for value in key(page[-1])]
    return page, base64.urlsafe_b64encode(json.dumps(values, default=str).encode()).decode()


def after(cursor: str, *types: type) -> tuple[object, ...]:
    """The sort key inside a cursor, each part as its type (datetime, date, UUID, str, int).

    Raises:
        InvalidCursor: it was made by another list, or by nobody.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return tuple(_read(kind, value) for kind, value in zip(types, values, strict=True))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise InvalidCursor from error


def _read(kind: type, value: str) -> object:
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        return moment
    if kind is date:
        return date.fromisoformat(value)
    return UUID(value) if kind is UUID else kind(value)
