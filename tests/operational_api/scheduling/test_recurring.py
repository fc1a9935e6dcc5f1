"""Sessions booked to recur: what can be had is booked, the rest is told, and each goes its own way after."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.scheduling import SeriesBooked
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.errors import AlreadyBooked, InvalidRecurrence, NotRecurring
from operational_api.scheduling.models import Booking, BookingSeries, Coach, Slot
from operational_api.scheduling.recurrence import starts_of
from operational_api.scheduling.service import bookings, recurring
from operational_api.training.models import Client
from tests.factories import account_of, make_booking, make_client, make_coach, make_pack, make_slot
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
        assert reasons == ["scheduling.slot_taken", "scheduling.slot_not_found", "scheduling.slot_not_found"]
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

    @pytest.mark.parametrize("times", [1, 27])
    def test_refuses_another_number_of_weeks(self, session: Session, mia: Client, weeks: Weeks, times: int) -> None:
        with pytest.raises(InvalidRecurrence):
            recurring.book_series(session, customer_id=mia.id, slot_id=weeks(0)[0].id, times=times, now=NOW)

    def test_credits_end_where_they_end(self, session: Session, coach: Coach, weeks: Weeks) -> None:
        poor = make_client(session, coach=coach)
        make_pack(session, customer_id=poor.id, now=NOW, sessions_total=2)
        found = recurring.book_series(session, customer_id=poor.id, slot_id=weeks(0, 1, 2)[0].id, times=3, now=NOW)
        assert len(found.bookings) == 2
        assert [one.reason.code() for one in found.missed] == ["scheduling.plan_required"]


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
        assert (len(found["bookings"]), [one["code"] for one in found["missed"]]) == (3, ["scheduling.slot_not_found"])
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
        assert "3 sessions are booked. Not to be had: 27 July." in answer.text
        first = session.scalars(select(Booking).where(Booking.slot_id == slots[0].id)).one()
        assert answer.text.count("Cancel this and all that follow") == 2  # the last one has none that follow
        phone.post(f"/bookings/{first.id}/cancel", data={"scope": "following"})
        answer = phone.get("/bookings")
        assert "3 sessions are cancelled. Nothing was used." in answer.text
