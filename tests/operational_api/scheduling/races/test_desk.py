"""The front desk, several clerks of it, and customers who reach for the same seats at once."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from operational_api.commerce.models import Invoice, SessionPack
from operational_api.identity.models import Account, DeletionRequest
from operational_api.identity.service import deletion
from operational_api.scheduling.errors import CustomerLeft
from operational_api.scheduling.handlers import leave_sessions
from operational_api.scheduling.models import Booking
from operational_api.scheduling.service import desk_bookings
from operational_api.scheduling.service.desk_bookings import Order
from operational_api.training import public as training
from tests.factories import make_account, make_booking, make_client, make_plan, make_slot
from tests.operational_api.scheduling.races.callers import CALLERS, SOON, Server, members, seats_of


@CALLERS
def test_the_last_seat_is_the_desks_or_a_customers(server: Server, callers: int) -> None:
    """Customers book it and keep it to pay; clerks book it for others, on an invoice and for later."""
    with server.sessions.begin() as session:
        slot_id, plan = make_slot(session, starts_at=SOON).id, make_plan(session, kind="pack")
        clerks = [make_account(session, role="front_desk") for _ in range(callers // 2)]
        clients = [session.get_one(Account, make_client(session).id) for _ in clerks]
        people = members(session, callers - len(clerks))
        calls = [
            (one, "/api/scheduling/bookings" if number % 2 else f"/api/scheduling/slots/{slot_id}/hold",
             {"slot_id": str(slot_id)} if number % 2 else {})
            for number, one in enumerate(people)
        ]  # fmt: skip
        for number, (clerk, client) in enumerate(zip(clerks, clients, strict=True)):
            paid = {"paid": "invoice", "plan_code": plan.code} if number % 2 else {"paid": "later"}
            body = {"slot_id": str(slot_id), **paid}
            calls.insert(2 * number, (clerk, f"/api/scheduling/clients/{client.id}/bookings", body))
        ids = [one.id for one in clients]
    assert server.race(calls) == {"201": 1, "409 scheduling.slot_taken": callers - 1}
    assert seats_of(server, [slot_id]) == {slot_id: 1}
    with server.sessions() as session:
        sold = session.scalars(select(Invoice.customer_id).where(Invoice.customer_id.in_(ids))).all()
        packs = session.scalars(select(SessionPack.customer_id).where(SessionPack.customer_id.in_(ids))).all()
        seated = select(Booking.customer_id).where(Booking.slot_id == slot_id, Booking.session_pack_id.is_not(None))
        assert sold == packs == session.scalars(seated).all(), "nobody is sold a seat that they have not got"


def test_a_customer_is_sold_one_pack_however_many_clerks_sell_it(server: Server) -> None:
    """Two clerks who book different sessions for one customer at this moment: what the one sold pays for the other."""
    with server.sessions.begin() as session:
        plan, client = make_plan(session, kind="pack"), make_client(session)
        clerks = [make_account(session, role="front_desk") for _ in range(6)]
        slots = [make_slot(session, starts_at=SOON + timedelta(hours=2 * number)).id for number in range(6)]
        client_id, code = client.id, plan.code
    calls = [
        (clerk, f"/api/scheduling/clients/{client_id}/bookings",
         {"slot_id": str(slot), "paid": "invoice", "plan_code": code})
        for clerk, slot in zip(clerks, slots, strict=True)
    ]  # fmt: skip
    assert server.race(calls) == {"201": 1, "409 scheduling.paid_already": 5}
    with server.sessions() as session:
        assert session.scalar(select(func.count()).where(Invoice.customer_id == client_id)) == 1


@CALLERS
def test_what_is_undone_many_times_and_cancelled_meanwhile_is_given_back_once(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        clerk = make_account(session, role="front_desk")
        person, *others = members(session, callers // 2)
        booking = make_booking(
            session, slot=make_slot(session, starts_at=SOON), customer_id=person.id, booked_by=clerk.id,
            booked_at=datetime.now(UTC),
        )  # fmt: skip
        id_, slot_id = booking.id, booking.slot_id
    calls = [(clerk, f"/api/scheduling/bookings/{id_}/undo", {})] * (callers // 2)
    calls.insert(1, (person, f"/api/scheduling/bookings/{id_}/cancellation", {}))
    calls += [(one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in others]
    answers = server.race(calls)
    assert answers["200"] == 1
    assert set(answers) <= {"200", "201", "409 scheduling.booking_closed", "409 scheduling.slot_taken"}, answers
    assert seats_of(server, [slot_id])[slot_id] == answers["201"] <= 1


def _wait_for_lock(server: Server, done: Future[None]) -> None:
    """Until somebody waits for an advisory lock, or has not had to."""
    waits = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    for _ in range(400):
        with server.sessions() as session:
            if done.done() or session.scalar(waits):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


class TestClosing:
    """An account that closes while somebody books for it: the second waits, and nobody is seated who has left."""

    def set_up(self, server: Server) -> tuple[UUID, UUID, UUID]:
        now = datetime.now(UTC)
        with server.sessions.begin() as session:
            [mia] = members(session, 1)
            training.ensure_client(session, mia.id, display_name="Mia", now=now)
            ago = now - timedelta(days=15)
            session.add(DeletionRequest(account_id=mia.id, reason="", requested_at=ago, due_at=now - timedelta(days=1)))
            return mia.id, make_slot(session, starts_at=SOON).id, make_account(session, role="front_desk").id

    @staticmethod
    def close(server: Server, account_id: UUID) -> None:
        """As the worker does: the account, and in another transaction what was booked."""
        now = datetime.now(UTC)
        with server.sessions.begin() as session:
            deletion.close_due(session, now)
        with server.sessions.begin() as session:
            leave_sessions(session, AccountClosed(occurred_at=now, account_id=account_id))

    @staticmethod
    def book(session: Session, account_id: UUID, slot_id: UUID, clerk_id: UUID) -> None:
        desk_bookings.book(session, Order(account_id, slot_id), booked_by=clerk_id, now=datetime.now(UTC))

    def test_what_was_booked_first_is_off_once_it_has_closed(self, server: Server) -> None:
        ids = self.set_up(server)
        with ThreadPoolExecutor(1) as pool:
            with server.sessions.begin() as session:
                self.book(session, *ids)
                closed = pool.submit(self.close, server, ids[0])
                _wait_for_lock(server, closed)
            closed.result(30)
        with server.sessions() as session:
            assert session.scalars(select(Booking.status).where(Booking.customer_id == ids[0])).all() == ["cancelled"]

    def test_what_comes_second_is_refused(self, server: Server) -> None:
        ids = self.set_up(server)

        def try_it() -> None:
            with server.sessions.begin() as session:
                self.book(session, *ids)

        with ThreadPoolExecutor(1) as pool:
            with server.sessions.begin() as session:
                deletion.close_due(session, datetime.now(UTC))
                booked = pool.submit(try_it)
                _wait_for_lock(server, booked)
            with pytest.raises(CustomerLeft):
                booked.result(30)
        with server.sessions() as session:
            assert session.scalars(select(Booking).where(Booking.customer_id == ids[0])).all() == []
