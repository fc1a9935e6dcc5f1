"""What part of a period costs, and what a change of plan in its middle comes to. Pure integers.

Every split adds up to its whole (largest remainder), so nothing is lost or made by rounding, to the cent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from operational_api.commerce import prices
from operational_api.commerce.billing.periods import Period


class Mode(StrEnum):
    """When a change of plan takes hold and is paid.

    INVOICE: now, and the difference is invoiced now. PRORATE: now, and the difference is on the next invoice.
    NEXT_PERIOD: when the paid period ends. RESET: now, with a whole new period that begins today, invoiced now.
    """

    INVOICE = "invoice"
    PRORATE = "prorate"
    NEXT_PERIOD = "next_period"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Item:
    """Something to put on an invoice, tax included; negative where it is given back.

    `kind`: membership, unused (days paid and not used), discount, drop_in, pack, fee.
    """

    kind: str
    description: str
    amount_minor: int
    tax_minor: int
    tax_rate_bp: int
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """Days that are charged, and what for, discounts taken off: what a later change gives back a part of."""

    period: Period
    amount_minor: int
    tax_minor: int
    tax_rate_bp: int
    name: str


def forgiven(worth_minor: int, *, days_minor: int, charged_minor: int, amount_minor: int, so_far_minor: int) -> int:
    """What days are worth that were worth `worth_minor`, once `amount_minor` of their invoice is forgiven.

    Args:
        days_minor: What the invoice charges for them, discounts taken off.
        charged_minor: All that it charges, whatever credits paid of it.
        so_far_minor: What of it was forgiven by now, this included.
    """
    less = split(amount_minor, [days_minor, charged_minor - days_minor])[0] if charged_minor else 0
    return max(min(worth_minor - less, charged_minor - so_far_minor), 0)


def split(whole: int, weights: Sequence[int]) -> list[int]:
    """`whole` in parts as large as `weights` say, that add up to it (largest remainder; of equals the first).

    Args:
        whole: At least 0.
        weights: At least 0, and not all 0.
    """
    total = sum(weights)
    parts = [whole * weight // total for weight in weights]
    rest = [(whole * weight % total, -number) for number, weight in enumerate(weights)]
    for _, number in sorted(rest, reverse=True)[: whole - sum(parts)]:
        parts[-number] += 1
    return parts


def charge(name: str, amount_minor: int, tax_rate_bp: int, period: Period, *, of: Period | None = None) -> Item:
    """A membership's price for a period, or for the days of `period` out of the whole period `of`."""
    if of is not None:
        amount_minor = split(amount_minor, [of.days - period.days, period.days])[1]
    tax = prices.included_tax(amount_minor, tax_rate_bp)
    return Item("membership", name, amount_minor, tax, tax_rate_bp, period.starts_on, period.ends_on)


def unused(cover: Cover, on: date) -> Item:
    """What is given back of days from `on` that were charged already. Used and unused add up to what was charged."""
    weights = cover.period.used(on)
    amount, tax = split(cover.amount_minor, weights)[1], split(cover.tax_minor, weights)[1]
    starts_on = max(on, cover.period.starts_on)
    return Item("unused", cover.name, -amount, -tax, cover.tax_rate_bp, starts_on, cover.period.ends_on)


def discount(item: Item, amount_minor: int, description: str) -> Item:
    """So much less for an item, at most all of it, with the tax that is then not due."""
    taken = min(amount_minor, item.amount_minor)
    tax = item.tax_minor - prices.included_tax(item.amount_minor - taken, item.tax_rate_bp)
    return Item("discount", description, -taken, -tax, item.tax_rate_bp, item.starts_on, item.ends_on)


def cover(item: Item, taken_off: Item | None = None) -> Cover:
    """The days that an item charges, at what they cost after a discount."""
    if item.starts_on is None or item.ends_on is None:
        raise ValueError(f"{item.kind} is not of days")
    less = taken_off or Item("discount", "", 0, 0, item.tax_rate_bp)
    return Cover(
        Period(item.starts_on, item.ends_on), item.amount_minor + less.amount_minor, item.tax_minor + less.tax_minor,
        item.tax_rate_bp, item.description,
    )  # fmt: skip
