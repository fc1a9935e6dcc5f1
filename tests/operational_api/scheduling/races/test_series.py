"""Many who book, open and call off sessions that recur at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from operational_api.commerce.models import SessionPack
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, Resource, SessionSeries, Slot
from operational_api.scheduling.service import continuing
from tests.factories import (
    make_account,
    make_booking,
    make_coach,
    make_pack,
    make_slot,
)
from tests.operational_api.scheduling.races.callers import (
    CALLERS,
    SOON,
    WEEK,
    Server,
    members,
    seats_of,
    together,
)


def test_a_series_is_called_off_while_its_customers_book_and_nobody_waits_in_a_circle(server: Server) -> None:
    """Credits go back to packs that pay for other classes of the same series at this moment."""
    with server.sessions.begin() as session:
        coach = make_coach(session)
        series = SessionSeries(
            coach_id=coach.id, location_id=coach.location_id, title="Mobility", rule="FREQ=WEEKLY;COUNT=8",
            starts_on=SOON.date(), wall_start=SOON.time(),
        )  # fmt: skip
        session.add(series)
        session.flush()
        slots = [
            make_slot(session, coach=coach, starts_at=SOON + n * WEEK, capacity=30, series_id=series.id)
            for n in range(8)
        ]
        leader, calls = session.get_one(Account, coach.id), []
        for seat in range(1, 17):
            person = make_account(session)
            pack = make_pack(session, customer_id=person.id, sessions_total=9, sessions_used=4)
            mine = [slots[(seat * 3 + n) % 8] for n in range(4)]
            for slot in mine:
                make_booking(session, slot=slot, customer_id=person.id, seat=seat, session_pack_id=pack.id)
            wanted = next(one for one in slots[seat % 8 :] + slots if one not in mine)
            calls.append((person, "/api/scheduling/bookings", {"slot_id": str(wanted.id)}))
        calls.insert(3, (leader, f"/api/scheduling/classes/{slots[0].id}/cancellation", {"scope": "following"}))
        series_id = series.id
    answers = server.race(calls)
    assert set(answers) <= {"200", "201", "409 scheduling.slot_closed"}, answers
    assert answers["200"] == 1
    with server.sessions() as session:
        of_it = select(Booking).join(Slot).where(Slot.series_id == series_id)
        assert session.scalars(of_it.where(Booking.status == "booked")).all() == []
        packs = {one.session_pack_id for one in session.scalars(of_it)}
        used = session.scalars(select(SessionPack.sessions_used).where(SessionPack.id.in_(packs))).all()
        assert set(used) == {0}


@CALLERS
@pytest.mark.parametrize("what", ["coach", "room"])
def test_of_all_who_open_a_series_one_does_and_nothing_is_left_of_the_others(
    server: Server, callers: int, what: str
) -> None:
    """Of one coach's calendar, and of coaches who all want one room."""
    count = callers if what == "room" else 1
    with server.sessions.begin() as session:
        first = make_coach(session)
        room = Resource(location_id=first.location_id, name="Studio A", kind="room")
        session.add(room)
        coaches = [first, *(make_coach(session, location_id=first.location_id) for _ in range(count - 1))]
        accounts = [session.get_one(Account, one.id) for one in coaches]
        room_id = str(room.id)
    body = {
        "title": "Mobility", "wall_start": "18:00", "capacity": 8, "first_on": f"{SOON:%Y-%m-%d}",
        "rule": "FREQ=WEEKLY;COUNT=5", "resource_ids": [room_id] if what == "room" else [],
    }  # fmt: skip
    callers_ = (accounts * callers)[:callers]
    answers = server.race([(one, "/api/scheduling/classes", body) for one in callers_])
    refusal = "coach_busy" if what == "coach" else "resource_taken"
    assert answers == {"201": 1, f"409 scheduling.{refusal}": callers - 1}
    with server.sessions() as session:
        ids = [one.id for one in accounts]
        assert session.scalar(select(func.count()).where(Slot.coach_id.in_(ids))) == 5


@CALLERS
def test_of_all_who_want_one_hour_every_week_one_gets_it_in_all_of_them(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        coach, people = make_coach(session), members(session, callers)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * WEEK).id for n in range(3)]
    body = {"slot_id": str(ids[0]), "times": 3}
    answers = server.race([(one, "/api/scheduling/booking-series", body) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}
    assert seats_of(server, ids) == dict.fromkeys(ids, 1)


def test_a_week_that_opens_is_booked_on_once_or_goes_to_who_was_first(server: Server) -> None:
    """Workers that go on with a series, and customers who want the same hour."""
    with server.sessions.begin() as session:
        owner, *others = members(session, 20)
        coach = make_coach(session)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * WEEK).id for n in range(3)]
    body = {"slot_id": str(ids[0])}
    assert server.race([(owner, "/api/scheduling/booking-series", body)]) == {"201": 1}
    with server.sessions.begin() as session:
        ids.append(make_slot(session, coach=session.merge(coach), starts_at=SOON + 3 * WEEK).id)
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", {"slot_id": str(ids[3])}) for one in others
    ]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.race, calls)
        together(server.sessions, *[lambda session: continuing.go_on(session, datetime.now(UTC))] * 4)
        answers = asked.result(timeout=60)
    with server.sessions.begin() as session:  # what somebody worked on is looked at next time
        continuing.go_on(session, datetime.now(UTC))
    assert set(answers) <= {"201", "409 scheduling.slot_taken"}, answers
    assert answers["201"] <= 1
    assert seats_of(server, ids) == dict.fromkeys(ids, 1)
    with server.sessions() as session:
        last = session.scalar(
            select(Booking.customer_id).where(Booking.slot_id == ids[3], Booking.status == "booked")
        )  # fmt: skip
        assert (last == owner.id) == (answers["201"] == 0)
