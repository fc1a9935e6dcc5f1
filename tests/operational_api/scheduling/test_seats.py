"""Seats that are kept, asked for, offered and moved, and what a late cancellation costs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.models import Subscription
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.scheduling import handlers
from operational_api.scheduling.errors import (
    AlreadyBooked,
    BookingClosed,
    HoldExpired,
    NoFee,
    PlanRequired,
    SlotTaken,
    TooEarly,
    TooLate,
    TooManyHolds,
)
from operational_api.scheduling.models import Booking, BookingTerms, Slot, WaitlistEntry
from operational_api.scheduling.service import bookings, fees, holds, moves, slots, waitlist
from operational_api.scheduling.service.moves import Mover
from tests.factories import make_booking, make_coach, make_pack, make_slot, make_subscription

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = NOW + timedelta(days=2)
MINUTE = timedelta(minutes=1)


def member(session: Session) -> UUID:
    customer_id = new_id()
    make_subscription(session, customer_id=customer_id, now=NOW)
    return customer_id


def slot_on(session: Session, *, capacity: int = 1, starts_at: datetime = START, **terms: Any) -> Slot:
    """A slot of a coach with these terms."""
    coach = make_coach(session)
    if terms:
        session.add(BookingTerms(coach_id=coach.id, **terms))
    return make_slot(session, coach=coach, starts_at=starts_at, capacity=capacity)


def events(session: Session, aggregate_id: UUID) -> list[str]:
    session.flush()
    query = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == aggregate_id).order_by(OutboxEvent.position)
    return [one.removeprefix("scheduling.") for one in session.scalars(query)]


def left(session: Session, slot: Slot, now: datetime) -> int:
    return slots.get_slot(session, slot.id, viewer_id=None, now=now).seats_left


class TestHoldSeat:
    def test_keeps_the_seat_for_who_pays_and_costs_nothing_until_confirmed(self, session: Session) -> None:
        slot, customer_id = slot_on(session), new_id()
        held = holds.hold_seat(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        assert held.held_until == NOW + 15 * MINUTE
        assert holds.hold_seat(session, customer_id=customer_id, slot_id=slot.id, now=NOW + MINUTE).id == held.id
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        with pytest.raises(PlanRequired), session.begin_nested():
            holds.confirm_hold(session, booking_id=held.id, now=NOW)
        pack = make_pack(session, customer_id=customer_id, now=NOW)
        holds.confirm_hold(session, booking_id=held.id, now=NOW + 14 * MINUTE)
        session.refresh(held)
        assert (held.status, held.session_pack_id) == ("booked", pack.id)
        assert held.held_until is None
        assert events(session, held.id) == ["seat_held", "session_booked"]

    def test_is_over_by_itself_before_anybody_wrote_it_down(self, session: Session) -> None:
        slot, late = slot_on(session), NOW + 15 * MINUTE
        held = holds.hold_seat(session, customer_id=new_id(), slot_id=slot.id, now=NOW)
        assert (left(session, slot, late - MINUTE), left(session, slot, late)) == (0, 1)
        with pytest.raises(HoldExpired):
            holds.confirm_hold(session, booking_id=held.id, now=late)
        booking = bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=late)
        assert (booking.status, held.status, booking.seat) == ("booked", "released", held.seat)
        assert events(session, held.id) == ["seat_held", "seat_released"]

    def test_a_hold_that_is_over_stands_in_nobodys_way_elsewhere(self, session: Session) -> None:
        customer_id = member(session)
        holds.hold_seat(session, customer_id=customer_id, slot_id=slot_on(session).id, now=NOW)
        other = slot_on(session)
        with pytest.raises(AlreadyBooked), session.begin_nested():
            bookings.book_session(session, customer_id=customer_id, slot_id=other.id, now=NOW)
        bookings.book_session(session, customer_id=customer_id, slot_id=other.id, now=NOW + 15 * MINUTE)

    def test_booking_the_session_confirms_the_hold(self, session: Session) -> None:
        slot, customer_id = slot_on(session, capacity=3), member(session)
        held = holds.hold_seat(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        assert bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW).id == held.id
        assert held.status == "booked"

    def test_nobody_keeps_seats_by_the_dozen(self, session: Session) -> None:
        customer_id = new_id()
        for hour in range(3):
            slot = slot_on(session, starts_at=START + timedelta(hours=2 * hour))
            holds.hold_seat(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        with pytest.raises(TooManyHolds):
            holds.hold_seat(session, customer_id=customer_id, slot_id=slot_on(session, starts_at=NOW + timedelta(
                hours=9)).id, now=NOW)  # fmt: skip

    def test_let_go_it_is_free_at_once(self, session: Session) -> None:
        slot = slot_on(session)
        held = holds.hold_seat(session, customer_id=new_id(), slot_id=slot.id, now=NOW)
        holds.let_go(session, booking_id=held.id, now=NOW)
        assert left(session, slot, NOW) == 1
        with pytest.raises(BookingClosed):
            holds.let_go(session, booking_id=held.id, now=NOW)

    @pytest.mark.parametrize(
        ("terms", "starts_at", "refusal"),
        [
            ({"minimum_notice_minutes": 600}, NOW + timedelta(minutes=599), TooLate),
            ({"booking_window_days": 7}, NOW + timedelta(days=7, minutes=1), TooEarly),
        ],
    )
    def test_is_for_what_could_be_booked_by_the_terms(
        self, session: Session, terms: dict[str, int], starts_at: datetime, refusal: type[Exception]
    ) -> None:
        slot = slot_on(session, starts_at=starts_at, **terms)
        for take in (holds.hold_seat, bookings.book_session):
            with pytest.raises(refusal):
                take(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        found, _ = slots.list_slots(session, slots.SlotFilter(), viewer_id=None, now=NOW, limit=9)
        assert found == []
        slot.starts_at += timedelta(minutes=1) if refusal is TooLate else -timedelta(minutes=1)
        session.flush()
        assert len(slots.list_slots(session, slots.SlotFilter(), viewer_id=None, now=NOW, limit=9)[0]) == 1


class TestRequests:
    def test_the_coach_has_the_last_word(self, session: Session) -> None:
        slot, customer_id = slot_on(session, capacity=2, needs_confirmation=True), new_id()
        pack = make_pack(session, customer_id=customer_id, now=NOW)
        asked = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        assert (asked.status, asked.held_until, pack.sessions_used) == ("requested", NOW + timedelta(days=1), 1)
        holds.answer_request(session, booking_id=asked.id, is_accepted=True, now=NOW)
        assert events(session, asked.id) == ["session_requested", "session_booked"]
        with pytest.raises(BookingClosed):
            holds.answer_request(session, booking_id=asked.id, is_accepted=False, now=NOW)

    @pytest.mark.parametrize("how", ["declined", "lapsed", "let_go"])
    def test_what_is_not_accepted_gives_the_credit_back(self, session: Session, how: str) -> None:
        slot, customer_id = slot_on(session, needs_confirmation=True), new_id()
        pack = make_pack(session, customer_id=customer_id, now=NOW)
        asked = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        if how == "declined":
            holds.answer_request(session, booking_id=asked.id, is_accepted=False, now=NOW)
        elif how == "lapsed":
            handlers.free_seats(session, NOW + timedelta(days=1))
        else:
            bookings.cancel_booking(session, booking_id=asked.id, now=NOW)
        session.refresh(pack)
        assert (asked.status, pack.sessions_used) == ("released", 0)
        released = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "scheduling.seat_released")).one()
        assert released.payload["reason"] == how


class TestOffers:
    def full(self, session: Session, **terms: Any) -> tuple[Slot, Booking]:
        slot = slot_on(session, **terms)
        return slot, bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW)

    def wait(self, session: Session, slot: Slot, *customers: UUID) -> None:
        for minute, one in enumerate(customers):
            waitlist.join_waitlist(session, customer_id=one, slot_id=slot.id, now=NOW + minute * MINUTE)

    def offered(self, session: Session) -> list[UUID]:
        return list(session.scalars(select(WaitlistEntry.customer_id).where(WaitlistEntry.status == "offered")))

    @pytest.mark.parametrize("how", ["declined", "lapsed"])
    def test_who_does_not_take_it_makes_room_for_the_next(self, session: Session, how: str) -> None:
        slot, held = self.full(session, offer_minutes=30)
        first, second = member(session), member(session)
        self.wait(session, slot, first, second)
        at = NOW + timedelta(hours=1)
        bookings.cancel_booking(session, booking_id=held.id, now=at)
        assert self.offered(session) == [first]
        offer = session.scalars(select(Booking).where(Booking.status == "held")).one()
        if how == "declined":
            holds.let_go(session, booking_id=offer.id, now=at)
        else:
            handlers.free_seats(session, at + 29 * MINUTE)
            assert self.offered(session) == [first]
            at += 30 * MINUTE
            handlers.free_seats(session, at)
        assert self.offered(session) == [second]
        entry = session.scalars(select(WaitlistEntry).where(WaitlistEntry.customer_id == first)).one()
        assert entry.status == how
        assert events(session, entry.id) == ["waitlist_joined", "waitlist_offered", "waitlist_ended"]
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=at)

    def test_who_did_not_wait_cannot_overtake_who_did_when_an_offer_lapses(self, session: Session) -> None:
        slot, held = self.full(session)
        first, second, stranger = (member(session) for _ in "123")
        self.wait(session, slot, first, second)
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        later = NOW + timedelta(hours=3)  # lapsed, and the worker was not there yet
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=stranger, slot_id=slot.id, now=later)
        taken = bookings.book_session(session, customer_id=second, slot_id=slot.id, now=later)
        assert taken.status == "booked"

    def test_nor_when_who_kept_the_seat_takes_another(self, session: Session) -> None:
        slot, other = slot_on(session), slot_on(session)
        keeper, waits, stranger = (member(session) for _ in "123")
        holds.hold_seat(session, customer_id=keeper, slot_id=slot.id, now=NOW)
        self.wait(session, slot, waits)
        later = NOW + timedelta(hours=1)  # lapsed, and the worker was not there yet
        bookings.book_session(session, customer_id=keeper, slot_id=other.id, now=later)
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=stranger, slot_id=slot.id, now=later)
        assert self.offered(session) == [waits]

    def test_an_offer_ends_two_hours_before_the_start(self, session: Session) -> None:
        slot, held = self.full(session)
        self.wait(session, slot, member(session))
        bookings.cancel_booking(session, booking_id=held.id, now=START - timedelta(minutes=130))
        offer = session.scalars(select(Booking).where(Booking.status == "held")).one()
        assert offer.held_until == START - timedelta(hours=2)

    def test_members_go_first_where_the_terms_say_so(self, session: Session) -> None:
        slot, held = self.full(session, members_first=True)
        guest, one = new_id(), member(session)
        make_pack(session, customer_id=guest, now=NOW)
        self.wait(session, slot, guest, one)
        entry = session.scalars(select(WaitlistEntry).where(WaitlistEntry.customer_id == guest)).one()
        assert waitlist.place_in_line(session, entry) == 2
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        assert self.offered(session) == [one]

    def test_who_could_not_pay_is_asked_once_they_can(self, session: Session) -> None:
        slot, held = self.full(session)
        poor = new_id()
        self.wait(session, slot, poor)
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        assert self.offered(session) == []
        make_pack(session, customer_id=poor, now=NOW)
        handlers.free_seats(session, NOW + 2 * MINUTE)
        assert self.offered(session) == [poor]

    def test_who_paused_meanwhile_is_passed_over_and_keeps_their_place(self, session: Session) -> None:
        slot, held = self.full(session)
        paused, next_ = member(session), member(session)
        self.wait(session, slot, paused, next_)
        membership = session.scalars(select(Subscription).where(Subscription.customer_id == paused)).one()
        membership.status, membership.paused_at = "paused", NOW
        session.flush()
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        assert self.offered(session) == [next_]
        membership.status, membership.paused_at = "active", None
        session.flush()
        (offer,) = session.scalars(select(Booking).where(Booking.status == "held"))
        holds.let_go(session, booking_id=offer.id, now=NOW + 2 * MINUTE)
        assert self.offered(session) == [paused]

    def test_who_paused_with_an_offer_cannot_take_it_and_it_goes_on_when_it_lapses(self, session: Session) -> None:
        slot, held = self.full(session, offer_minutes=30)
        first, second = member(session), member(session)
        self.wait(session, slot, first, second)
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        (offer,) = session.scalars(select(Booking).where(Booking.status == "held"))
        membership = session.scalars(select(Subscription).where(Subscription.customer_id == first)).one()
        membership.status, membership.paused_at = "paused", NOW
        session.flush()
        with pytest.raises(PlanRequired):
            holds.confirm_hold(session, booking_id=offer.id, now=NOW + 2 * MINUTE)
        handlers.free_seats(session, NOW + 31 * MINUTE)
        assert self.offered(session) == [second]

    def test_a_booking_is_moved_to_the_seat_that_was_offered(self, session: Session) -> None:
        mia = new_id()
        pack = make_pack(session, customer_id=mia, now=NOW, sessions_total=2)
        slot, held = self.full(session)
        mine = slot_on(session, starts_at=START + timedelta(hours=5))
        old = bookings.book_session(session, customer_id=mia, slot_id=mine.id, now=NOW)
        self.wait(session, slot, mia)
        bookings.cancel_booking(session, booking_id=held.id, now=NOW + MINUTE)
        later = NOW + 3 * MINUTE
        new = moves.reschedule_booking(session, booking_id=old.id, slot_id=slot.id, now=later)
        session.refresh(pack)
        assert (old.status, new.status, new.held_until, pack.sessions_used) == ("cancelled", "booked", None, 1)
        assert new.free_until == START - timedelta(hours=12)
        [entry] = session.scalars(select(WaitlistEntry))
        assert (entry.status, entry.booking_id) == ("promoted", new.id)
        assert events(session, new.id) == ["seat_held", "session_booked"]
        assert holds.free_seats(session, NOW + timedelta(hours=3)) == (0, 0)
        with pytest.raises(AlreadyBooked):
            moves.reschedule_booking(session, booking_id=new.id, slot_id=slot.id, now=later)


class TestMoneyThatComesLate:
    """What pays is a pack or a membership: money that arrives after the hold has ended has bought that all the same."""

    def held(self, session: Session, customer_id: UUID) -> tuple[Slot, Booking]:
        slot = slot_on(session, hold_minutes=15)
        return slot, holds.hold_seat(session, customer_id=customer_id, slot_id=slot.id, now=NOW)

    def test_books_the_seat_where_nobody_took_it(self, session: Session) -> None:
        payer, later = new_id(), NOW + 20 * MINUTE
        slot, hold = self.held(session, payer)
        pack = make_pack(session, customer_id=payer, now=later)
        with pytest.raises(HoldExpired):
            holds.confirm_hold(session, booking_id=hold.id, now=later)
        booked = bookings.book_session(session, customer_id=payer, slot_id=slot.id, now=later)
        session.refresh(pack)
        assert (booked.status, booked.session_pack_id, pack.sessions_used) == ("booked", pack.id, 1)

    def test_is_kept_as_credit_where_somebody_did(self, session: Session) -> None:
        payer, later = new_id(), NOW + 20 * MINUTE
        slot, hold = self.held(session, payer)
        bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=later)
        pack = make_pack(session, customer_id=payer, now=later)
        with pytest.raises(BookingClosed):
            holds.confirm_hold(session, booking_id=hold.id, now=later)
        with pytest.raises(SlotTaken):
            bookings.book_session(session, customer_id=payer, slot_id=slot.id, now=later)
        session.refresh(pack)
        assert pack.sessions_used == 0


class TestLateFee:
    def late(self, session: Session) -> tuple[Booking, datetime]:
        slot = slot_on(session, free_cancellation_minutes=60, late_fee_minor=1500, late_fee_currency="EUR")
        return (
            bookings.book_session(session, customer_id=member(session), slot_id=slot.id, now=NOW),
            START - timedelta(minutes=60),
        )

    def test_is_due_after_the_window_and_announced(self, session: Session) -> None:
        booking, last = self.late(session)
        bookings.cancel_booking(session, booking_id=booking.id, now=last + MINUTE)
        assert events(session, booking.id) == ["session_booked", "session_cancelled", "late_fee_incurred"]
        fee = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "scheduling.late_fee_incurred")).one()
        assert (fee.payload["amount_minor"], fee.payload["currency"]) == (1500, "EUR")

    @pytest.mark.parametrize("by_coach", [False, True])
    def test_is_not_due_in_time_or_when_the_coach_cancels(self, session: Session, by_coach: bool) -> None:
        booking, last = self.late(session)
        at = last + MINUTE if by_coach else last
        bookings.cancel_booking(session, booking_id=booking.id, now=at, by_coach=by_coach)
        assert (booking.status, booking.late_fee_due_at) == ("cancelled", None)

    def test_is_what_was_agreed_whatever_the_terms_say_since(self, session: Session) -> None:
        booking, last = self.late(session)
        terms = session.scalars(select(BookingTerms)).one()
        terms.late_fee_minor, terms.free_cancellation_minutes = 9900, 6000
        session.flush()
        bookings.cancel_booking(session, booking_id=booking.id, now=last)
        assert booking.status == "cancelled"

    def test_is_waived_once_with_a_reason_in_the_audit_log(self, session: Session) -> None:
        booking, last = self.late(session)
        with pytest.raises(NoFee):
            fees.waive(session, booking_id=booking.id, actor_id=new_id(), reason="ill", now=NOW)
        bookings.cancel_booking(session, booking_id=booking.id, now=last + MINUTE)
        fees.waive(session, booking_id=booking.id, actor_id=booking.coach_id, reason="ill", now=START)
        with pytest.raises(NoFee):
            fees.waive(session, booking_id=booking.id, actor_id=new_id(), reason="ill", now=START)
        assert events(session, booking.id)[-1] == "late_fee_waived"
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "scheduling.waive_fee")).one()
        assert (entry.actor_id, entry.subject_id, entry.details["reason"]) == (
            booking.coach_id, booking.customer_id, "ill",
        )  # fmt: skip


class TestHistory:
    def test_is_the_same_from_every_booking_of_the_chain(self, session: Session) -> None:
        customer_id, coach_id = member(session), new_id()
        chain = [
            bookings.book_session(session, customer_id=customer_id, slot_id=slot_on(session).id, now=NOW),
        ]
        for hour, by in ((5, Mover(customer_id, "customer")), (9, Mover(coach_id, "coach"))):
            slot = slot_on(session, starts_at=START + timedelta(hours=hour))
            chain.append(moves.reschedule_booking(session, booking_id=chain[-1].id, slot_id=slot.id, now=NOW, by=by))
        other = bookings.book_session(session, customer_id=member(session), slot_id=slot_on(session).id, now=NOW)
        found = moves.history(session, [one.id for one in (*chain, other)])
        steps = [(one.from_starts_at, one.to_starts_at, one.moved_by, one.moved_by_role) for one in found[chain[0].id]]
        assert steps == [
            (START, START + timedelta(hours=5), customer_id, "customer"),
            (START + timedelta(hours=5), START + timedelta(hours=9), coach_id, "coach"),
        ]
        ids = [one.id for one in found[chain[0].id]]
        assert [[one.id for one in found[booking.id]] for booking in chain] == [ids, ids, ids]
        assert other.id not in found


class TestConstraints:
    def test_a_held_seat_is_a_seat(self, session: Session) -> None:
        slot = slot_on(session, capacity=2)
        make_booking(session, slot=slot, status="held", held_until=NOW)
        with pytest.raises(Exception, match="uq_bookings_seat"):
            make_booking(session, slot=slot)

    def test_a_seat_is_never_held_for_ever(self, session: Session) -> None:
        with pytest.raises(Exception, match="ck_bookings_held_until"):
            make_booking(session, status="requested")

    def test_counting_held_seats_in_sql_leaves_out_what_lapsed(self, session: Session) -> None:
        slot = slot_on(session, capacity=4)
        for seat, (status, until) in enumerate(
            (("held", NOW), ("held", NOW + MINUTE), ("booked", None), ("released", NOW)), start=1
        ):
            make_booking(session, slot=slot, seat=seat, status=status, held_until=until)
        assert left(session, slot, NOW) == 2
        assert session.scalar(select(func.count()).select_from(Booking)) == 4
