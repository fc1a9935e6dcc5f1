"""Calendars that change, by their coach or from outside, while customers book what is in them."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from operational_api.identity.models import Account
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection
from operational_api.scheduling.calendars.port import Busy, Changes, Window
from operational_api.scheduling.models import PublicHoliday, Slot
from operational_api.scheduling.service import calendar_sync, days_off, openings
from plyo.postgres import PostgresServer
from tests.factories import (
    make_availability,
    make_coach,
    make_location,
    make_slot,
)
from tests.operational_api.scheduling.races.callers import (
    BERLIN,
    SOON,
    WEEK,
    Server,
    members,
    seats_of,
    together,
)


@pytest.mark.parametrize("imports", [1, 2])
def test_an_hour_that_a_calendar_brings_is_booked_before_or_not_at_all(server: Server, imports: int) -> None:
    """A calendar that is read, by two workers too, while customers book: its time is written once."""
    for number in range(4):
        with server.sessions.begin() as session:
            people, slot = members(session, 8), make_slot(session, starts_at=SOON + number * WEEK)
            connection = CalendarConnection(
                account_id=slot.coach_id, provider="google", calendar_id=f"{slot.id}", label="Work",
                time_zone="Europe/Berlin", is_read=True, is_written=False, next_sync_at=SOON, connected_at=SOON,
            )  # fmt: skip
            session.add(connection)
            session.flush()
            slot_id, id_ = slot.id, connection.id
            changes = Changes(
                [Busy("theirs", slot.starts_at, slot.ends_at)], frozenset(["theirs"]), [], "cursor", is_full=True
            )

        def bring(session: Session, id_: UUID = id_, changes: Changes = changes) -> None:
            window, now = Window(SOON - WEEK, SOON + 9 * WEEK), datetime.now(UTC)
            calendar_sync.apply(session, id_, changes, read_from=None, window=window, now=now, next_at=now + WEEK)

        calls: list[tuple[Account, str, dict[str, Any]]] = [
            (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in people
        ]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.race, calls)
            together(server.sessions, *[bring] * imports)
            answers = asked.result(timeout=60)
        refused = {"409 scheduling.slot_taken", "409 scheduling.coach_busy_elsewhere"}
        assert set(answers) <= {"201", *refused}, answers
        assert answers["201"] <= 1
        assert answers["201"] == 1 or answers == {"409 scheduling.coach_busy_elsewhere": len(people)}
        with server.sessions() as session:
            kept = select(func.count()).select_from(BusyTime).where(BusyTime.connection_id == id_)
            assert session.scalar(kept) == 1
        assert seats_of(server, [slot_id]) == Counter({slot_id: answers["201"]})
        late = server.race([(people[0], "/api/scheduling/slots/" + str(slot_id) + "/hold", {})])
        assert set(late) <= {*refused, "409 scheduling.already_booked"}


def test_a_class_is_opened_where_an_empty_hour_was_or_the_hour_is_booked(server: Server) -> None:
    for number in range(6):
        with server.sessions.begin() as session:
            coach, people = make_coach(session), members(session, 6)
            starts_at = SOON.replace(hour=10) + timedelta(days=number)
            slot_id = make_slot(session, coach=coach, starts_at=starts_at).id
            leader = session.get_one(Account, coach.id)
        local = starts_at.astimezone(BERLIN)
        body = {"title": "Mobility", "wall_start": f"{local:%H:%M}", "capacity": 8, "first_on": f"{local:%Y-%m-%d}"}
        calls: list[tuple[Account, str, dict[str, Any]]] = [
            (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in people
        ]
        calls.insert(number, (leader, "/api/scheduling/classes", body))
        answers = server.race(calls)
        refused = {"409 scheduling.slot_taken", "404 scheduling.slot_not_found", "409 scheduling.coach_busy"}
        assert answers["201"] == 1, answers
        assert set(answers) <= {"201", *refused}, answers
        with server.sessions() as session:
            kinds = session.scalars(select(Slot.kind).where(Slot.coach_id == leader.id)).all()
        assert kinds == (["one_to_one"] if answers["409 scheduling.coach_busy"] else ["group"])


def test_a_day_off_that_is_said_while_calendars_are_opened_stays_one(server: Server, postgres: PostgresServer) -> None:
    """It is said between what the worker reads of the coach's hours and what it reads of the calendar."""
    with server.sessions.begin() as session:
        coach_id, day = (coach := make_coach(session)).id, SOON.date()
        make_availability(session, coach=coach, weekday=day.weekday())
        assert openings.open_slots(session, datetime.now(UTC), coach_id=coach_id)

    def say() -> None:
        with server.sessions.begin() as session:
            days_off.add_time_off(
                session, coach_id=coach_id, starts_on=day, ends_on=day, kind="sick", now=datetime.now(UTC)
            )

    waits = "select count(*) from pg_stat_activity where datname = 'plyo_races' and wait_event_type = 'Lock'"
    said: list[Future[None]] = []

    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        if "FROM scheduling.slots" not in statement or said:
            return
        said.append(pool.submit(say))
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            while not said[0].done() and connection.execute(waits).fetchone() == (0,):
                time.sleep(0.01)

    bind = server.sessions.kw["bind"]
    with ThreadPoolExecutor(1) as pool:
        event.listen(bind, "before_cursor_execute", meanwhile)
        try:
            with server.sessions.begin() as session:
                openings.open_slots(session, datetime.now(UTC), coach_id=coach_id)
        finally:
            event.remove(bind, "before_cursor_execute", meanwhile)
        said[0].result(timeout=20)
    with server.sessions() as session:
        starts = session.scalars(select(Slot.starts_at).where(Slot.coach_id == coach_id)).all()
        assert starts
        assert day not in {one.astimezone(BERLIN).date() for one in starts}


def test_days_that_several_close_a_studio_on_are_all_closed(server: Server) -> None:
    days = [date(2027, 12, day) for day in (24, 25, 26, 27, 28, 29)]
    with server.sessions.begin() as session:
        location_id = make_location(session).id

    def closing(day: date) -> Callable[[Session], object]:
        return lambda session: days_off.add_holiday(
            session, location_id=location_id, on=day, name="Closed", now=datetime.now(UTC)
        )

    together(server.sessions, *map(closing, days))
    with server.sessions() as session:
        closed = select(PublicHoliday.holiday_on).where(PublicHoliday.location_id == location_id)
        assert sorted(session.scalars(closed)) == days
