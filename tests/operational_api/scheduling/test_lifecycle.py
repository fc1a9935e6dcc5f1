"""A slot's seats over any history of bookings, cancellations, moves and outcomes, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from operational_api.scheduling.errors import (
    BookingClosed,
    HoldExpired,
    SessionNotStarted,
    SessionStarted,
    TooLateToReschedule,
)
from operational_api.scheduling.lifecycle import (
    CANCELLATION_WINDOW,
    CHECK_IN_OPENS,
    HOLDING,
    PENDING,
    BookingLife,
    is_bookable,
    lowest_free_seat,
)

START = datetime(2026, 3, 2, 18, tzinfo=UTC)
CAPACITY = 3
HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)
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


class TestSteps:
    """Each step of a life from each state, at the moment before, on and after it turns."""

    @pytest.mark.parametrize("status", ["requested", "booked", "attended", "no_show", *CLOSED, "released"])
    def test_only_what_is_held_is_confirmed(self, status: str) -> None:
        with pytest.raises(BookingClosed):
            BookingLife(status, START, held_until=START).confirm(START - HOUR, needs_confirmation=False)

    @pytest.mark.parametrize("status", ["held", "booked", "attended", "no_show", *CLOSED, "released"])
    def test_only_a_request_is_answered(self, status: str) -> None:
        with pytest.raises(BookingClosed):
            BookingLife(status, START, held_until=START).answer(START - HOUR, is_accepted=True)

    def test_a_hold_becomes_a_booking_or_a_request(self) -> None:
        held = BookingLife("held", START, held_until=START)
        assert held.confirm(START - MOMENT, needs_confirmation=False) == "booked"
        assert held.confirm(START - MOMENT, needs_confirmation=True) == "requested"

    def test_a_request_becomes_a_booking_or_is_given_back(self) -> None:
        asked = BookingLife("requested", START, held_until=START)
        assert asked.answer(START - MOMENT, is_accepted=True) == "booked"
        assert asked.answer(START - MOMENT, is_accepted=False) == "released"

    @pytest.mark.parametrize("until", [START, None])
    def test_what_is_kept_is_over_at_its_moment(self, until: datetime | None) -> None:
        with pytest.raises(HoldExpired):
            BookingLife("held", START, held_until=until).confirm(START, needs_confirmation=False)
        with pytest.raises(HoldExpired):
            BookingLife("requested", START, held_until=until).answer(START, is_accepted=True)

    def test_only_what_is_kept_lapses(self) -> None:
        lapsed = {one: BookingLife(one, START, held_until=START).has_lapsed(START) for one in (*HOLDING, *PENDING)}
        assert {one for one, is_over in lapsed.items() if is_over} == {"held", "requested"}
        assert not BookingLife("held", START, held_until=START).has_lapsed(START - MOMENT)

    def test_only_what_is_kept_is_let_go(self) -> None:
        assert {BookingLife(one, START).let_go() for one in PENDING} == {"released"}
        for status in (*HOLDING, *CLOSED):
            with pytest.raises(BookingClosed):
                BookingLife(status, START).let_go()

    def test_what_was_agreed_goes_before_twelve_hours(self) -> None:
        life = BookingLife("booked", START, free_until=START - HOUR)
        assert life.is_free_to_cancel(START - HOUR)
        assert life.move(START - HOUR) == "cancelled"
        assert life.cancel(START - HOUR + MOMENT) == "late_cancelled"
        assert life.cancel(START - HOUR + MOMENT, by_coach=True) == "cancelled"
        with pytest.raises(TooLateToReschedule):
            life.move(START - HOUR + MOMENT)

    def test_nothing_is_cancelled_from_the_start_on(self) -> None:
        assert BookingLife("booked", START).cancel(START - MOMENT) == "late_cancelled"
        with pytest.raises(SessionStarted):
            BookingLife("booked", START).cancel(START, by_coach=True)

    def test_who_comes_is_checked_in_half_an_hour_before_and_counts_from_the_start(self) -> None:
        opens = START - timedelta(minutes=30)
        for status in HOLDING:
            life = BookingLife(status, START)
            assert life.mark("attended", opens) == "booked"
            assert (life.mark("attended", START), life.mark("no_show", START)) == ("attended", "no_show")
            with pytest.raises(SessionNotStarted):
                life.mark("attended", opens - MOMENT)
            with pytest.raises(SessionNotStarted):
                life.mark("no_show", START - MOMENT)

    @pytest.mark.parametrize("status", [*PENDING, *CLOSED, "released"])
    def test_what_holds_no_seat_has_no_outcome(self, status: str) -> None:
        with pytest.raises(BookingClosed):
            BookingLife(status, START).mark("attended", START)


class TestSeats:
    def test_the_lowest_that_is_free(self) -> None:
        assert [lowest_free_seat(taken, 3) for taken in ([], [1], [2], [1, 3], [1, 2, 3])] == [1, 2, 1, 2, None]

    def test_there_is_notice_to_the_moment(self) -> None:
        assert is_bookable(START, START - timedelta(hours=2))
        assert not is_bookable(START, START - timedelta(hours=2) + MOMENT)
        assert is_bookable(START, START + timedelta(minutes=15), -timedelta(minutes=15))
