"""On what terms sessions are booked: notice, buffers, window, holds, fees. Values only: no database, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

UNDO = timedelta(minutes=15)
"""How long what the front desk booked for a customer costs nothing to take back, however soon the session is."""
LATE_ENTRY = timedelta(minutes=15)
"""How long after its start the front desk lets somebody into a session."""
DESK_HOLD = timedelta(hours=24)
"""How long the front desk keeps a seat for a customer who pays later; never beyond the start."""

LONGEST_BUFFER = timedelta(minutes=240)
"""More than this is not kept free before or after a session."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one coach's sessions of one kind.

    Attributes:
        booking_window_days: How far ahead sessions may be booked; None is as far as the calendar is open.
        free_cancellation_minutes: Before the start; until then cancelling and moving cost nothing.
        hold_minutes: How long a seat is kept for somebody who is paying.
        offer_minutes: How long a seat is kept for somebody who waited; never into the minimum notice.
        needs_confirmation: A booking is a request until the coach says yes.
        members_first: Of those who wait, members are asked before others.
        late_fee_minor: What a late cancellation costs; 0 is nothing.
    """

    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    minimum_notice_minutes: int = 120
    booking_window_days: int | None = None
    free_cancellation_minutes: int = 720
    hold_minutes: int = 15
    offer_minutes: int = 60
    needs_confirmation: bool = False
    members_first: bool = False
    late_fee_minor: int = 0
    late_fee_currency: str | None = None

    @property
    def notice(self) -> timedelta:
        """The least time between booking and start."""
        return timedelta(minutes=self.minimum_notice_minutes)

    @property
    def before(self) -> timedelta:
        """Kept free before each session."""
        return timedelta(minutes=self.buffer_before_minutes)

    @property
    def after(self) -> timedelta:
        """Kept free after each session."""
        return timedelta(minutes=self.buffer_after_minutes)

    def is_in_window(self, starts_at: datetime, now: datetime) -> bool:
        """Whether a session is near enough to be booked."""
        return self.booking_window_days is None or starts_at <= now + timedelta(days=self.booking_window_days)

    def free_until(self, starts_at: datetime) -> datetime:
        """The last moment at which a session is cancelled or moved for nothing."""
        return starts_at - timedelta(minutes=self.free_cancellation_minutes)

    def hold_ends(self, starts_at: datetime, now: datetime) -> datetime:
        """When a seat kept for somebody who is paying is anybody's again."""
        return min(now + timedelta(minutes=self.hold_minutes), starts_at)

    def at_desk(self) -> "Terms":
        """What holds where the front desk books for a customer: it lets people in until shortly after the start, has
        the last word where a coach would, and keeps seats for longer. The booking window stays."""
        return replace(
            self, minimum_notice_minutes=-(LATE_ENTRY // timedelta(minutes=1)), needs_confirmation=False,
            hold_minutes=DESK_HOLD // timedelta(minutes=1),
        )  # fmt: skip

    def offer_ends(self, starts_at: datetime, now: datetime) -> datetime:
        """When a seat offered to who waited is offered to the next. At or before `now`: there is no time to ask."""
        return min(now + timedelta(minutes=self.offer_minutes), starts_at - self.notice)


class Layer(Protocol):
    """Terms of a coach and a kind, None for any; further attributes are those of `Terms`, None where left open."""

    @property
    def coach_id(self) -> UUID | None: ...

    @property
    def kind(self) -> str | None: ...


def effective(layers: Iterable[Layer], *, coach_id: UUID, kind: str, base: Terms | None = None) -> Terms:
    """The layers that speak of this coach and kind, the more particular over the more general, value by value.

    A coach's own word goes before the studio's about a kind. A fee and its currency are one value.
    """
    found = base or Terms()
    about = [one for one in layers if one.coach_id in (None, coach_id) and one.kind in (None, kind)]
    for layer in sorted(about, key=lambda one: (one.coach_id is not None, one.kind is not None)):
        said = {field.name: getattr(layer, field.name) for field in fields(Terms)}
        found = replace(found, **{name: value for name, value in said.items() if value is not None})
    return found
