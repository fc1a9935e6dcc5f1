"""Sessions booked to recur: what can be had is booked, the rest is told, and each goes its own way after."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed
from contracts.events.scheduling import SeriesBooked, SeriesEnded, SeriesSessionMissed
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.scheduling import handlers
from operational_api.scheduling.errors import AlreadyBooked, InvalidRecurrence, NotRecurring
from operational_api.scheduling.models import Booking, BookingSeries, Coach, PublicHoliday, Slot
from operational_api.scheduling.recurrence import starts_of
from operational_api.scheduling.service import bookings, continuing, entries, openings, recurring
from operational_api.training.models import Client
from tests.factories import account_of, make_availability, make_booking, make_client, make_coach, make_pack, make_slot
from tests.operational_api.conftest import SignIn

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 10, 12, 10, tzinfo=BERLIN)  # the clocks go back before the third
Weeks = Callable[..., list[Slot]]


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session)


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    client = make_client(session, coach=coach)
    make_pack(session, customer_id=client.id, now=NOW, sessions_total=20)
    return client


@pytest.fixture
def weeks(session: Session, coach: Coach) -> Weeks:
    """Opens the same hour of some weeks on Berlin's clock."""

    def make(*numbers: int, first: datetime = MONDAY) -> list[Slot]:
        starts = [(first + timedelta(weeks=number)).astimezone(UTC) for number in numbers]
        return [make_slot(session, coach=coach, starts_at=one) for one in starts]

    return make


class TestBookSeries:
    def test_books_the_hour_on_the_studios_clock_and_tells_what_is_not_to_be_had(
        self, session: Session, mia: Client, weeks: Weeks
    ) -> None:
        slots = weeks(0, 1, 3)
        make_booking(session, slot=slots[1])
        found = recurring.book_series(session, customer_id=mia.id, slot_id=slots[0].id, times=5, now=NOW)
        assert [one.slot_id for one in found.bookings] == [slots[0].id, slots[2].id]
        reasons = [one.reason.code() for one in found.missed]
        assert reasons == ["scheduling.slot_taken", "scheduling.slot_not_found"]  # the fifth is to come
        series = found.series
        assert series is not None
        assert series.rule == "FREQ=WEEKLY;COUNT=4"  # up to the last that was had
        starts = starts_of(series.rule, series.starts_on, series.wall_start, "Europe/Berlin")
        assert [one.recurs_at for one in found.bookings] == [starts[0], starts[3]]
        assert starts[3] - starts[0] == timedelta(weeks=3, hours=1)
        (event,) = session.scalars(select(OutboxEvent).where(OutboxEvent.type == SeriesBooked.type))
        assert event.payload["booking_ids"] == [str(one.id) for one in found.bookings]

    def test_stays_on_the_clock_in_spring_too(self, session: Session, mia: Client, weeks: Weeks) -> None:
        slots = weeks(0, 1, first=datetime(2027, 3, 22, 10, tzinfo=BERLIN))
        found = recurring.book_series(
            session, customer_id=mia.id, slot_id=slots[0].id, times=2, now=datetime(2027, 3, 20, tzinfo=UTC)
        )
        assert found.bookings[1].starts_at - found.bookings[0].starts_at == timedelta(days=7, hours=-1)

    def test_an_hour_that_autumn_repeats_is_no_hole_in_it(self, session: Session, coach: Coach, mia: Client) -> None:
        """What working hours open in that night is what the rule means, to calendars too."""
        make_availability(session, coach=coach, weekday=6, starts_at=time(2), ends_at=time(3))
        openings.open_slots(session, NOW)
        first = session.scalars(select(Slot).order_by(Slot.starts_at)).first()
        assert first is not None
        found = recurring.book_series(session, customer_id=mia.id, slot_id=first.id, times=4, now=NOW)
        assert [f"{one.starts_at.astimezone(BERLIN):%m-%d %H:%M%z}" for one in found.bookings] == [
            "10-11 02:00+0200", "10-18 02:00+0200", "10-25 02:00+0200", "11-01 02:00+0100",
        ]  # fmt: skip
        assert found.missed == []
        assert found.series is not None
        entry = entries.of_series(session, found.series.id, mia.id)
        assert entry is not None
        assert entry.series is not None
        assert entry.series.holes == []
        assert entry.series.moved(timedelta(hours=1)) == []

    def test_the_first_has_to_be_had_and_nothing_is_booked_without_it(
        self, session: Session, mia: Client, weeks: Weeks
    ) -> None:
        slots = weeks(0, 1)
        bookings.book_session(session, customer_id=mia.id, slot_id=slots[0].id, now=NOW)
        with pytest.raises(AlreadyBooked):
            recurring.book_series(session, customer_id=mia.id, slot_id=slots[0].id, times=2, now=NOW)
        assert session.scalars(select(BookingSeries)).all() == []

    def test_one_alone_is_a_booking_like_any(self, session: Session, mia: Client, weeks: Weeks) -> None:
        (slot,) = weeks(0)
        found = recurring.book_series(session, customer_id=mia.id, slot_id=slot.id, times=3, now=NOW)
        assert found.series is None
        assert found.bookings[0].series_id is None
        with pytest.raises(NotRecurring):
            recurring.cancel_following(session, booking_id=found.bookings[0].id, now=NOW)

    @pytest.mark.parametrize(
        "said",
        [
            {"times": 1}, {"times": 27}, {"times": 3, "until": date(2026, 11, 30)}, {"until": date(2026, 10, 18)},
            {"until": date(2026, 10, 25), "interval": 2},
        ],
    )  # fmt: skip
    def test_refuses_what_has_no_second_session_or_two_ends(
        self, session: Session, mia: Client, weeks: Weeks, said: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidRecurrence):
            recurring.book_series(session, customer_id=mia.id, slot_id=weeks(0)[0].id, now=NOW, **said)

    def test_credits_end_where_they_end(self, session: Session, coach: Coach, weeks: Weeks) -> None:
        poor = make_client(session, coach=coach)
        make_pack(session, customer_id=poor.id, now=NOW, sessions_total=2)
        found = recurring.book_series(session, customer_id=poor.id, slot_id=weeks(0, 1, 2)[0].id, times=3, now=NOW)
        assert len(found.bookings) == 2
        assert [one.reason.code() for one in found.missed] == ["scheduling.plan_required"]


def told(session: Session, event: type[Event]) -> list[tuple[object, object]]:
    """Start and reason of each event of a kind, in order."""
    rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type == event.type).order_by(OutboxEvent.position))
    return [(one.payload.get("starts_at", "")[:10], one.payload["reason"]) for one in rows]


class TestGoOn:
    """Every Monday at ten, while the calendar opens week by week."""

    @pytest.fixture
    def hours(self, session: Session, coach: Coach) -> None:
        make_availability(session, coach=coach, weekday=0, starts_at=time(10), ends_at=time(11))
        openings.open_slots(session, NOW)

    def book(self, session: Session, mia: Client, **said: Any) -> recurring.Booked:
        slot = session.scalars(select(Slot).order_by(Slot.starts_at)).first()
        assert slot is not None
        return recurring.book_series(session, customer_id=mia.id, slot_id=slot.id, now=NOW, **said)

    def live(self, session: Session, until: datetime, *, step: timedelta = timedelta(hours=19)) -> list[str]:
        """What the worker does meanwhile, and the days that are booked then, on Berlin's clock."""
        now = NOW
        while now < until:
            openings.open_slots(session, now)
            continuing.go_on(session, now)
            now += step
        return self.days(session)

    def days(self, session: Session) -> list[str]:
        booked = session.scalars(
            select(Booking.starts_at).where(Booking.status == "booked").order_by(Booking.starts_at)
        )  # fmt: skip
        return [f"{one.astimezone(BERLIN):%m-%d %H:%M}" for one in booked]

    def test_books_each_week_as_the_calendar_opens_on_the_studios_clock(
        self, session: Session, mia: Client, hours: None
    ) -> None:
        found = self.book(session, mia)
        assert found.series is not None
        assert found.missed == []
        assert self.days(session) == ["10-12 10:00", "10-19 10:00", "10-26 10:00", "11-02 10:00"]
        assert self.live(session, NOW + timedelta(weeks=3))[4:] == ["11-09 10:00", "11-16 10:00", "11-23 10:00"]
        series = found.series
        assert (series.rule, series.goes_on, series.sequence) == ("FREQ=WEEKLY;COUNT=7", True, 3)
        starts = starts_of(series.rule, series.starts_on, series.wall_start, "Europe/Berlin")
        recurs = select(Booking.recurs_at).where(Booking.series_id == series.id).order_by(Booking.recurs_at)
        assert list(session.scalars(recurs)) == starts
        assert told(session, SeriesSessionMissed) == []

    @pytest.mark.parametrize("said", [{"times": 7}, {"until": date(2026, 11, 29)}])
    def test_ends_with_its_last_week(
        self, session: Session, mia: Client, hours: None, said: dict[str, Any]
    ) -> None:  # fmt: skip
        self.book(session, mia, **said)
        days = self.live(session, NOW + timedelta(weeks=6))
        assert (len(days), days[-1]) == (7, "11-23 10:00")
        assert told(session, SeriesEnded) == [("", "over")]

    def test_every_second_week(self, session: Session, mia: Client, hours: None) -> None:
        self.book(session, mia, interval=2)
        days = self.live(session, NOW + timedelta(weeks=4))
        assert days == ["10-12 10:00", "10-26 10:00", "11-09 10:00", "11-23 10:00"]

    def test_a_holiday_is_told_once_and_the_weeks_after_it_are_booked(
        self, session: Session, coach: Coach, mia: Client, hours: None
    ) -> None:
        session.add(PublicHoliday(location_id=coach.location_id, holiday_on=date(2026, 11, 16), name="Closed"))
        session.flush()
        self.book(session, mia)
        assert self.live(session, NOW + timedelta(weeks=3))[4:] == ["11-09 10:00", "11-23 10:00"]
        assert told(session, SeriesSessionMissed) == [("2026-11-16", "scheduling.slot_not_found")]

    def test_what_is_cancelled_is_not_booked_again_and_what_is_free_again_is(
        self, session: Session, mia: Client, hours: None
    ) -> None:
        made = self.book(session, mia).bookings
        bookings.cancel_booking(session, booking_id=made[1].id, now=NOW)
        openings.open_slots(session, NOW + timedelta(weeks=1))
        theirs = make_booking(session, slot=session.scalars(select(Slot).order_by(Slot.starts_at.desc())).first())
        assert self.live(session, NOW + timedelta(weeks=1)) == [
            "10-12 10:00", "10-26 10:00", "11-02 10:00", "11-09 10:00"
        ]  # fmt: skip
        assert told(session, SeriesSessionMissed) == [("2026-11-09", "scheduling.slot_taken")]
        bookings.cancel_booking(session, booking_id=theirs.id, now=NOW)
        (late,) = continuing.go_on(session, NOW + timedelta(weeks=1))
        assert (late.customer_id, late.series_id) == (mia.id, made[0].series_id)
        assert continuing.go_on(session, NOW + timedelta(weeks=1)) == []

    def test_is_never_booked_without_time_to_cancel(self, session: Session, mia: Client, hours: None) -> None:
        openings.open_slots(session, NOW + timedelta(weeks=1))
        last = session.scalars(select(Slot).order_by(Slot.starts_at.desc())).first()
        theirs = make_booking(session, slot=last)
        self.book(session, mia)
        continuing.go_on(session, NOW + timedelta(weeks=1))
        bookings.cancel_booking(session, booking_id=theirs.id, now=NOW)
        free_until = theirs.starts_at - timedelta(hours=12)
        assert continuing.go_on(session, free_until - timedelta(hours=23, minutes=59)) == []
        assert len(continuing.go_on(session, free_until - timedelta(hours=24))) == 1

    def test_ends_when_nothing_pays_and_nothing_is_booked_any_more(
        self, session: Session, coach: Coach, hours: None
    ) -> None:
        poor = make_client(session, coach=coach)
        pack = make_pack(session, customer_id=poor.id, now=NOW, sessions_total=4)
        self.book(session, poor)
        self.live(session, NOW + timedelta(weeks=3))
        assert told(session, SeriesSessionMissed)[0] == ("2026-11-09", "scheduling.plan_required")
        assert told(session, SeriesEnded) == []
        pack.sessions_total = 5
        session.flush()
        continuing.go_on(session, NOW + timedelta(weeks=3))
        assert len(self.days(session)) == 5  # paid for since: the one that was missed is had after all
        self.live(session, NOW + timedelta(weeks=5))
        assert told(session, SeriesEnded) == [("", "unpaid")]

    def test_ends_with_all_that_follow_or_by_itself_or_with_the_account(
        self, session: Session, mia: Client, hours: None
    ) -> None:
        made = self.book(session, mia).bookings
        recurring.cancel_following(session, booking_id=made[1].id, now=NOW)
        assert self.live(session, NOW + timedelta(weeks=2)) == ["10-12 10:00"]
        again = recurring.book_series(session, customer_id=mia.id, slot_id=made[1].slot_id, now=NOW)
        assert again.series is not None
        recurring.end_series(session, series_id=again.series.id, now=NOW)
        recurring.end_series(session, series_id=again.series.id, now=NOW)
        count = len(self.days(session))
        assert len(self.live(session, NOW + timedelta(weeks=2))) == count
        assert len(told(session, SeriesEnded)) == 2

    def test_nothing_goes_on_of_a_closed_account(self, session: Session, mia: Client, hours: None) -> None:
        self.book(session, mia)
        closed = AccountClosed(occurred_at=NOW, account_id=mia.id)
        handlers.leave_sessions(session, closed)
        assert self.live(session, NOW + timedelta(weeks=2)) == []

    def test_goes_on_however_many_series_there_are(
        self, session: Session, coach: Coach, mia: Client, hours: None
    ) -> None:
        """Of ten thousand customers each looks for several hours: more values than a statement has."""
        self.book(session, mia)
        like = session.scalars(select(BookingSeries)).one()
        same = {
            "coach_id": coach.id, "location_id": coach.location_id, "rule": like.rule, "starts_on": like.starts_on,
            "wall_start": time(9), "minutes": 60, "changed_at": NOW, "goes_on": True, "looked_at": date(2027, 1, 1),
        }  # fmt: skip
        wall = [time(hour, minute) for hour in range(24) for minute in range(60)]
        others = [make_coach(session, location_id=coach.location_id).id for _ in range(7)]
        session.execute(
            insert(BookingSeries),
            [
                same | {"id": new_id(), "customer_id": new_id(), "coach_id": others[n % 7], "wall_start": wall[n // 7]}
                for n in range(7 * len(wall))
            ],
        )
        later = NOW + timedelta(weeks=1)
        openings.open_slots(session, later)
        assert len(continuing.go_on(session, later)) == 1

    def test_two_workers_book_each_week_once(
        self, session: Session, mia: Client, hours: None
    ) -> None:  # fmt: skip
        self.book(session, mia)
        later = NOW + timedelta(weeks=1)
        openings.open_slots(session, later)
        assert len(continuing.go_on(session, later)) == 1
        assert continuing.go_on(session, later) == []

    def test_is_one_event_in_calendars_that_grows(self, session: Session, mia: Client, hours: None) -> None:
        series = self.book(session, mia).series
        assert series is not None
        before = entries.of_series(session, series.id, mia.id)
        self.live(session, NOW + timedelta(weeks=2))
        after = entries.of_series(session, series.id, mia.id)
        assert before is not None
        assert after is not None
        assert before.series is not None
        assert after.series is not None
        assert (before.uid, len(before.series.shown), len(after.series.shown)) == (after.uid, 4, 6)
        assert after.sequence == before.sequence + 2


class TestCancelFollowing:
    def test_cancels_from_one_on_by_each_ones_terms(self, session: Session, mia: Client, weeks: Weeks) -> None:
        first = weeks(0, 1, 2)[0]
        made = recurring.book_series(session, customer_id=mia.id, slot_id=first.id, times=3, now=NOW).bookings
        late = made[1].starts_at - timedelta(hours=1)
        gone = recurring.cancel_following(session, booking_id=made[1].id, now=late)
        assert [one.status for one in gone] == ["late_cancelled", "cancelled"]
        assert [one.status for one in made] == ["booked", "late_cancelled", "cancelled"]


class TestOverHttp:
    @pytest.fixture
    def phone(self, session: Session, mia: Client, sign_in: SignIn) -> TestClient:
        make_pack(session, customer_id=mia.id)
        return sign_in(account_of(session, mia))

    @pytest.fixture
    def slots(self, weeks: Weeks) -> list[Slot]:
        return weeks(0, 1, 2, first=datetime(2099, 7, 6, 10, tzinfo=BERLIN))

    def test_books_reads_and_cancels(self, session: Session, phone: TestClient, slots: list[Slot]) -> None:
        told = phone.post("/api/scheduling/booking-series", json={"slot_id": str(slots[0].id), "times": 4})
        assert told.status_code == 201, told.text
        found = told.json()
        assert (len(found["bookings"]), found["missed"], found["goes_on"]) == (3, [], True)
        assert found["ends_on"] == "2099-07-27"
        (listed,) = phone.get("/api/scheduling/booking-series").json()["items"]
        assert (listed["id"], listed["starts_at_local"]) == (found["id"], "2099-07-06T10:00:00+02:00")
        assert listed["booking_id"] == found["bookings"][2]["id"]
        ended = phone.post(f"/api/scheduling/bookings/{listed['booking_id']}/series-end")
        assert ended.json()["status"] == "booked"
        assert phone.get("/api/scheduling/booking-series").json()["items"] == []
        assert {one["series_id"] for one in found["bookings"]} == {found["id"]}
        second = found["bookings"][1]["id"]
        gone = phone.post(f"/api/scheduling/bookings/{second}/series-cancellation").json()["items"]
        assert [one["status"] for one in gone] == ["cancelled", "cancelled"]

    def test_the_page_books_for_weeks_and_cancels_from_one_on(
        self, session: Session, phone: TestClient, slots: list[Slot]
    ) -> None:
        assert 'name="times"' in phone.get(f"/book/{slots[0].id}").text
        phone.post(f"/book/{slots[0].id}", data={"times": "4"})
        answer = phone.get("/bookings")
        assert "3 sessions are booked. Further weeks are booked as the calendar opens." in answer.text
        assert "Mondays, 10:00 in Berlin" in answer.text
        assert "until 27 July 2099" in answer.text
        first = session.scalars(select(Booking).where(Booking.slot_id == slots[0].id)).one()
        assert answer.text.count("Cancel this and all that follow") == 2  # the last one has none that follow
        phone.post(f"/bookings/{first.id}/cancel", data={"scope": "following"})
        answer = phone.get("/bookings")
        assert "3 sessions are cancelled. Nothing was used." in answer.text
