"""Many who want, keep, pay for and move to the same seats at once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.commerce.models import SessionPack
from operational_api.core.errors import DomainError
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking
from operational_api.scheduling.service import bookings, holds
from tests.factories import (
    make_account,
    make_booking,
    make_coach,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.scheduling.races.callers import (
    CALLERS,
    SOON,
    Server,
    apart,
    members,
    seats_of,
    together,
)


@CALLERS
@pytest.mark.asvs("2.3.4")
def test_of_all_who_book_the_last_seat_one_gets_it(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON).id, members(session, callers)
    body = {"slot_id": str(slot_id)}
    answers = server.race([(one, "/api/scheduling/bookings", body) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}


@CALLERS
def test_of_all_who_hold_the_last_seat_one_gets_it(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON).id, members(session, callers)
    answers = server.race([(one, f"/api/scheduling/slots/{slot_id}/hold", {}) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}


@CALLERS
def test_a_seat_confirmed_many_times_is_paid_once(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        person = make_account(session)
        make_pack(session, customer_id=person.id)
        until = datetime.now(UTC) + timedelta(minutes=15)
        slot = make_slot(session, starts_at=SOON)
        held = make_booking(session, slot=slot, customer_id=person.id, status="held", held_until=until).id
    answers = server.race([(person, f"/api/scheduling/bookings/{held}/confirmation", {})] * callers)
    assert answers == {"200": 1, "409 scheduling.booking_closed": callers - 1}
    with server.sessions() as session:
        used = session.scalar(select(SessionPack.sessions_used).where(SessionPack.customer_id == person.id))
        assert used == 1


@pytest.mark.parametrize("left", [-50, 0, 50, 150])
def test_a_hold_that_runs_out_while_it_is_paid_for_is_paid_and_kept_or_neither(server: Server, left: int) -> None:
    """The holder confirms, the worker frees what lapsed, and somebody who waits at the door reaches for the seat, all
    within the milliseconds around its end."""
    with server.sessions.begin() as session:
        holder, other = make_account(session), make_account(session)
        packs = {one.id: make_pack(session, customer_id=one.id).id for one in (holder, other)}
        slot = make_slot(session, starts_at=SOON)
        ends_at = datetime.now(UTC) + timedelta(milliseconds=400)
        held = make_booking(session, slot=slot, customer_id=holder.id, status="held", held_until=ends_at).id
        slot_id, other_id, holder_id = slot.id, other.id, holder.id
    time.sleep(max(0, (ends_at - datetime.now(UTC)).total_seconds() - left / 1000))
    refused: list[str] = []

    def trying(work: Callable[[Session], object]) -> Callable[[Session], object]:
        def do(session: Session) -> None:
            try:
                with session.begin_nested():
                    work(session)
            except DomainError as error:
                refused.append(error.code())

        return do

    def reach(session: Session) -> None:
        bookings.book_session(session, customer_id=other_id, slot_id=slot_id, now=datetime.now(UTC))

    together(
        server.sessions,
        *[trying(lambda session: holds.confirm_hold(session, booking_id=held, now=datetime.now(UTC)))] * 4,
        *[trying(lambda session: holds.free_seats(session, datetime.now(UTC)))] * 2,
        *[trying(reach)] * 4,
    )
    with server.sessions() as session:
        rows = session.scalars(select(Booking).where(Booking.slot_id == slot_id, Booking.status == "booked")).all()
        used = {id_: session.get_one(SessionPack, pack).sessions_used for id_, pack in packs.items()}
        waits = session.scalars(
            select(Booking.status).where(Booking.slot_id == slot_id, Booking.status == "held")
        ).all()
    assert len(rows) + len(waits) <= 1
    assert used == {one: sum(row.customer_id == one for row in rows) for one in (holder_id, other_id)}
    assert set(refused) <= {
        "scheduling.booking_closed", "scheduling.hold_expired", "scheduling.slot_taken", "scheduling.already_booked",
    }, refused  # fmt: skip


@CALLERS
def test_a_seat_that_is_held_is_its_holders_whatever_a_desk_moves_there(server: Server, callers: int) -> None:
    """One pays for the last seat, the others' sessions are moved into it by a desk, at once."""
    with server.sessions.begin() as session:
        holder, *people = members(session, callers)
        slot, clerk = make_slot(session, starts_at=SOON), make_account(session, role="front_desk")
        full = make_slot(session, starts_at=SOON + timedelta(hours=5), capacity=callers)
        old = [make_booking(session, slot=full, customer_id=one.id, seat=seat).id for seat, one in enumerate(people, 1)]
        until = datetime.now(UTC) + timedelta(minutes=15)
        held = make_booking(session, slot=slot, customer_id=holder.id, status="held", held_until=until).id
        slot_id, full_id = slot.id, full.id
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (clerk, f"/api/scheduling/bookings/{one}/rescheduling", {"slot_id": str(slot_id)}) for one in old
    ]
    calls.insert(callers // 2, (holder, f"/api/scheduling/bookings/{held}/confirmation", {}))
    assert server.race(calls) == {"200": 1, "409 scheduling.slot_taken": callers - 1}
    assert seats_of(server, [slot_id, full_id]) == {slot_id: 1, full_id: callers - 1}


@CALLERS
def test_of_all_who_want_the_last_places_of_a_class_as_many_come_as_there_are(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON, capacity=8).id, members(session, callers)
    body = {"slot_id": str(slot_id)}
    answers = server.race([(one, "/api/scheduling/bookings", body) for one in people])
    assert answers == {"201": 8, "409 scheduling.slot_taken": callers - 8}
    with server.sessions() as session:
        taken = session.scalars(select(Booking.seat).where(Booking.slot_id == slot_id, Booking.status == "booked"))
        assert sorted(taken) == list(range(1, 9))


@pytest.mark.asvs("2.3.2")
def test_who_books_everything_at_once_gets_what_their_membership_includes(server: Server) -> None:
    with server.sessions.begin() as session:
        person = make_account(session)
        make_subscription(session, customer_id=person.id, plan=make_plan(session, sessions_included=2))
        hours = [apart(number) for number in range(10)]
        slot_ids = [make_slot(session, starts_at=one).id for one in hours]
    calls = [(person, "/api/scheduling/bookings", {"slot_id": str(one)}) for one in slot_ids]
    assert server.race(calls) == {"201": 2, "409 scheduling.allowance_used": 8}


def test_who_holds_everything_at_once_keeps_three(server: Server) -> None:
    with server.sessions.begin() as session:
        (person,) = members(session, 1)
        slot_ids = [make_slot(session, starts_at=apart(number)).id for number in range(10)]
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (person, f"/api/scheduling/slots/{one}/hold", {}) for one in slot_ids
    ]
    assert server.race(calls) == {"201": 3, "409 scheduling.too_many_holds": 7}


@CALLERS
def test_of_all_who_move_to_one_seat_one_does_and_the_others_keep_theirs(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        people, coach = members(session, callers), make_coach(session)
        slot_id = make_slot(session, starts_at=SOON).id
        full = make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=5), capacity=callers)
        old = [make_booking(session, slot=full, customer_id=one.id, seat=seat).id for seat, one in enumerate(people, 1)]
        ids = {one.id for one in people}
    body = {"slot_id": str(slot_id)}
    answers = server.race(
        [(one, f"/api/scheduling/bookings/{id_}/rescheduling", body) for one, id_ in zip(people, old, strict=True)]
    )
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}
    with server.sessions() as session:
        live = select(func.count()).where(Booking.customer_id.in_(ids), Booking.status == "booked")
        assert session.scalar(live) == callers
