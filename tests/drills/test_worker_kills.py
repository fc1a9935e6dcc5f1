"""The worker killed in the middle of what reaches outside: nothing is lost, and what comes twice has one id.

What a second worker needs to see that a first one died is its lease, which these drills let run out at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.core.objects import ObjectSettings
from operational_api.core.outbox import publish
from operational_api.engagement.models import Lead, ScheduledMessage
from operational_api.engagement.service.leads import capture_lead
from operational_api.integrations.models import Connector
from tests.drills.workers import Workshop
from tests.factories import account_of, make_client, make_coach
from tests.fakes.hubspot.testing import TOKEN, LocalHubSpot, local_hubspot
from tests.operational_api.conftest import serve_app, signing_key_file  # noqa: F401 fixtures
from tests.operational_api.integrations.outgoing.conftest import (  # noqa: F401 fixtures
    Clock,
    Listener,
    listener,
    make_endpoint,
    server,
)
from tests.operational_api.training.media.conftest import (  # noqa: F401 fixtures
    Studio,
    clip,
    engine_of_studio,
    keys_below,
    send,
    studio,
)

pytestmark = pytest.mark.drill
NOW = datetime.now(UTC)


@pytest.fixture
def workshops(fresh_database: Callable[[], str]) -> Iterator[Callable[..., Workshop]]:
    """Makes a workshop on a database of its own, or on the one given."""
    made: list[Workshop] = []

    def make(url: str | None = None, **environment: str) -> Workshop:
        made.append(Workshop(url or fresh_database(), **environment))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def killed_at(workshop: Workshop, fact: Callable[[], Any]) -> None:
    """A worker begins, and is killed as soon as something is so."""
    workshop.start()
    workshop.when(fact)
    workshop.kill()


class TestWebhooks:
    ENDPOINTS, CUSTOMERS, PAYMENTS = 5, 6, 12

    def test_each_endpoint_hears_of_everything_in_order(
        self,
        workshops: Callable[..., Workshop],
        listener: Listener,  # noqa: F811
    ) -> None:
        workshop = workshops(PLYO_SESSION_SECRET="s" * 40, PLYO_WEBHOOK_PRIVATE_NETWORKS="127.0.0.0/8")
        customers = [new_id() for _ in range(self.CUSTOMERS)]
        with workshop.session() as session:
            for number in range(self.ENDPOINTS):
                make_endpoint(session, f"{listener.url}/{number}", Clock())
            for amount in range(self.PAYMENTS):
                for customer_id in customers:
                    event = PaymentCaptured(
                        occurred_at=NOW, payment_id=new_id(), customer_id=customer_id, amount_minor=amount + 1,
                        currency="EUR",
                    )  # fmt: skip
                    publish(session, event)

        def slowly(_: dict[str, Any]) -> int:
            time.sleep(0.01)
            return 204

        listener.status = slowly
        everything = self.ENDPOINTS * self.CUSTOMERS * self.PAYMENTS
        for percent in (5, 30, 60, 85):
            killed_at(workshop, lambda percent=percent: len(listener.heard) >= everything * percent // 100)
            workshop.run("update integrations.webhook_endpoints set leased_until = null")
        workshop.start()
        workshop.when(
            lambda: (
                workshop.rows("select state, count(*) from integrations.webhook_deliveries group by state")
                == [("delivered", everything)]
            )
        )
        heard: dict[tuple[str, str], list[str]] = {}
        amounts: dict[tuple[str, str], list[int]] = {}
        for one in listener.heard:
            known = heard.setdefault((one.path, one.headers["webhook-id"]), [])
            if not known:
                amounts.setdefault((one.path, one.data["customer_id"]), []).append(one.data["amount_minor"])
            known.append(one.body)
        assert len(heard) == everything
        assert all(len(set(bodies)) == 1 for bodies in heard.values()), "one id, and always the same bytes"
        assert all(told == list(range(1, self.PAYMENTS + 1)) for told in amounts.values())
        # Of each killed worker at most what its two hands had posted and not written down.
        assert len(listener.heard) - everything <= 2 * workshop.kills


class TestScheduledMessages:
    MESSAGES = 300
    WRITING = """
        select count(*) from pg_stat_activity
        where application_name = 'plyo-worker' and state <> 'idle' and query ilike '%insert into engagement.messages%'
    """

    def test_each_is_sent_once(self, workshops: Callable[..., Workshop]) -> None:
        workshop = workshops()
        with workshop.session() as session:
            coach = make_coach(session)
            clients = [make_client(session, coach=coach) for _ in range(3)]
            for number in range(self.MESSAGES):
                send_at = NOW - timedelta(seconds=self.MESSAGES - number)
                session.add(
                    ScheduledMessage(
                        customer_id=clients[number % 3].id, sender_id=coach.id, body=f"message {number}",
                        local_at=send_at.replace(tzinfo=None), time_zone="UTC", send_at=send_at,
                    )
                )  # fmt: skip
        for _ in range(5):
            killed_at(workshop, lambda: workshop.value(self.WRITING))
        sent_before = workshop.value("select count(*) from engagement.messages")
        workshop.start()
        workshop.when(
            lambda: (
                workshop.value("select count(*) from engagement.scheduled_messages where status = 'sent'")
                == self.MESSAGES
            )
        )
        assert sent_before < self.MESSAGES, "it was killed before it was done"
        bodies = Counter(row[0] for row in workshop.rows("select body from engagement.messages"))
        assert bodies == Counter(f"message {number}" for number in range(self.MESSAGES))
        linked = """
            select count(distinct s.message_id) from engagement.scheduled_messages s
            join engagement.messages m on m.id = s.message_id and m.body = s.body
        """
        assert workshop.value(linked) == self.MESSAGES
        told = "select count(*), count(distinct payload ->> 'message_id') from platform.outbox_events where type = '{}'"
        assert workshop.rows(told.format("engagement.message_sent")) == [(self.MESSAGES, self.MESSAGES)]


@pytest.fixture
def hubspot() -> Iterator[LocalHubSpot]:
    with local_hubspot(searches_a_second=1000) as running:
        running.limits.in_ten_seconds = 100_000
        yield running


class TestCrm:
    LEADS = 220

    def test_everybody_is_there_once_and_as_we_know_them(
        self, workshops: Callable[..., Workshop], hubspot: LocalHubSpot
    ) -> None:
        workshop = workshops(
            PLYO_HUBSPOT_API_BASE=hubspot.url, PLYO_HUBSPOT_ACCESS_TOKEN=TOKEN,
            PLYO_HUBSPOT_REQUESTS_IN_TEN_SECONDS="100000",
        )  # fmt: skip
        with workshop.session() as session:
            session.add(Connector(name="hubspot", state="connected", connected_at=NOW, changed_at=NOW))
            for number in range(self.LEADS):
                capture_lead(
                    session, name=f"Lead No{number}", email=f"lead{number}@example.test", source="web",
                    location_id=None, now=NOW,
                )  # fmt: skip
        for kill in range(4):
            before = hubspot.store.writes
            killed_at(workshop, lambda before=before: hubspot.store.writes > before)
            workshop.run("update integrations.crm_contacts set due_at = now() where due_at is not null")
            with workshop.session() as session:  # and while nobody works, somebody is called otherwise
                lead = session.scalars(select(Lead).where(Lead.email == f"lead{kill}@example.test")).one()
                lead.name = f"Renamed No{kill}"
            workshop.run("update integrations.crm_contacts set marks = marks + 1")
        workshop.start()
        settled = "select count(*) from integrations.crm_contacts where due_at is null and contact_id is not null"
        workshop.when(lambda: workshop.value(settled) == self.LEADS)
        contacts = hubspot.store.objects["contacts"]
        names = {
            one["properties"]["email"]: f"{one['properties']['firstname']} {one['properties']['lastname']}"
            for one in contacts.values()
        }
        assert len(contacts) == self.LEADS, "nobody was made twice"
        assert names == dict(workshop.rows("select email, name from engagement.leads"))
        assert workshop.value("select count(*) from engagement.leads where name like 'Renamed%'") == 4
        linked = """
            select count(*), count(distinct payload ->> 'person_id') from platform.outbox_events
            where type = 'integrations.crm_contact_linked'
        """
        assert workshop.rows(linked) == [(self.LEADS, self.LEADS)]


class TestMedia:
    def test_every_video_is_prepared_once_and_nothing_is_left_over(
        self,
        workshops: Callable[..., Workshop],
        studio: Studio,  # noqa: F811
        object_settings: ObjectSettings,
        clip: bytes,  # noqa: F811
        tmp_path: Path,
    ) -> None:
        folder = tmp_path / "work"
        url = studio.sessions.kw["bind"].url.set(drivername="postgresql").render_as_string(hide_password=False)
        workshop = workshops(
            url, PLYO_S3_ENDPOINT=object_settings.s3_endpoint,
            PLYO_S3_ACCESS_KEY=object_settings.s3_access_key.get_secret_value(),
            PLYO_S3_SECRET_KEY=object_settings.s3_secret_key.get_secret_value(),
            PLYO_MEDIA_SCANNER="none", PLYO_MEDIA_WORK_FOLDER=str(folder),
        )  # fmt: skip
        with studio.sessions.begin() as session:
            coach = make_coach(session)
            phone: TestClient = studio.client_of(account_of(session, make_client(session, coach=coach)))
        sent = [send(phone, clip + bytes([0, 0, 0, 9]) + b"free" + bytes([n])) for n in range(2)]
        for status, is_so in (("checking", "attempts > 0"), ("encoding", "true"), ("encoding", "progress_percent > 0")):
            killed_at(
                workshop,
                lambda status=status, is_so=is_so: workshop.value(
                    f"select count(*) from training.media where status = '{status}' and {is_so} and due_at > now()"
                ),
            )
            gone = psutil.wait_procs(ffmpegs(folder), timeout=60)
            assert gone[1] == [], "what it had begun ended with it"
            workshop.run("update training.media set due_at = now() where due_at is not null")
        workshop.start()
        done = "select count(*) from training.media where status = 'ready' and due_at is null"
        workshop.when(lambda: workshop.value(done) == len(sent))
        told = """
            select count(*), count(distinct payload ->> 'media_id') from platform.outbox_events
            where type = 'training.media_prepared'
        """
        assert workshop.rows(told) == [(len(sent), len(sent))]
        for media_id in sent:
            row = studio.row(media_id)
            keys = keys_below(studio, f"media/{media_id}/")
            assert {key.split("/")[2] for key in keys} == {str(row.edition)}, "one edition, whole"
            assert len(set(keys)) == len(keys)
            assert keys_below(studio, f"originals/{media_id}") == []
        assert list(folder.iterdir()) == []


def ffmpegs(folder: Path) -> list[psutil.Process]:
    """What works in a folder."""
    found = []
    for one in psutil.process_iter(["cmdline", "exe"]):
        command = one.info["cmdline"] or []
        if any(str(folder) in part for part in command):
            found.append(one)
    return found
