"""Working hours become slots: right across DST, around time off, spaced by buffers, the same when run again."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.errors import InvalidAvailability, SlotClosed
from operational_api.scheduling.models import (
    AvailabilityException,
    Booking,
    BookingTerms,
    Coach,
    PublicHoliday,
    Slot,
    TimeOff,
    WaitlistEntry,
)
from operational_api.scheduling.service import availability, bookings, days_off, openings, slots, waitlist
from operational_api.scheduling.service.availability import Away, Hours, OtherHours
from tests.factories import (
    make_availability,
    make_booking,
    make_coach,
    make_location,
    make_slot,
    make_subscription,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)  # a Sunday


def starts(session: Session, coach: Coach) -> list[datetime]:
    """Starts of the coach's open slots, in UTC."""
    return list(
        session.scalars(
            select(Slot.starts_at).where(Slot.coach_id == coach.id, Slot.status == "open").order_by(Slot.starts_at)
        )
    )


class TestOpenSlots:
    def test_follows_the_local_clock_across_dst(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)  # Mondays 9-12
        made = openings.open_slots(session, NOW, until=datetime(2026, 4, 1, tzinfo=UTC))
        assert made == 15
        local = [at.astimezone(BERLIN) for at in starts(session, coach)]
        assert {at.time() for at in local} == {time(9), time(10), time(11)}
        assert {at.utcoffset() for at in local} == {timedelta(hours=1), timedelta(hours=2)}
        assert {at.date() for at in local} == {date(2026, 3, day) for day in (2, 9, 16, 23, 30)}

    def test_adds_nothing_when_run_again(self, session: Session) -> None:
        make_availability(session, coach=make_coach(session))
        assert openings.open_slots(session, NOW, until=NOW + timedelta(days=10)) == 6
        assert openings.open_slots(session, NOW, until=NOW + timedelta(days=10)) == 0
        assert openings.open_slots(session, NOW + timedelta(days=7), until=NOW + timedelta(days=17)) == 3

    @pytest.mark.parametrize(
        ("sunday", "expected"),
        [
            # 02:00 does not exist: one session fewer.
            (date(2026, 3, 29), ["00:00+01:00", "01:00+01:00", "03:00+02:00"]),
            # 02:00 exists twice: it is offered once, the first time.
            (date(2026, 10, 25), ["00:00+02:00", "01:00+02:00", "02:00+02:00", "03:00+01:00"]),
        ],
    )
    def test_survives_the_night_the_clock_changes(self, session: Session, sunday: date, expected: list[str]) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach, weekday=6, starts_at=time(0), ends_at=time(4))
        before = datetime.combine(sunday - timedelta(days=1), time(12), tzinfo=UTC)
        openings.open_slots(session, before, until=before + timedelta(days=2))
        got = [
            at.astimezone(BERLIN).isoformat()[11:16] + at.astimezone(BERLIN).isoformat()[19:]
            for at in starts(session, coach)
        ]
        assert got == expected

    def test_leaves_out_time_off_and_who_left(self, session: Session) -> None:
        coach, gone = make_coach(session), make_coach(session, left_on=date(2026, 2, 1))
        make_availability(session, coach=coach)
        make_availability(session, coach=gone)
        session.add(TimeOff(coach_id=coach.id, starts_on=date(2026, 3, 9), ends_on=date(2026, 3, 9), kind="holiday"))
        session.flush()
        openings.open_slots(session, NOW, until=NOW + timedelta(days=14))
        assert {at.date() for at in starts(session, coach)} == {date(2026, 3, 2)}
        assert starts(session, gone) == []

    def test_buffers_really_space_slots(self, session: Session) -> None:
        coach = make_coach(session, session_minutes=45, buffer_minutes=15)
        make_availability(session, coach=coach, ends_at=time(11, 50))
        openings.open_slots(session, NOW, until=NOW + timedelta(days=2))
        assert [at.astimezone(BERLIN).time() for at in starts(session, coach)] == [time(9), time(10), time(11)]
        rows = session.execute(select(Slot.ends_at - Slot.starts_at)).scalars()
        assert set(rows) == {timedelta(minutes=45)}

    def test_keeps_holidays_exceptions_outside_calendars_and_the_buffers_of_what_is_there(
        self, session: Session
    ) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)  # Mondays 9-12
        session.add_all(
            [
                PublicHoliday(location_id=coach.location_id, holiday_on=date(2026, 3, 9), name="Women's Day, moved"),
                AvailabilityException(
                    coach_id=coach.id, exception_on=date(2026, 3, 16), starts_at=time(17), ends_at=time(18)
                ),
                AvailabilityException(coach_id=coach.id, exception_on=date(2026, 3, 23)),
                BookingTerms(coach_id=coach.id, kind="group", buffer_before_minutes=30),
            ]
        )
        make_slot(session, coach=coach, capacity=8, starts_at=datetime(2026, 3, 30, 8, 30, tzinfo=UTC))  # 10:30 there
        openings.open_slots(session, NOW, until=datetime(2026, 4, 1, tzinfo=UTC))
        local = [f"{at.astimezone(BERLIN):%d %H:%M}" for at in starts(session, coach)]
        assert local == ["02 09:00", "02 10:00", "02 11:00", "16 17:00", "30 09:00", "30 10:30"]

    def test_a_longer_booking_window_opens_the_calendar_further(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)
        session.add(BookingTerms(coach_id=coach.id, booking_window_days=60))
        session.flush()
        openings.open_slots(session, NOW)
        assert starts(session, coach)[-1] > NOW + timedelta(days=50)

    def test_does_not_bring_back_what_was_called_off(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)
        openings.open_slots(session, NOW, until=NOW + timedelta(days=2))
        slot = session.scalars(select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)).first()
        assert slot is not None
        slot.status = "cancelled"
        session.flush()
        assert openings.open_slots(session, NOW, until=NOW + timedelta(days=2)) == 0

    def test_serves_every_studio_on_its_own_clock(self, session: Session) -> None:
        saigon = make_coach(session, location=make_location(session, time_zone="Asia/Ho_Chi_Minh", currency="VND"))
        make_availability(session, coach=saigon)
        openings.open_slots(session, NOW, until=NOW + timedelta(days=2))
        assert [at.hour for at in starts(session, saigon)] == [2, 3, 4]


class TestReplaceAvailability:
    def replace(
        self, session: Session, coach: Coach, *hours: Hours, away: tuple[Away, ...] = ()
    ) -> availability.Availability:
        return availability.replace_availability(
            session, coach_id=coach.id, hours=hours, away=away, session_minutes=60, buffer_minutes=0, now=NOW
        )

    def test_brings_the_calendar_in_line_and_keeps_bookings(self, session: Session) -> None:
        coach = make_coach(session)
        self.replace(session, coach, Hours(0, time(9), time(12), date(2026, 1, 1)))
        booked = session.scalars(select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)).first()
        booking = make_booking(session, slot=booked)
        away = Away(date(2026, 3, 2), date(2026, 3, 2), "holiday")
        answer = self.replace(session, coach, Hours(1, time(14), time(16), date(2026, 1, 1)), away=(away,))
        assert answer.affected_booking_ids == [booking.id]
        local = [at.astimezone(BERLIN) for at in starts(session, coach)]
        assert local[0] == booking.starts_at
        assert {(at.weekday(), at.hour) for at in local[1:]} == {(1, 14), (1, 15)}

    @pytest.mark.parametrize(
        ("hours", "told"),
        [
            ([Hours(0, time(12), time(9), date(2026, 1, 1))], "the end must come after"),
            ([Hours(0, time(9), time(9, 30), date(2026, 1, 1))], "does not fit"),
            (
                [Hours(0, time(9), time(12), date(2026, 1, 1)), Hours(0, time(11), time(13), date(2026, 1, 1))],
                "overlap",
            ),
            ([Hours(0, time(9), time(12), date(2026, 2, 1), date(2026, 1, 1))], "last day"),
        ],
    )
    def test_refuses_hours_that_do_not_fit_together(self, session: Session, hours: list[Hours], told: str) -> None:
        with pytest.raises(InvalidAvailability, match=told):
            self.replace(session, make_coach(session), *hours)

    def test_hours_that_never_meet_in_time_do_not_overlap(self, session: Session) -> None:
        until_june = Hours(0, time(9), time(12), date(2026, 1, 1), date(2026, 5, 31))
        from_june = Hours(0, time(10), time(13), date(2026, 6, 1))
        answer = self.replace(session, make_coach(session), until_june, from_june)
        assert len(answer.rules) == 2

    @pytest.mark.parametrize(
        ("others", "told"),
        [
            ([OtherHours(date(2026, 3, 2), time(9), None)], "a beginning and an end"),
            ([OtherHours(date(2026, 3, 2), time(9), time(8))], "must come after"),
            (
                [OtherHours(date(2026, 3, 2), time(9), time(11)), OtherHours(date(2026, 3, 2), time(10), time(12))],
                "over",
            ),
            ([OtherHours(date(2026, 3, 2), time(9), time(11)), OtherHours(date(2026, 3, 2), None, None)], "both open"),
        ],
    )
    def test_refuses_exceptions_that_contradict_themselves(
        self, session: Session, others: list[OtherHours], told: str
    ) -> None:
        with pytest.raises(InvalidAvailability, match=told):
            availability.replace_availability(
                session, coach_id=make_coach(session).id, hours=(), away=(), session_minutes=60, buffer_minutes=0,
                now=NOW, exceptions=others,
            )  # fmt: skip

    def test_an_exception_opens_and_closes_days_and_is_gone_when_it_is_not_said_again(self, session: Session) -> None:
        coach = make_coach(session)
        evening = OtherHours(date(2026, 3, 3), time(18), time(20))
        for others, count in (((evening,), 2), (None, 2), ((), 0)):
            answer = availability.replace_availability(
                session, coach_id=coach.id, hours=(), away=(), session_minutes=60, buffer_minutes=0, now=NOW,
                exceptions=others,
            )  # fmt: skip
            assert len(starts(session, coach)) == count
            assert len(answer.exceptions) == count // 2

    def test_nobody_is_booked_in_an_hour_that_is_worked_no_more(self, session: Session) -> None:
        """Somebody had it and let it go: before the change or, still booked then, after it."""
        coach, (early, late, third) = self.monday(session)
        first, second = (self.booked(session, slot) for slot in (early, late))
        bookings.cancel_booking(session, booking_id=first.id, now=NOW)
        waits = self.member(session)
        waitlist.join_waitlist(session, customer_id=waits, slot_id=late.id, now=NOW)
        day, third_id = date(2026, 3, 2), third.id
        away = Away(day, day, "sick")
        answer = self.replace(session, coach, Hours(0, time(9), time(12), date(2026, 1, 1)), away=(away,))
        assert answer.affected_booking_ids == [second.id]
        assert session.scalar(select(Slot).where(Slot.id == third_id)) is None
        bookings.cancel_booking(session, booking_id=second.id, now=NOW)
        wanted = slots.SlotFilter(coach_id=coach.id, starts_before=NOW + timedelta(days=3))
        assert slots.list_slots(session, wanted, viewer_id=None, now=NOW, limit=9) == ([], None)
        for slot in (early, late):
            with pytest.raises(SlotClosed):
                bookings.book_session(session, customer_id=self.member(session), slot_id=slot.id, now=NOW)
        assert session.scalars(select(Booking).where(Booking.customer_id == waits)).all() == []
        openings.open_slots(session, NOW)
        assert (early.status, late.status) == ("withdrawn", "withdrawn")
        assert session.scalars(select(WaitlistEntry.status)).all() == ["expired"]

    def test_an_hour_with_a_history_comes_back_with_the_day(self, session: Session) -> None:
        coach, (slot, *_) = self.monday(session)
        bookings.cancel_booking(session, booking_id=self.booked(session, slot).id, now=NOW)
        before = starts(session, coach)
        days_off.add_time_off(
            session, coach_id=coach.id, starts_on=date(2026, 3, 2), ends_on=date(2026, 3, 2), kind="sick", now=NOW
        )
        assert [at for at in before if at not in starts(session, coach)] == before[:3]
        [away] = session.scalars(select(TimeOff))
        days_off.remove_day(session, coach_id=coach.id, day_id=away.id, now=NOW)
        assert starts(session, coach) == before

    def test_an_hour_of_a_weekday_that_is_worked_no_more_closes_once_it_is_let_go(self, session: Session) -> None:
        coach, (slot, *_) = self.monday(session)
        kept = self.booked(session, slot)
        self.replace(session, coach, Hours(1, time(9), time(12), date(2026, 1, 1)))
        openings.open_slots(session, NOW)
        assert slot.status == "open"
        bookings.cancel_booking(session, booking_id=kept.id, now=NOW)
        openings.open_slots(session, NOW)
        assert slot.status == "withdrawn"

    def monday(self, session: Session) -> tuple[Coach, list[Slot]]:
        """A coach who works on Mondays from nine to twelve, and the first one's sessions."""
        coach = make_coach(session)
        make_availability(session, coach=coach)
        openings.open_slots(session, NOW)
        query = select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)
        return coach, list(session.scalars(query.limit(3)))

    def member(self, session: Session) -> UUID:
        customer_id = new_id()
        make_subscription(session, customer_id=customer_id, now=NOW)
        return customer_id

    def booked(self, session: Session, slot: Slot) -> Booking:
        return bookings.book_session(session, customer_id=self.member(session), slot_id=slot.id, now=NOW)

    def test_names_who_is_booked_on_a_holiday_or_a_closed_day(self, session: Session) -> None:
        coach = make_coach(session)
        closed, holiday, opened, plain = (
            make_booking(session, slot=make_slot(session, coach=coach, starts_at=NOW + timedelta(days=day))).id
            for day in (2, 3, 4, 5)
        )
        today = NOW.date()
        for day in (3, 4):
            on = today + timedelta(days=day)
            session.add(PublicHoliday(location_id=coach.location_id, holiday_on=on, name="Holiday"))
        session.add(AvailabilityException(coach_id=coach.id, exception_on=today + timedelta(days=2)))
        session.add(
            AvailabilityException(
                coach_id=coach.id, exception_on=today + timedelta(days=4), starts_at=time(9), ends_at=time(18)
            )
        )
        session.flush()
        found = availability.get_availability(session, coach_id=coach.id, now=NOW).affected_booking_ids
        assert found == [closed, holiday]
        assert {opened, plain}.isdisjoint(found)
