"""Those who wait for a seat, and whoever reaches for it meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, WaitlistEntry
from operational_api.scheduling.service import bookings, holds, waitlist
from tests.factories import (
    make_booking,
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


def test_who_leaves_the_waitlist_as_a_seat_is_freed_has_left_or_is_asked(server: Server) -> None:
    for number in range(10):
        with server.sessions.begin() as session:
            holder, waiter = members(session, 2)
            slot = make_slot(session, starts_at=SOON + number * WEEK)
            held = make_booking(session, slot=slot, customer_id=holder.id).id
            session.add(WaitlistEntry(slot_id=slot.id, customer_id=waiter.id, joined_at=datetime.now(UTC)))
            slot_id, waiter_id = slot.id, waiter.id
        start = threading.Barrier(2)

        def leave(slot_id: UUID = slot_id, waiter_id: UUID = waiter_id, start: threading.Barrier = start) -> None:
            with server.sessions.begin() as session:
                start.wait()
                waitlist.leave_waitlist(session, customer_id=waiter_id, slot_id=slot_id, now=datetime.now(UTC))

        def cancel(held: UUID = held, start: threading.Barrier = start) -> None:
            with server.sessions.begin() as session:
                start.wait()
                bookings.cancel_booking(session, booking_id=held, now=datetime.now(UTC))

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(leave), pool.submit(cancel)]:
                done.result(timeout=20)
        with server.sessions() as session:
            status = session.scalar(select(WaitlistEntry.status).where(WaitlistEntry.slot_id == slot_id))
            kept = session.scalar(
                select(func.count()).where(Booking.slot_id == slot_id, Booking.status == "held")
            )  # fmt: skip
            assert (status, kept) in {("left", 0), ("offered", 1)}


@CALLERS
def test_a_freed_seat_goes_to_who_waited_longest_whoever_reaches_for_it(server: Server, callers: int) -> None:
    """Those who wait and those who do not all book at the moment at which it is given up."""
    with server.sessions.begin() as session:
        holder, *people = members(session, callers)
        slot = make_slot(session, starts_at=SOON)
        held = make_booking(session, slot=slot, customer_id=holder.id).id
        for number, one in enumerate(people[: callers // 2]):
            joined_at = datetime.now(UTC) - timedelta(hours=9, minutes=-number)
            session.add(WaitlistEntry(slot_id=slot.id, customer_id=one.id, joined_at=joined_at))
        slot_id = slot.id
    body = {"slot_id": str(slot_id)}
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", body) for one in people
    ]  # fmt: skip
    calls.insert(callers // 3, (holder, f"/api/scheduling/bookings/{held}/cancellation", {}))
    answers = server.race(calls)
    assert answers["200"] == 1
    assert set(answers) <= {"200", "201", "409 scheduling.slot_taken"}, answers
    with server.sessions() as session:
        (seat,) = session.scalars(
            select(Booking).where(Booking.slot_id == slot_id, Booking.status.in_(("held", "booked")))
        )
        assert seat.customer_id == people[0].id
        assert (seat.status, answers["201"]) in {("held", 0), ("booked", 1)}


def test_an_offer_that_lapses_goes_to_the_next_whoever_notices(server: Server) -> None:
    """Workers that free seats, of which one was killed before, and customers who book."""
    with server.sessions.begin() as session:
        first, second, *others = members(session, 20)
        slot, now = make_slot(session, starts_at=SOON), datetime.now(UTC)
        offer = make_booking(
            session, slot=slot, customer_id=first.id, status="held", held_until=now - timedelta(minutes=1)
        )
        session.add(
            WaitlistEntry(
                slot_id=slot.id, customer_id=first.id, joined_at=now - timedelta(hours=9), status="offered",
                booking_id=offer.id, offered_at=now - timedelta(hours=3),
            )
        )  # fmt: skip
        session.add(WaitlistEntry(slot_id=slot.id, customer_id=second.id, joined_at=now - timedelta(hours=8)))
        slot_id = slot.id
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in others
    ]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.race, calls)
        together(server.sessions, *[lambda session: holds.free_seats(session, datetime.now(UTC))] * 4)
        assert asked.result(timeout=60) == {"409 scheduling.slot_taken": len(others)}
    with server.sessions() as session:
        entries = select(WaitlistEntry.customer_id, WaitlistEntry.status).where(WaitlistEntry.slot_id == slot_id)
        assert dict(session.execute(entries).tuples().all()) == {first.id: "lapsed", second.id: "offered"}
    assert seats_of(server, [slot_id]) == {slot_id: 1}
