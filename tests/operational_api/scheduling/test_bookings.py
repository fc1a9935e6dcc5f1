"""Booking, cancelling, moving, waiting and outcomes, with the real constraints underneath."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.ids import new_id
from operational_api.commerce.models import SessionPack
from operational_api.core.database import session_factory
from operational_api.core.errors import DomainError
from operational_api.core.models import OutboxEvent
from operational_api.scheduling import handlers
from operational_api.scheduling.errors import (
    AllowanceUsed,
    AlreadyBooked,
    BookingClosed,
    ConfirmationNeeded,
    PlanRequired,
    SeatsLeft,
    SessionNotStarted,
    SessionStarted,
    SlotClosed,
    SlotNotFound,
    SlotTaken,
    TooLate,
    TooLateToReschedule,
)
from operational_api.scheduling.models import Booking, BookingTerms, Slot, WaitlistEntry
from operational_api.scheduling.service import bookings, holds, moves, openings, slots, waitlist
from operational_api.scheduling.service.moves import Mover
from tests.conftest import sqlalchemy_url
from tests.factories import (
    make_availability,
    make_booking,
    make_coach,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
IN_TWO_DAYS = NOW + timedelta(days=2)


def member(session: Session) -> UUID:
    """A customer whose membership pays for everything."""
    customer_id = new_id()
    make_subscription(session, customer_id=customer_id, now=NOW)
    return customer_id


def credits_used(session: Session, customer_id: UUID) -> int:
    """Sessions used of the customer's packs, from the table."""
    return (
        session.scalar(select(func.sum(SessionPack.sessions_used)).where(SessionPack.customer_id == customer_id)) or 0
    )


def events(session: Session, booking: Booking) -> list[str]:
    """Types of the events about a booking, in order."""
    session.flush()
    query = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == booking.id).order_by(OutboxEvent.position)
    return [type_.removeprefix("scheduling.session_") for type_ in session.scalars(query)]


class TestBookSession:
    def test_holds_the_seat_and_announces_once(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        booking = bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        assert (booking.seat, booking.status, booking.session_pack_id) == (1, "booked", None)
        assert events(session, booking) == ["booked"]

    def test_fills_the_lowest_free_seat(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS, capacity=3)
        held = [bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW) for _ in "123"]
        bookings.cancel_booking(session, booking_id=held[1].id, now=NOW)
        assert bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW).seat == 2

    def test_refuses_a_full_slot(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_refuses_two_sessions_at_a_time(self, session: Session) -> None:
        customer_id = member(session)
        first = make_slot(session, starts_at=IN_TWO_DAYS)
        other = make_slot(session, starts_at=IN_TWO_DAYS + timedelta(minutes=30))
        bookings.book_session(session, customer_id=customer_id, slot_id=first.id, now=NOW)
        with pytest.raises(AlreadyBooked):
            bookings.book_session(session, customer_id=customer_id, slot_id=other.id, now=NOW)

    @pytest.mark.parametrize(
        ("starts_at", "refusal"),
        [
            (NOW - timedelta(hours=1), SlotClosed),
            (NOW, SlotClosed),
            (NOW + timedelta(minutes=119), TooLate),
        ],
    )
    def test_refuses_the_past_and_short_notice(
        self, session: Session, starts_at: datetime, refusal: type[DomainError]
    ) -> None:
        slot = make_slot(session, starts_at=starts_at)
        with pytest.raises(refusal):
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_refuses_what_does_not_exist_or_was_called_off(self, session: Session) -> None:
        with pytest.raises(SlotNotFound):
            bookings.book_session(session, customer_id=member(session), slot_id=new_id(), now=NOW)
        slot = make_slot(session, starts_at=IN_TWO_DAYS, status="cancelled")
        with pytest.raises(SlotClosed):
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_asks_for_a_plan(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        with pytest.raises(PlanRequired):
            bookings.book_session(session, customer_id=new_id(), slot_id=slot.id, now=NOW)

    def test_uses_a_credit_of_the_pack(self, session: Session) -> None:
        customer_id = new_id()
        pack = make_pack(session, customer_id=customer_id, sessions_total=1, now=NOW)
        slot, other = (make_slot(session, starts_at=IN_TWO_DAYS + timedelta(hours=n)) for n in (0, 4))
        booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        assert booking.session_pack_id == pack.id
        with pytest.raises(PlanRequired):
            bookings.book_session(session, customer_id=customer_id, slot_id=other.id, now=NOW)

    @pytest.mark.asvs("2.3.2")
    def test_stops_at_the_monthly_allowance_then_takes_the_pack(self, session: Session) -> None:
        customer_id = new_id()
        plan = make_plan(session, sessions_included=2)
        make_subscription(session, customer_id=customer_id, plan=plan, now=NOW)
        coach = make_coach(session)

        def book(starts_at: datetime) -> Booking:
            slot = make_slot(session, coach=coach, starts_at=starts_at)
            return bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)

        book(IN_TWO_DAYS)
        # 31 March 22:30 UTC is already April in Berlin: the studio's calendar counts.
        book(datetime(2026, 3, 31, 22, 30, tzinfo=UTC))
        book(IN_TWO_DAYS + timedelta(days=1))
        with pytest.raises(AllowanceUsed):
            book(IN_TWO_DAYS + timedelta(days=2))
        make_pack(session, customer_id=customer_id, now=NOW)
        assert book(IN_TWO_DAYS + timedelta(days=3)).session_pack_id is not None


class TestConstraints:
    """What stands behind the code: these rows are written past it."""

    @pytest.mark.asvs("2.3.4")
    def test_no_seat_is_sold_twice(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS, capacity=4)
        make_booking(session, slot=slot)
        make_booking(session, slot=slot, status="cancelled")
        with pytest.raises(IntegrityError, match="uq_bookings_seat"):
            make_booking(session, slot=slot)

    def test_no_customer_is_in_two_places(self, session: Session) -> None:
        customer_id = new_id()
        make_booking(session, slot=make_slot(session, starts_at=IN_TWO_DAYS), customer_id=customer_id)
        with pytest.raises(IntegrityError, match="ex_bookings_customer_overlap"):
            make_booking(session, slot=make_slot(session, starts_at=IN_TWO_DAYS), customer_id=customer_id)

    def test_no_coach_is_in_two_places(self, session: Session) -> None:
        coach = make_coach(session)
        make_slot(session, coach=coach, starts_at=IN_TWO_DAYS)
        make_slot(session, coach=coach, starts_at=IN_TWO_DAYS + timedelta(hours=1))
        with pytest.raises(IntegrityError, match="ex_slots_coach_overlap"):
            make_slot(session, coach=coach, starts_at=IN_TWO_DAYS + timedelta(minutes=30))


class TestRaces:
    @pytest.mark.asvs("2.3.4")
    def test_of_200_for_one_seat_exactly_one_wins(self, fresh_database: Callable[[], str]) -> None:
        engine = create_engine(sqlalchemy_url(fresh_database()), pool_size=20, max_overflow=0, pool_timeout=120)
        sessions = session_factory(engine)
        with sessions.begin() as session:
            slot_id = make_slot(session, starts_at=IN_TWO_DAYS).id
            customers = [member(session) for _ in range(200)]

        def book(customer_id: UUID) -> str:
            try:
                with sessions.begin() as session:
                    bookings.book_session(session, customer_id=customer_id, slot_id=slot_id, now=NOW)
            except DomainError as refusal:
                return refusal.code()
            return "won"

        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(book, customers))
        assert sorted(answers) == ["scheduling.slot_taken"] * 199 + ["won"]
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Booking)) == 1
            assert session.scalar(select(func.count()).select_from(OutboxEvent)) == 1
        engine.dispose()

    def test_of_200_for_eight_seats_eight_win(self, fresh_database: Callable[[], str]) -> None:
        engine = create_engine(sqlalchemy_url(fresh_database()), pool_size=20, max_overflow=0, pool_timeout=120)
        sessions = session_factory(engine)
        with sessions.begin() as session:
            slot_id = make_slot(session, starts_at=IN_TWO_DAYS, capacity=8).id
            customers = [member(session) for _ in range(200)]

        def book(customer_id: UUID) -> str:
            try:
                with sessions.begin() as session:
                    bookings.book_session(session, customer_id=customer_id, slot_id=slot_id, now=NOW)
            except DomainError as refusal:
                return refusal.code()
            return "won"

        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(book, customers))
        assert answers.count("won") == 8
        with sessions() as session:
            assert sorted(session.scalars(select(Booking.seat))) == list(range(1, 9))
        engine.dispose()

    def test_one_customer_in_two_places_wins_one(self, fresh_database: Callable[[], str]) -> None:
        """Different slots share no lock: only the exclusion constraint stands between them."""
        engine = create_engine(sqlalchemy_url(fresh_database()))
        sessions = session_factory(engine)
        with sessions.begin() as session:
            customer_id = member(session)
            slots = [make_slot(session, starts_at=IN_TWO_DAYS).id for _ in range(8)]

        def book(slot_id: UUID) -> str:
            try:
                with sessions.begin() as session:
                    bookings.book_session(session, customer_id=customer_id, slot_id=slot_id, now=NOW)
            except DomainError as refusal:
                return refusal.code()
            return "won"

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(book, slots))
        assert sorted(answers) == ["scheduling.already_booked"] * 7 + ["won"]
        engine.dispose()

    def test_crossing_moves_do_not_deadlock(self, fresh_database: Callable[[], str]) -> None:
        engine = create_engine(sqlalchemy_url(fresh_database()))
        sessions = session_factory(engine)
        with sessions.begin() as session:
            slots = [make_slot(session, starts_at=IN_TWO_DAYS + timedelta(hours=2 * n), capacity=9).id for n in (0, 1)]
            held = [
                (bookings.book_session(session, customer_id=member(session), slot_id=slots[n % 2], now=NOW).id, n)
                for n in range(8)
            ]

        def move(one: tuple[UUID, int]) -> None:
            with sessions.begin() as session:
                moves.reschedule_booking(session, booking_id=one[0], slot_id=slots[1 - one[1] % 2], now=NOW)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(move, held))
        with sessions() as session:
            booked = session.scalar(select(func.count()).select_from(Booking).where(Booking.status == "booked"))
            assert booked == 8
        engine.dispose()


class TestCancelBooking:
    def test_in_time_gives_the_credit_back(self, session: Session) -> None:
        customer_id = new_id()
        make_pack(session, customer_id=customer_id, now=NOW)
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        assert credits_used(session, customer_id) == 1
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        assert booking.status == "cancelled"
        assert credits_used(session, customer_id) == 0
        assert events(session, booking) == ["booked", "cancelled"]

    def test_late_keeps_it_used(self, session: Session) -> None:
        customer_id = new_id()
        make_pack(session, customer_id=customer_id, now=NOW)
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        bookings.cancel_booking(session, booking_id=booking.id, now=IN_TWO_DAYS - timedelta(hours=11))
        assert booking.status == "late_cancelled"
        assert credits_used(session, customer_id) == 1

    def test_refuses_twice_and_after_the_start(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        booking = bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        with pytest.raises(SessionStarted):
            bookings.cancel_booking(session, booking_id=booking.id, now=IN_TWO_DAYS)
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        with pytest.raises(BookingClosed):
            bookings.cancel_booking(session, booking_id=booking.id, now=NOW)


class TestWaitlist:
    def full_slot(self, session: Session) -> tuple[Slot, Booking]:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        return slot, bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_promotes_who_waits_longest_and_can_come(self, session: Session) -> None:
        slot, held = self.full_slot(session)
        busy, broke, first, second = member(session), new_id(), member(session), member(session)
        elsewhere = make_slot(session, starts_at=IN_TWO_DAYS)
        bookings.book_session(session, customer_id=busy, slot_id=elsewhere.id, now=NOW)
        for minute, customer_id in enumerate((busy, broke, first, second)):
            waitlist.join_waitlist(
                session, customer_id=customer_id, slot_id=slot.id, now=NOW + timedelta(minutes=minute)
            )
        at = NOW + timedelta(hours=1)
        bookings.cancel_booking(session, booking_id=held.id, now=at)
        booking = session.scalars(select(Booking).where(Booking.slot_id == slot.id, Booking.status == "held")).one()
        assert (booking.customer_id, booking.held_until) == (first, at + timedelta(hours=1))
        holds.confirm_hold(session, booking_id=booking.id, now=at)
        assert events(session, booking) == ["scheduling.seat_held", "booked"]
        rows = session.execute(
            select(WaitlistEntry.status).where(WaitlistEntry.slot_id == slot.id).order_by(WaitlistEntry.joined_at)
        ).scalars()
        assert list(rows) == ["waiting", "waiting", "promoted", "waiting"]

    def test_promotes_nobody_when_the_session_is_too_near(self, session: Session) -> None:
        slot, held = self.full_slot(session)
        waitlist.join_waitlist(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        bookings.cancel_booking(session, booking_id=held.id, now=IN_TWO_DAYS - timedelta(hours=1))
        assert session.scalars(select(Booking).where(Booking.status.in_(("booked", "held")))).all() == []

    def test_is_only_for_full_slots(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        with pytest.raises(SeatsLeft):
            waitlist.join_waitlist(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_keeps_the_place_of_who_joins_twice_and_not_of_who_left(self, session: Session) -> None:
        slot, held = self.full_slot(session)
        first, second = member(session), member(session)
        entry = waitlist.join_waitlist(session, customer_id=first, slot_id=slot.id, now=NOW)
        waitlist.join_waitlist(session, customer_id=second, slot_id=slot.id, now=NOW + timedelta(minutes=1))
        again = waitlist.join_waitlist(session, customer_id=first, slot_id=slot.id, now=NOW + timedelta(minutes=2))
        assert (again.id, waitlist.place_in_line(session, again)) == (entry.id, 1)
        waitlist.leave_waitlist(session, customer_id=first, slot_id=slot.id, now=NOW + timedelta(minutes=3))
        back = waitlist.join_waitlist(session, customer_id=first, slot_id=slot.id, now=NOW + timedelta(minutes=4))
        assert waitlist.place_in_line(session, back) == 2
        with pytest.raises(AlreadyBooked):
            waitlist.join_waitlist(session, customer_id=held.customer_id, slot_id=slot.id, now=NOW)

    def test_ends_with_the_session(self, session: Session) -> None:
        slot, _ = self.full_slot(session)
        waitlist.join_waitlist(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        waitlist.expire_started(session, IN_TWO_DAYS)
        assert session.scalars(select(WaitlistEntry.status)).all() == ["expired"]
        ended = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.type == "scheduling.waitlist_ended")
        assert session.scalar(ended) == 1


class TestLeaving:
    def test_frees_what_is_to_come_and_keeps_what_was(self, session: Session) -> None:
        gone = member(session)
        past = make_booking(session, customer_id=gone, slot=make_slot(session, starts_at=NOW - timedelta(days=1)))
        slot, full = make_slot(session, starts_at=IN_TWO_DAYS), make_slot(session, starts_at=NOW + timedelta(days=3))
        coming = bookings.book_session(session, customer_id=gone, slot_id=slot.id, now=NOW)
        held = holds.hold_seat(
            session, customer_id=gone, slot_id=make_slot(session, starts_at=NOW + timedelta(days=4)).id, now=NOW
        )
        bookings.book_session(session, customer_id=member(session), slot_id=full.id, now=NOW)
        waitlist.join_waitlist(session, customer_id=gone, slot_id=full.id, now=NOW)
        closed = AccountClosed(occurred_at=NOW + timedelta(minutes=1), account_id=gone)
        for _ in range(2):  # told twice
            handlers.leave_sessions(session, closed)
        session.expire_all()
        assert (past.status, coming.status, held.status) == ("booked", "cancelled", "released")
        assert session.scalars(select(WaitlistEntry.status)).all() == ["left"]
        bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def test_nothing_of_a_coach_who_left_can_be_booked_and_what_is_booked_stays(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach, weekday=IN_TWO_DAYS.weekday())
        openings.open_slots(session, NOW)
        hers, free, *_ = session.scalars(select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at))
        lesson = make_slot(session, coach=coach, starts_at=NOW + timedelta(days=3), capacity=8)
        kept = bookings.book_session(session, customer_id=member(session), slot_id=hers.id, now=NOW)
        coming = bookings.book_session(session, customer_id=member(session), slot_id=lesson.id, now=NOW)
        free_id, closed = free.id, AccountClosed(occurred_at=NOW + timedelta(minutes=1), account_id=coach.id)
        for _ in range(2):  # told twice
            handlers.leave_sessions(session, closed)
        openings.open_slots(session, NOW + timedelta(days=7))
        wanted = slots.SlotFilter(coach_id=coach.id)
        assert slots.list_slots(session, wanted, viewer_id=None, now=NOW, limit=9) == ([], None)
        assert session.scalar(select(Slot).where(Slot.id == free_id)) is None
        with pytest.raises(SlotClosed):
            bookings.book_session(session, customer_id=member(session), slot_id=lesson.id, now=NOW)
        bookings.cancel_booking(session, booking_id=kept.id, now=NOW)
        with pytest.raises(SlotClosed):
            bookings.book_session(session, customer_id=member(session), slot_id=hers.id, now=NOW)
        assert coming.status == "booked"
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "scheduling.hours_changed")).all()
        assert [one.aggregate_id for one in told] == [coach.id]


class TestRescheduleBooking:
    def test_moves_and_keeps_history(self, session: Session) -> None:
        customer_id = new_id()
        make_pack(session, customer_id=customer_id, now=NOW)
        old_slot = make_slot(session, starts_at=IN_TWO_DAYS)
        new_slot = make_slot(session, starts_at=IN_TWO_DAYS + timedelta(minutes=30))  # overlaps the old one
        old = bookings.book_session(session, customer_id=customer_id, slot_id=old_slot.id, now=NOW)
        new = moves.reschedule_booking(session, booking_id=old.id, slot_id=new_slot.id, now=NOW)
        assert (old.status, new.status) == ("cancelled", "booked")
        assert credits_used(session, customer_id) == 1
        assert events(session, old) == ["booked", "cancelled"]
        moved = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == new.id)).one()
        assert moved.payload["moved_from_id"] == str(old.id)

    def test_holds_the_old_seat_when_the_new_one_is_gone(self, session: Session) -> None:
        old_slot, full = (make_slot(session, starts_at=IN_TWO_DAYS + timedelta(hours=n)) for n in (0, 4))
        bookings.book_session(session, customer_id=member(session), slot_id=full.id, now=NOW)
        old = bookings.book_session(session, customer_id=member(session), slot_id=old_slot.id, now=NOW)
        with pytest.raises(SlotTaken), session.begin_nested():
            moves.reschedule_booking(session, booking_id=old.id, slot_id=full.id, now=NOW)
        session.refresh(old)
        assert old.status == "booked"

    def test_refuses_inside_the_window(self, session: Session) -> None:
        slots = [make_slot(session, starts_at=IN_TWO_DAYS + timedelta(hours=n)) for n in (0, 4)]
        old = bookings.book_session(session, customer_id=member(session), slot_id=slots[0].id, now=NOW)
        with pytest.raises(TooLateToReschedule):
            moves.reschedule_booking(
                session, booking_id=old.id, slot_id=slots[1].id, now=IN_TWO_DAYS - timedelta(hours=3)
            )

    def test_another_coachs_last_word_is_not_passed_by(self, session: Session) -> None:
        coach = make_coach(session)
        session.add(BookingTerms(coach_id=coach.id, needs_confirmation=True))
        old_slot = make_slot(session, starts_at=IN_TWO_DAYS)
        new_slot = make_slot(session, coach=coach, starts_at=IN_TWO_DAYS + timedelta(hours=4))
        customer = Mover(member(session), "customer")
        assert customer.account_id is not None
        old = bookings.book_session(session, customer_id=customer.account_id, slot_id=old_slot.id, now=NOW)
        with pytest.raises(ConfirmationNeeded):
            moves.reschedule_booking(session, booking_id=old.id, slot_id=new_slot.id, now=NOW, by=customer)
        desk = Mover(new_id(), "front_desk")  # staff speak for the coach
        new = moves.reschedule_booking(session, booking_id=old.id, slot_id=new_slot.id, now=NOW, by=desk)
        later = make_slot(session, coach=coach, starts_at=IN_TWO_DAYS + timedelta(hours=8))
        newer = moves.reschedule_booking(session, booking_id=new.id, slot_id=later.id, now=NOW, by=customer)
        assert newer.status == "booked"  # confirmed once is confirmed


class TestCreditOfAPackThatRanOut:
    def booked(self, session: Session) -> tuple[SessionPack, Booking]:
        """The pack runs out between booking and session."""
        customer_id = new_id()
        pack = make_pack(
            session, customer_id=customer_id, now=NOW, sessions_total=1, expires_at=NOW + timedelta(hours=1)
        )
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        return pack, bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)

    def test_goes_along_when_its_booking_is_moved(self, session: Session) -> None:
        pack, booking = self.booked(session)
        later = make_slot(session, starts_at=IN_TWO_DAYS + timedelta(days=1))
        at = NOW + timedelta(hours=2)
        moved = moves.reschedule_booking(session, booking_id=booking.id, slot_id=later.id, now=at)
        assert (moved.session_pack_id, credits_used(session, moved.customer_id)) == (pack.id, 1)
        with pytest.raises(PlanRequired), session.begin_nested():
            bookings.book_session(
                session, customer_id=moved.customer_id, slot_id=make_slot(session, starts_at=IN_TWO_DAYS).id, now=at
            )

    @pytest.mark.parametrize("is_slot", [False, True])
    def test_can_be_used_for_a_month_where_the_coach_called_it_off(self, session: Session, is_slot: bool) -> None:
        pack, booking = self.booked(session)
        at = NOW + timedelta(hours=2)
        if is_slot:
            bookings.cancel_slot(session, slot_id=booking.slot_id, now=at)
        else:
            bookings.cancel_booking(session, booking_id=booking.id, now=at, by_coach=True)
        session.refresh(pack)
        assert (pack.sessions_used, pack.expires_at) == (0, at + timedelta(days=30))

    def test_is_lost_where_its_customer_cancels(self, session: Session) -> None:
        pack, booking = self.booked(session)
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW + timedelta(hours=2))
        session.refresh(pack)
        assert (pack.sessions_used, pack.expires_at) == (0, NOW + timedelta(hours=1))


class TestMarkOutcome:
    def test_is_for_sessions_that_have_started(self, session: Session) -> None:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        booking = bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        with pytest.raises(SessionNotStarted):
            bookings.mark_outcome(session, booking_id=booking.id, outcome="attended", now=NOW)
        for _ in range(2):
            bookings.mark_outcome(session, booking_id=booking.id, outcome="attended", now=IN_TWO_DAYS)
        assert events(session, booking) == ["booked", "attended"]
        bookings.mark_outcome(session, booking_id=booking.id, outcome="no_show", now=IN_TWO_DAYS)
        assert events(session, booking) == ["booked", "attended", "missed"]


class TestCheckIn:
    """Who comes early is checked in, and it counts from the start."""

    EARLY = IN_TWO_DAYS - timedelta(minutes=30)

    @pytest.fixture
    def booking(self, session: Session) -> Booking:
        slot = make_slot(session, starts_at=IN_TWO_DAYS)
        return bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def mark(self, session: Session, booking: Booking, now: datetime, outcome: str = "attended") -> None:
        bookings.mark_outcome(session, booking_id=booking.id, outcome=outcome, now=now)  # type: ignore[arg-type]

    def test_counts_from_the_start_and_once(self, session: Session, booking: Booking) -> None:
        for minutes in (0, 5):
            self.mark(session, booking, self.EARLY + timedelta(minutes=minutes))
        assert (booking.status, booking.outcome_at, events(session, booking)) == ("booked", self.EARLY, ["booked"])
        assert bookings.attend_checked_in(session, now=IN_TWO_DAYS - timedelta(seconds=1)) == 0
        assert bookings.attend_checked_in(session, now=IN_TWO_DAYS) == 1
        assert bookings.attend_checked_in(session, now=IN_TWO_DAYS) == 0
        assert (booking.status, events(session, booking)) == ("attended", ["booked", "attended"])

    def test_is_not_for_the_day_before_nor_for_who_did_not_come(self, session: Session, booking: Booking) -> None:
        for now, outcome in ((self.EARLY - timedelta(seconds=1), "attended"), (self.EARLY, "no_show")):
            with pytest.raises(SessionNotStarted):
                self.mark(session, booking, now, outcome)
        assert booking.outcome_at is None

    def test_a_slip_is_corrected_once_it_started(self, session: Session, booking: Booking) -> None:
        self.mark(session, booking, self.EARLY)
        self.mark(session, booking, IN_TWO_DAYS, "no_show")
        assert bookings.attend_checked_in(session, now=IN_TWO_DAYS) == 0
        assert (booking.status, events(session, booking)) == ("no_show", ["booked", "missed"])

    def test_the_session_may_still_be_called_off(self, session: Session, booking: Booking) -> None:
        self.mark(session, booking, self.EARLY)
        bookings.cancel_slot(session, slot_id=booking.slot_id, now=self.EARLY)
        assert bookings.attend_checked_in(session, now=IN_TWO_DAYS) == 0
        assert booking.status == "cancelled"

    def test_does_not_go_along_with_a_session_that_is_moved(self, session: Session, booking: Booking) -> None:
        self.mark(session, booking, self.EARLY)
        later = IN_TWO_DAYS + timedelta(hours=3)
        session.execute(update(Slot).values(starts_at=later, ends_at=later + timedelta(hours=1)))
        booking.starts_at, booking.ends_at = later, later + timedelta(hours=1)
        session.flush()
        assert bookings.attend_checked_in(session, now=later) == 0


class TestCancelSlot:
    def test_gives_everybody_their_credit_back(self, session: Session) -> None:
        customer_id = new_id()
        make_pack(session, customer_id=customer_id, now=NOW)
        slot = make_slot(session, starts_at=IN_TWO_DAYS, capacity=2)
        mine = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        other = bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        waitlist.join_waitlist(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        bookings.cancel_slot(session, slot_id=slot.id, now=IN_TWO_DAYS - timedelta(hours=1))
        assert {mine.status, other.status} == {"cancelled"}
        assert credits_used(session, customer_id) == 0
        assert session.scalars(select(WaitlistEntry.status)).all() == ["expired"]
