"""A slot's seats over any history of bookings, cancellations, moves and outcomes, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from operational_api.scheduling.errors import (
    BookingClosed,
    SessionNotStarted,
    SessionStarted,
    TooLateToReschedule,
)
from operational_api.scheduling.lifecycle import (
    CANCELLATION_WINDOW,
    CHECK_IN_OPENS,
    HOLDING,
    BookingLife,
    is_bookable,
    lowest_free_seat,
)

START = datetime(2026, 3, 2, 18, tzinfo=UTC)
CAPACITY = 3
CLOSED = ("cancelled", "late_cancelled")


class SlotLives(RuleBasedStateMachine):
    """One group slot. Time only moves forward; the model is a plain list of (seat, status)."""

    bookings = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.now = START - timedelta(days=2)
        self.seats: list[int] = []
        self.status: list[str] = []

    def life(self, index: int) -> BookingLife:
        return BookingLife(self.status[index], START)

    @rule(hours=st.integers(1, 20))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(target=bookings)
    def book(self):  # type: ignore[no-untyped-def]
        if not is_bookable(START, self.now):
            return multiple()
        taken = {seat for seat, status in zip(self.seats, self.status, strict=True) if status in HOLDING}
        seat = lowest_free_seat(taken, CAPACITY)
        assert (seat is None) == (len(taken) == CAPACITY)
        if seat is None:
            return multiple()
        assert seat not in taken
        assert all(lower in taken for lower in range(1, seat))
        self.seats.append(seat)
        self.status.append("booked")
        return len(self.seats) - 1

    @rule(index=bookings, by_coach=st.booleans())
    def cancel(self, index: int, by_coach: bool) -> None:
        before = self.status[index]
        try:
            self.status[index] = self.life(index).cancel(self.now, by_coach=by_coach)
        except BookingClosed:
            assert before != "booked"
        except SessionStarted:
            assert before == "booked"
            assert self.now >= START
        else:
            assert before == "booked"
            assert self.now < START
            is_late = self.now > START - CANCELLATION_WINDOW
            assert self.status[index] == ("late_cancelled" if is_late and not by_coach else "cancelled")

    @rule(index=consumes(bookings))
    def move_away(self, index: int) -> None:
        before = self.status[index]
        try:
            self.status[index] = self.life(index).move(self.now)
        except (BookingClosed, SessionStarted, TooLateToReschedule):
            assert before != "booked" or self.now > START - CANCELLATION_WINDOW
        else:
            assert self.now <= START - CANCELLATION_WINDOW

    @rule(index=bookings, outcome=st.sampled_from(["attended", "no_show"]))
    def mark(self, index: int, outcome: str) -> None:
        before = self.status[index]
        try:
            self.status[index] = self.life(index).mark(outcome, self.now)  # type: ignore[arg-type]
        except BookingClosed:
            assert before in CLOSED
        except SessionNotStarted:
            assert self.now < START
            assert outcome == "no_show" or self.now < START - CHECK_IN_OPENS
        else:
            assert before not in CLOSED
            assert self.now >= START or (outcome, self.status[index]) == ("attended", "booked")

    @invariant()
    def no_seat_is_held_twice(self) -> None:
        held = [seat for seat, status in zip(self.seats, self.status, strict=True) if status in HOLDING]
        assert len(held) == len(set(held)) <= CAPACITY
        assert all(1 <= seat <= CAPACITY for seat in held)

    @invariant()
    def nobody_came_before_the_start(self) -> None:
        assert self.now >= START or not {"attended", "no_show"} & set(self.status)


TestSlotLives = SlotLives.TestCase
TestSlotLives.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class TestBookingLife:
    @given(st.sampled_from(CLOSED), st.datetimes(timezones=st.just(UTC)))
    def test_a_cancelled_booking_never_lives_again(self, status: str, now: datetime) -> None:
        life = BookingLife(status, START)
        for step in (life.cancel, life.move, lambda at: life.mark("attended", at)):
            with pytest.raises(BookingClosed):
                step(now)

    def test_the_last_free_moment_is_twelve_hours_before(self) -> None:
        last = START - timedelta(hours=12)
        life = BookingLife("booked", START)
        assert life.cancel(last) == "cancelled"
        assert life.cancel(last + timedelta(seconds=1)) == "late_cancelled"
