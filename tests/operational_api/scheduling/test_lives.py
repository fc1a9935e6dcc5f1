"""Random lives of a studio's bookings on the real database: whatever happens in whatever order, the promises hold.

A few dozen bookings live with every test; `PLYO_LIVES=10000` (`make lives`) asks for that many. One studio after the
other works on one connection; the promises are looked at after every step that changed something.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.errors import DomainError
from operational_api.core.models import OutboxEvent
from operational_api.scheduling import handlers
from operational_api.scheduling.models import Booking, BookingTerms, Coach, Resource, Slot, TimeOff, WaitlistEntry
from operational_api.scheduling.recurrence import Recurrence
from operational_api.scheduling.service import (
    assistants,
    bookings,
    classes,
    fees,
    holds,
    moves,
    recurring,
    slots,
    waitlist,
)
from operational_api.scheduling.service.classes import ClassPlan
from operational_api.scheduling.service.moves import Mover
from tests.factories import make_coach, make_location, make_pack, make_slot, make_subscription
from tests.operational_api.lives import Stage, live, stage

LIVES = int(os.environ.get("PLYO_LIVES", "60"))
A_STUDIO = 6
"""Bookings that live in one studio, at least about."""
STEPS = 30
BEGIN = datetime(2026, 3, 26, 12, tzinfo=UTC)  # a Thursday; the clocks change on Sunday
WEEK = timedelta(days=7)
TIMES = [datetime(2026, 3, 28, 17, tzinfo=UTC) + timedelta(hours=n) for n in (0, 12, 24, 25, 48)]

EDGES = {
    None: {"seat_held", "session_requested", "session_booked"},
    "seat_held": {"session_requested", "session_booked", "seat_released"},
    "session_requested": {"session_booked", "seat_released"},
    "session_booked": {"session_cancelled", "session_attended", "session_missed"},
    "session_attended": {"session_missed"},
    "session_missed": {"session_attended"},
    "seat_released": set(),
    "session_cancelled": set(),
}
"""Which event of a booking may follow which: each is one change of its state."""
STATE = {
    "held": "seat_held", "requested": "session_requested", "booked": "session_booked", "released": "seat_released",
    "cancelled": "session_cancelled", "late_cancelled": "session_cancelled", "attended": "session_attended",
    "no_show": "session_missed",
}  # fmt: skip
BROKEN = {
    "a coach is in two places": """
        select 1 from scheduling.slots a join scheduling.slots b on a.coach_id = b.coach_id and a.id < b.id
        where a.status = 'open' and b.status = 'open' and a.starts_at < b.ends_at and b.starts_at < a.ends_at""",
    "a customer is in two places": """
        select 1 from scheduling.bookings a join scheduling.bookings b on a.customer_id = b.customer_id and a.id < b.id
        where a.status in ('held', 'requested', 'booked', 'attended', 'no_show')
            and b.status in ('held', 'requested', 'booked', 'attended', 'no_show')
            and a.starts_at < b.ends_at and b.starts_at < a.ends_at""",
    "a resource is in two places": """
        select 1 from scheduling.slot_resources x join scheduling.slots a on a.id = x.slot_id
        join scheduling.slot_resources y on y.resource_id = x.resource_id and y.slot_id <> x.slot_id
        join scheduling.slots b on b.id = y.slot_id
        where a.status = 'open' and b.status = 'open' and a.starts_at < b.ends_at and b.starts_at < a.ends_at""",
    "more seats are held than there are": """
        select 1 from scheduling.slots s join scheduling.bookings b on b.slot_id = s.id
            and b.status in ('held', 'requested', 'booked', 'attended', 'no_show')
        group by s.id having count(*) > s.capacity or count(distinct b.seat) < count(*) or max(b.seat) > s.capacity""",
    "somebody sits or waits in the place of an assistant": """
        select 1 from scheduling.slots s where s.kind = 'assist'
            and (exists (select 1 from scheduling.bookings where slot_id = s.id)
                or exists (select 1 from scheduling.waitlist_entries where slot_id = s.id))""",
    "an assistant is not where the class is": """
        select 1 from scheduling.slots a join scheduling.slots c on c.id = a.assists_id
        where a.status = 'open' and (c.kind, c.status, c.title, c.starts_at, c.ends_at)
            is distinct from ('group', 'open', a.title, a.starts_at, a.ends_at)""",
    "the place of an assistant and its announcements are not of one mind": """
        select 1 from scheduling.slots s where s.kind = 'assist'
            and ((select count(*) from platform.outbox_events e
                    where e.aggregate_id = s.id and e.type = 'scheduling.assistant_assigned') <> 1
                or (select count(*) from platform.outbox_events e
                    where e.aggregate_id = s.id and e.type = 'scheduling.assistant_released')
                    <> (s.status = 'cancelled')::int)""",
    "a called off session has seats": """
        select 1 from scheduling.slots s join scheduling.bookings b on b.slot_id = s.id
        where s.status = 'cancelled' and b.status in ('held', 'requested', 'booked')""",
    "credits used are not the seats they paid for": """
        select 1 from commerce.session_packs p where sessions_used <> (select count(*) from scheduling.bookings b
            where b.session_pack_id = p.id
            and b.status in ('requested', 'booked', 'attended', 'no_show', 'late_cancelled'))""",
    "a booking is not when its session is": """
        select 1 from scheduling.bookings b join scheduling.slots s on s.id = b.slot_id
        where b.status not in ('cancelled', 'late_cancelled', 'released')
            and (b.starts_at, b.ends_at) <> (s.starts_at, s.ends_at)
            or b.starts_at <> date_trunc('minute', b.starts_at)""",
    "one session of a series is booked twice": """
        select 1 from scheduling.bookings where series_id is not null
            and status in ('held', 'requested', 'booked', 'attended', 'no_show')
        group by series_id, recurs_at having count(*) > 1""",
    "a class of a series left its clock": """
        select 1 from scheduling.slots where series_id is not null and extract(minute from starts_at) <> 30""",
    "an offer and its seat are not of one mind": """
        select 1 from scheduling.waitlist_entries w left join scheduling.bookings b on b.id = w.booking_id
        where (w.status = 'offered') <> coalesce(b.status = 'held' and b.customer_id = w.customer_id, false)
            or (w.status in ('waiting', 'offered')) <> (w.closed_at is null)""",
    "a fee and its announcements are not of one mind": """
        select 1 from scheduling.bookings b
        where (late_fee_due_at is not null) <> (status = 'late_cancelled' and late_fee_minor is not null)
            or (late_fee_due_at is not null)::int <> (select count(*) from platform.outbox_events e
                where e.aggregate_id = b.id and e.type = 'scheduling.late_fee_incurred')
            or (late_fee_waived_at is not null)::int <> (select count(*) from platform.outbox_events e
                where e.aggregate_id = b.id and e.type = 'scheduling.late_fee_waived')""",
}

ANY_BROKEN = text(" union all ".join(f"select '{name}' from ({query}) q" for name, query in BROKEN.items()))
TOLD = (
    select(OutboxEvent.aggregate_id, OutboxEvent.type)
    .where(OutboxEvent.type.in_({f"scheduling.{one}" for one in EDGES if one}))
    .order_by(OutboxEvent.position)
)


class World:
    """Two coaches in Berlin with classes on one weekend and a third who assists, four customers, one room; made once,
    taken back each time."""

    def __init__(self, session: Session) -> None:
        here = make_location(session)
        self.coaches = [make_coach(session, location=here).id for _ in range(3)]
        self.room = Resource(id=new_id(), location_id=here.id, name="Studio A", kind="room")
        session.add(self.room)
        on = BEGIN.date() + timedelta(days=3)
        session.add(TimeOff(coach_id=self.coaches[0], starts_on=on, ends_on=on, kind="holiday"))
        # The second coach has the last word, and asks for a fee.
        session.add_all(
            [
                BookingTerms(coach_id=self.coaches[1], needs_confirmation=True, late_fee_minor=1500,
                             late_fee_currency="EUR", hold_minutes=10),
                BookingTerms(kind="group", members_first=True, offer_minutes=90),
            ]
        )  # fmt: skip
        self.customers = [new_id() for _ in range(4)]
        for one in self.customers[:2]:
            make_subscription(session, customer_id=one, now=BEGIN)
        for one in self.customers[1:3]:
            make_pack(session, customer_id=one, now=BEGIN, sessions_total=3)
        self.lived = 0
        for number, starts_at in enumerate([*TIMES, TIMES[0] + timedelta(days=7, hours=-1), TIMES[1] + WEEK]):
            coach = session.get_one(Coach, self.coaches[number % 2])
            make_slot(session, coach=coach, starts_at=starts_at, capacity=1 + number % 3)
        other = session.get_one(Coach, self.coaches[1])
        make_slot(session, coach=other, starts_at=TIMES[0] + timedelta(minutes=30), capacity=2)
        session.flush()
        for slot_id in session.scalars(select(Slot.id).where(Slot.kind == "group")).all():
            helper = {"coach_ids": [self.coaches[2]], "scope": "one"}
            classes.assign_assistants(session, slot_id=slot_id, now=BEGIN, **helper)


def lives(studio: Stage[World]) -> type[RuleBasedStateMachine]:
    """The machine, whose every life begins with the world as it was made."""
    world = studio.world

    class Lives(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            _, self.session = studio.enter()
            self.now = BEGIN
            self.has_changed = False

        def teardown(self) -> None:
            self.has_changed = True
            self.no_promise_is_broken()
            world.lived += len(self.session.scalars(select(Booking.id)).all())
            studio.leave(self.session)

        def act(self, do: Callable[..., object], **given: object) -> None:
            """Do it, or be refused and find everything as it was."""
            try:
                with self.session.begin_nested():
                    do(self.session, now=self.now, **given)
                self.has_changed = True
            except DomainError:
                self.session.expire_all()

        def one(self, of: Any, pick: int, *conditions: Any) -> UUID | None:
            ids = self.session.scalars(select(of.id).where(*conditions).order_by(of.id)).all()
            return ids[pick % len(ids)] if ids else None

        @initialize(
            asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.booleans()), min_size=6, max_size=12)
        )
        def begins_with(self, asked: list[tuple[int, int, bool]]) -> None:
            for who, pick, keep in asked:
                self.take(who, pick, keep)

        @rule(minutes=st.sampled_from([1, 5, 10, 15, 59, 60, 61, 90, 180, 600, 721]))
        def time_passes(self, minutes: int) -> None:
            self.now += timedelta(minutes=minutes)

        @rule(who=st.integers(0, 3), pick=st.integers(0, 9), keep=st.booleans())
        def take(self, who: int, pick: int, keep: bool) -> None:
            if (slot_id := self.one(Slot, pick)) is not None:
                do: Any = holds.hold_seat if keep else bookings.book_session
                self.act(do, customer_id=world.customers[who], slot_id=slot_id)

        @rule(who=st.integers(0, 3), pick=st.integers(0, 9), times=st.integers(2, 3))
        def take_weeks(self, who: int, pick: int, times: int) -> None:
            if (slot_id := self.one(Slot, pick)) is not None:
                self.act(recurring.book_series, customer_id=world.customers[who], slot_id=slot_id, times=times)

        @rule(pick=st.integers(0, 9), by_coach=st.booleans())
        def cancel_weeks(self, pick: int, by_coach: bool) -> None:
            if (booking_id := self.one(Booking, pick, Booking.series_id.is_not(None))) is not None:
                self.act(recurring.cancel_following, booking_id=booking_id, by_coach=by_coach)

        @rule(pick=st.integers(0, 9), step=st.sampled_from(["confirm", "let go", "yes", "no"]))
        def decide(self, pick: int, step: str) -> None:
            pending = Booking.status.in_(("held", "requested"))
            if (booking_id := self.one(Booking, pick, pending)) is None:
                return
            if step in ("yes", "no"):
                self.act(holds.answer_request, booking_id=booking_id, is_accepted=step == "yes")
            else:
                self.act(holds.confirm_hold if step == "confirm" else holds.let_go, booking_id=booking_id)

        @rule(pick=st.integers(0, 19), by_coach=st.booleans())
        def cancel(self, pick: int, by_coach: bool) -> None:
            if (booking_id := self.one(Booking, pick)) is not None:
                self.act(bookings.cancel_booking, booking_id=booking_id, by_coach=by_coach)

        @rule(pick=st.integers(0, 19), to=st.integers(0, 9))
        def move(self, pick: int, to: int) -> None:
            booking_id, slot_id = self.one(Booking, pick, Booking.status == "booked"), self.one(Slot, to)
            if booking_id is not None and slot_id is not None:
                self.act(moves.reschedule_booking, booking_id=booking_id, slot_id=slot_id, by=Mover(None, "customer"))

        @rule(pick=st.integers(0, 19), outcome=st.sampled_from(["attended", "no_show"]))
        def mark(self, pick: int, outcome: str) -> None:
            if (booking_id := self.one(Booking, pick)) is not None:
                self.act(bookings.mark_outcome, booking_id=booking_id, outcome=outcome)

        @rule(who=st.integers(0, 3), pick=st.integers(0, 9), leaves=st.booleans())
        def wait(self, who: int, pick: int, leaves: bool) -> None:
            if (slot_id := self.one(Slot, pick)) is not None:
                do: Any = waitlist.leave_waitlist if leaves else waitlist.join_waitlist
                self.act(do, customer_id=world.customers[who], slot_id=slot_id)

        @rule(pick=st.integers(0, 9))
        def waive(self, pick: int) -> None:
            late = self.one(Booking, pick, Booking.status == "late_cancelled")
            if late is not None:
                self.act(fees.waive, booking_id=late, actor_id=world.coaches[0], reason="ill")

        @rule(
            coach=st.integers(0, 1), days=st.integers(0, 4), hour=st.integers(0, 23), uses=st.booleans(),
            count=st.integers(1, 3),
        )  # fmt: skip
        def open_classes(self, coach: int, days: int, hour: int, uses: bool, count: int) -> None:
            plan = ClassPlan("Mobility", time(hour, 30), 60, 2, [world.room.id] if uses else [])
            first_on = (self.now + timedelta(days=days)).date()
            self.act(
                classes.create_classes, coach_id=world.coaches[coach], plan=plan, first_on=first_on,
                repeats=Recurrence(count=count) if count > 1 else None,
            )  # fmt: skip

        @rule(
            pick=st.integers(0, 9), hour=st.integers(0, 23), capacity=st.integers(1, 3), uses=st.booleans(),
            following=st.booleans(),
        )  # fmt: skip
        def change_classes(self, pick: int, hour: int, capacity: int, uses: bool, following: bool) -> None:
            slot_id = self.one(Slot, pick, Slot.kind == "group", Slot.status == "open")
            if slot_id is not None:
                plan = ClassPlan("Strength", time(hour, 30), 60, capacity, [world.room.id] if uses else [])
                scope = "following" if following else "one"
                self.act(classes.change_classes, slot_id=slot_id, plan=plan, scope=scope, by=Mover(None, "coach"))

        @rule(pick=st.integers(0, 9), helpers=st.sets(st.integers(0, 2), max_size=2), following=st.booleans())
        def assign_assistants(self, pick: int, helpers: set[int], following: bool) -> None:
            slot_id = self.one(Slot, pick, Slot.kind == "group", Slot.status == "open")
            if slot_id is not None:
                ids, scope = [world.coaches[one] for one in helpers], "following" if following else "one"
                self.act(classes.assign_assistants, slot_id=slot_id, coach_ids=ids, scope=scope)

        @rule(coach=st.integers(0, 2), leaves=st.booleans())
        def assists_no_more(self, coach: int, leaves: bool) -> None:
            self.act(assistants.leave_all if leaves else assistants.leave_absent, coach_id=world.coaches[coach])

        @rule(pick=st.integers(0, 9))
        def call_off(self, pick: int) -> None:
            if (slot_id := self.one(Slot, pick, Slot.status == "open")) is not None:
                self.act(bookings.cancel_slot, slot_id=slot_id)

        @rule()
        def the_worker_comes_by(self) -> None:
            handlers.free_seats(self.session, self.now)
            handlers.close_waitlists(self.session, self.now)
            self.session.flush()
            self.has_changed = True
            late = select(Booking).where(Booking.status.in_(("held", "requested")), Booking.held_until <= self.now)
            assert self.session.scalars(late).all() == []
            self.nobody_waits_for_a_free_seat()

        def nobody_waits_for_a_free_seat(self) -> None:
            """The first customer could always pay: they wait only where no seat is free, or no time left, or busy."""
            for entry in self.session.scalars(
                select(WaitlistEntry).where(
                    WaitlistEntry.status == "waiting", WaitlistEntry.customer_id == world.customers[0]
                )
            ):
                view = slots.get_slot(self.session, entry.slot_id, viewer_id=None, now=self.now)
                is_busy = self.session.scalar(
                    select(Booking.id).where(
                        Booking.customer_id == entry.customer_id,
                        Booking.status.in_(("held", "requested", "booked", "attended", "no_show")),
                        Booking.starts_at < view.slot.ends_at,
                        Booking.ends_at > view.slot.starts_at,
                    )
                )
                has_time = self.now < view.slot.starts_at - timedelta(hours=2)
                assert view.seats_left == 0 or is_busy or not has_time

        @invariant()
        def no_promise_is_broken(self) -> None:
            """Nothing that was promised, and each change is exactly one event."""
            if not self.has_changed:
                return
            self.has_changed = False
            self.session.flush()
            assert set(self.session.scalars(ANY_BROKEN)) == set()
            told: dict[UUID, list[str]] = {}
            for id_, type_ in self.session.execute(TOLD).tuples():
                told.setdefault(id_, []).append(type_.removeprefix("scheduling."))
            states = dict(self.session.execute(select(Booking.id, Booking.status)).tuples().all())
            assert told.keys() == states.keys()
            for id_, chain in told.items():
                assert all(after in EDGES[before] for before, after in zip([None, *chain], chain, strict=False)), chain
                assert chain[-1] == STATE[states[id_]]

    return Lives


@pytest.fixture
def studio(fresh_database: Callable[[], str]) -> Iterator[Stage[World]]:
    """The studio, in a database of its own."""
    with stage(fresh_database(), World) as made:
        yield made


def test_bookings_live_as_promised(studio: Stage[World], record_property: Callable[..., None]) -> None:
    live(lives(studio), examples=LIVES // A_STUDIO, steps=STEPS)
    record_property("bookings_lived", studio.world.lived)
