"""What is too absurd to be invoiced without a person: bounds of an amount, of lines, and days that are charged twice.

Pure. A bound is no price list: it stops a mistake in a price, a loop, or a clock. What becomes of an invoice that is
stopped is `service.parking`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from operational_api.commerce.billing.drafts import Draft

Reason = Literal["too_large", "negative", "too_many_lines", "charged_twice"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Up to where an invoice is made by itself: minor units by currency, tax included, and lines."""

    largest: Mapping[str, int]
    lines: int


@dataclass(frozen=True, slots=True)
class Charged:
    """Days of one membership that are charged (`membership`), made cheaper (`discount`) or given back (`unused`).

    `origin_id`: parts of one have the same. `is_new`: of the invoice that is looked at.
    """

    origin_id: UUID
    kind: str
    amount_minor: int
    starts_on: date
    ends_on: date
    is_new: bool = False


def absurd(draft: Draft, currency: str, bounds: Bounds) -> Reason | None:
    """Why an invoice is not made without a person; None where nothing speaks against it."""
    if draft.total_minor < 0 or draft.tax_minor < 0 or draft.tax_minor > draft.total_minor:
        return "negative"
    if draft.total_minor > bounds.largest.get(currency, 0):
        return "too_large"
    return "too_many_lines" if len(draft.lines) > bounds.lines else None


def is_charged_twice(found: Sequence[Charged]) -> bool:
    """Whether a day of one membership is charged by the new invoice and was, or is, charged beside it.

    A day that is given back is free to be charged again. What a discount made free counts for nothing.
    """
    charged = {one.origin_id: one for one in found if one.kind == "membership" and _net(one, found) > 0}.values()
    given = {one.origin_id: one for one in found if one.kind == "unused"}.values()
    for new in (one for one in charged if one.is_new):
        days = sorted({new.starts_on, *_edges(charged, new), *_edges(given, new)})
        if any(_covering(charged, day) - _covering(given, day) > 1 for day in days):
            return True
    return False


def _net(one: Charged, found: Iterable[Charged]) -> int:
    span = (one.starts_on, one.ends_on)
    less = (other.amount_minor for other in found if other.kind == "discount" and _span(other) == span)
    return one.amount_minor + sum(less)


def _span(one: Charged) -> tuple[date, date]:
    return one.starts_on, one.ends_on


def _edges(found: Iterable[Charged], new: Charged) -> Iterable[date]:
    """The days of a charge from which on another counts of what was found."""
    return (
        day for one in found for day in (one.starts_on, one.ends_on) if new.starts_on <= day < new.ends_on
    )  # fmt: skip


def _covering(found: Iterable[Charged], day: date) -> int:
    return sum(one.starts_on <= day < one.ends_on for one in found)
