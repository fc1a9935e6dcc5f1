"""The worker as real processes on a real PostgreSQL and a real mail server, killed at every boundary."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as Mail
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from contracts.events.automation import RunDismissed
from contracts.ids import new_id
from contracts.telemetry import trace
from operational_api.core import consumers
from operational_api.core.inbox import receive
from operational_api.core.outbox import publish
from operational_api.engagement.models import ContactPreference, OutgoingMessage
from operational_api.engagement.service.provider_events import take_sendgrid
from plyo.postgres import free_port
from tests.conftest import sqlalchemy_url
from tests.factories import make_account
from tests.forks import Fork, Forks
from tests.operational_api import worker_probe
from tests.operational_api.engagement.providers import served

ROOT = Path(__file__).parents[2]

forks = Forks("tests.operational_api.loaded", "tests.operational_api.worker_probe")


def end_of(worker: Fork) -> int | None:
    """Wait for a worker's end; its exit code, negative for a signal."""
    worker.join(60)
    return worker.exitcode


@dataclass
class Catcher:
    """A mail server that keeps what it took, or refuses with `answer`."""

    mails: list[Mail] = field(default_factory=list)
    answer: str = "250 taken"

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content))
        return self.answer


@dataclass
class World:
    """A database, a mail server, and workers on both."""

    url: str
    smtp: Catcher
    smtp_port: int
    workers: list[Fork] = field(default_factory=list)

    def start(self, failpoint: str = "", **settings: str) -> Fork:
        environment = {
            "PLYO_DATABASE_URL": sqlalchemy_url(self.url), "PLYO_SMTP_PORT": str(self.smtp_port),
            "PLYO_FAILPOINT": failpoint, "PLYO_RETRY_FIRST_SECONDS": "0.05", "PLYO_HANDLER_ATTEMPTS": "4",
            "PLYO_IDLE_SECONDS": "0.3",
        } | settings  # fmt: skip
        worker = forks.process(worker_probe.main, [environment])
        worker.start()
        self.workers.append(worker)
        return worker

    def publish(self, *reasons: str, run_id: UUID | None = None) -> list[UUID]:
        """One event a reason, all of one run, each in a transaction of its own."""
        run_id = run_id or new_id()
        ids = []
        engine = create_engine(sqlalchemy_url(self.url))
        for reason in reasons:
            with Session(engine) as session, session.begin():
                event = RunDismissed(occurred_at=datetime.now(UTC), run_id=run_id, customer_id=new_id(), reason=reason)
                publish(session, event)
                ids.append(event.event_id)
        engine.dispose()
        return ids

    def receive(self, message_id: str) -> None:
        engine = create_engine(sqlalchemy_url(self.url))
        with Session(engine) as session, session.begin():
            receive(
                session, source="stripe", message_id=message_id, kind="invoice.paid", payload={"total": 1},
                now=datetime.now(UTC),
            )  # fmt: skip
        engine.dispose()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def effects(self, handler: str, run_id: UUID) -> list[str]:
        """What a handler wrote down about one run, in the order it did."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            query = "select reason from public.effects where handler = %s and aggregate_id = %s order by n"
            return [row[0] for row in connection.execute(query, (handler, run_id))]

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def wait(self, query: str, expected: object, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while (found := self.value(query)) != expected:
            assert time.monotonic() < deadline, f"{query} stayed {found}, not {expected}"
            time.sleep(0.05)


@pytest.fixture
def world(fresh_database: Callable[[], str]) -> Iterator[World]:
    url = fresh_database()
    with psycopg.connect(url) as connection:
        connection.execute(worker_probe.TABLES)
    catcher = Catcher()
    controller = Controller(catcher, hostname="127.0.0.1", port=free_port())
    controller.start()
    world = World(url, catcher, controller.port)
    yield world
    for worker in world.workers:
        worker.kill()
        worker.join()
    controller.stop()


DONE = "select count(*) from platform.inbox_messages where handled_at is not null"


class TestRelay:
    def test_each_handler_gets_each_event_once_in_order_woken_by_the_database(self, world: World) -> None:
        world.start(PLYO_IDLE_SECONDS="300")
        world.wait("select count(*) from pg_stat_activity where application_name = 'plyo-worker-listen'", 1)
        world.wait("select count(*) > 0 from public.ticks", True)
        world.publish("a", "b", "c")
        world.wait("select count(*) from public.effects", 6)
        assert world.rows("select reason from public.effects where handler = 'record' order by n") == [
            ("a",), ("b",), ("c",),
        ]  # fmt: skip
        assert world.value("select count(*) from platform.outbox_events where relayed_at is null") == 0

    def test_the_trace_goes_on_in_the_handler(self, world: World) -> None:
        with trace() as traceparent:
            world.publish("a")
        world.start()
        world.wait("select count(*) from public.effects", 2)
        seen = {row[0].split("-")[1] for row in world.rows("select traceparent from public.effects")}
        assert seen == {traceparent.split("-")[1]}


class TestRetries:
    def test_a_failing_message_holds_its_own_aggregate_only_and_keeps_its_order(self, world: World) -> None:
        world.publish("flaky", "after")
        world.publish("neighbour")
        world.start(PLYO_RETRY_FIRST_SECONDS="1")  # long enough for whoever would overtake
        world.wait("select count(*) from public.effects where handler = 'failing'", 3)
        order = [row[0] for row in world.rows("select reason from public.effects where handler = 'failing' order by n")]
        assert order == ["neighbour", "flaky", "after"]

    def test_poison_is_parked_and_lets_the_next_ones_pass(self, world: World) -> None:
        world.start()
        [poison, _] = world.publish("poison", "after")
        world.wait("select count(*) from public.effects where handler = 'failing' and reason = 'after'", 1)
        parked = world.rows(
            "select message_id, attempts, last_error, next_attempt_at from platform.inbox_messages"
            " where parked_at is not null"
        )
        assert parked == [(str(poison), 4, "RuntimeError: poison", None)]
        assert world.value("select count(*) from public.effects where reason = 'poison'") == 1  # `record` was fine

    def test_no_try_comes_before_its_time_however_many_workers_there_are(self, world: World) -> None:
        for _ in range(3):
            world.start()
        for _ in range(20):
            world.publish("poison")
        world.wait("select count(*) from platform.inbox_messages where parked_at is not null", 20)
        tried = world.rows("select distinct attempts from platform.inbox_messages where parked_at is not null")
        assert tried == [(4,)]

    def test_a_parked_message_can_be_driven_again(self, world: World) -> None:
        world.start()
        world.publish("poison")
        parked = "select count(*) from platform.inbox_messages where parked_at is not null"
        world.wait(parked, 1)
        engine = create_engine(sqlalchemy_url(world.url))
        with Session(engine) as session, session.begin():
            assert consumers.redrive(session) == 1
        engine.dispose()
        world.wait(parked, 1)
        assert world.value("select attempts from platform.inbox_messages where parked_at is not null") == 4


BOUNDARIES = [
    "relay.before_commit", "relay.after_commit", "consumer.before_commit", "consumer.before_commit@3",
    "consumer.after_commit", "consumer.after_commit@2", "email.before_commit", "email.before_commit@2",
    "email.after_commit",
]  # fmt: skip


class TestKill:
    @pytest.mark.asvs("2.3.3")
    @pytest.mark.parametrize("failpoint", BOUNDARIES)
    def test_what_dies_at_a_boundary_is_done_exactly_once_by_the_next(self, world: World, failpoint: str) -> None:
        run_id = new_id()
        world.publish(*"abcd", run_id=run_id)
        world.receive("evt_1")
        killed = world.start(failpoint)
        assert end_of(killed) == -signal.SIGKILL
        world.start()
        world.publish(*"ef", run_id=run_id)
        world.wait(DONE, 19)
        for handler in ("record", "failing"):
            assert world.effects(handler, run_id) == list("abcdef")
        assert world.rows("select message_id, total from public.webhooks") == [("evt_1", 1)]
        world.wait("select count(*) from engagement.outgoing_emails where status = 'sent'", 6)
        ids = [mail["Message-ID"] for mail in world.smtp.mails]
        assert len(set(ids)) == 6
        assert len(ids) == (7 if failpoint.startswith("email.before_commit") else 6)

    def test_random_kills_of_two_workers_lose_and_double_nothing(self, world: World) -> None:
        runs = [new_id() for _ in range(5)]
        for n in range(10):
            victims = [
                world.start(f"consumer.before_commit@{n + 2}"),
                world.start(f"consumer.after_commit@{2 * n + 3}"),
            ]
            for run_id in runs:
                world.publish(f"{n:02}", run_id=run_id)
            time.sleep(0.3)
            for victim in victims[n % 2 :]:
                victim.kill()
        world.start()
        world.start()
        world.wait(DONE, 150, 120)
        for handler in ("record", "failing"):
            for run_id in runs:
                assert world.effects(handler, run_id) == [f"{n:02}" for n in range(10)]


class TestDoubt:
    """`kill -9` between the mail provider's yes and the commit: nobody knows whether it left."""

    ONE = """insert into engagement.outgoing_emails
        (id, dedupe_key, recipient, template, context, next_attempt_at, purpose) values
        (gen_random_uuid(), '{0}', 'mia@plyo.test', 'password_changed', '{{"name": "Mia"}}', now(), '{0}')
        returning id"""
    ENDS = "select string_agg(purpose || ' ' || status, ', ' order by purpose) from engagement.outgoing_emails"

    def test_by_smtp_what_proves_something_leaves_again_and_nothing_else(self, world: World) -> None:
        for purpose in ("coaching", "transactional"):
            world.rows(self.ONE.format(purpose))
            assert end_of(world.start("email.before_commit")) == -signal.SIGKILL
        world.start()
        world.wait(self.ENDS, "coaching undecided, transactional sent")
        ids = [mail["Message-ID"] for mail in world.smtp.mails]
        assert (len(ids), ids[1]) == (3, ids[2])

    def test_sendgrid_tells_itself_and_nothing_leaves_twice(self, world: World) -> None:
        server, cloud = served()
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        by = {
            "PLYO_EMAIL_PROVIDER": "sendgrid", "PLYO_SENDGRID_BASE_URL": cloud.url, "PLYO_SENDGRID_API_KEY": "SG.test",
            "PLYO_SENDGRID_WEBHOOK_KEY": "a key",
        }  # fmt: skip
        id_ = world.value(self.ONE.format("transactional"))
        assert end_of(world.start("email.before_commit", **by)) == -signal.SIGKILL
        world.start(**by)
        waits = "select next_attempt_at > now() + interval '4 minutes' from engagement.outgoing_emails"
        world.wait(waits, True)
        told = {"event": "processed", "sg_event_id": "1", "plyo_message_id": str(id_), "sg_message_id": "sg-1.x"}
        engine = create_engine(sqlalchemy_url(world.url))
        with Session(engine) as session, session.begin():
            take_sendgrid(session, json.dumps([told]).encode(), now=datetime.now(UTC))
        engine.dispose()
        assert world.value(self.ENDS) == "transactional sent"
        assert len(cloud.emails) == 1
        server.shutdown()


class TestDigest:
    """`kill -9` once a list is made and nothing of it has left."""

    def test_what_is_in_a_list_leaves_once_with_it(self, world: World) -> None:
        engine = create_engine(sqlalchemy_url(world.url))
        with Session(engine) as session, session.begin():
            mia = make_account(session, display_name="Mia")
            for number in range(3):
                session.add(
                    OutgoingMessage(
                        dedupe_key=f"k{number}", recipient="", template="announcement", purpose="marketing",
                        context={"name": "Mia", "subject": f"News {number}", "body": "…"}, customer_id=mia.id,
                        next_attempt_at=datetime.now(UTC), digest_at=datetime.now(UTC),
                    )
                )  # fmt: skip
            session.add(ContactPreference(customer_id=mia.id, allows_marketing=True))
        engine.dispose()
        assert end_of(world.start("digest.formed")) == -signal.SIGKILL
        in_lists = "select count(distinct digest_id), count(digest_id) from engagement.outgoing_emails"
        assert (world.rows(in_lists), world.smtp.mails) == ([(1, 3)], [])
        world.start()
        world.start()
        world.wait("select count(*) from engagement.outgoing_emails where status = 'sent'", 3)
        [mail] = world.smtp.mails
        assert mail["Subject"] == "3 messages for you, Mia"


class TestShutdown:
    def test_the_deployed_command_starts_with_every_contexts_handlers_and_ends_on_sigterm(self, world: World) -> None:
        environment = {"PYTHONPATH": str(ROOT), "PLYO_DATABASE_URL": sqlalchemy_url(world.url)}
        worker = subprocess.Popen(
            [sys.executable, "-m", "operational_api.worker"], cwd=ROOT, env=os.environ | environment
        )
        try:
            world.wait("select count(*) from pg_stat_activity where application_name = 'plyo-worker-listen'", 1)
            worker.terminate()
            assert worker.wait(60) == 0
            world.wait("select count(*) from pg_stat_activity where application_name like 'plyo-worker%'", 0)
        finally:
            worker.kill()
            worker.wait()


class TestPeriodic:
    def test_of_two_workers_one_runs_the_jobs_and_the_other_takes_over(self, world: World) -> None:
        first = world.start()
        world.wait("select count(*) > 2 from public.ticks", True)
        world.start()
        world.wait("select count(*) from pg_stat_activity where application_name = 'plyo-worker-listen'", 2)
        first.kill()
        first.join()
        world.value("with gone as (delete from public.ticks returning 1) select count(*) from gone")
        world.wait("select count(*) > 2 from public.ticks", True)


class TestEmail:
    def test_a_mail_server_that_is_down_costs_no_attempt(self, world: World) -> None:
        port, world.smtp_port = world.smtp_port, 1
        down = world.start()
        world.publish("a")
        world.wait(DONE, 3)
        time.sleep(1)
        assert world.rows("select status, attempts from engagement.outgoing_emails") == [("queued", 0)]
        down.terminate()
        assert end_of(down) == 0
        world.smtp_port = port
        world.start()
        world.wait("select count(*) from engagement.outgoing_emails where status = 'sent'", 1)

    def test_a_refusal_for_good_is_not_repeated(self, world: World) -> None:
        world.smtp.answer = "550 no such user"
        world.start()
        world.publish("a")
        world.wait("select status from engagement.outgoing_emails union all select 'none' limit 1", "failed")
        assert world.value("select attempts from engagement.outgoing_emails") == 1

    def test_a_refusal_for_now_is(self, world: World) -> None:
        world.smtp.answer = "451 later"
        world.start()
        world.publish("a")
        world.wait("select count(*) from engagement.outgoing_emails where last_error like '%451%'", 1)
        assert world.rows("select status, attempts from engagement.outgoing_emails") == [("queued", 1)]
