"""What the front desk books for a customer: on its own terms, paid in three ways, and taken back within minutes."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from contracts.events.commerce import PackReduced
from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.billing.collectors import Charge, Charged
from operational_api.commerce.billing.errors import InvoiceNotCreditable
from operational_api.commerce.billing.models import Collection, CreditNote, InvoiceLine
from operational_api.commerce.billing.service import collection, crediting
from operational_api.commerce.errors import NotSoldOnInvoice
from operational_api.commerce.models import Invoice, LedgerJournal, LedgerLine, Payment, PlanPrice, SessionPack
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.scheduling.errors import (
    BookingClosed,
    CustomerLeft,
    NobodyFree,
    PaidAlready,
    PlanRequired,
    SlotTaken,
    TooEarly,
    TooLate,
    UndoOver,
)
from operational_api.scheduling.models import Booking, Coach, Slot, WaitlistEntry
from operational_api.scheduling.service import bookings, desk_bookings, holds, places, recurring, round_robin
from operational_api.scheduling.service.desk_bookings import Order
from operational_api.scheduling.service.round_robin import Opening
from tests.factories import make_account, make_booking, make_coach, make_location, make_pack, make_plan, make_slot
from tests.operational_api.scheduling.test_seats import MINUTE, NOW, START, events, member, slot_on

CLERK = new_id()
HOUR = timedelta(hours=1)


def book(session: Session, order: Order, now: datetime = NOW) -> Booking:
    return desk_bookings.book(session, order, booked_by=CLERK, now=now)


def undo(session: Session, booking: Booking, now: datetime) -> list[Booking]:
    return desk_bookings.undo(session, booking_id=booking.id, actor_id=CLERK, now=now)


def pack_of(session: Session, customer_id: UUID) -> SessionPack:
    (pack,) = session.scalars(select(SessionPack).where(SessionPack.customer_id == customer_id))
    session.refresh(pack)
    return pack


def balance(session: Session, customer_id: UUID, account: str) -> int:
    """What the ledger has of a customer in one account."""
    query = select(func.coalesce(func.sum(LedgerLine.amount_minor), 0)).join(LedgerJournal)
    return int(session.scalar(query.where(LedgerLine.customer_id == customer_id, LedgerLine.account == account)) or 0)


class TestAnyCoach:
    @pytest.fixture
    def team(self, session: Session) -> list[Coach]:
        """Ana's turn comes before Ben's: he had one of late. Cho takes no turns."""
        place = make_location(session)
        ana, ben, cho = (make_coach(session, location=place, turn_weight=one) for one in (100, 100, 0))
        had = make_slot(session, coach=ben, starts_at=START - 24 * HOUR)
        make_booking(session, slot=had, assignment="turn", booked_at=NOW - HOUR)
        for one in (ana, ben, cho):
            make_slot(session, coach=one, starts_at=START)
        return [ana, ben, cho]

    def test_is_the_customers_own_then_whose_turn_it_is(self, session: Session, team: list[Coach]) -> None:
        ana, ben, cho = team
        opening, now = Opening(ana.location_id, START, 60), START - 10 * MINUTE
        order = Order(member(session), opening)
        mine = desk_bookings.book(session, order, booked_by=CLERK, now=now, own_coach_id=cho.id)
        assert (mine.coach_id, mine.assignment, mine.status) == (cho.id, "own_coach", "booked")
        kept = desk_bookings.book(
            session, Order(member(session), opening, "later"), booked_by=CLERK, now=now, own_coach_id=cho.id
        )
        assert (kept.coach_id, kept.assignment, kept.status) == (ana.id, "turn", "held")
        plan = make_plan(session, kind="pack", sessions_included=5)
        late = START + 10 * MINUTE  # is let in
        sold = book(session, Order(new_id(), opening, "invoice", plan.code), late)
        assert (sold.coach_id, sold.assignment, sold.booked_by) == (ben.id, "turn", CLERK)
        came = book(session, Order(member(session), opening, comes_in=True), late)
        assert (came.coach_id, came.status) == (ana.id, "attended"), "it was not paid in time"
        with pytest.raises(NobodyFree):
            book(session, Order(member(session), opening), late)
        noted = session.scalar(select(AuditEntry).where(AuditEntry.object_id == str(sold.id)))
        assert noted is not None
        assert noted.details["assignment"] == "turn"

    def test_sells_nothing_where_the_next_coach_is_asked(self, session: Session, team: list[Coach]) -> None:
        """What was sold for a seat that somebody else got meanwhile is sold once, for the seat that they have."""
        seen: list[UUID] = []

        def gone(place: places.Place, how: str) -> Booking:
            seen.append(place.slot.coach_id)
            order = Order(mia, place.slot.id, "invoice", plan.code)
            booking = book(session, order)
            if len(seen) == 1:
                raise SlotTaken
            return booking

        mia, plan = new_id(), make_plan(session, kind="pack", sessions_included=5)
        opening = Opening(team[0].location_id, START, 60)
        booking = round_robin.take_opening(session, opening, own_coach_id=None, now=NOW, take=gone, is_at_desk=True)
        assert (seen, booking.coach_id) == ([team[0].id, team[1].id], team[1].id)
        assert len(session.scalars(select(Invoice).where(Invoice.customer_id == mia)).all()) == 1


class TestBook:
    def test_books_what_the_customer_can_pay_and_says_who_did(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        booking = book(session, Order(mia, slot.id))
        assert (booking.status, booking.booked_by, booking.session_pack_id) == ("booked", CLERK, None)
        told = session.scalar(select(OutboxEvent).where(OutboxEvent.aggregate_id == booking.id))
        assert told is not None
        assert (told.type, told.payload["booked_by"]) == ("scheduling.session_booked", str(CLERK))
        noted = session.scalar(select(AuditEntry).where(AuditEntry.object_id == str(booking.id)))
        assert noted is not None
        assert (noted.action, noted.actor_id, noted.subject_id) == ("scheduling.book_for", CLERK, mia)

    @pytest.mark.parametrize("late", [timedelta(0), 15 * MINUTE])
    def test_needs_no_notice_and_lets_in_who_comes_late(self, session: Session, late: timedelta) -> None:
        slot, mia = slot_on(session, minimum_notice_minutes=600), member(session)
        with pytest.raises(TooLate):
            bookings.book_session(session, customer_id=mia, slot_id=slot.id, now=START - HOUR)
        assert book(session, Order(mia, slot.id), START + late).status == "booked"

    def test_keeps_no_seat_of_what_has_begun(self, session: Session) -> None:
        with pytest.raises(TooLate):
            book(session, Order(member(session), slot_on(session).id, "later"), START)

    def test_lets_nobody_in_any_later(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        with pytest.raises(TooLate):
            book(session, Order(mia, slot.id), START + 15 * MINUTE + timedelta(seconds=1))

    def test_keeps_the_booking_window(self, session: Session) -> None:
        slot, mia = slot_on(session, booking_window_days=1), member(session)
        with pytest.raises(TooEarly):
            book(session, Order(mia, slot.id))

    def test_has_the_last_word_where_a_coach_would(self, session: Session) -> None:
        slot, mia = slot_on(session, needs_confirmation=True), member(session)
        assert book(session, Order(mia, slot.id)).status == "booked"

    def test_takes_no_seat_that_somebody_pays_for_at_this_moment(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        holds.hold_seat(session, customer_id=member(session), slot_id=slot.id, now=NOW)
        with pytest.raises(SlotTaken):
            book(session, Order(mia, slot.id))
        assert book(session, Order(mia, slot.id), NOW + 15 * MINUTE).status == "booked", "it was not paid in time"

    def test_is_free_to_cancel_for_a_quarter_of_an_hour_however_near_it_is(self, session: Session) -> None:
        slot, mia, now = slot_on(session, late_fee_minor=1500, late_fee_currency="EUR"), member(session), START - HOUR
        booking = book(session, Order(mia, slot.id), now)
        assert booking.free_until == now + 15 * MINUTE
        bookings.cancel_booking(session, booking_id=booking.id, now=now + 15 * MINUTE)
        assert (booking.status, booking.late_fee_due_at) == ("cancelled", None)
        again = book(session, Order(mia, slot.id), now + 20 * MINUTE)
        bookings.cancel_booking(session, booking_id=again.id, now=now + 36 * MINUTE)
        assert (again.status, again.late_fee_due_at) == ("late_cancelled", now + 36 * MINUTE)

    def test_is_free_to_cancel_as_ever_where_it_is_far_off(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        assert book(session, Order(mia, slot.id)).free_until == START - 12 * HOUR

    def test_checks_in_who_walks_in(self, session: Session) -> None:
        slot, mia, tom = slot_on(session, capacity=2), member(session), member(session)
        early = book(session, Order(mia, slot.id, comes_in=True), START - 10 * MINUTE)
        assert (early.status, early.outcome_at) == ("booked", START - 10 * MINUTE)
        late = book(session, Order(tom, slot.id, comes_in=True), START + 5 * MINUTE)
        assert late.status == "attended"
        assert events(session, late.id) == ["session_booked", "session_attended"]

    def test_says_what_a_customer_lacks(self, session: Session) -> None:
        with pytest.raises(PlanRequired):
            book(session, Order(new_id(), slot_on(session).id))


class TestSold:
    def test_is_on_an_invoice_and_used_at_once(self, session: Session) -> None:
        slot, mia = slot_on(session), new_id()
        plan = make_plan(session, price=11_900, kind="pack", name="10 sessions")
        session.execute(PlanPrice.__table__.update().where(PlanPrice.plan_id == plan.id).values(tax_rate_bp=1900))  # type: ignore[attr-defined]
        booking = book(session, Order(mia, slot.id, "invoice", plan.code))
        pack = pack_of(session, mia)
        assert (booking.session_pack_id, pack.sessions_used, pack.sessions_left) == (pack.id, 1, 9)
        assert (pack.net_minor, pack.currency) == (10_000, "EUR")
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        assert (invoice.status, invoice.total_minor, invoice.tax_minor) == ("open", 11_900, 1900)
        assert (invoice.session_pack_id, invoice.issued_at) == (pack.id, NOW)
        (line,) = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
        assert (line.kind, line.description, line.amount_minor) == ("pack", "10 sessions", 11_900)
        collection = session.get_one(Collection, invoice.id)
        assert (collection.payer_id, collection.next_attempt_at) == (mia, NOW)
        assert {one: balance(session, mia, one) for one in (ledger.RECEIVABLE, ledger.DEFERRED_PACKS)} == {
            ledger.RECEIVABLE: 11_900, ledger.DEFERRED_PACKS: -10_000,
        }  # fmt: skip

    def test_is_nothing_where_something_pays_already(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        with pytest.raises(PaidAlready):
            book(session, Order(mia, slot.id, "invoice", make_plan(session, kind="pack").code))

    def test_is_no_membership(self, session: Session) -> None:
        with pytest.raises(NotSoldOnInvoice):
            book(session, Order(new_id(), slot_on(session).id, "invoice", make_plan(session).code))

    def test_is_nothing_where_the_seat_is_gone(self, session: Session) -> None:
        slot, mia = slot_on(session), new_id()
        make_booking(session, slot=slot)
        plan = make_plan(session, kind="pack")
        with pytest.raises(SlotTaken), session.begin_nested():
            book(session, Order(mia, slot.id, "invoice", plan.code))
        assert session.scalars(select(Invoice).where(Invoice.customer_id == mia)).all() == []


def weeks_of(session: Session, count: int) -> list[UUID]:
    """Slots of one coach at the same hour, week after week."""
    coach = make_coach(session)
    return [make_slot(session, coach=coach, starts_at=START + n * timedelta(weeks=1)).id for n in range(count)]


def book_weeks(session: Session, customer_id: UUID, slot_ids: list[UUID], plan_code: str) -> recurring.Booked:
    return desk_bookings.book_weeks(
        session, customer_id=customer_id, slot_id=slot_ids[0], times=len(slot_ids), until=None, interval=1,
        plan_code=plan_code, booked_by=CLERK, now=NOW,
    )  # fmt: skip


def seated(session: Session, customer_id: UUID) -> list[str]:
    """What has become of a customer's bookings, by start."""
    query = select(Booking).where(Booking.customer_id == customer_id).order_by(Booking.starts_at)
    return [one.status for one in session.scalars(query.execution_options(populate_existing=True))]


class TestSoldForWeeks:
    def test_a_pack_pays_for_as_many_weeks_as_it_has_sessions(self, session: Session) -> None:
        ids, mia = weeks_of(session, 4), new_id()
        plan = make_plan(session, price=9000, kind="pack", sessions_included=3)
        found = book_weeks(session, mia, ids, plan.code)
        pack = pack_of(session, mia)
        assert [one.session_pack_id for one in found.bookings] == [pack.id] * 3
        assert [type(one.reason) for one in found.missed] == [PlanRequired]
        assert (pack.sessions_used, pack.sessions_left) == (3, 0)
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        assert (invoice.status, invoice.total_minor) == ("open", 9000)

    def test_nothing_is_sold_where_something_pays_or_the_first_is_gone(self, session: Session) -> None:
        ids, plan = weeks_of(session, 2), make_plan(session, kind="pack")
        with pytest.raises(PaidAlready):
            book_weeks(session, member(session), ids, plan.code)
        make_booking(session, slot=session.get_one(Slot, ids[0]))
        mia = new_id()
        with pytest.raises(SlotTaken), session.begin_nested():
            book_weeks(session, mia, ids, plan.code)
        assert session.scalars(select(Invoice).where(Invoice.customer_id == mia)).all() == []

    def test_undone_nothing_of_it_was(self, session: Session) -> None:
        ids, mia, plan = weeks_of(session, 3), new_id(), make_plan(session, price=2500, kind="pack")
        found = book_weeks(session, mia, ids, plan.code)
        assert len(undo(session, found.bookings[1], NOW + MINUTE)) == 3
        pack = pack_of(session, mia)
        assert (pack.sessions_used, pack.sessions_left) == (0, 0)
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        assert invoice.status == "void"
        accounts = (ledger.RECEIVABLE, ledger.DEFERRED_PACKS, ledger.PACK_REVENUE, ledger.TAX_PAYABLE)
        assert {balance(session, mia, one) for one in accounts} == {0}


def reduced(session: Session, pack: SessionPack) -> None:
    """What scheduling does once it hears of it; twice, as after a crash."""
    [told] = session.scalars(
        select(OutboxEvent).where(OutboxEvent.aggregate_id == pack.id, OutboxEvent.type == PackReduced.type)
    )
    event = PackReduced(occurred_at=told.occurred_at, **told.payload)
    for _ in range(2):
        bookings.leave_unpaid(session, pack_id=event.pack_id, now=NOW + HOUR)


class TestNeverPaid:
    def sold(self, session: Session) -> tuple[UUID, Invoice, list[UUID]]:
        ids, mia = weeks_of(session, 4), new_id()
        plan = make_plan(session, price=10_000, kind="pack", sessions_included=4)
        book_weeks(session, mia, ids, plan.code)
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        return mia, invoice, ids

    def credit(self, session: Session, invoice: Invoice, amount_minor: int | None) -> None:
        crediting.credit_open(
            session, invoice_id=invoice.id, amount_minor=amount_minor, reason="Not wanted", actor_id=CLERK, now=NOW
        )

    def test_seats_of_a_voided_invoice_are_free_and_who_waits_is_asked(self, session: Session) -> None:
        mia, invoice, ids = self.sold(session)
        tom = member(session)
        session.add(WaitlistEntry(slot_id=ids[2], customer_id=tom, joined_at=NOW))
        session.flush()
        self.credit(session, invoice, None)
        assert seated(session, mia) == ["booked"] * 4, "until scheduling hears of it"
        reduced(session, pack_of(session, mia))
        assert seated(session, mia) == ["cancelled"] * 4
        assert pack_of(session, mia).sessions_used == 0
        told = session.scalars(
            select(OutboxEvent).where(OutboxEvent.type == "scheduling.session_cancelled")
            .where(OutboxEvent.payload["customer_id"].astext == str(mia))
        ).all()  # fmt: skip
        assert [one.payload["is_unpaid"] for one in told] == [True] * 4
        assert session.scalar(select(Booking.status).where(Booking.customer_id == tom)) == "held"

    def test_of_an_invoice_that_is_credited_in_part_the_first_seats_stay(self, session: Session) -> None:
        mia, invoice, _ = self.sold(session)
        self.credit(session, invoice, 5000)
        reduced(session, pack_of(session, mia))
        assert seated(session, mia) == ["booked", "booked", "cancelled", "cancelled"]

    def test_what_nobody_pays_for_in_the_end_is_nobodys_seat(self, session: Session) -> None:
        mia, invoice, ids = self.sold(session)
        session.execute(update(Booking).where(Booking.slot_id == ids[0]).values(status="attended"))
        row = session.get_one(Collection, invoice.id)
        row.status, row.next_attempt_at = "stopped", NOW
        session.flush()
        collection.collect(session, Unasked(), invoice.id, now=NOW)
        assert invoice.status == "uncollectible"
        reduced(session, pack_of(session, mia))
        assert seated(session, mia) == ["attended", "cancelled", "cancelled", "cancelled"]
        pack = pack_of(session, mia)
        assert (pack.sessions_used, pack.sessions_left) == (1, 0), "who came has used it"
        assert balance(session, mia, ledger.DEFERRED_PACKS) == balance(session, mia, ledger.RECEIVABLE) == 0

    def test_who_was_checked_in_keeps_the_seat(self, session: Session) -> None:
        mia, invoice, ids = self.sold(session)
        session.execute(update(Booking).where(Booking.slot_id == ids[3]).values(outcome_at=NOW))
        self.credit(session, invoice, None)
        reduced(session, pack_of(session, mia))
        assert seated(session, mia) == ["cancelled"] * 3 + ["booked"]


class Unasked:
    """A provider that nobody asks to charge anything."""

    name = "stripe"

    def charge(self, order: Charge) -> Charged:
        raise AssertionError(order)


class TestLeft:
    def test_nothing_is_booked_for_who_closed_their_account(self, session: Session) -> None:
        ids, gone = weeks_of(session, 2), make_account(session, disabled_at=NOW).id
        make_pack(session, customer_id=gone, now=NOW)
        for paid in ("means", "later"):
            with pytest.raises(CustomerLeft):
                book(session, Order(gone, ids[0], paid))  # type: ignore[arg-type]
        with pytest.raises(CustomerLeft):
            desk_bookings.book_weeks(
                session, customer_id=gone, slot_id=ids[0], times=2, until=None, interval=1, booked_by=CLERK, now=NOW
            )
        assert seated(session, gone) == []


class TestKept:
    def test_is_kept_for_a_day_and_theirs_once_they_have_paid(self, session: Session) -> None:
        slot, mia = slot_on(session), new_id()
        held = book(session, Order(mia, slot.id, "later"))
        assert (held.status, held.held_until, held.booked_by) == ("held", NOW + 24 * HOUR, CLERK)
        make_pack(session, customer_id=mia, now=NOW)
        booked = holds.confirm_hold(session, booking_id=held.id, now=NOW + 23 * HOUR)
        assert (booked.status, pack_of(session, mia).sessions_used) == ("booked", 1)

    def test_ends_at_the_start_and_is_somebody_elses_then(self, session: Session) -> None:
        slot, now = slot_on(session), START - HOUR
        assert book(session, Order(new_id(), slot.id, "later"), now).held_until == START
        tom = member(session)
        assert book(session, Order(tom, slot.id), START).customer_id == tom


class TestUndo:
    def test_is_as_if_it_had_never_been(self, session: Session) -> None:
        slot, mia = slot_on(session), new_id()
        make_pack(session, customer_id=mia, now=NOW)
        booking, expires_at = book(session, Order(mia, slot.id)), pack_of(session, mia).expires_at
        assert undo(session, booking, NOW + 15 * MINUTE) == [booking]
        assert (booking.status, pack_of(session, mia).sessions_used) == ("cancelled", 0)
        assert pack_of(session, mia).expires_at == expires_at, "nothing is made up for what never was"
        of_booking = select(OutboxEvent).where(OutboxEvent.aggregate_id == booking.id)
        told = session.scalars(of_booking.order_by(OutboxEvent.position)).all()
        assert [(one.type, one.payload.get("is_undone")) for one in told] == [
            ("scheduling.session_booked", None), ("scheduling.session_cancelled", True),
        ]  # fmt: skip

    def test_credits_what_was_sold_with_it(self, session: Session) -> None:
        slot, mia, plan = slot_on(session), new_id(), make_plan(session, price=2500, kind="pack")
        booking = book(session, Order(mia, slot.id, "invoice", plan.code))
        undo(session, booking, NOW + MINUTE)
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        (note,) = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id))
        assert (invoice.status, note.amount_minor, pack_of(session, mia).sessions_left) == ("void", 2500, 0)
        assert session.get_one(Collection, invoice.id).next_attempt_at is None
        accounts = (ledger.RECEIVABLE, ledger.DEFERRED_PACKS, ledger.PACK_REVENUE, ledger.TAX_PAYABLE)
        assert {balance(session, mia, one) for one in accounts} == {0}

    def test_leaves_a_pack_that_was_paid_meanwhile(self, session: Session) -> None:
        slot, mia, plan = slot_on(session), new_id(), make_plan(session, price=2500, kind="pack")
        booking = book(session, Order(mia, slot.id, "invoice", plan.code))
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        invoice.status, invoice.paid_at = "paid", NOW
        session.flush()
        undo(session, booking, NOW + MINUTE)
        pack = pack_of(session, mia)
        assert (booking.status, pack.sessions_used, pack.sessions_left) == ("cancelled", 0, pack.sessions_total)

    def test_waits_while_nobody_knows_whether_it_was_paid(self, session: Session) -> None:
        slot, mia, plan = slot_on(session), new_id(), make_plan(session, price=2500, kind="pack")
        booking = book(session, Order(mia, slot.id, "invoice", plan.code))
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia))
        session.add(
            Payment(
                invoice_id=invoice.id, customer_id=mia, provider="stripe", status="unknown", amount_minor=2500,
                currency="EUR", attempted_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        with pytest.raises(InvoiceNotCreditable), session.begin_nested():
            undo(session, booking, NOW + MINUTE)
        session.refresh(booking)
        assert booking.status == "booked"

    def test_takes_the_weeks_back_that_were_booked_with_it(self, session: Session) -> None:
        coach, mia = make_coach(session), member(session)
        ids = [make_slot(session, coach=coach, starts_at=START + n * timedelta(weeks=1)).id for n in range(3)]
        found = desk_bookings.book_weeks(
            session, customer_id=mia, slot_id=ids[0], times=3, until=None, interval=1, booked_by=CLERK, now=NOW
        )
        assert [one.booked_by for one in found.bookings] == [CLERK] * 3
        ((first, _),) = desk_bookings.undoable(session, customer_id=mia, now=NOW)
        assert first == found.bookings[0]
        assert len(undo(session, found.bookings[0], NOW + MINUTE)) == 3
        assert {one.status for one in found.bookings} == {"cancelled"}
        assert found.series is not None
        assert not found.series.goes_on
        assert desk_bookings.undoable(session, customer_id=mia, now=NOW + MINUTE) == []

    def test_lets_go_of_what_was_kept_and_asks_who_waits(self, session: Session) -> None:
        slot, tom = slot_on(session), member(session)
        held = book(session, Order(new_id(), slot.id, "later"))
        session.add(WaitlistEntry(slot_id=slot.id, customer_id=tom, joined_at=NOW))
        session.flush()
        undo(session, held, NOW + MINUTE)
        assert events(session, held.id) == ["seat_held", "seat_released"]
        assert session.scalar(select(Booking.status).where(Booking.customer_id == tom)) == "held"

    def test_takes_back_who_was_let_in_by_mistake_after_the_start(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        booking = book(session, Order(mia, slot.id), START + MINUTE)
        undo(session, booking, START + 5 * MINUTE)
        assert booking.status == "cancelled"

    def test_is_over_after_a_quarter_of_an_hour(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        booking = book(session, Order(mia, slot.id))
        with pytest.raises(UndoOver):
            undo(session, booking, NOW + 15 * MINUTE + timedelta(seconds=1))

    def test_is_not_of_what_the_customer_booked(self, session: Session) -> None:
        slot, mia = slot_on(session), member(session)
        own = bookings.book_session(session, customer_id=mia, slot_id=slot.id, now=NOW)
        with pytest.raises(UndoOver):
            undo(session, own, NOW)

    def test_is_not_of_who_was_checked_in_or_is_gone(self, session: Session) -> None:
        slot, mia = slot_on(session, capacity=2), member(session)
        here = book(session, Order(mia, slot.id, comes_in=True), START - 10 * MINUTE)
        gone = book(session, Order(member(session), slot.id), START - 10 * MINUTE)
        undo(session, gone, START - 9 * MINUTE)
        for one in (here, gone):
            with pytest.raises(BookingClosed):
                undo(session, one, START - 8 * MINUTE)
