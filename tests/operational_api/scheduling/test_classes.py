"""Classes, series and what they use: all or nothing, on the studio's clock, and what is in the way is named."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.errors import (
    ClassNotFound,
    CoachBusy,
    CustomersClash,
    InvalidClass,
    ResourceNotFound,
    ResourceTaken,
    SeatsHeld,
    SlotClosed,
)
from operational_api.scheduling.models import (
    Booking,
    BookingMove,
    BookingTerms,
    Coach,
    Resource,
    SessionSeries,
    Slot,
    SlotResource,
)
from operational_api.scheduling.recurrence import parse
from operational_api.scheduling.service import bookings, classes, studio, waitlist
from operational_api.scheduling.service.classes import ClassPlan
from operational_api.scheduling.service.moves import Mover
from tests.factories import make_booking, make_coach, make_location, make_slot, make_subscription

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
MONDAY = date(2026, 3, 23)  # the week before the clocks change
EIGHT = ClassPlan("Mobility", time(18), 60, 8)


def local(made: list[Slot]) -> list[str]:
    return [f"{one.starts_at.astimezone(BERLIN):%d.%m. %H:%M}" for one in made]


def open_series(session: Session, coach: Coach, rule: str = "FREQ=WEEKLY;COUNT=3", **given: object) -> list[Slot]:
    plan = given.pop("plan", EIGHT)
    return classes.create_classes(
        session, coach_id=coach.id, plan=plan, first_on=MONDAY, repeats=parse(rule), now=NOW  # type: ignore[arg-type]
    )  # fmt: skip


def change(session: Session, slot: Slot, plan: ClassPlan, scope: classes.Scope = "one") -> list[Slot]:
    return classes.change_classes(session, slot_id=slot.id, plan=plan, scope=scope, now=NOW, by=Mover(None, "coach"))


def room(session: Session, coach: Coach, name: str = "Studio A") -> Resource:
    return studio.put_resource(session, location_id=coach.location_id, name=name, kind="room", is_active=True)


class TestCreateClasses:
    def test_a_series_holds_its_wall_time_across_the_change_of_clocks(self, session: Session) -> None:
        made = open_series(session, make_coach(session))
        assert local(made) == ["23.03. 18:00", "30.03. 18:00", "06.04. 18:00"]
        assert [one.starts_at.hour for one in made] == [17, 16, 16]
        series = session.scalars(select(SessionSeries)).one()
        assert {one.series_id for one in made} == {series.id}
        assert (series.rule, series.wall_start) == ("FREQ=WEEKLY;COUNT=3", time(18))
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "scheduling.class_scheduled")).all()
        assert {one.aggregate_id for one in told} == {one.id for one in made}

    def test_empty_hours_make_room_and_booked_ones_do_not(self, session: Session) -> None:
        coach = make_coach(session)
        at = datetime(2026, 3, 23, 17, 30, tzinfo=UTC)
        empty = make_slot(session, coach=coach, starts_at=at).id
        open_series(session, coach)
        assert session.scalar(select(Slot.id).where(Slot.id == empty)) is None
        other = make_coach(session)
        make_booking(session, slot=make_slot(session, coach=other, starts_at=at + timedelta(days=7, hours=-1)))
        with pytest.raises(CoachBusy):
            open_series(session, other)
        assert session.scalars(select(Slot.id).where(Slot.coach_id == other.id, Slot.kind == "group")).all() == []

    @pytest.mark.parametrize(("status", "is_free"), [("cancelled", True), ("released", True), ("held", False)])
    def test_an_hour_that_was_let_go_makes_room_and_one_that_is_kept_does_not(
        self, session: Session, status: str, is_free: bool
    ) -> None:
        coach = make_coach(session)
        slot = make_slot(session, coach=coach, starts_at=datetime(2026, 3, 23, 17, tzinfo=UTC))
        make_booking(session, slot=slot, status=status, held_until=NOW + timedelta(hours=1))
        if is_free:
            open_series(session, coach)
            assert slot.status == "withdrawn"
        else:
            with pytest.raises(CoachBusy):
                open_series(session, coach)

    def test_empty_hours_nearer_than_the_buffers_make_room_too(self, session: Session) -> None:
        coach = make_coach(session)
        for kind, before, after in (("one_to_one", 10, 20), ("group", 15, 5)):
            session.add(
                BookingTerms(
                    coach_id=coach.id, kind=kind, buffer_before_minutes=before, buffer_after_minutes=after,
                )
            )  # fmt: skip
        begins = datetime(2026, 3, 23, 18, tzinfo=BERLIN).astimezone(UTC)
        kept = {
            make_slot(session, coach=coach, starts_at=at, ends_at=at + timedelta(minutes=30)).id
            for at in (begins - timedelta(minutes=65), begins + timedelta(minutes=75))  # 35 before, 15 after it
        }
        for at in (begins - timedelta(minutes=34), begins + timedelta(minutes=61)):
            make_slot(session, coach=coach, starts_at=at, ends_at=at + timedelta(minutes=13))
        open_series(session, coach)
        assert set(session.scalars(select(Slot.id).where(Slot.kind == "one_to_one"))) == kept

    def test_refuses_the_past_and_what_nobody_can_hold(self, session: Session) -> None:
        with pytest.raises(InvalidClass):
            classes.create_classes(
                session, coach_id=make_coach(session).id, plan=EIGHT, first_on=NOW.date() - timedelta(days=1),
                repeats=None, now=NOW,
            )  # fmt: skip
        for plan in (("", 60, 8), ("Yoga", 9, 8), ("Yoga", 60, 0), ("Yoga", 60, 201)):
            with pytest.raises(InvalidClass):
                ClassPlan(plan[0], time(18), plan[1], plan[2])


class TestResources:
    def test_one_room_is_in_one_session_at_a_time_and_the_database_says_so(self, session: Session) -> None:
        ana = make_coach(session)
        ben = make_coach(session, location=None, location_id=ana.location_id)
        here = room(session, ana)
        first = open_series(session, ana, plan=ClassPlan("Mobility", time(18), 60, 8, [here.id]))
        with pytest.raises(ResourceTaken):
            open_series(session, ben, "FREQ=WEEKLY;COUNT=2", plan=ClassPlan("Yoga", time(18, 30), 60, 8, [here.id]))
        open_series(session, ben, plan=ClassPlan("Yoga", time(19), 60, 8, [here.id]))
        other = make_slot(session, coach=make_coach(session), starts_at=first[0].starts_at)
        session.add(
            SlotResource(
                slot_id=other.id, resource_id=here.id, starts_at=other.starts_at, ends_at=other.ends_at
            )
        )  # fmt: skip
        with pytest.raises(IntegrityError, match="ex_slot_resources_overlap"):
            session.flush()

    def test_what_is_called_off_leaves_its_room(self, session: Session) -> None:
        ana = make_coach(session)
        ben = make_coach(session, location_id=ana.location_id)
        plan = ClassPlan("Mobility", time(18), 60, 8, [room(session, ana).id])
        classes.cancel_classes(session, slot_id=open_series(session, ana, plan=plan)[0].id, scope="following", now=NOW)
        assert len(open_series(session, ben, plan=plan)) == 3

    def test_a_room_is_of_the_same_studio(self, session: Session) -> None:
        there = room(session, make_coach(session, location=make_location(session, name="Plyo Mitte")))
        for id_ in (there.id, new_id()):
            with pytest.raises(ResourceNotFound):
                open_series(session, make_coach(session), plan=ClassPlan("Yoga", time(18), 60, 8, [id_]))


class TestChangeClasses:
    def test_one_or_all_that_follow_on_their_days(self, session: Session) -> None:
        made = open_series(session, make_coach(session))
        assert local(change(session, made[1], ClassPlan("Mobility", time(19, 15), 45, 6), "following")) == [
            "30.03. 19:15", "06.04. 19:15",
        ]  # fmt: skip
        assert local(change(session, made[2], EIGHT)) == ["06.04. 18:00"]
        assert local(made) == ["23.03. 18:00", "30.03. 19:15", "06.04. 18:00"]
        assert [one.capacity for one in made] == [8, 6, 8]

    def test_who_is_booked_moves_along_with_a_history_and_may_cancel_for_nothing(self, session: Session) -> None:
        [slot] = open_series(session, make_coach(session), "FREQ=WEEKLY;COUNT=1")
        customer_id = new_id()
        make_subscription(session, customer_id=customer_id, now=NOW)
        booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        before = slot.starts_at
        change(session, slot, ClassPlan("Mobility", time(20), 60, 8))
        assert (booking.starts_at, booking.ends_at) == (slot.starts_at, slot.ends_at)
        move = session.scalars(select(BookingMove)).one()
        assert (move.from_starts_at, move.to_starts_at) == (before, slot.starts_at)
        assert (move.origin_id, move.moved_by_role) == (booking.id, "coach")
        types = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == booking.id)
        told = session.scalars(types.order_by(OutboxEvent.position)).all()
        assert told == ["scheduling.session_booked", "scheduling.session_moved"]
        bookings.cancel_booking(session, booking_id=booking.id, now=slot.starts_at - timedelta(minutes=1))
        assert booking.status == "cancelled"

    def test_refuses_what_does_not_fit_its_customers(self, session: Session) -> None:
        [slot] = open_series(session, make_coach(session), "FREQ=WEEKLY;COUNT=1")
        customer_id = new_id()
        make_booking(session, slot=slot, customer_id=customer_id, seat=3)
        evening = make_slot(session, starts_at=slot.starts_at + timedelta(hours=2))
        make_booking(session, slot=evening, customer_id=customer_id)
        with pytest.raises(SeatsHeld, match="place number 3"), session.begin_nested():
            change(session, slot, ClassPlan("Mobility", time(18), 60, 2))
        with pytest.raises(CustomersClash), session.begin_nested():
            change(session, slot, ClassPlan("Mobility", time(20), 60, 8))
        session.expire_all()
        assert slot.starts_at.astimezone(BERLIN).hour == 18

    def test_more_places_are_offered_to_who_waits(self, session: Session) -> None:
        [slot] = open_series(
            session, make_coach(session), "FREQ=WEEKLY;COUNT=1", plan=ClassPlan("Yoga", time(18), 60, 1)
        )
        make_booking(session, slot=slot)
        customer_id = new_id()
        make_subscription(session, customer_id=customer_id, now=NOW)
        waitlist.join_waitlist(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        change(session, slot, ClassPlan("Yoga", time(18), 60, 2))
        offer = session.scalars(select(Booking).where(Booking.status == "held")).one()
        assert (offer.customer_id, offer.seat) == (customer_id, 2)

    def test_is_for_coming_classes_only(self, session: Session) -> None:
        one_to_one = make_slot(session, starts_at=NOW + timedelta(days=1))
        gone = make_slot(session, starts_at=NOW - timedelta(days=1), capacity=4)
        with pytest.raises(ClassNotFound):
            change(session, one_to_one, EIGHT)
        with pytest.raises(SlotClosed):
            change(session, gone, EIGHT)


class TestCancelClasses:
    def test_calls_off_one_or_all_that_follow(self, session: Session) -> None:
        made = open_series(session, make_coach(session), "FREQ=WEEKLY;COUNT=4")
        booking = make_booking(session, slot=made[3])
        classes.cancel_classes(session, slot_id=made[0].id, scope="one", now=NOW)
        classes.cancel_classes(session, slot_id=made[2].id, scope="following", now=NOW)
        assert [one.status for one in made] == ["cancelled", "open", "cancelled", "cancelled"]
        session.refresh(booking)
        assert booking.status == "cancelled"


class TestHolidays:
    def test_close_the_studio_for_its_coaches_and_open_again(self, session: Session) -> None:
        coach = make_coach(session)
        slot = make_slot(session, coach=coach, starts_at=NOW + timedelta(days=1))
        days = [(date(2026, 4, 3), "Good Friday"), (date(2026, 4, 6), "Easter Monday")]
        found = studio.replace_holidays(session, location_id=coach.location_id, days=days, now=NOW)
        assert [one.name for one in found] == ["Good Friday", "Easter Monday"]
        # Hours promise nothing here, so the empty slot is taken back with the renewal.
        assert session.scalar(select(Slot.id).where(Slot.id == slot.id)) is None
        assert studio.replace_holidays(session, location_id=coach.location_id, days=[], now=NOW) == []
