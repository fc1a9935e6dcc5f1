"""The whole worker, run while its clock is moved over both changes of the clocks: each reminder once, at its minute."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from operational_api import worker
from operational_api.core import clock
from operational_api.core.database import make_engine, session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.models import ContactPreference, OutgoingMessage
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.service import bookings, recurring
from plyo.postgres import free_port
from tests.conftest import sqlalchemy_url
from tests.factories import make_availability, make_client, make_coach, make_location, make_pack, make_slot
from tests.operational_api.test_worker import Catcher

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Life:
    """A worker that lives at another time, in threads of its own, and what it has sent."""

    def __init__(self, sessions: sessionmaker[Session], post: Catcher) -> None:
        self.sessions, self.post = sessions, post
        self.marks = 0

    def wait(self, what: str, is_so: Callable[[Session], bool]) -> None:
        deadline = monotonic() + 90
        while monotonic() < deadline:
            with self.sessions() as session:
                if is_so(session):
                    return
            sleep(0.02)
        raise AssertionError(what)

    def live_until(self, at: datetime) -> None:
        """Move the clock there, and wait until the worker has sent what was due by then: it sends in order, and a
        message that is due at that moment comes last."""
        self.marks += 1
        key = f"mark {self.marks}"
        with self.sessions.begin() as session:
            session.add(
                OutgoingMessage(
                    dedupe_key=key,
                    recipient="mark@plyo.test",
                    template="password_changed",
                    context={"name": "Mark"},
                    next_attempt_at=at,
                )
            )
        clock.move(at)
        done = select(OutgoingMessage.id).where(OutgoingMessage.dedupe_key == key, OutgoingMessage.status == "sent")
        self.wait(f"the worker at {at}", lambda session: session.scalar(done) is not None)

    def reminder(self, booking_id: UUID) -> OutgoingMessage:
        with self.sessions() as session:
            return session.scalars(
                select(OutgoingMessage).where(OutgoingMessage.dedupe_key.startswith(f"session_reminder:{booking_id}"))
            ).one()

    def mails_to(self, recipient: str) -> list[str]:
        """Subjects of reminders that somebody has got."""
        found = [mail for mail in self.post.mails if mail["To"] == recipient]
        return [str(one["Subject"]) for one in found if one["X-Plyo-Template"] == "session_reminder"]


@pytest.fixture
def life(fresh_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    url, post = sqlalchemy_url(fresh_database()), Catcher()
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    monkeypatch.setenv("PLYO_SMTP_PORT", str(controller.port))
    engine = make_engine(url, application_name="tests", pool_size=3)
    stop = Flag()
    settings = worker.WorkerSettings(database_url=SecretStr(url), idle_seconds=0.2, worker_threads=1)
    running = Thread(target=worker.run, args=(settings, worker.handler_modules(), stop))
    clock.move(utc("2027-10-25T00:00"))
    running.start()
    yield Life(session_factory(engine, viewer=lambda: SYSTEM), post)
    stop.set()
    running.join(60)
    clock.move(None)
    engine.dispose()
    controller.stop()


def book(life: Life, starts_at: datetime, *, quiet: bool = False) -> tuple[UUID, str]:
    """A session that somebody books now, and their address."""
    with life.sessions.begin() as session:
        client = make_client(session)
        account = session.get_one(Account, client.id)
        make_pack(session, customer_id=client.id, now=clock.now())
        if quiet:
            session.add(ContactPreference(customer_id=client.id, quiet_from=time(22), quiet_until=time(7)))
        slot = make_slot(session, starts_at=starts_at)
        booked = bookings.book_session(session, customer_id=client.id, slot_id=slot.id, now=clock.now())
        return booked.id, account.email


@pytest.mark.parametrize(("year", "sessions"), [
    # both hours that Berlin's clocks show as 02:30, and one whose reminder waits for the end of a longer night
    (2027, [("2027-10-31T00:30", None, "02:30 UTC+2"), ("2027-10-31T01:30", None, "02:30 UTC+1"),
            ("2027-11-01T04:00", "2027-10-31T06:00", "05:00")]),
    # the hour after the one that is skipped, and a shorter night
    (2028, [("2028-03-26T01:30", None, "03:30"), ("2028-03-27T03:00", "2028-03-26T05:00", "05:00")]),
])  # fmt: skip
def test_each_reminder_leaves_once_at_its_minute(
    life: Life, year: int, sessions: list[tuple[str, str | None, str]]
) -> None:
    first = utc(sessions[0][0]) - 5 * DAY
    life.live_until(first)
    made = [
        (*book(life, utc(starts_at), quiet=waits is not None), utc(starts_at) - DAY, utc(waits or starts_at), told)
        for starts_at, waits, told in sessions
    ]
    for booking_id, _, due, _, _ in made:
        is_queued = select(OutgoingMessage.next_attempt_at).where(
            OutgoingMessage.dedupe_key.startswith(f"session_reminder:{booking_id}")
        )
        life.wait("a reminder", lambda session, query=is_queued, at=due: session.scalar(query) == at)  # type: ignore[misc]
    for (booking_id, to, due, leaves, told), (_, waits, _) in zip(made, sessions, strict=True):
        leaves_at = leaves if waits else due
        life.live_until(leaves_at - timedelta(seconds=60))
        assert life.reminder(booking_id).status == "queued"
        assert life.mails_to(to) == []
        if waits:
            life.wait(
                "the end of their night, on their clock",
                lambda _, id_=booking_id, at=leaves_at: life.reminder(id_).next_attempt_at == at,  # type: ignore[misc]
            )
        life.live_until(leaves_at)
        life.wait("the reminder", lambda _, id_=booking_id: life.reminder(id_).status == "sent")  # type: ignore[misc]
        left = life.reminder(booking_id)
        assert left.sent_at is not None
        assert timedelta() <= left.sent_at - leaves_at < timedelta(seconds=60)
        assert len(life.mails_to(to)) == 1
        assert told in life.mails_to(to)[0]
    life.live_until(max(one[2] for one in made) + 2 * DAY)
    assert [len(life.mails_to(one[1])) for one in made] == [1] * len(made)


def test_what_recurs_goes_on_at_the_studios_hour_by_the_workers_own_runs(life: Life) -> None:
    with life.sessions.begin() as session:
        coach = make_coach(session, location=make_location(session))
        make_availability(session, coach=coach)  # Mondays 9 to 12 in Berlin
        mia = make_client(session, coach=coach).id
        make_pack(session, customer_id=mia, now=clock.now())
    opened = select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)
    clock.move(utc("2027-10-12T08:00"))
    life.live_until(utc("2027-10-12T10:00"))
    life.wait("an open calendar", lambda session: session.scalars(opened).first() is not None)
    with life.sessions.begin() as session:
        slot = next(one for one in session.scalars(opened) if one.starts_at > clock.now())
        recurring.book_series(session, customer_id=mia, slot_id=slot.id, now=clock.now())
    theirs = select(Booking.starts_at).where(Booking.customer_id == mia).order_by(Booking.starts_at)
    for at in ("2027-10-26T10:00", "2027-11-09T10:00"):
        clock.move(utc(at))
        reach = utc(at) + timedelta(days=20)
        life.wait(f"weeks after {at}", lambda session, until=reach: list(session.scalars(theirs))[-1] > until)  # type: ignore[misc]
    with life.sessions() as session:
        starts = list(session.scalars(theirs))
    local = [one.astimezone(BERLIN) for one in starts]
    assert {(one.weekday(), one.hour, one.minute) for one in local} == {(0, 9, 0)}
    assert {one.hour for one in starts} == {7, 8}, "on both sides of the change"
    days = [one.date() for one in local]
    assert days == [days[0] + n * timedelta(weeks=1) for n in range(len(days))], "no week is left out or twice"
