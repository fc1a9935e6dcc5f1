"""Arithmetic of prices: tax that is included, a month's worth of a longer interval, parts of a refund.

Pure integers, no tables. Every rounding is half up and parts always add up to their whole.
"""

BASIS = 10_000
LEAST = {"EUR": 50, "USD": 50, "CHF": 50, "GBP": 30, "JPY": 50, "VND": 15_000}
"""The least that a card is charged, in minor units; of other currencies 1."""


def divide_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up; both at least 0, denominator above 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def is_chargeable(amount_minor: int, currency: str) -> bool:
    """Whether a card can be charged so little. Stripe refuses less than about half a euro; where it names no amount for
    a currency, ours is a little more than that."""
    return amount_minor >= LEAST.get(currency, 1)


def part_before_card(asked_minor: int, has_minor: int, currency: str) -> int:
    """How much of what is asked for is paid out of so much in a wallet, so that nothing is left, or enough for a
    card."""
    if has_minor >= asked_minor:
        return asked_minor
    return max(0, min(has_minor, asked_minor - LEAST.get(currency, 1)))


def included_tax(total_minor: int, tax_rate_bp: int) -> int:
    """The tax inside a price that includes it.

    Args:
        total_minor: Price with tax, at least 0.
        tax_rate_bp: Rate in basis points on the price without tax; 1900 is 19 %.

    Returns:
        Tax in minor units: of 119.00 at 19 % it is 19.00.
    """
    return divide_half_up(total_minor * tax_rate_bp, BASIS + tax_rate_bp)


def monthly(amount_minor: int, *, tax_rate_bp: int, interval_months: int) -> int:
    """Monthly recurring revenue of a price per interval: without tax, spread over the months."""
    return divide_half_up(amount_minor - included_tax(amount_minor, tax_rate_bp), interval_months)


def tax_part(part_minor: int, *, before_minor: int, total_minor: int, tax_minor: int) -> int:
    """The tax inside a part of an invoice, after `before_minor` of it was taken already.

    Taking all parts one by one takes exactly `tax_minor`, whatever their sizes.
    """
    if total_minor == 0:
        return 0
    upto = divide_half_up((before_minor + part_minor) * tax_minor, total_minor)
    return upto - divide_half_up(before_minor * tax_minor, total_minor)
