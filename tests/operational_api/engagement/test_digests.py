"""Messages that come as one list at an hour of their reader's: each once, alone or in a list."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from operational_api.core import clock
from operational_api.core.database import make_engine, session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.channels.email import compose
from operational_api.engagement.errors import UnknownChoice
from operational_api.engagement.models import InboxMessage, Message, OutgoingMessage
from operational_api.engagement.sending import (
    DIGESTED,
    PURPOSES,
    Gather,
    Purpose,
    Rhythm,
    Send,
    Wishes,
    Withhold,
    decide,
)
from operational_api.engagement.service import (
    addresses,
    announcements,
    digests,
    do_not_disturb,
    doubts,
    inbox,
    outgoing,
    preferences,
)
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import call_off, queue_message
from operational_api.engagement.settings import ChannelSettings
from tests.conftest import sqlalchemy_url
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
EIGHT = datetime(2026, 3, 4, 8, tzinfo=UTC)
AT_EIGHT = Rhythm(8)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Ho_Chi_Minh", "America/Santiago"]


class TestRhythm:
    @pytest.mark.parametrize(
        ("now", "hour", "expected"),
        [
            ("2026-03-28T12:00", 2, "2026-03-29T01:00"),  # 2:00 is left out: as clocks jump to 3:00
            ("2026-03-29T01:00", 2, "2026-03-30T00:00"),
            ("2026-10-24T12:00", 2, "2026-10-25T00:00"),  # 2:00 comes twice: the first, and not the second
            ("2026-10-25T00:00", 2, "2026-10-26T01:00"),
            ("2026-03-28T07:00", 8, "2026-03-29T06:00"),  # eight stays eight
            ("2026-10-24T06:00", 8, "2026-10-25T07:00"),
        ],
    )
    def test_keeps_its_hour_over_clock_changes(self, now: str, hour: int, expected: str) -> None:
        found = Rhythm(hour).after(datetime.fromisoformat(f"{now}+00:00"), "Europe/Berlin")
        assert found == datetime.fromisoformat(f"{expected}+00:00")

    @given(
        st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        st.integers(0, 23), st.sampled_from(ZONES), st.booleans(),
    )  # fmt: skip
    def test_is_once_a_local_day_or_week_at_its_hour(
        self, now: datetime, hour: int, zone: str, is_weekly: bool
    ) -> None:
        rhythm = Rhythm(hour, is_weekly)
        first = rhythm.after(now, zone)
        second = rhythm.after(first, zone)
        assert now < first < second
        here = [at.astimezone(ZoneInfo(zone)) for at in (first, second)]
        assert (here[1].date() - here[0].date()).days == (7 if is_weekly else 1)
        for local, at in zip(here, (first, second), strict=True):
            before = (at - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
            is_jump = before.utcoffset() != local.utcoffset()
            assert (local.hour, local.minute) == (hour, 0) or is_jump
            assert not is_weekly or local.weekday() == 0


class TestDecide:
    def test_gathers_what_can_wait_and_nothing_else(self) -> None:
        yes = Wishes({("email", purpose): True for purpose in PURPOSES})
        for purpose in PURPOSES:
            found = decide(channel="email", purpose=purpose, now=NOON, wishes=yes, rhythm=Rhythm(8))
            assert found == (Gather(EIGHT) if purpose in DIGESTED else Send())

    def test_does_not_gather_what_would_be_worth_nothing_then(self) -> None:
        found = decide(
            channel="email", purpose="coaching", now=NOON, wishes=Wishes(), rhythm=Rhythm(8), expires_at=EIGHT
        )
        assert found == Send()


@pytest.fixture
def at() -> Iterator[Callable[[datetime], None]]:
    """Moves the worker's clock."""
    yield clock.move
    clock.move(None)


@pytest.fixture
def sessions(fresh_database: Callable[[], str]) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(sqlalchemy_url(fresh_database()), application_name="tests", pool_size=20)
    yield session_factory(engine, viewer=lambda: SYSTEM)
    engine.dispose()


def person(session: Session, rhythm: Rhythm | None = AT_EIGHT, **given: Any) -> Contact:
    """Somebody who has news and word of their coach as a list at eight, in UTC."""
    account = make_account(session, **{"display_name": "Mia Maier", "time_zone": "UTC"} | given)
    preferences.set_preferences(
        session, customer_id=account.id, allows_nudges=True, allows_marketing=True, quiet_from=None, quiet_until=None,
        now=NOON,
    )  # fmt: skip
    if rhythm:
        digests.choose(session, customer_id=account.id, rhythms=dict.fromkeys(DIGESTED, rhythm), now=NOON)
    found = contact(session, account.id)
    assert found
    return found


def news(session: Session, mia: Contact, *subjects: str, **given: object) -> None:
    for subject in subjects:
        queue_message(
            session, dedupe_key=f"{subject}:{mia.account_id}", person=mia, template="announcement",
            context={"subject": subject, "body": f"All about {subject}."},
            **{"purpose": "marketing", "now": NOON} | given,  # type: ignore[arg-type]
        )  # fmt: skip
        session.flush()


def row_of(session: Session, subject: str) -> OutgoingMessage:
    query = select(OutgoingMessage).where(OutgoingMessage.dedupe_key.startswith(f"{subject}:"))
    return session.scalars(query, execution_options={"populate_existing": True}).one()


class TestLists:
    """A worker's life on its own clock: asked for at noon, due at eight."""

    @pytest.fixture
    def mia(self, session: Session) -> Contact:
        return person(session)

    @pytest.fixture
    def work(
        self, session: Session, channel_settings: ChannelSettings, at: Callable[[datetime], None]
    ) -> Callable[[datetime], None]:
        """All that a worker does by e-mail at a moment."""
        session.flush()
        connection = session.connection()
        own = sessionmaker(bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False)

        def go(now: datetime) -> None:
            session.flush()
            at(now)
            Dispatcher(own, channel_settings).send_due("email")
            session.expire_all()

        return go

    def test_wait_and_leave_as_one(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        news(session, mia, "Yoga", "Opening <b>", "Prices")
        inbox.land_due(session, NOON)
        assert inbox.unread(session, mia.account_id) == 3, "in the app each is there at once"
        work(NOON)
        work(EIGHT - timedelta(seconds=30))
        assert post.mails == []
        digests.form(session, "email", EIGHT)
        carrier = row_of(session, "Yoga")
        carrier.recipient = mia.email
        shown = compose(outgoing.ready(session, carrier, channel_settings, NOON), channel_settings.mail_from).as_bytes()
        work(EIGHT)
        assert post.bodies == [shown], "the preview is what leaves"
        [mail] = post.mails
        assert (mail["Subject"], mail["X-Plyo-Template"]) == ("3 messages for you, Mia", "digest")
        assert ".marketing." in mail["List-Unsubscribe"]
        text, html = (part.get_payload(decode=True).decode() for part in mail.get_payload())  # type: ignore[union-attr]
        for told in ("Yoga", "All about Yoga.", "Prices", "/inbox"):
            assert told in text
            assert told in html
        assert "<b>" not in html
        ends = session.scalars(select(OutgoingMessage)).all()
        assert {(one.status, one.recipient, one.digest_id) for one in ends} == {("sent", mia.email, carrier.id)}
        outgoing.note_delivered(session, carrier.id, EIGHT)
        session.expire_all()
        assert all(one.delivered_at == EIGHT for one in session.scalars(select(OutgoingMessage)))

    def test_count_as_one_towards_the_caps_and_wait_where_one_is_reached(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        for day in range(5):  # three news a week are the most
            noon, eight = NOON + timedelta(days=day), EIGHT + timedelta(days=day)
            news(session, mia, f"a{day}", f"b{day}", now=noon)
            work(noon)
            work(eight - timedelta(seconds=day))  # the worker is not late by the same time each day
            work(eight + timedelta(seconds=day))
        assert [mail["Subject"] for mail in post.mails] == ["2 messages for you, Mia"] * 3
        work(EIGHT + timedelta(days=7, minutes=-1))
        assert len(post.mails) == 3
        work(EIGHT + timedelta(days=7, minutes=1))
        assert [mail["Subject"] for mail in post.mails][3:] == ["4 messages for you, Mia"]

    def test_one_alone_is_the_message_itself(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        news(session, mia, "Yoga", "Read")
        inbox.land_due(session, NOON)
        work(NOON)
        read = session.scalars(select(InboxMessage).where(InboxMessage.dedupe_key.startswith("Read:"))).one()
        inbox.keep(session, mia.account_id, read.id, is_read=True, now=NOON)
        work(EIGHT)
        [mail] = post.mails
        assert (mail["Subject"], mail["X-Plyo-Template"]) == ("Yoga", "announcement")
        assert (row_of(session, "Read").status, row_of(session, "Read").reason) == ("withheld", "read_already")

    def test_leave_without_their_first_where_that_was_read(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        coach = make_account(session, role="coach")
        for number in range(3):
            message = Message(
                id=new_id(), customer_id=mia.account_id, sender_id=coach.id, recipient_id=mia.account_id,
                body=f"Word {number}", sent_at=NOON, read_at=None,
            )  # fmt: skip
            session.add(message)
            queue_message(
                session, dedupe_key=f"w{number}:", person=mia, template="new_message", purpose="coaching", now=NOON,
                context={"sender": "Ana", "body": message.body, "path": "/messages", "message_id": str(message.id)},
            )  # fmt: skip
        work(NOON)
        digests.form(session, "email", EIGHT)
        first = session.scalars(select(OutgoingMessage).where(OutgoingMessage.digest_id == OutgoingMessage.id)).one()
        told_of = first.context["message_id"]
        session.get_one(Message, told_of).read_at = EIGHT
        work(EIGHT)
        [mail] = post.mails
        assert mail["Subject"] == "2 messages for you, Mia"
        assert Counter(session.scalars(select(OutgoingMessage.status))) == {"sent": 2, "withheld": 1}
        assert "/messages" in mail.as_string()

    def test_wait_for_the_end_of_days_of_peace_as_one(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        peace = EIGHT + timedelta(days=2, hours=3)
        do_not_disturb.set_until(session, mia.account_id, until=peace, now=NOON)
        for day in range(3):
            news(session, mia, f"Day {day}")
            work(EIGHT + timedelta(days=day - 1, hours=4))
            work(EIGHT + timedelta(days=day))
        assert post.mails == []
        work(peace)
        assert [mail["Subject"] for mail in post.mails] == ["3 messages for you, Mia"]

    def test_speak_the_readers_language(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        preferences.speak(session, customer_id=mia.account_id, language="vi", now=NOON)
        news(session, mia, *(f"N{number}" for number in range(22)))
        work(NOON)
        work(EIGHT)
        [mail] = post.mails
        text = mail.get_payload()[0].get_payload(decode=True).decode()  # type: ignore[union-attr,index]
        assert "22 tin dành cho bạn, Mia" in text
        assert "Và 2 tin nữa." in text

    def test_follow_what_their_reader_chooses(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        news(session, mia, "Yoga")
        work(NOON)
        weekly: dict[Purpose, Rhythm | None] = {"marketing": Rhythm(7, is_weekly=True)}
        digests.choose(session, customer_id=mia.account_id, rhythms=weekly, now=NOON)
        monday = datetime(2026, 3, 9, 7, tzinfo=UTC)
        session.expire_all()
        assert row_of(session, "Yoga").digest_at == monday
        work(EIGHT)
        assert post.mails == []
        digests.choose(session, customer_id=mia.account_id, rhythms={"marketing": None}, now=EIGHT)
        work(EIGHT + timedelta(seconds=1))
        assert [mail["Subject"] for mail in post.mails] == ["Yoga"]
        with pytest.raises(UnknownChoice):
            digests.choose(session, customer_id=mia.account_id, rhythms={"reminders": Rhythm(8)}, now=EIGHT)

    @pytest.mark.parametrize(
        ("is_formed", "gone", "subject"),
        [
            (False, "A", "2 messages for you, Mia"), (True, "A", "2 messages for you, Mia"),
            (True, "B", "2 messages for you, Mia"), (True, "AC", "B"), (True, "ABC", None),
        ],
    )  # fmt: skip
    def test_leave_without_what_is_called_off(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post, is_formed: bool, gone: str,
        subject: str | None,
    ) -> None:  # fmt: skip
        news(session, mia, *"ABC")
        work(NOON)
        if is_formed:  # A carries the others
            digests.form(session, "email", EIGHT)
            session.flush()
        for one in gone:
            call_off(session, f"{one}:{mia.account_id}", reason="called_off")
        work(EIGHT)
        assert [mail["Subject"] for mail in post.mails] == ([subject] if subject else [])
        for one in "ABC":
            row = row_of(session, one)
            expected = ("withheld", "called_off") if one in gone else ("sent", None)
            assert (row.status, row.reason) == expected
            assert any(f"All about {one}." in mail.as_string() for mail in post.mails) is (one not in gone)
        assert inbox.unread(session, mia.account_id) == 0, "what was not there yet does not come"

    @pytest.mark.parametrize("how", ["called off", "read"])
    def test_that_may_have_left_end_each_by_its_own_reason(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], how: str
    ) -> None:
        """What is wrong with the first of a list is not wrong with the others: somebody says what becomes of them."""
        news(session, mia, *"AB")
        inbox.land_due(session, NOON)
        work(NOON)
        digests.form(session, "email", EIGHT)
        first = row_of(session, "A")
        first.in_doubt_since, first.attempts = EIGHT, 1  # its worker died with it in hand
        session.flush()
        if how == "called off":
            call_off(session, first.dedupe_key, reason="called_off")
        else:
            read = session.scalars(select(InboxMessage).where(InboxMessage.dedupe_key == first.dedupe_key)).one()
            inbox.keep(session, mia.account_id, read.id, is_read=True, now=EIGHT)
            outgoing.hold(session, first, Withhold("read_already"), EIGHT)
        session.flush()
        other = row_of(session, "B")
        assert (row_of(session, "A").status, other.status, other.reason) == ("withheld", "undecided", None)
        doubts.settle(session, other.id, sends_again=True, actor_id=mia.account_id, now=EIGHT)
        assert outgoing.weigh(session, other, EIGHT) == Send(), "it does not wait for another list"
        due = select(OutgoingMessage.id).where(OutgoingMessage.status == "queued", digests.LEAVES)
        assert session.scalars(due).all() == [other.id]

    def test_share_the_fate_of_who_carries_them(
        self, session: Session, mia: Contact, work: Callable[[datetime], None], post: Post
    ) -> None:
        news(session, mia, "Yoga", "Prices")
        work(NOON)
        addresses.suppress(session, channel="email", address=mia.email, reason="complaint", now=NOON)
        work(EIGHT)
        ends = session.execute(select(OutgoingMessage.status, OutgoingMessage.reason)).tuples().all()
        assert ends == [("withheld", "suppressed:complaint")] * 2
        assert post.mails == []


def test_each_message_leaves_once_whatever_workers_meet(
    sessions: sessionmaker[Session], channel_settings: ChannelSettings, post: Post, at: Callable[[datetime], None]
) -> None:
    """Some have lists and some do not; four workers, hour by hour; at random messages are asked for meanwhile."""
    chance, asked = random.Random(7), Counter[str]()
    with sessions.begin() as session:
        people = [
            person(session, None if hour is None else Rhythm(hour), time_zone=zone)
            for hour, zone in [(None, "UTC"), (0, "UTC"), (2, "Europe/Berlin"), (7, "Asia/Ho_Chi_Minh")]
        ]
    for hour in range(20):
        now = NOON + timedelta(hours=hour)
        with sessions.begin() as session:
            for mia in people:
                for number in range(chance.choice([0, 0, 1, 2]) if hour < 10 else 0):
                    subject = f"S{hour}-{number}-{mia.account_id.hex}-"
                    news(session, mia, subject, purpose="coaching", now=now)
                    asked[subject] += 1
        at(now)
        start = Barrier(2)

        def work(start: Barrier = start) -> None:
            start.wait(20)
            Dispatcher(sessions, channel_settings).send_due("email")

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(work) for _ in range(2)]:
                done.result(60)
    texts = [mail.get_payload()[0].get_payload(decode=True).decode() for mail in post.mails]  # type: ignore[union-attr,index]
    lists = Counter(str(mail["To"]) for mail in post.mails if mail["X-Plyo-Template"] == "digest")
    with sessions() as session:
        rows = session.scalars(select(OutgoingMessage)).all()
        capped = {row.context["subject"] for row in rows if row.status == "withheld"}
        assert {row.status for row in rows} <= {"sent", "withheld"}
    told = Counter({subject: sum(f"All about {subject}." in text for text in texts) for subject in asked})
    assert told == {subject: 0 if subject in capped else 1 for subject in asked}
    assert set(lists.values()) == {1}
    assert len(lists) == 3


class TestTakenBack:
    """Announcements that are taken back while workers are at their letters."""

    @pytest.fixture
    def mia(self, sessions: sessionmaker[Session]) -> Contact:
        with sessions.begin() as session:
            return person(session, rhythm=None)

    @staticmethod
    def announce(session: Session) -> tuple[UUID, OutgoingMessage]:
        made = announcements.announce(
            session, author_id=new_id(), segment="everybody", subject="Closed", body="On Friday.", now=NOON
        )  # fmt: skip
        session.flush()
        return made.id, row_of(session, f"announcement:{made.id}")

    @staticmethod
    def cancel(sessions: sessionmaker[Session], announced: UUID) -> tuple[int, int]:
        with sessions.begin() as session:
            found = announcements.cancel(session, announced, cancelled_by=new_id(), now=NOON)
            return found.row.called_off, found.waiting

    @pytest.mark.parametrize("is_carried", [False, True])
    def test_what_a_worker_only_weighed_meanwhile_does_not_leave_in_the_morning(
        self, sessions: sessionmaker[Session], mia: Contact, at: Callable[[datetime], None], post: Post,
        channel_settings: ChannelSettings, is_carried: bool,
    ) -> None:  # fmt: skip
        with sessions.begin() as session:
            announced, letter = self.announce(session)
            news(session, mia, "Yoga", purpose="marketing" if is_carried else "coaching")
            letter.channel, letter.fallbacks, letter.recipient = "email", [], mia.email
            if is_carried:
                first = row_of(session, "Yoga")
                first.digest_at = letter.digest_at = NOON
                first.digest_id = letter.digest_id = first.id
            weighed = letter.id
        with sessions.begin() as worker:
            worker.get_one(OutgoingMessage, weighed, with_for_update=True)
            assert self.cancel(sessions, announced) == (0, 1)
        at(EIGHT)
        Dispatcher(sessions, channel_settings).send_due("email")
        with sessions() as session:
            letter = row_of(session, f"announcement:{announced}")
            assert (letter.status, letter.reason) == ("withheld", "called_off")
            assert row_of(session, "Yoga").status == "sent"
        assert [mail["Subject"] for mail in post.mails] == ["Yoga"]

    def test_what_leaves_in_a_list_meanwhile_is_not_said_to_be_taken_back(
        self, sessions: sessionmaker[Session], mia: Contact
    ) -> None:
        """A worker is done with what the list says, and about to hand it over, between two statements of ours."""
        with sessions.begin() as session:
            announced, letter = self.announce(session)
            news(session, mia, "Yoga")
            first = row_of(session, "Yoga")
            first.channel = letter.channel = "email"
            first.digest_id = letter.digest_id = first.id
            carrier, carried = first.id, letter.id
        worker = sessions()
        for one in (carrier, carried):
            worker.get_one(OutgoingMessage, one, with_for_update=True)
        worker.get_one(OutgoingMessage, carrier).in_doubt_since = NOON
        engine = worker.get_bind()

        def go_on(*told: Any) -> None:
            if "SKIP LOCKED" in told[2]:
                worker.commit()

        worker.flush()
        event.listen(engine, "after_cursor_execute", go_on)
        called_off, waiting = self.cancel(sessions, announced)
        event.remove(engine, "after_cursor_execute", go_on)
        worker.close()
        with sessions() as session:
            assert row_of(session, f"announcement:{announced}").status == "queued"
        assert (called_off, waiting) == (0, 1)

    def test_what_may_have_left_is_not_counted_among_what_had_not(
        self, sessions: sessionmaker[Session], mia: Contact
    ) -> None:
        with sessions.begin() as session:
            announced, letter = self.announce(session)
            letter.in_doubt_since = NOON
        assert self.cancel(sessions, announced) == (0, 0)
