"""Working hours become slots: right across DST, around time off, spaced by buffers, the same when run again."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.errors import InvalidAvailability
from operational_api.scheduling.models import Coach, Slot, TimeOff
from operational_api.scheduling.service import availability, calendar
from operational_api.scheduling.service.availability import Away, Hours
from tests.factories import make_availability, make_booking, make_coach, make_location

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)  # a Sunday


def starts(session: Session, coach: Coach) -> list[datetime]:
    """Starts of the coach's open slots, in UTC."""
    return list(
        session.scalars(
            select(Slot.starts_at).where(Slot.coach_id == coach.id, Slot.status == "open").order_by(Slot.starts_at)
        )
    )


class TestMaterialiseSlots:
    def test_follows_the_local_clock_across_dst(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)  # Mondays 9-12
        made = calendar.materialise_slots(session, datetime(2026, 4, 1, tzinfo=UTC), NOW)
        assert made == 15
        local = [at.astimezone(BERLIN) for at in starts(session, coach)]
        assert {at.time() for at in local} == {time(9), time(10), time(11)}
        assert {at.utcoffset() for at in local} == {timedelta(hours=1), timedelta(hours=2)}
        assert {at.date() for at in local} == {date(2026, 3, day) for day in (2, 9, 16, 23, 30)}

    def test_adds_nothing_when_run_again(self, session: Session) -> None:
        make_availability(session, coach=make_coach(session))
        assert calendar.materialise_slots(session, NOW + timedelta(days=10), NOW) == 6
        assert calendar.materialise_slots(session, NOW + timedelta(days=10), NOW) == 0
        assert calendar.materialise_slots(session, NOW + timedelta(days=17), NOW + timedelta(days=7)) == 3

    @pytest.mark.parametrize(
        ("sunday", "expected"),
        [
            # 02:00 does not exist: one session fewer.
            (date(2026, 3, 29), ["00:00+01:00", "01:00+01:00", "03:00+02:00"]),
            # 02:00 exists twice: it is offered once.
            (date(2026, 10, 25), ["00:00+02:00", "01:00+02:00", "02:00+01:00", "03:00+01:00"]),
        ],
    )
    def test_survives_the_night_the_clock_changes(self, session: Session, sunday: date, expected: list[str]) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach, weekday=6, starts_at=time(0), ends_at=time(4))
        before = datetime.combine(sunday - timedelta(days=1), time(12), tzinfo=UTC)
        calendar.materialise_slots(session, before + timedelta(days=2), before)
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
        calendar.materialise_slots(session, NOW + timedelta(days=14), NOW)
        assert {at.date() for at in starts(session, coach)} == {date(2026, 3, 2)}
        assert starts(session, gone) == []

    def test_buffers_really_space_slots(self, session: Session) -> None:
        coach = make_coach(session, session_minutes=45, buffer_minutes=15)
        make_availability(session, coach=coach, ends_at=time(11, 50))
        calendar.materialise_slots(session, NOW + timedelta(days=2), NOW)
        assert [at.astimezone(BERLIN).time() for at in starts(session, coach)] == [time(9), time(10), time(11)]
        rows = session.execute(select(Slot.ends_at - Slot.starts_at)).scalars()
        assert set(rows) == {timedelta(minutes=45)}

    def test_does_not_bring_back_what_was_called_off(self, session: Session) -> None:
        coach = make_coach(session)
        make_availability(session, coach=coach)
        calendar.materialise_slots(session, NOW + timedelta(days=2), NOW)
        slot = session.scalars(select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)).first()
        assert slot is not None
        slot.status = "cancelled"
        session.flush()
        assert calendar.materialise_slots(session, NOW + timedelta(days=2), NOW) == 0

    def test_serves_every_studio_on_its_own_clock(self, session: Session) -> None:
        saigon = make_coach(session, location=make_location(session, time_zone="Asia/Ho_Chi_Minh", currency="VND"))
        make_availability(session, coach=saigon)
        calendar.materialise_slots(session, NOW + timedelta(days=2), NOW)
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
