"""Replays that race: with what is under way, with one another, with workers that note answers at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.core.database import make_engine, session_factory
from operational_api.core.outbox import publish
from operational_api.core.viewer import SYSTEM
from operational_api.integrations.errors import ReplayUnderWay
from operational_api.integrations.outgoing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookReplay
from operational_api.integrations.outgoing.sender import WebhookSender
from operational_api.integrations.outgoing.service import deliveries, replays
from tests.conftest import sqlalchemy_url
from tests.operational_api.integrations.outgoing.conftest import (
    LOCAL,
    Clock,
    Heard,
    Listener,
    Pay,
    drain,
    make_endpoint,
)


def amounts(heard: list[Heard]) -> list[int]:
    return [one.data["amount_minor"] for one in heard]


def once(act: Callable[[], object], when: int) -> Callable[[dict[str, Any]], int]:
    """An answer of 204, before which something happens at the first request of an amount."""
    left = [act]

    def answer(data: dict[str, Any]) -> int:
        if data["amount_minor"] == when and left:
            left.pop()()
        return 204

    return answer


def of_event(session: Session, event: PaymentCaptured) -> WebhookDelivery:
    return session.scalars(select(WebhookDelivery).where(WebhookDelivery.event_id == event.event_id)).one()


@pytest.fixture
def again(session: Session, clock: Clock) -> Callable[[PaymentCaptured], WebhookDelivery]:
    """An admin asks for one once more."""
    return lambda event: deliveries.replay(session, of_event(session, event).id, admin_id=new_id(), now=clock())


Again = Callable[[PaymentCaptured], WebhookDelivery]


@pytest.mark.usefixtures("endpoint")
class TestOfOne:
    def test_that_is_under_way_for_the_first_time_goes_once_more(
        self, listener: Listener, sender: WebhookSender, pay: Pay, again: Again
    ) -> None:
        event = pay(new_id(), 1)
        listener.status = once(lambda: again(event), 1)
        drain(sender)
        assert amounts(listener.taken) == [1, 1], "what had left before it was asked for answers no ask"

    def test_that_two_ask_for_while_it_waits_goes_once_for_both(
        self, session: Session, listener: Listener, sender: WebhookSender, pay: Pay, again: Again
    ) -> None:
        event = pay(new_id(), 1)
        drain(sender)
        again(event)
        again(event)
        drain(sender)
        assert amounts(listener.taken) == [1, 1]
        assert (of_event(session, event).state, of_event(session, event).asks) == ("delivered", 2)

    def test_that_fails_under_way_is_not_nearer_to_being_given_up(
        self, session: Session, listener: Listener, sender: WebhookSender, clock: Clock, pay: Pay, again: Again
    ) -> None:
        event, told = pay(new_id(), 1), once(lambda: again(event), 1)
        listener.status = lambda data: told(data) and 500
        sender.run_due()
        assert (of_event(session, event).attempts, of_event(session, event).next_attempt_at) == (0, clock())

    def test_holds_back_what_a_worker_took_of_the_same_person_before(
        self, listener: Listener, sender: WebhookSender, pay: Pay, again: Again
    ) -> None:
        tom, mia = new_id(), new_id()
        earlier = pay(mia, 1)
        drain(sender)
        pay(tom, 10)
        pay(mia, 2)
        listener.status = once(lambda: again(earlier), 10)
        drain(sender)
        assert amounts(listener.taken) == [1, 10, 1, 2]


class TestOfSpan:
    def test_that_has_what_is_under_way_sends_it_in_its_place(
        self, session: Session, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock,
        pay: Pay,
    ) -> None:  # fmt: skip
        began, mia = clock(), new_id()
        for amount in (1, 2):
            pay(mia, amount)
        drain(sender)
        pay(mia, 3)

        def ask() -> None:
            until = began + timedelta(hours=1)
            replays.ask(session, endpoint.id, from_at=began, until_at=until, admin_id=new_id(), now=clock())
            assert replays.step(session, clock())

        listener.status = once(ask, 3)
        drain(sender)
        assert amounts(listener.taken) == [1, 2, 3, 1, 2, 3]
        [progress] = replays.of_endpoint(session, endpoint.id)
        assert (progress.share, progress.delivered) == (100, 3)


class TestTogether:
    """Each on connections of their own."""

    @pytest.fixture
    def sessions(self, fresh_database: Callable[[], str]) -> Iterator[sessionmaker[Session]]:
        engine = make_engine(sqlalchemy_url(fresh_database()), application_name="tests", pool_size=10)
        yield session_factory(engine, viewer=lambda: SYSTEM)
        engine.dispose()

    def test_admins_and_workers_lose_nothing_double_nothing_and_keep_each_persons_order(
        self, sessions: sessionmaker[Session], listener: Listener, clock: Clock
    ) -> None:
        """Two admins ask for the span at once while two workers send it; a third asks for single ones."""
        began, people = clock(), [new_id() for _ in range(4)]
        events: list[PaymentCaptured] = []
        with sessions.begin() as session:
            endpoint_id = make_endpoint(session, listener.url, clock).id
            for number in range(24):
                event = PaymentCaptured(
                    occurred_at=clock(), payment_id=new_id(), customer_id=people[number % 4], amount_minor=number,
                    currency="EUR",
                )  # fmt: skip
                publish(session, event)
                session.flush()
                if number % 3:  # the others were never queued: a replay makes their rows
                    deliveries.queue(session, event, clock())
                events.append(event)
            mine = select(WebhookDelivery.id).where(WebhookDelivery.person_id == people[0])
            known = session.scalars(mine.order_by(WebhookDelivery.position)).all()

        def ask() -> bool:
            try:
                with sessions.begin() as session:
                    until = began + timedelta(hours=1)
                    replays.ask(session, endpoint_id, from_at=began, until_at=until, admin_id=new_id(), now=clock())
            except ReplayUnderWay:
                return False
            return True

        def ask_again(delivery_id: UUID) -> None:
            with sessions.begin() as session:
                deliveries.replay(session, delivery_id, admin_id=new_id(), now=clock())

        def work() -> None:
            drain(WebhookSender(sessions, LOCAL, clock=clock))

        with ThreadPoolExecutor(8) as pool:
            workers = [pool.submit(work) for _ in range(2)]
            asked = [pool.submit(ask) for _ in range(2)]
            singles = [pool.submit(ask_again, one) for one in known[::2]]
            for each in (*workers, *singles):
                each.result(timeout=60)
            replayed = sum(one.result(timeout=60) for one in asked)
        clock.forward(minutes=2)
        work()
        with sessions() as session:
            states = select(WebhookDelivery.state, func.count()).group_by(WebhookDelivery.state)
            assert session.execute(states).tuples().all() == [("delivered", 24)]
            asks = dict(session.execute(select(WebhookDelivery.event_id, WebhookDelivery.asks)).tuples().all())
            tries = session.scalar(select(func.count()).select_from(WebhookAttempt))
            assert session.scalar(select(func.count()).where(WebhookReplay.finished_at.is_(None))) == 0
        assert 1 <= replayed <= 2
        heard = [one.headers["webhook-id"] for one in listener.taken]
        assert tries == len(heard)
        for number, event in enumerate(events):
            times = heard.count(str(event.event_id))
            assert 1 <= times <= asks[event.event_id] + bool(number % 3), "once for each ask, and once before any"
        for number, person in list(enumerate(people))[1:]:
            told = amounts([one for one in listener.taken if one.data["customer_id"] == str(person)])
            assert told[-6:] == list(range(number, 24, 4)), "of whom the span alone was asked for: in order to the end"
