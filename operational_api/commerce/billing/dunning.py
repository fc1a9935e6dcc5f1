"""How an invoice is collected: when it is tried again, and when nobody tries any more. Pure.

+2, +5, +7 and +7 days after a failed attempt. After a bank's final no the card is not tried again, but the member has
the days that were left to give another one, which is tried at once. Attempts that the member asked for early use up the
schedule and never its days: then, too, what is left of them is for another card. Once what was sold has ended nothing
is tried by itself: what is left of the days is for whoever pays of their own accord.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

DELAYS = (2, 5, 7, 7)
"""Days from one failed attempt to the next."""

HARD_DECLINES = frozenset({
    "account_closed", "card_not_supported", "currency_not_supported", "do_not_try_again", "expired_card", "fraudulent",
    "invalid_account", "lost_card", "merchant_blacklist", "new_account_information_available", "pickup_card",
    "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization", "security_violation",
    "stolen_card", "stop_payment_order", "transaction_not_allowed",
})  # fmt: skip
"""Codes after which the same card is never charged: asking again is no use, and card networks fine those who do."""


class Verdict(StrEnum):
    """What came of an attempt."""

    PAID = "paid"
    RETRY = "retry"
    STOPPED = "stopped"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Dunning:
    """How far the collection of one invoice is.

    Attributes:
        attempts: That were made.
        next_on: When the next one is due, or, where it waits for a card, the end; None once it is over.
    """

    attempts: int
    next_on: date | None
    waits_for_card: bool = False


def begin(on: date) -> Dunning:
    """Nothing was tried yet; the first attempt is due."""
    return Dunning(0, on)


def last_day(first_on: date) -> date:
    """The day of the last attempt of the schedule of an invoice that was tried first on a day."""
    return first_on + timedelta(days=sum(DELAYS))


def is_hard(failure: str | None) -> bool:
    """Whether the bank's no is final for this card."""
    return failure in HARD_DECLINES


def is_spent(attempts: int, failure: str | None) -> bool:
    """Whether a card that was tried so often, the last time with this answer, is never tried again."""
    return attempts > len(DELAYS) or is_hard(failure)


def judge(
    before: Dunning, *, failure: str | None, on: date, ends_on: date | None = None, is_over: bool = False
) -> tuple[Dunning, Verdict]:
    """What follows from one more attempt.

    Args:
        failure: The bank's code, None when it was paid.
        on: The day of the attempt.
        ends_on: The day until which nobody gives up; None where the last attempt is the end.
        is_over: What was sold has ended: no further attempt is made unless somebody asks for it.
    """
    attempts = before.attempts + 1
    if failure is None:
        return Dunning(attempts, None), Verdict.PAID
    if attempts > len(DELAYS) or is_over:
        if ends_on is None or on >= ends_on:
            return Dunning(attempts, None), Verdict.GIVEN_UP
        return Dunning(attempts, ends_on, waits_for_card=True), Verdict.STOPPED
    if is_hard(failure):
        return Dunning(attempts, on + timedelta(days=sum(DELAYS[attempts - 1 :])), waits_for_card=True), Verdict.STOPPED
    return Dunning(attempts, on + timedelta(days=DELAYS[attempts - 1])), Verdict.RETRY


def card_changed(before: Dunning, *, on: date) -> Dunning:
    """A new card: the next attempt is due at once. What is over stays so."""
    return replace(before, next_on=on, waits_for_card=False) if before.next_on else before


def plan(before: Dunning) -> list[date]:
    """The days of the next attempt and every later one, if all of them fail."""
    days = [before.next_on] if before.next_on and not before.waits_for_card else []
    for delay in DELAYS[before.attempts :] if days else ():
        days.append(days[-1] + timedelta(days=delay))
    return days
