"""Workers that send at once, each on connections of its own: who has which message, and what one that dies leaves."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session, sessionmaker

from contracts.events.engagement import MessageFailed
from contracts.ids import new_id
from operational_api.core.database import make_engine, session_factory
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher, gateways
from operational_api.engagement.channels.port import Gateway, Ready, Receipt, Sender, Unavailable
from operational_api.engagement.errors import MessageNotUndecided
from operational_api.engagement.models import OutgoingMessage, Phone, PushSubscription
from operational_api.engagement.sending import CHANNELS, Channel
from operational_api.engagement.service import addresses, doubts, provider_events
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.settings import ChannelSettings
from plyo.postgres import free_port
from tests.conftest import sqlalchemy_url
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Browser, Cloud
from tests.operational_api.engagement.waiting import NOW, NUMBER, allow, only, queue

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def sessions(fresh_database: Callable[[], str]) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(sqlalchemy_url(fresh_database()), application_name="tests", pool_size=20)
    yield session_factory(engine, viewer=lambda: SYSTEM)
    engine.dispose()


@pytest.fixture
def mia(sessions: sessionmaker[Session], cloud: Cloud) -> Contact:
    """Mia, in UTC, whom every channel reaches."""
    browser = Browser()
    with sessions.begin() as session:
        account = make_account(session, display_name="Mia", time_zone="UTC")
        session.add(Phone(customer_id=account.id, number=NUMBER, confirmed_at=NOW, asked_at=NOW, whatsapp_seen_at=NOW))
        session.add(
            PushSubscription(
                customer_id=account.id, kind="web", endpoint=f"{cloud.url}/push/1", p256dh=browser.p256dh,
                auth=browser.auth, created_at=NOW,
            )
        )  # fmt: skip
        found = contact(session, account.id)
        assert found
        allow(session, found, "transactional", *CHANNELS)
        return found


@dataclass(frozen=True)
class Deadly:
    """A gateway that takes the whole worker with it once its provider has the message."""

    gateway: Gateway

    @property
    def replaces(self) -> bool:
        return self.gateway.replaces

    @property
    def can_tell(self) -> bool:
        return self.gateway.can_tell

    @property
    def tells_within(self) -> timedelta:
        return self.gateway.tells_within

    @contextmanager
    def opened(self) -> Iterator[Sender]:
        with self.gateway.opened() as sender:
            yield _DeadlySender(sender)


@dataclass(frozen=True)
class _DeadlySender:
    sender: Sender

    def send(self, message: Ready) -> Receipt:
        self.sender.send(message)
        raise SystemExit


@dataclass(frozen=True)
class Provider:
    """One provider, and by what its receivers know a copy, of each that it took."""

    channel: Channel
    names: Callable[[Cloud, Post], list[str]]
    knows_copies: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)


PROVIDERS = {
    "smtp": Provider("email", lambda _, post: [str(mail["Message-ID"]) for mail in post.mails]),
    "sendgrid": Provider(
        "email", lambda cloud, _: [one["headers"]["Message-ID"] for one in cloud.emails],
        settings={"email_provider": "sendgrid"},
    ),
    "sms": Provider("sms", lambda cloud, _: [one["sid"] for one in cloud.texts], knows_copies=False),
    "whatsapp": Provider("whatsapp", lambda cloud, _: [one["sid"] for one in cloud.texts], knows_copies=False),
    "web push": Provider("push", lambda cloud, _: [headers["topic"] for _, headers, _ in cloud.pushes]),
    "fcm": Provider("push", lambda cloud, _: [one["android"]["collapse_key"] for one in cloud.apps]),
}  # fmt: skip


class TestClaims:
    """Workers that meet in the moment between the doubt and the message."""

    @staticmethod
    def meet(sessions: sessionmaker[Session], first: Dispatcher, second: Dispatcher, channel: Channel) -> None:
        """Have the second worker do all it can once the first has written its doubt down."""
        meetings: list[Future[bool]] = []
        with ThreadPoolExecutor(1) as pool:

            def go(_: Session) -> None:
                if not meetings:
                    meetings.append(pool.submit(second.send_due, channel))
                    wait(meetings, 30)

            event.listen(sessions, "after_commit", go)
            with suppress(Unavailable):
                first.send_due(channel)
            event.remove(sessions, "after_commit", go)
        assert isinstance(meetings[0].exception(), Unavailable | None)

    @pytest.mark.parametrize("channel", ["sms", "whatsapp"])
    def test_a_message_that_one_worker_has_claimed_is_marked_by_no_other(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, channel_settings: ChannelSettings,
        channel: Channel,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            queue(session, mia, channel)
        first, second = (Dispatcher(sessions, channel_settings) for _ in range(2))
        self.meet(sessions, first, second, channel)
        with sessions() as session:
            row = only(session)
            assert (row.status, row.attempts, row.in_doubt_since) == ("sent", 1, None)
        assert len(cloud.texts) == 1

    def test_what_was_not_handed_over_after_all_is_in_no_doubt(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        with sessions.begin() as session:
            allow(session, mia, "marketing", "sms", is_allowed=False)
            queue(session, mia, "sms", "email", purpose="marketing")
        first, second = (Dispatcher(sessions, channel_settings) for _ in range(2))
        self.meet(sessions, first, second, "sms")
        with sessions() as session:
            row = only(session)
            assert (row.channel, row.attempts, row.in_doubt_since) == ("email", 0, None)
        assert cloud.texts == []

    def test_a_provider_that_is_down_for_two_workers_loses_it_to_the_next_channel(
        self, sessions: sessionmaker[Session], mia: Contact, channel_settings: ChannelSettings
    ) -> None:
        with sessions.begin() as session:
            queue(session, mia, "sms", "email")
        nowhere = channel_settings.model_copy(update={"twilio_base_url": f"http://127.0.0.1:{free_port()}"})
        self.meet(sessions, Dispatcher(sessions, nowhere), Dispatcher(sessions, nowhere), "sms")
        with sessions() as session:
            row = only(session)
            assert (row.channel, row.attempts, row.in_doubt_since) == ("email", 0, None)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_many_workers_send_each_message_once_and_try_it_once(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, post: Post,
        channel_settings: ChannelSettings, channel: Channel,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            for number in range(12):
                queue(session, mia, channel, key=f"k{number}")
        start = Barrier(4)

        def work() -> None:
            worker = Dispatcher(sessions, channel_settings)
            start.wait(20)
            worker.send_due(channel)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work) for _ in range(4)]:
                done.result(60)
        with sessions() as session:
            rows = session.scalars(select(OutgoingMessage)).all()
            assert Counter((row.status, row.attempts) for row in rows) == {("sent", 1): 12}
        assert len(post.mails) + len(cloud.texts) + len(cloud.pushes) == 12


class TestCapsUnderManyWorkers:
    """Every channel has several workers, and all of them weigh for one person."""

    WORKERS = 4

    @pytest.mark.parametrize(("purpose", "cap"), [("marketing", 1), ("reminders", 6)])
    def test_no_more_leave_than_the_cap_by_all_channels_together(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings, purpose: str, cap: int,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            allow(session, mia, purpose, *CHANNELS)
            for number, channel in enumerate(["email", "sms", "push"] * 6):
                queue(session, mia, channel, key=f"k{number}", purpose=purpose)  # type: ignore[arg-type]
            each = "jsonb_set(context, '{body}', to_jsonb('Hi ' || dedupe_key || '.'))"
            session.execute(text(f"update engagement.outgoing_emails set context = {each}"))
        start = Barrier(3 * self.WORKERS)

        def work(channel: Channel) -> None:
            worker = Dispatcher(sessions, channel_settings)
            start.wait(20)
            worker.send_due(channel)

        ways: list[Channel] = ["email", "sms", "push"]
        with ThreadPoolExecutor(3 * self.WORKERS) as pool:
            for done in [pool.submit(work, channel) for channel in ways for _ in range(self.WORKERS)]:
                done.result(60)
        again = text("update engagement.outgoing_emails set next_attempt_at = now() where status = 'queued'")
        assert len(post.mails) + len(cloud.texts) + len(cloud.pushes) <= cap
        for _ in range(18):  # whoever waits for a doubt to be cleared is due, minute by minute
            with sessions.begin() as session:
                session.execute(again)
            for channel in ways:
                Dispatcher(sessions, channel_settings).send_due(channel)
        assert len(post.mails) + len(cloud.texts) + len(cloud.pushes) == cap
        with sessions() as session:
            ends = Counter(session.scalars(select(OutgoingMessage.status)))
            assert ends == {"sent": cap, "withheld": 18 - cap}
            reasons = set(session.scalars(select(OutgoingMessage.reason).where(OutgoingMessage.status == "withheld")))
            assert reasons == {"daily_cap"}


class TestDeath:
    """A worker that dies with a message in hand."""

    @pytest.mark.parametrize("name", PROVIDERS)
    def test_after_the_provider_took_it_doubles_nothing_that_its_reader_would_see(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, post: Post,
        channel_settings: ChannelSettings, name: str,
    ) -> None:  # fmt: skip
        provider = PROVIDERS[name]
        settings = channel_settings.model_copy(update=dict(provider.settings))
        with sessions.begin() as session:
            queue(session, mia, provider.channel)
            if name == "fcm":
                device = session.scalars(select(PushSubscription)).one()
                device.kind, device.endpoint = "fcm", "app-token"
        self.die(sessions, settings, provider.channel)
        with sessions() as session:
            assert (only(session).status, len(provider.names(cloud, post))) == ("queued", 1)
        Dispatcher(sessions, settings).send_due(provider.channel)
        taken = provider.names(cloud, post)
        with sessions() as session:
            assert (only(session).status, only(session).in_doubt_since) == ("sent", None)
        assert (len(taken), len(set(taken))) == (2 if provider.knows_copies else 1, 1)
        assert post.bodies == post.bodies[:1] * len(post.bodies), "to the byte the same mail"

    def test_leaves_one_that_had_left_though_its_window_is_closed_by_now(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, post: Post,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            queue(session, mia, "whatsapp", "email")
        self.die(sessions, channel_settings, "whatsapp")
        with sessions.begin() as session:
            session.get_one(Phone, mia.account_id).whatsapp_seen_at = NOW - timedelta(days=2)
        sends = Dispatcher(sessions, channel_settings)
        sends.send_due("whatsapp")
        sends.send_due("email")
        with sessions() as session:
            assert (only(session).status, only(session).channel) == ("sent", "whatsapp")
        assert (len(cloud.texts), post.mails) == (1, [])

    def test_leaves_one_that_takes_no_other_channel(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            queue(session, mia, "sms", "email")
        self.die(sessions, channel_settings)
        with sessions.begin() as session:
            addresses.suppress(session, channel="sms", address=NUMBER, reason="stop", now=NOW)
        sends = Dispatcher(sessions, channel_settings)
        sends.send_due("sms")
        sends.send_due("email")
        with sessions() as session:
            assert (only(session).status, only(session).reason) == ("withheld", "suppressed:stop")
        assert (len(cloud.texts), post.mails) == (1, [])

    def test_leaves_one_that_is_waited_for_where_it_would_be_too_many(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            allow(session, mia, "marketing", *CHANNELS)
            queue(session, mia, "sms", key="first", purpose="marketing")
        self.die(sessions, channel_settings)
        with sessions.begin() as session:
            only(session).in_doubt_since = datetime.now(UTC) - timedelta(seconds=6)
            queue(session, mia, "email", key="second", purpose="marketing")
        sends = Dispatcher(sessions, channel_settings)
        sends.send_due("email")
        assert post.mails == []
        sends.send_due("sms")
        with sessions.begin() as session:
            second = session.scalars(select(OutgoingMessage).where(OutgoingMessage.dedupe_key == "second")).one()
            assert second.status == "queued"
            second.next_attempt_at = NOW
        sends.send_due("email")
        with sessions() as session:
            ends = dict(session.execute(select(OutgoingMessage.dedupe_key, OutgoingMessage.status)).tuples().all())
        assert ends == {"first": "sent", "second": "withheld"}
        assert (len(cloud.texts), len(post.mails)) == (1, 0)

    @staticmethod
    def die(sessions: sessionmaker[Session], settings: ChannelSettings, channel: Channel = "sms") -> None:
        with pytest.raises(SystemExit):
            Dispatcher(sessions, settings, {channel: Deadly(gateways(settings)[channel])}).send_due(channel)


class TestDoubt:
    """A mail of which nobody knows whether it left: its worker died between the provider's yes and the commit."""

    @staticmethod
    def dead(
        sessions: sessionmaker[Session], mia: Contact, settings: ChannelSettings, purpose: str = "coaching"
    ) -> UUID:  # fmt: skip
        with sessions.begin() as session:
            queue(session, mia, "email", "sms", purpose=purpose)
        TestDeath.die(sessions, settings, "email")
        with sessions() as session:
            assert only(session).in_doubt_since is not None
            return only(session).id

    @staticmethod
    def sendgrid(settings: ChannelSettings) -> ChannelSettings:
        return settings.model_copy(update={"email_provider": "sendgrid", "sendgrid_webhook_key": "a key"})

    @staticmethod
    def tell(sessions: sessionmaker[Session], row_id: UUID, kind: str, **given: str) -> None:
        told = {
            "event": kind, "email": "mia@plyo.test", "plyo_message_id": str(row_id), "sg_event_id": new_id().hex,
            "sg_message_id": "sg-1.filter-7", "timestamp": int(NOW.timestamp()), **given,
        }  # fmt: skip
        with sessions.begin() as session:
            provider_events.take_sendgrid(session, json.dumps([told]).encode(), now=datetime.now(UTC))

    @staticmethod
    def age(sessions: sessionmaker[Session], **span: float) -> None:
        """Let the doubt be older, and what waits be due."""
        with sessions.begin() as session:
            row = only(session)
            row.in_doubt_since = datetime.now(UTC) - timedelta(**span)
            row.next_attempt_at = min(row.next_attempt_at, datetime.now(UTC))

    def test_is_undecided_until_somebody_has_it_sent_again(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        row_id = self.dead(sessions, mia, channel_settings)
        sends = Dispatcher(sessions, channel_settings)
        for channel in CHANNELS * 2:
            sends.send_due(channel)
        with sessions.begin() as session:
            assert (only(session).status, only(session).channel, len(post.mails)) == ("undecided", "email", 1)
            assert [one.id for one in doubts.undecided(session)] == [row_id]
            doubts.settle(session, row_id, sends_again=True, actor_id=mia.account_id, now=datetime.now(UTC))
        sends.send_due("email")
        with sessions.begin() as session:
            assert (only(session).status, only(session).in_doubt_since) == ("sent", None)
            with pytest.raises(MessageNotUndecided):
                doubts.settle(session, row_id, sends_again=True, actor_id=mia.account_id, now=datetime.now(UTC))
        assert [mail["Message-ID"] for mail in post.mails] == [post.mails[0]["Message-ID"]] * 2

    def test_left_as_it_is_it_has_failed_and_that_is_told(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        row_id = self.dead(sessions, mia, channel_settings)
        Dispatcher(sessions, channel_settings).send_due("email")
        with sessions.begin() as session:
            doubts.settle(session, row_id, sends_again=False, actor_id=mia.account_id, now=NOW)
            assert (only(session).status, only(session).reason) == ("failed", "undecided")
            told = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == MessageFailed.type)).all()
            noted = session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(row_id))).all()
        assert [one["reason"] for one in told] == ["undecided"]
        assert [(one.action, one.details) for one in noted] == [("engagement.settle_message", {"decision": "left"})]

    @pytest.mark.parametrize("provider", ["smtp", "sendgrid"])
    def test_what_proves_something_leaves_once_more_and_not_again(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings, provider: str,
    ) -> None:  # fmt: skip
        settings = channel_settings if provider == "smtp" else self.sendgrid(channel_settings)
        self.dead(sessions, mia, settings, "transactional")
        self.age(sessions, minutes=6)
        TestDeath.die(sessions, settings, "email")
        self.age(sessions, minutes=6)
        Dispatcher(sessions, settings).send_due("email")
        with sessions() as session:
            assert only(session).status == "undecided"
        names = PROVIDERS[provider].names(cloud, post)
        assert (len(names), len(set(names))) == (2, 1)

    def test_a_provider_that_is_down_meanwhile_costs_no_try(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        self.dead(sessions, mia, channel_settings, "transactional")
        down = channel_settings.model_copy(update={"email_provider": "sendgrid", "sendgrid_base_url": NOWHERE})
        for _ in range(2):
            with pytest.raises(Unavailable):
                Dispatcher(sessions, down).send_due("email")
        with sessions() as session:
            assert (only(session).status, only(session).attempts) == ("queued", 1)
        Dispatcher(sessions, channel_settings).send_due("email")
        with sessions() as session:
            assert (only(session).status, len(post.mails)) == ("sent", 2)

    @pytest.mark.parametrize("purpose", ["coaching", "transactional"])
    @pytest.mark.parametrize(("kind", "status"), [("processed", "sent"), ("delivered", "sent"), ("bounce", "queued")])
    def test_sendgrids_word_settles_it(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, channel_settings: ChannelSettings,
        purpose: str, kind: str, status: str,
    ) -> None:  # fmt: skip
        settings = self.sendgrid(channel_settings)
        row_id = self.dead(sessions, mia, settings, purpose)
        sends = Dispatcher(sessions, settings)
        sends.send_due("email")
        with sessions() as session:
            row = only(session)
            assert row.in_doubt_since is not None
            waits = row.next_attempt_at - row.in_doubt_since
            assert (row.status, waits, len(cloud.emails)) == ("queued", timedelta(minutes=5), 1)
        self.tell(sessions, row_id, kind)
        sends.send_due("email")
        with sessions() as session:
            row = only(session)
            assert (row.status, row.in_doubt_since) == (status, None)
            assert row.channel == ("sms" if kind == "bounce" else "email"), "what came back takes the next channel"
            assert row.provider_message_id == (None if kind == "bounce" else "sg-1")
        assert len(cloud.emails) == 1

    def test_sendgrids_late_word_settles_what_was_undecided(
        self, sessions: sessionmaker[Session], mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        settings = self.sendgrid(channel_settings)
        row_id = self.dead(sessions, mia, settings)
        self.age(sessions, minutes=6)
        Dispatcher(sessions, settings).send_due("email")
        with sessions() as session:
            assert only(session).status == "undecided"
        self.tell(sessions, row_id, "delivered")
        with sessions() as session:
            assert (only(session).status, only(session).delivered_at is not None) == ("sent", True)
        assert len(cloud.emails) == 1

    def test_counts_towards_the_cap(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        with sessions.begin() as session:
            allow(session, mia, "marketing", *CHANNELS)
        self.dead(sessions, mia, channel_settings, "marketing")
        sends = Dispatcher(sessions, channel_settings)
        sends.send_due("email")
        with sessions.begin() as session:
            queue(session, mia, "email", key="second", purpose="marketing")
        sends.send_due("email")
        with sessions() as session:
            ends = dict(session.execute(select(OutgoingMessage.dedupe_key, OutgoingMessage.status)).tuples().all())
        assert ends == {"k": "undecided", "second": "withheld"}

    def test_has_failed_when_nobody_settled_it_for_a_week(
        self, sessions: sessionmaker[Session], mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        self.dead(sessions, mia, channel_settings)
        Dispatcher(sessions, channel_settings).send_due("email")
        for days, status in ((6, "undecided"), (7, "failed")):
            self.age(sessions, days=days)
            with sessions.begin() as session:
                doubts.end_undecided(session, datetime.now(UTC))
            with sessions() as session:
                assert only(session).status == status
                assert ("path" in only(session).context) is (status == "undecided")
