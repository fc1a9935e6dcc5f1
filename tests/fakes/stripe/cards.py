"""Stripe's published test cards and what happens when each one is attached or charged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decline:
    """Why the bank says no: `code` and `decline_code` of the card_error, and its message."""

    code: str
    decline_code: str | None
    message: str


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.")
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
BAD_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
PROCESSING = Decline("processing_error", "processing_error", "An error occurred while processing your card. Try again.")


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card number's behaviour.

    Attributes:
        on_attach: Decline when it is saved to a customer.
        on_charge: Decline when it is charged.
        needs_authentication: Asks for 3D Secure on the hosted page; an off-session charge is declined.
        is_disputed: A charge succeeds and is disputed as fraudulent.
    """

    __test__ = False
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    on_attach: Decline | None = None
    on_charge: Decline | None = None
    needs_authentication: bool = False
    is_disputed: bool = False


def _declined(reason: Decline) -> TestCard:
    return TestCard(on_attach=reason, on_charge=reason)


CARDS = {
    "4242424242424242": TestCard(),
    "4000056655665556": TestCard(funding="debit"),
    "5555555555554444": TestCard(brand="mastercard"),
    "378282246310005": TestCard(brand="amex"),
    "4000002760000016": TestCard(country="DE"),
    "4000000000000002": _declined(GENERIC),
    "4000000000009995": _declined(NO_FUNDS),
    "4000000000009987": _declined(LOST),
    "4000000000009979": _declined(STOLEN),
    "4000000000000069": _declined(EXPIRED),
    "4000000000000127": _declined(BAD_CVC),
    "4000000000000119": _declined(PROCESSING),
    "4000000000000341": TestCard(on_charge=GENERIC),
    "4000002500003155": TestCard(needs_authentication=True),
    "4000000000000259": TestCard(is_disputed=True),
}

TOKENS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_debit": "4000056655665556",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_amex": "378282246310005",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedIncorrectCvc": "4000000000000127",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequired": "4000002500003155",
    "pm_card_createDispute": "4000000000000259",
}


def luhn_is_valid(number: str) -> bool:
    """Whether the check digit of a card number is right."""
    if not number.isdigit() or not 12 <= len(number) <= 19:
        return False
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0
