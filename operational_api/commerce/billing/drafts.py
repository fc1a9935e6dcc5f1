"""What becomes of items when an invoice is made of them. Pure.

An invoice is never negative and asks for no negative tax: what was given back is used as far as it fits, and the rest
waits for the next invoice.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from operational_api.commerce import prices
from operational_api.commerce.billing.proration import Item


@dataclass(frozen=True, slots=True)
class Draft:
    """Lines of an invoice, tax included, and what waits: `left[i]` is what is left of item i, None for nothing."""

    lines: tuple[Item, ...]
    left: tuple[Item | None, ...]

    @property
    def total_minor(self) -> int:
        """What there is to pay."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """The tax in it."""
        return sum(line.tax_minor for line in self.lines)


def draft(items: Sequence[Item]) -> Draft | None:
    """An invoice of these items, the oldest credits used first; None when nothing is charged.

    Discounts belong to their charges, which are never smaller, and are taken whole.
    """
    charged = [item for item in items if item.kind != "unused"]
    if not charged:
        return None
    total, tax = sum(item.amount_minor for item in charged), sum(item.tax_minor for item in charged)
    lines, left = list(charged), list[Item | None]()
    for item in items:
        if item.kind != "unused":
            left.append(None)
            continue
        used = _fitting(item, total, tax)
        total, tax = total + used.amount_minor, tax + used.tax_minor
        if used.amount_minor:
            lines.append(used)
        rest = replace(
            item, amount_minor=item.amount_minor - used.amount_minor, tax_minor=item.tax_minor - used.tax_minor
        )
        left.append(rest if rest.amount_minor else None)
    return Draft(tuple(lines), tuple(left))


def _fitting(credit: Item, total: int, tax: int) -> Item:
    """As much of a credit as leaves neither the net nor the tax below 0, its tax in proportion.

    Of two rates one can be used up before the other; of one, what rounding gives to the tax can be missing in the net.
    """
    whole, whole_tax = -credit.amount_minor, -credit.tax_minor

    def is_too_much(part: int) -> bool:  # once it is, more is too: the tax of a part and the rest of it only grow
        taken = _tax(part, whole, whole_tax)
        return taken > tax or part - taken > total - tax

    part = bisect_left(range(1, min(whole, total) + 1), True, key=is_too_much)
    return replace(credit, amount_minor=-part, tax_minor=-_tax(part, whole, whole_tax))


def _tax(part: int, whole: int, whole_tax: int) -> int:
    return prices.tax_part(part, before_minor=0, total_minor=whole, tax_minor=whole_tax)
