"""Terms of booking as a form: in hours, days and money as people say them. Empty is left open."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.money import exponent
from operational_api.scheduling.errors import InvalidAvailability
from operational_api.scheduling.schemas import Kind

MINUTES = {
    "buffer_before_minutes": ("Free before each session", 240),
    "buffer_after_minutes": ("Free after each session", 240),
}
HOURS = {
    "minimum_notice_minutes": ("Shortest notice", 336), "free_cancellation_minutes": ("Free to cancel until", 336),
}  # fmt: skip
Typed = Annotated[str, Field(max_length=20)]


class TermsSent(BaseModel):
    """The form as it was sent. `kind` empty: any; `coach` empty: one's own, or everybody's."""

    kind: Kind | Literal[""] = ""
    coach: UUID | Literal[""] = ""
    buffer_before_minutes: Typed = ""
    buffer_after_minutes: Typed = ""
    minimum_notice_minutes: Typed = ""
    free_cancellation_minutes: Typed = ""
    booking_window_days: Typed = ""
    late_fee: Typed = ""


def read(form: TermsSent, currency: str) -> dict[str, object]:
    """What was entered, as terms have it.

    Raises:
        InvalidAvailability: which field is wrong, and why.
    """
    sent: Mapping[str, str] = form.model_dump(exclude={"kind", "coach"})
    found: dict[str, object] = {}
    for name, (label, most) in MINUTES.items():
        found[name] = _whole(_number(sent, name, label, most), label)
    for name, (label, most) in HOURS.items():
        hours = _number(sent, name, label, most)
        found[name] = None if hours is None else _whole(hours * 60, label)
    days = _whole(_number(sent, "booking_window_days", "Furthest ahead", 366), "Furthest ahead")
    if days == 0:
        raise InvalidAvailability("Furthest ahead: at least one day.")
    found["booking_window_days"] = days
    fee = _number(sent, "late_fee", "Late fee", 1_000_000)
    amount = None if fee is None else fee * 10 ** exponent(currency)
    found["late_fee_minor"] = _whole(amount, "Late fee")
    found["late_fee_currency"] = None if fee is None else currency
    return found


def shown(said: Mapping[str, object]) -> dict[str, str]:
    """Terms as the form has them; what is left open is empty."""
    found = {name: _plain(said.get(name)) for name in (*MINUTES, "booking_window_days")}
    for name in HOURS:
        minutes = said.get(name)
        found[name] = _plain(Decimal(str(minutes)) / 60 if minutes is not None else None)
    fee, currency = said.get("late_fee_minor"), said.get("late_fee_currency")
    scale = 10 ** exponent(str(currency)) if currency else 1
    found["late_fee"] = _plain(Decimal(str(fee)) / scale if fee is not None else None)
    return found


def _number(sent: Mapping[str, str], name: str, label: str, most: int) -> Decimal | None:
    told = sent.get(name, "").strip().replace(",", ".")
    if not told:
        return None
    try:
        number = Decimal(told)
    except InvalidOperation:
        raise InvalidAvailability(f"{label}: that is no number.") from None
    if not number.is_finite() or not 0 <= number <= most:
        raise InvalidAvailability(f"{label}: from 0 to {most}.")
    return number


def _whole(number: Decimal | None, label: str) -> int | None:
    if number is None:
        return None
    if number != int(number):
        raise InvalidAvailability(f"{label}: that is finer than we count.")
    return int(number)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return format(value.normalize() if isinstance(value, Decimal) else Decimal(str(value)), "f")
