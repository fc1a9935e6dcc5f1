"""Sessions with whoever is free: when there is one, whose turn it is, and a coach in another's place."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection
from operational_api.scheduling.errors import (
    AlreadyBooked,
    BookingClosed,
    CoachNotFree,
    NobodyFree,
    PlanRequired,
    SessionStarted,
)
from operational_api.scheduling.models import Booking, BookingTerms, Coach, DeskLocation, Location, Slot, TimeOff
from operational_api.scheduling.service import bookings, moves, round_robin
from operational_api.scheduling.service.round_robin import Opening
from operational_api.scheduling.service.slots import SlotFilter
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_location,
    make_pack,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.scheduling.test_seats import NOW, START, events, left, member
from tests.operational_api.statements import heard

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def studio(session: Session) -> Location:
    return make_location(session)


def team(session: Session, studio: Location, *weights: int, **given: Any) -> list[Coach]:
    return [make_coach(session, location=studio, turn_weight=one, **given) for one in weights]


def free(session: Session, coaches: list[Coach], starts_at: datetime = START) -> list[Slot]:
    return [make_slot(session, coach=one, starts_at=starts_at) for one in coaches]


def at(studio: Location, starts_at: datetime = START) -> Opening:
    return Opening(studio.id, starts_at, 60)


def book(
    session: Session, opening: Opening, customer_id: UUID | None = None, *, own: Coach | None = None,
    now: datetime = NOW,
) -> Booking:  # fmt: skip
    return round_robin.book_opening(
        session, opening, customer_id=customer_id or member(session), own_coach_id=own.id if own else None, now=now
    )


def first(session: Session, opening: Opening, now: datetime = NOW) -> UUID | None:
    found = round_robin.candidates(session, opening, own_coach_id=None, now=now)
    return found[0].coach_id if found else None


class TestListOpenings:
    def test_lays_the_coaches_slots_over_each_other_in_one_statement(self, session: Session, studio: Location) -> None:
        coaches = team(session, studio, *[100] * 6, 0)
        free(session, coaches)
        (taken, *_) = free(session, coaches[:2], START + HOUR)
        make_booking(session, slot=taken)
        make_slot(session, coach=coaches[3], starts_at=START + HOUR, capacity=8)  # a class is its coach's
        make_slot(session, coach=coaches[6], starts_at=START + 2 * HOUR)  # and who takes no turns is named
        free(session, team(session, make_location(session), 100))
        wanted, own = SlotFilter(location_id=studio.id), coaches[0].id
        with heard(session.connection().engine) as said:
            found, more = round_robin.list_openings(session, wanted, own_coach_id=own, now=NOW, limit=50)
        assert len(said) == 1
        assert more is None
        assert [(one.starts_at, one.minutes, one.coaches_free, one.has_own_coach) for one in found] == [
            (START, 60, 6, True), (START + HOUR, 60, 1, False),
        ]  # fmt: skip
        named, _ = round_robin.list_openings(session, wanted, own_coach_id=coaches[6].id, now=NOW, limit=50)
        assert [one.has_own_coach for one in named] == [True, False, True], "except by whose coach they are"

    def test_goes_on_where_a_page_ends(self, session: Session, studio: Location) -> None:
        coaches = team(session, studio, 100, 100)
        for number in range(3):
            free(session, coaches, START + number * HOUR)
        wanted, seen, cursor = SlotFilter(location_id=studio.id), [], None
        for _ in range(3):
            page, cursor = round_robin.list_openings(
                session, wanted, own_coach_id=None, now=NOW, limit=1, cursor=cursor
            )
            seen += [one.starts_at for one in page]
        assert (seen, cursor) == ([START, START + HOUR, START + 2 * HOUR], None)


class TestTurns:
    def test_shares_follow_the_weights_whatever_is_free(self, session: Session, studio: Location) -> None:
        """While all are free, nobody is a whole session away from their share; where chance says who is, nearly so."""
        weights, chance, mia = (300, 200, 100, 0), random.Random(7), member(session)
        coaches = team(session, studio, *weights)
        got: Counter[UUID] = Counter()
        for number in range(72):
            now, starts_at = NOW + number * HOUR, START + number * HOUR
            all_are = number < 36
            there = coaches if all_are else [one for one in coaches if chance.random() < 0.75]
            free(session, there, starts_at)
            if any(one.turn_weight for one in there):
                got[book(session, at(studio, starts_at), mia, now=now).coach_id] += 1
            if number + 1 == 36:
                assert [got[one.id] for one in coaches] == [18, 12, 6, 0]
        total = sum(got.values())
        for coach, weight in zip(coaches, weights, strict=True):
            assert abs(got[coach.id] / total - weight / 600) <= 0.06

    def test_of_equals_it_is_who_was_longest_not_chosen(self, session: Session, studio: Location) -> None:
        coaches, order = team(session, studio, 100, 100, 100), []
        for number in range(6):
            free(session, coaches, START + number * HOUR)
            order.append(book(session, at(studio, START + number * HOUR), now=NOW + number * HOUR).coach_id)
        assert len(set(order[:3])) == 3
        assert order[:3] == order[3:]

    def test_their_own_coach_goes_first_and_it_is_nobodys_turn(self, session: Session, studio: Location) -> None:
        ana, ben = team(session, studio, 0, 100)
        free(session, [ana, ben])
        mine, other = book(session, at(studio), own=ana), book(session, at(studio), own=ana)
        assert [(one.coach_id, one.assignment) for one in (mine, other)] == [(ana.id, "own_coach"), (ben.id, "turn")]
        with pytest.raises(NobodyFree):
            book(session, at(studio), own=ana)
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == other.id)).one()
        assert (told.payload["assignment"], told.payload["coach_id"]) == ("turn", str(ben.id))

    def test_what_was_long_ago_or_cancelled_is_no_turn(self, session: Session, studio: Location) -> None:
        ana, ben = team(session, studio, 100, 100)
        free(session, [ana, ben])
        for given in (
            {"booked_at": NOW - 29 * DAY}, {"booked_at": NOW - DAY, "status": "cancelled"},
            {"booked_at": NOW - DAY, "assignment": None},
        ):  # fmt: skip
            slot = make_slot(session, coach=ana, starts_at=START + len(session.scalars(select(Slot)).all()) * HOUR)
            make_booking(session, slot=slot, **{"assignment": "turn"} | given)
        make_booking(session, slot=make_slot(session, coach=ben, starts_at=START - DAY), assignment="turn",
                     booked_at=NOW - 2 * DAY)  # fmt: skip
        assert first(session, at(studio)) == ana.id

    @pytest.mark.parametrize("is_new", [True, False])
    def test_who_was_not_there_does_not_get_it_all_at_once(
        self, session: Session, studio: Location, is_new: bool
    ) -> None:
        """A week at work counts as a week: two sessions in it are as many as eight of four weeks."""
        (old,) = team(session, studio, 100)
        joined = NOW.date() - timedelta(days=6)
        (late,) = team(session, studio, 100, **({"hired_on": joined} if is_new else {}))
        if not is_new:
            session.add(TimeOff(coach_id=late.id, starts_on=date(2026, 1, 1), ends_on=joined - DAY, kind="sick"))
        for number, coach in enumerate([old] * 8 + [late] * 3):
            slot = make_slot(session, coach=coach, starts_at=START - 20 * DAY + number * HOUR)
            make_booking(session, slot=slot, assignment="turn", booked_at=NOW - DAY + number * HOUR / 60)
        free(session, [old, late])
        assert first(session, at(studio)) == old.id

    def test_passes_over_who_is_busy_elsewhere_or_needs_more_notice(self, session: Session, studio: Location) -> None:
        busy, slow, far, ana = team(session, studio, 900, 900, 900, 1)
        free(session, [busy, slow, far, ana])
        connection = CalendarConnection(
            account_id=busy.id, provider="feed", calendar_id="x", label="x", time_zone="UTC", is_read=True,
            is_written=False, next_sync_at=NOW, connected_at=NOW,
        )  # fmt: skip
        session.add(connection)
        session.flush()
        session.add_all([
            BusyTime(
                connection_id=connection.id, coach_id=busy.id, external_id="x", starts_at=START, ends_at=START + HOUR
            ),
            BookingTerms(coach_id=slow.id, minimum_notice_minutes=3 * 1440),
            BookingTerms(coach_id=far.id, booking_window_days=1),
        ])  # fmt: skip
        assert book(session, at(studio)).coach_id == ana.id

    def test_asks_the_customer_for_what_any_booking_does(self, session: Session, studio: Location) -> None:
        slots = free(session, team(session, studio, 100, 100))
        with pytest.raises(PlanRequired), session.begin_nested():
            book(session, at(studio), new_id())
        mia = member(session)
        book(session, at(studio), mia)
        with pytest.raises(AlreadyBooked), session.begin_nested():
            book(session, at(studio), mia)
        assert sorted(left(session, one, NOW) for one in slots) == [0, 1]


class TestMoveTo:
    def move(self, session: Session, booking: Booking, opening: Opening, *, with_another: bool = False) -> Booking:
        by = moves.Mover(booking.customer_id, "customer")
        return round_robin.move_to(session, booking, opening, with_another=with_another, now=NOW, by=by)

    def test_keeps_the_coach_however_often_they_were_chosen(self, session: Session, studio: Location) -> None:
        ana, ben = team(session, studio, 1, 900)
        free(session, [ana])
        booking = book(session, at(studio))
        free(session, [ana, ben], START + HOUR)
        moved = self.move(session, booking, at(studio, START + HOUR), with_another=True)
        assert (moved.coach_id, moved.assignment, booking.status) == (ana.id, "turn", "cancelled")

    def test_asks_before_it_takes_another(self, session: Session, studio: Location) -> None:
        ana, ben = team(session, studio, 100, 100)
        free(session, [ana])
        booking = book(session, at(studio))
        free(session, [ben], START + HOUR)
        with pytest.raises(CoachNotFree):
            self.move(session, booking, at(studio, START + HOUR))
        assert booking.status == "booked"
        moved = self.move(session, booking, at(studio, START + HOUR), with_another=True)
        assert (moved.coach_id, moved.assignment) == (ben.id, "turn")
        with pytest.raises(NobodyFree):
            self.move(session, moved, at(studio, START + 5 * HOUR), with_another=True)
        assert moved.status == "booked"


class TestReassign:
    def give(self, session: Session, booking: Booking, now: datetime = NOW) -> Booking:
        return round_robin.reassign(session, booking_id=booking.id, actor_id=new_id(), role="front_desk", now=now)

    def test_another_coach_holds_it_and_the_hour_of_the_first_is_closed(
        self, session: Session, studio: Location
    ) -> None:
        ill, ben = team(session, studio, 100, 100)
        (slot,) = free(session, [ill])
        mia = new_id()
        pack = make_pack(session, customer_id=mia, now=NOW)
        old = bookings.book_session(session, customer_id=mia, slot_id=slot.id, now=NOW)
        free(session, [ben])
        late = START - HOUR  # inside the cancellation window, and with less notice than customers need
        new = self.give(session, old, late)
        session.refresh(pack)
        assert (new.coach_id, new.starts_at, new.status, new.assignment) == (ben.id, START, "booked", "desk")
        assert (new.session_pack_id, pack.sessions_used) == (pack.id, 1)
        assert new.free_until == START, "who did not choose this coach may cancel for nothing"
        assert (old.status, slot.status) == ("cancelled", "cancelled")
        assert first(session, at(studio), NOW) is None, "nobody books an hour with who is ill"
        (step,) = moves.history(session, [new.id])[new.id]
        assert (step.from_booking_id, step.moved_by_role) == (old.id, "front_desk")
        assert events(session, old.id) == ["session_booked", "session_cancelled"]
        gone = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == old.id)).all()[-1]
        assert gone.payload["is_reassigned"] is True
        noted = session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(new.id))).one()
        assert noted.details == {"from_coach": str(ill.id), "to_coach": str(ben.id)}

    def test_leaves_it_where_nobody_is_free_or_it_is_over(self, session: Session, studio: Location) -> None:
        ill, ben = team(session, studio, 100, 100)
        (slot,) = free(session, [ill])
        booking = make_booking(session, slot=slot, customer_id=member(session))
        with pytest.raises(NobodyFree):
            self.give(session, booking)
        assert (booking.status, slot.status) == ("booked", "open")
        free(session, [ben])
        with pytest.raises(SessionStarted):
            self.give(session, booking, START)
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        with pytest.raises(BookingClosed):
            self.give(session, booking)


class TestOverHttp:
    def test_a_customer_books_with_whoever_is_free_and_the_desk_gives_it_to_another(
        self, api: TestClient, session: Session, sign_in: SignIn, studio: Location
    ) -> None:
        soon = (datetime.now(UTC) + 3 * DAY).replace(minute=0, second=0, microsecond=0)
        ana, ben = team(session, studio, 100, 100)
        free(session, [ana, ben], soon)
        mia = make_client(session, coach=ben)
        make_subscription(session, customer_id=mia.id)
        (found,) = api.get("/api/scheduling/openings", params={"location_id": str(studio.id)}).json()["items"]
        assert (found["coaches_free"], found["has_own_coach"], found["minutes"]) == (2, False, 60)
        phone = sign_in(account_of(session, mia))
        mine = phone.get("/api/scheduling/openings", params={"location_id": str(studio.id)}).json()
        assert [one["has_own_coach"] for one in mine["items"]] == [True]
        opening = {name: found[name] for name in ("location_id", "starts_at", "minutes")}
        asked = phone.post("/api/scheduling/bookings", json={"opening": opening})
        assert asked.status_code == 201, asked.text
        assert (asked.json()["coach_name"], asked.json()["assignment"]) == (ben.display_name, "own_coach")
        for body in ({}, {"opening": opening, "slot_id": str(new_id())}):
            assert phone.post("/api/scheduling/bookings", json=body).status_code == 422
        path = f"/api/scheduling/bookings/{asked.json()['id']}/reassignment"
        elsewhere = make_account(session, role="front_desk")
        session.add(
            DeskLocation(account_id=elsewhere.id, location_id=make_location(session).id, given_by=ana.id, given_at=soon)
        )
        session.flush()
        clerk = make_account(session, role="front_desk")
        told = {
            name: sign_in(one).post(path).status_code
            for name, one in (("customer", account_of(session, mia)), ("coach", account_of(session, ben)),
                              ("elsewhere", elsewhere))
        }  # fmt: skip
        assert told == {"customer": 403, "coach": 403, "elsewhere": 404}
        given = sign_in(clerk).post(path)
        assert given.status_code == 201, given.text
        assert (given.json()["coach_name"], given.json()["is_free_to_cancel"]) == (ana.display_name, True)
        again = sign_in(clerk).post(path)
        assert (again.status_code, again.json()["code"]) == (409, "scheduling.booking_closed")

    def test_only_who_leads_says_what_a_coachs_share_is(
        self, api: TestClient, session: Session, sign_in: SignIn, studio: Location
    ) -> None:
        (ana,) = team(session, studio, 100)
        path, lead = f"/api/scheduling/coaches/{ana.id}/turn-weight", make_account(session, role="lead_coach")
        assert sign_in(account_of(session, ana)).put(path, json={"turn_weight": 900}).status_code == 403
        assert sign_in(lead).put(path, json={"turn_weight": 50}).json() == {"turn_weight": 50}
        session.refresh(ana)
        assert ana.turn_weight == 50
        missing = sign_in(lead).put(f"/api/scheduling/coaches/{new_id()}/turn-weight", json={"turn_weight": 1})
        assert (missing.status_code, missing.json()["code"]) == (404, "scheduling.coach_not_found")
