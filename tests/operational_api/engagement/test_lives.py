"""Random lives of somebody's messages on a real database, with workers that die: each is over exactly once.

News come, the person chooses when lists come, reads in the app, hours of lists pass, a message is called off, a worker
is killed before, while and after it hands something over. A few people live with every test; `PLYO_LIVES=10000`
(`make lives`) asks for that many. Workers commit for real: what a killed one wrote down has to outlive it.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from operational_api.core import clock
from operational_api.core.database import make_engine, session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.channels.port import Ready, Receipt, TryAgain, Undecided
from operational_api.engagement.models import InboxMessage, OutgoingMessage
from operational_api.engagement.sending import Rhythm
from operational_api.engagement.service import digests, inbox
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import call_off, queue_message
from operational_api.engagement.settings import ChannelSettings
from tests.conftest import sqlalchemy_url
from tests.factories import make_account
from tests.operational_api.lives import live

LIVES = int(os.environ.get("PLYO_LIVES", "8"))
STEPS = 25
MOST = 9
"""Messages of a life: fewer than a day's cap, which ends what is one too many."""
BEGIN = datetime(2026, 3, 27, 20, tzinfo=UTC)  # a Friday; the clocks of Berlin change on Sunday
OFF = "called_off"


class Killed(BaseException):
    """A worker's process is gone, and with it what it had not committed."""


class Provider:
    """A way out, in the place of a provider's cloud: keeps what it took, and has the worker die or be turned away.

    Args:
        kind: `replaces` what it has had by the same topic, as a push service does, `tells` whether it has it, or is
            `blind` as a mail server is.
    """

    def __init__(self, kind: str) -> None:
        self.replaces, self.can_tell, self.tells_within = kind == "replaces", kind == "tells", timedelta()
        self.taken: list[tuple[UUID, str]] = []
        self.mishap = ""

    @contextmanager
    def opened(self) -> Iterator["Provider"]:
        self._die("on the way")
        yield self

    def send(self, message: Ready) -> Receipt:
        self._die("in hand")
        name = (message.topic or message.id) if self.replaces else message.id
        is_known = any(text == message.rendered.text for _, text in self.taken)  # as Twilio is asked: by its words
        if is_known and self.can_tell and message.doubtful_since:
            return Receipt(str(message.id))
        if self.mishap == "busy":
            raise TryAgain
        if self.replaces:
            self.taken = [one for one in self.taken if one[0] != name]
        self.taken.append((name, message.rendered.text))
        self._die("taken")
        if self.mishap == "silent":
            raise Undecided
        return Receipt(str(message.id))

    def _die(self, where: str) -> None:
        if self.mishap == where:
            raise Killed


def lives(sessions: sessionmaker[Session], settings: ChannelSettings) -> type[RuleBasedStateMachine]:
    """The machine: each life is a person of their own."""

    class Lives(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.now = BEGIN
            self.asked: list[str] = []
            self.read: set[str] = set()
            self.off: set[str] = set()
            self.is_doubtful = False

        @initialize(
            kind=st.sampled_from(["replaces", "tells", "blind"]), zone=st.sampled_from(["UTC", "Europe/Berlin"]),
            has_lists=st.booleans(),
        )  # fmt: skip
        def begin(self, kind: str, zone: str, has_lists: bool) -> None:
            self.provider = Provider(kind)
            self.worker = Dispatcher(sessions, settings, {"email": self.provider})
            with sessions.begin() as session:
                account = make_account(session, display_name="Mia Maier", time_zone=zone)
                found = contact(session, account.id)
                assert found
                self.mia: Contact = found
            if has_lists:
                self.choose("daily", 8)

        @rule(minutes=st.sampled_from([1, 20, 59, 60, 180, 480, 1440]))
        def time_passes(self, minutes: int) -> None:
            self.now += timedelta(minutes=minutes)

        @precondition(lambda self: len(self.asked) < MOST)
        @rule(count=st.integers(1, 3))
        def news(self, count: int) -> None:
            with sessions.begin() as session:
                for _ in range(min(count, MOST - len(self.asked))):
                    subject = f"{len(self.asked)}-{self.mia.account_id.hex}"
                    queue_message(
                        session, dedupe_key=subject, person=self.mia, template="announcement", purpose="coaching",
                        context={"subject": subject, "body": f"All about {subject}."}, now=self.now,
                    )  # fmt: skip
                    self.asked.append(subject)

        @rule(pace=st.sampled_from(["at_once", "daily", "weekly"]), hour=st.sampled_from([2, 8, 20]))
        def choose(self, pace: str, hour: int) -> None:
            rhythm = None if pace == "at_once" else Rhythm(hour, pace == "weekly")
            with sessions.begin() as session:
                digests.choose(session, customer_id=self.mia.account_id, rhythms={"coaching": rhythm}, now=self.now)

        @precondition(lambda self: self.asked)
        @rule(pick=st.integers(0, MOST - 1))
        def read_in_the_app(self, pick: int) -> None:
            subject = self.asked[-1 - pick % len(self.asked)]
            with sessions.begin() as session:
                inbox.land_due(session, self.now)
                row = session.scalar(select(InboxMessage).where(InboxMessage.dedupe_key == subject))
                if row is not None:
                    inbox.keep(session, self.mia.account_id, row.id, is_read=True, now=self.now)
                    self.read.add(subject)

        @precondition(lambda self: self.asked)
        @rule(pick=st.integers(0, MOST - 1))
        def is_called_off(self, pick: int) -> None:
            subject = self.asked[-1 - pick % len(self.asked)]
            with sessions.begin() as session:
                call_off(session, subject, reason=OFF)
            self.off.add(subject)

        @rule(mishap=st.sampled_from(["", "", "on the way", "in hand", "taken", "silent", "busy"]))
        def the_worker_comes_by(self, mishap: str) -> None:
            self.provider.mishap = mishap
            self.is_doubtful |= mishap in ("in hand", "taken", "silent")
            with sessions.begin() as session:
                inbox.land_due(session, self.now)
            clock.move(self.now)
            try:
                self.worker.send_due("email")
            except Killed:
                pass
            finally:
                clock.move(None)
                self.provider.mishap = ""

        @precondition(lambda self: len(self.asked) < MOST)
        @rule(count=st.integers(2, 3), mishap=st.sampled_from(["", "on the way", "in hand", "taken", "silent"]))
        def a_list_falls_due(self, count: int, mishap: str) -> None:
            """What single steps seldom come to: some news wait for a list, and something happens to the list."""
            self.choose("daily", 8)
            self.news(count)
            self.the_worker_comes_by("")
            self.now += timedelta(days=1)
            self.the_worker_comes_by(mishap)

        def told(self) -> Counter[str]:
            texts = [text for _, text in self.provider.taken]
            return Counter({subject: sum(f"All about {subject}." in text for text in texts) for subject in self.asked})

        @invariant()
        def nothing_comes_twice(self) -> None:
            if self.asked:
                assert max(self.told().values(), default=0) <= 1

        def teardown(self) -> None:
            try:
                for days in (1, 1, 7, 1, 7):
                    self.now += timedelta(days=days)
                    self.the_worker_comes_by("")
                self.nothing_comes_twice()
                self.everything_is_over()
            finally:
                with sessions.begin() as session:
                    for rows in (OutgoingMessage, InboxMessage):
                        session.execute(delete(rows))

        def everything_is_over(self) -> None:
            told = self.told()
            with sessions() as session:
                rows = {one.dedupe_key: one for one in session.scalars(select(OutgoingMessage))}
                landed = Counter(
                    session.scalars(select(InboxMessage.dedupe_key).where(InboxMessage.landed_at.is_not(None)))
                )
            by_id = {one.id: one for one in rows.values()}
            for subject in self.asked:
                row = rows[subject]
                how = by_id[row.digest_id] if row.status == "queued" and row.digest_id else row  # of who carries it
                about = (subject, how.status, how.reason, told[subject])
                if how.status == "sent":
                    assert told[subject] == 1, about
                elif how.status == "withheld":
                    assert subject in {"read_already": self.read, OFF: self.off}[str(how.reason)], about
                    assert told[subject] == 0 or self.is_doubtful, about
                else:
                    assert how.status == "undecided", about
                    assert self.is_doubtful, about
                assert landed[subject] == 1 or (subject in self.off and landed[subject] == 0), about

    return Lives


@pytest.fixture
def sessions(fresh_database: Callable[[], str]) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(sqlalchemy_url(fresh_database()), application_name="tests", pool_size=5)
    yield session_factory(engine, viewer=lambda: SYSTEM)
    engine.dispose()


def test_messages_are_over_exactly_once(sessions: sessionmaker[Session], channel_settings: ChannelSettings) -> None:
    live(lives(sessions, channel_settings), examples=LIVES, steps=STEPS)


def test_what_was_read_before_a_list_left_is_not_in_it_though_the_worker_died(
    sessions: sessionmaker[Session], channel_settings: ChannelSettings
) -> None:
    life = lives(sessions, channel_settings)()
    life.begin(kind="tells", zone="UTC", has_lists=True)
    life.news(count=3)
    life.the_worker_comes_by(mishap="")
    life.read_in_the_app(pick=0)
    life.time_passes(minutes=1440)
    life.the_worker_comes_by(mishap="taken")
    life.teardown()


@pytest.mark.parametrize("kind", ["replaces", "tells", "blind"])
def test_what_a_list_carries_that_may_have_left_is_called_off_where_the_list_can_be_replaced(
    sessions: sessionmaker[Session], channel_settings: ChannelSettings, kind: str
) -> None:
    """Else its words change, and who is asked whether they have it say no."""
    life = lives(sessions, channel_settings)()
    life.begin(kind=kind, zone="UTC", has_lists=True)
    life.a_list_falls_due(count=3, mishap="taken")
    life.is_called_off(pick=0)
    life.time_passes(minutes=60)
    life.the_worker_comes_by(mishap="")
    assert life.told() == dict(zip(life.asked, (1, 1, kind != "replaces"), strict=True))
    life.teardown()


@pytest.mark.parametrize("then", ["taken", "silent", "busy"])
def test_a_list_that_may_have_left_is_replaced_by_what_of_it_is_left_over(
    sessions: sessionmaker[Session], channel_settings: ChannelSettings, then: str
) -> None:
    """Whatever becomes of the next try: the first may be on the phone's screen since."""
    life = lives(sessions, channel_settings)()
    life.begin(kind="replaces", zone="UTC", has_lists=True)
    life.a_list_falls_due(count=3, mishap="taken")
    life.the_worker_comes_by(mishap=then)
    life.choose(pace="at_once", hour=8)
    life.news(count=1)
    life.read_in_the_app(pick=3)  # the first, which carries the others
    life.time_passes(minutes=180)
    life.the_worker_comes_by(mishap="")
    life.nothing_comes_twice()
    texts = [text for _, text in life.provider.taken]
    assert sorted(sum(f"All about {subject}." in text for text in texts) for subject in life.asked) == [0, 1, 1, 1]
    life.teardown()
