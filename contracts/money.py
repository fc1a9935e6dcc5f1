"""Money: integer minor units and an ISO 4217 currency, never a float. Formatting happens at the edges through here."""

from dataclasses import dataclass
from decimal import Decimal

EXPONENTS = {"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "VND": 0, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "VND": "₫", "JPY": "¥"}


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were added or compared."""


class UnknownCurrency(ValueError):
    """The currency has no exponent in `contracts.money.EXPONENTS`."""


def exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit (ISO 4217): 2 for EUR, 0 for VND.

    Raises:
        UnknownCurrency: the code is not in the table; guessing would be wrong by a factor of 100.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency) from None


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of one currency.

    Args:
        amount_minor: Integer minor units (cents; whole dong).
        currency: ISO 4217, upper case.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    @property
    def major(self) -> Decimal:
        """In major units, exactly: 12.34 of 1234 cents."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        places = exponent(self.currency)
        sign = "-" if self.amount_minor < 0 else ""
        whole, part = divmod(abs(self.amount_minor), 10**places)
        digits = f"{whole:,}" + (f".{part:0{places}d}" if places else "")
        symbol = SYMBOLS.get(self.currency)
        if symbol is None:
            return f"{sign}{digits} {self.currency}"
        return f"{sign}{digits} {symbol}" if places == 0 else f"{sign}{symbol}{digits}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
