"""Many who book the same hour with whoever is free."""

from collections import Counter

from sqlalchemy import select

from operational_api.scheduling.models import Booking
from tests.factories import make_coach, make_location, make_slot
from tests.operational_api.scheduling.races.callers import CALLERS, SOON, Server, members, seats_of


@CALLERS
def test_each_coach_is_given_once_and_the_others_are_refused(server: Server, callers: int) -> None:
    """Half of them name a coach of these at the same moment: nobody has two customers, and nobody free is left over."""
    coaches = 4
    with server.sessions.begin() as session:
        studio = make_location(session)
        slots = [
            make_slot(session, coach=make_coach(session, location=studio), starts_at=SOON).id for _ in range(coaches)
        ]
        body = {"opening": {"location_id": str(studio.id), "starts_at": SOON.isoformat(), "minutes": 60}}
        calls = [
            (one, "/api/scheduling/bookings", body if number % 2 else {"slot_id": str(slots[number % coaches])})
            for number, one in enumerate(members(session, callers))
        ]
    told = server.race(calls)
    assert told.pop("201") == coaches
    assert set(told) <= {"409 scheduling.nobody_free", "409 scheduling.slot_taken"}
    assert sum(told.values()) == callers - coaches
    assert seats_of(server, slots) == dict.fromkeys(slots, 1)
    with server.sessions() as session:
        how = Counter(session.scalars(select(Booking.assignment).where(Booking.slot_id.in_(slots))))
        assert set(how) <= {None, "turn"}
