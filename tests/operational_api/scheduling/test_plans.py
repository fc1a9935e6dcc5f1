"""What hot questions cost: how PostgreSQL goes through a full table, and how many statements a request takes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from operational_api.scheduling import public
from operational_api.scheduling.models import BookingTerms, Coach, Slot
from operational_api.scheduling.service import agenda, holds, places, seats, slots, studio, timetable, waitlist
from operational_api.scheduling.service.slots import SlotFilter
from operational_api.scheduling.terms import Terms
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url
from tests.factories import (
    account_of,
    make_booking,
    make_client,
    make_coach,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.statements import Explained, heard

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
WEEK = timedelta(days=7)
BIG = ("slots", "bookings", "waitlist_entries", "booking_moves", "slot_resources")
FILL = """
set session_replication_role = replica;  -- what refers to what is right by how it is made
insert into scheduling.locations (id, name, city, country_code, time_zone, currency)
    values ('00000000-0000-0000-0000-000000000001', 'A', 'Berlin', 'DE', 'Europe/Berlin', 'EUR');
insert into scheduling.coaches (id, display_name, specialities, location_id, client_capacity, hired_on)
    select ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'Coach ' || n, '{}',
        '00000000-0000-0000-0000-000000000001', 30, '2020-01-01' from generate_series(1, 50) n;
insert into scheduling.slots (id, coach_id, location_id, kind, title, starts_at, ends_at, capacity, status)
    select ('00000000-0000-0000-0002-' || lpad((coach * 1000 + hour)::text, 12, '0'))::uuid,
        ('00000000-0000-0000-0001-' || lpad(coach::text, 12, '0'))::uuid, '00000000-0000-0000-0000-000000000001',
        case when hour % 10 = 0 then 'group' else 'one_to_one' end, 'x',
        '2026-05-01'::timestamptz + hour * interval '2 hours', '2026-05-01'::timestamptz + (hour * 2 + 1) * interval '1 hour',
        case when hour % 10 = 0 then 8 else 1 end, 'open'
    from generate_series(1, 50) coach, generate_series(0, 499) hour;
insert into scheduling.bookings (id, slot_id, customer_id, coach_id, seat, starts_at, ends_at, status, booked_at, held_until)
    select uuidv7(), id, ('00000000-0000-0000-0003-' || lpad((row_number() over (order by starts_at, id) % 2000)::text, 12, '0'))::uuid,
        coach_id, 1, starts_at, ends_at,
        case when starts_at < '2026-06-01' then 'attended' when random() < 0.002 then 'held' else 'booked' end,
        starts_at - interval '3 days', starts_at
    from scheduling.slots where right(id::text, 1) <> '0';
insert into scheduling.waitlist_entries (id, slot_id, customer_id, joined_at, status)
    select uuidv7(), id, ('00000000-0000-0000-0003-' || lpad((abs(hashtext(id::text)) % 2000)::text, 12, '0'))::uuid,
        starts_at - interval '2 days', case when starts_at < '2026-06-10' then 'expired' else 'waiting' end
    from scheduling.slots where right(id::text, 1) = '3';
insert into scheduling.booking_moves (id, origin_id, from_booking_id, to_booking_id, from_starts_at, to_starts_at, moved_by_role, moved_at)
    select uuidv7(), id, id, id, starts_at, starts_at, 'coach', booked_at from scheduling.bookings where random() < 0.3;
insert into scheduling.resources (id, location_id, name, kind)
    select ('00000000-0000-0000-0004-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-0000-0000-000000000001', 'R' || n, 'room'
    from generate_series(1, 50) n;
insert into scheduling.slot_resources (slot_id, resource_id, starts_at, ends_at)
    select s.id, ('00000000-0000-0000-0004-' || right(coach_id::text, 12))::uuid, starts_at, ends_at
    from scheduling.slots s where kind = 'group';
insert into scheduling.booking_terms (id, coach_id, minimum_notice_minutes) values (uuidv7(), null, 60);
analyze scheduling.slots, scheduling.bookings, scheduling.waitlist_entries, scheduling.booking_moves,
    scheduling.slot_resources, scheduling.coaches, scheduling.locations, scheduling.resources;
"""  # noqa: E501


def id_of(kind: int, number: int) -> UUID:
    return UUID(f"00000000-0000-0000-000{kind}-{number:012d}")


@pytest.fixture(scope="module")
def full(postgres: PostgresServer, template_database: str) -> Iterator[Engine]:
    """25,000 slots of 50 coaches over six weeks, and nearly as many bookings of 2,000 customers."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_full template {template_database}")
    with psycopg.connect(postgres.url("plyo_full"), autocommit=True) as connection:
        # The promises are tested elsewhere: checking each row here would be all that this takes.
        connection.execute("alter table scheduling.slots drop constraint ex_slots_coach_overlap")
        connection.execute("alter table scheduling.bookings drop constraint ex_bookings_customer_overlap")
        connection.execute("alter table scheduling.slot_resources drop constraint ex_slot_resources_overlap")
        connection.execute(FILL)
    engine = create_engine(sqlalchemy_url(postgres.url("plyo_full")), connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("drop database plyo_full with (force)")


def read_whole(engine: Engine, ask: Callable[[Session], object]) -> list[str]:
    """What some statement of `ask` reads from one end to the other of the big tables."""
    explained = Explained(engine, BIG)
    with engine.connect() as connection, Session(connection) as session, explained.of("it"):
        ask(session)
        session.rollback()
    return explained.whole()


COACH, CUSTOMER, SLOT = id_of(1, 7), id_of(3, 77), id_of(2, 7491)
QUESTIONS: dict[str, Callable[[Session], object]] = {
    "slots of a coach and week": lambda s: slots.list_slots(
        s, SlotFilter(NOW, NOW + WEEK, coach_id=COACH, only_free=True), viewer_id=CUSTOMER, now=NOW, limit=50
    ),
    "slots of anybody, the first page": lambda s: slots.list_slots(
        s, SlotFilter(), viewer_id=CUSTOMER, now=NOW, limit=50
    ),
    "one slot": lambda s: slots.get_slot(s, SLOT, viewer_id=CUSTOMER, now=NOW),
    "a day of the timetable": lambda s: timetable.slots_on(
        s, SlotFilter(coach_id=COACH), on=NOW.date(), zone="Europe/Berlin", viewer_id=CUSTOMER, now=NOW
    ),
    "free days of a coach": lambda s: timetable.free_days(s, SlotFilter(coach_id=COACH), zone="Europe/Berlin", now=NOW),
    "bookings of a customer": lambda s: agenda.list_bookings(s, customer_id=CUSTOMER, starts_from=NOW, limit=50),
    "seats kept for a customer": lambda s: agenda.list_kept(s, customer_id=CUSTOMER, now=NOW),
    "requests to a coach": lambda s: agenda.list_kept(s, coach_id=COACH, now=NOW),
    "agenda of a coach": lambda s: agenda.list_bookings(
        s, coach_id=COACH, starts_from=NOW, starts_before=NOW + WEEK, limit=50
    ),
    "sessions of a coach": lambda s: public.sessions_of_coach(s, COACH, since=NOW, until=NOW + WEEK),
    "next session of a customer": lambda s: public.next_session(s, CUSTOMER, NOW),
    "what a customer waits for": lambda s: agenda.list_waits(s, customer_id=CUSTOMER, now=NOW),
    "who holds a seat": lambda s: seats.holders(s, SLOT),
    "what lapsed here or of a customer": lambda s: waitlist.lapse(
        s, s.get_one(Slot, SLOT), customer_id=CUSTOMER, now=NOW - WEEK, terms=Terms()
    ),
    "a session to be booked": lambda s: places.lock_place(s, SLOT),
    "who has its seats": lambda s: places.seating_of(
        s, slot := s.get_one(Slot, SLOT), Terms(), customer_id=CUSTOMER, now=slot.starts_at - WEEK
    ),
    "what lapsed anywhere": lambda s: holds.free_seats(s, NOW),
    "who waits for a slot": lambda s: waitlist.waiting(s, SLOT),
    "classes of a coach": lambda s: studio.list_classes(s, coach_id=COACH, now=NOW, limit=20),
}


class TestPlans:
    @pytest.mark.parametrize("question", QUESTIONS)
    def test_no_big_table_is_read_whole(self, full: Engine, question: str) -> None:
        assert read_whole(full, QUESTIONS[question]) == []

    def test_a_question_without_an_index_would_be_noticed(self, full: Engine) -> None:
        found = read_whole(full, lambda s: s.execute(text("select count(*) from scheduling.slots where title = 'y'")))
        assert len(found) == 1


class TestStatements:
    """How many statements a request takes, each new one a decision; more rows never mean more statements."""

    @pytest.fixture
    def said(self, session: Session) -> Iterator[list[str]]:
        with heard(session.connection().engine) as said:
            yield said

    @pytest.fixture
    def coach(self, session: Session) -> Coach:
        return make_coach(session)

    @pytest.fixture
    def phone(self, session: Session, coach: Coach, sign_in: SignIn) -> TestClient:
        client = make_client(session, coach=coach)
        make_subscription(session, customer_id=client.id)
        phone = sign_in(account_of(session, client))
        start = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
        for hour in range(4):
            slot = make_slot(session, coach=coach, starts_at=start + timedelta(hours=hour), capacity=1 + hour)
            if hour in (1, 2):
                make_booking(session, slot=slot, customer_id=client.id)
        session.add(BookingTerms(coach_id=coach.id, hold_minutes=20))
        session.flush()
        return phone

    @pytest.mark.parametrize(
        ("path", "most"),
        [
            ("/api/scheduling/slots", 3), ("/api/scheduling/bookings", 4), ("/api/scheduling/coaches", 2),
            ("/bookings", 12), ("/book", 10),
        ],
    )  # fmt: skip
    def test_reading_takes_no_more_than_this(
        self, session: Session, phone: TestClient, coach: Coach, said: list[str], path: str, most: int
    ) -> None:
        counts = []
        for turn in range(2):
            said.clear()
            assert phone.get(path).status_code == 200
            counts.append(len(said))
            for hour in range(6):  # more rows, the second time
                start = datetime.now(UTC) + timedelta(days=5 + turn, hours=hour)
                make_booking(session, slot=make_slot(session, coach=coach, starts_at=start))
        assert counts[0] == counts[1]
        assert counts[0] <= most, "\n".join(said)

    def test_booking_takes_no_more_than_this(self, session: Session, phone: TestClient, said: list[str]) -> None:
        free = phone.get("/api/scheduling/slots?only_free=true").json()["items"]
        ids = [one["id"] for one in free if one["booking_id"] is None]
        said.clear()
        assert phone.post("/api/scheduling/bookings", json={"slot_id": ids[0]}).status_code == 201
        assert len(said) <= 6, "\n".join(said)
