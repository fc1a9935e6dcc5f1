"""Clients, their coaches, and the events that make them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.identity import AccountRegistered
from contracts.events.scheduling import SessionBooked
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.training import handlers, public
from operational_api.training.errors import ClientNotFound
from operational_api.training.models import CoachAssignment
from operational_api.training.service import clients
from tests.factories import make_client, make_coach

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class TestAssignCoach:
    def test_keeps_the_history_and_announces(self, session: Session) -> None:
        first, second = make_coach(session), make_coach(session)
        client = make_client(session, coach=first)
        clients.assign_coach(session, customer_id=client.id, coach_id=second.id, now=NOON)
        clients.assign_coach(session, customer_id=client.id, coach_id=second.id, now=NOON)
        rows = session.execute(
            select(CoachAssignment.coach_id, CoachAssignment.ended_at)
            .where(CoachAssignment.customer_id == client.id)
            .order_by(CoachAssignment.assigned_at)
        ).all()
        assert rows == [(first.id, NOON), (second.id, None)]
        assert public.coach_of(session, client.id) == second.id
        assert public.clients_of(session, second.id) == [client.id]
        events = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == client.id)).all()
        assert [(e.type, e.payload["previous_coach_id"]) for e in events] == [
            ("training.coach_assigned", str(first.id))
        ]

    def test_is_one_at_a_time_whatever_servers_clocks_say(self, session: Session) -> None:
        first, second = make_coach(session), make_coach(session)
        client = make_client(session, coach=None)
        clients.assign_coach(session, customer_id=client.id, coach_id=first.id, now=NOON)
        clients.assign_coach(session, customer_id=client.id, coach_id=second.id, now=NOON - timedelta(seconds=1))
        query = select(CoachAssignment).where(CoachAssignment.customer_id == client.id)
        rows = session.scalars(query.order_by(CoachAssignment.assigned_at, CoachAssignment.ended_at)).all()
        assert [(one.coach_id, one.assigned_at, one.ended_at) for one in rows] == [
            (first.id, NOON, NOON), (second.id, NOON, None),
        ]  # fmt: skip
        beside = CoachAssignment(
            customer_id=client.id, coach_id=first.id, assigned_at=NOON + timedelta(days=1),
            ended_at=NOON + timedelta(days=2),
        )  # fmt: skip
        session.add(beside)
        with pytest.raises(IntegrityError, match="one_at_a_time"):
            session.flush()

    def test_refuses_who_is_no_client(self, session: Session) -> None:
        with pytest.raises(ClientNotFound):
            clients.assign_coach(session, customer_id=new_id(), coach_id=new_id(), now=NOON)


class TestHandlers:
    def test_a_booking_handled_before_the_registration_loses_no_name(self, session: Session) -> None:
        customer_id, coach = new_id(), make_coach(session)
        booked = SessionBooked(
            occurred_at=NOON, booking_id=new_id(), slot_id=new_id(), customer_id=customer_id, coach_id=coach.id
        )
        registered = AccountRegistered(
            occurred_at=NOON, account_id=customer_id, role="customer", display_name="Mia", time_zone="Asia/Ho_Chi_Minh"
        )
        handlers.give_first_coach(session, booked)
        assert public.client_name(session, customer_id) == "New client"
        handlers.make_new_customers_clients(session, registered)
        session.expire_all()
        assert public.client_name(session, customer_id) == "Mia"
        assert public.client_time_zone(session, customer_id) == "Asia/Ho_Chi_Minh"
        assert public.coach_of(session, customer_id) == coach.id

    def test_a_coach_who_signs_up_is_no_client(self, session: Session) -> None:
        event = AccountRegistered(occurred_at=NOON, account_id=new_id(), role="coach", display_name="Ada")
        handlers.make_new_customers_clients(session, event)
        assert public.client_name(session, event.account_id) is None
