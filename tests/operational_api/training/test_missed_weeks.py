"""A week of a programme without training: noticed once when it is over, and asked after unless why is known."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.training import TrainingWeekMissed
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import ChannelChoice, ContactPreference, LifecycleFact, Message, OutgoingMessage
from operational_api.engagement.sending import WAYS, Decision, Postpone, Send, Withhold
from operational_api.engagement.service.outgoing import weigh
from operational_api.training.models import Client, Injury, Programme, Screening, Workout
from operational_api.training.service import missed, workouts
from operational_api.training.service.workouts import Log
from tests.factories import account_of, make_booking, make_client, make_coach, make_programme, make_slot, make_workout

MONDAY = date(2026, 3, 2)
LOOKED_AT = datetime(2026, 3, 9, 10, tzinfo=UTC)


def planned(session: Session, **given: Any) -> Client:
    """A client who has two workouts planned for the week, nothing done."""
    client = make_client(session, coach=make_coach(session), **{"time_zone": "UTC"} | given)
    account_of(session, client).time_zone = client.time_zone
    programme = make_programme(session, client=client, starts_on=MONDAY)
    for days in (0, 3, 7):
        make_workout(session, client=client, programme=programme, scheduled_on=MONDAY + timedelta(days=days))
    return client


@pytest.fixture
def mia(session: Session) -> Client:
    return planned(session)


def workouts_of(session: Session, client: Client) -> list[Workout]:
    query = select(Workout).where(Workout.customer_id == client.id)
    return list(session.scalars(query.order_by(Workout.scheduled_on)))


def told(session: Session) -> list[tuple[str, str, int]]:
    query = select(OutboxEvent.payload).where(OutboxEvent.type == TrainingWeekMissed.type)
    rows = session.scalars(query.order_by(OutboxEvent.position))
    return [(row["customer_id"], row["week_of"], row["planned"]) for row in rows]


class TestIsNoticed:
    def test_once_when_it_is_over(self, session: Session, mia: Client) -> None:
        for hours in (-1, 0, 1, 24, 47):
            missed.notice(session, LOOKED_AT + timedelta(hours=hours))
        assert told(session) == [(str(mia.id), "2026-03-02", 2)]

    @pytest.mark.parametrize("late", [timedelta(minutes=-1), timedelta(days=2), timedelta(days=4)])
    def test_neither_before_nor_long_after(self, session: Session, mia: Client, late: timedelta) -> None:
        assert missed.notice(session, LOOKED_AT + late) == 0

    def test_and_again_the_week_after(self, session: Session, mia: Client) -> None:
        missed.notice(session, LOOKED_AT)
        missed.notice(session, LOOKED_AT + timedelta(days=7))
        assert [(week, count) for _, week, count in told(session)] == [("2026-03-02", 2), ("2026-03-09", 1)]

    @pytest.mark.parametrize(
        ("zone", "at"),
        [
            ("Asia/Ho_Chi_Minh", datetime(2026, 3, 9, 3, tzinfo=UTC)),
            ("America/Los_Angeles", datetime(2026, 3, 9, 17, tzinfo=UTC)),  # their clocks went forward on Sunday
        ],
    )
    def test_on_the_clients_own_monday(self, session: Session, zone: str, at: datetime) -> None:
        planned(session, time_zone=zone)
        assert missed.notice(session, at - timedelta(minutes=1)) == 0
        assert missed.notice(session, at) == 1

    def test_not_of_a_programme_that_began_in_it_or_is_over(self, session: Session, mia: Client) -> None:
        for change in ({"starts_on": MONDAY + timedelta(days=1)}, {"starts_on": MONDAY, "status": "archived"}):
            session.execute(update(Programme).values(**change))
            assert missed.notice(session, LOOKED_AT) == 0


def did_one(session: Session, mia: Client) -> None:
    log_one(session, mia, at=datetime(2026, 3, 8, 23, 59, tzinfo=UTC))


def log_one(session: Session, mia: Client, *, at: datetime) -> None:
    log = Log(sets=[], completed_at=at)
    workouts.log_workout(session, workout_id=new_id(), client=mia, log=log, logged_by=mia.id, now=at)


def skipped_one(session: Session, mia: Client) -> None:
    workouts.skip_workout(session, workout_id=workouts_of(session, mia)[0].id, now=LOOKED_AT)


def hurts(session: Session, mia: Client) -> None:
    session.add(Injury(customer_id=mia.id, body_part="knee", severity=1, occurred_on=date(2026, 2, 1)))


def hurt_until_friday(session: Session, mia: Client) -> None:
    on = date(2026, 3, 6)
    session.add(Injury(customer_id=mia.id, body_part="knee", severity=1, occurred_on=on, resolved_on=on))


def on_hold(session: Session, mia: Client) -> None:
    mia.on_hold_since = LOOKED_AT - timedelta(days=1)


def was_on_hold(session: Session, mia: Client) -> None:
    answered, cleared = LOOKED_AT - timedelta(days=9), LOOKED_AT - timedelta(days=1)
    session.add(
        Screening(
            customer_id=mia.id, version="2026-1", answers={}, is_red=True, answered_at=answered, cleared_at=cleared,
            cleared_by=mia.coach_id, clearance_note="Seen.",
        )
    )  # fmt: skip


KNOWN = [did_one, skipped_one, hurts, hurt_until_friday, on_hold, was_on_hold]


class TestIsNotMissed:
    @pytest.mark.parametrize("why", KNOWN)
    def test_where_it_is_known_why(self, session: Session, mia: Client, why: Callable[[Session, Client], None]) -> None:
        why(session, mia)
        session.flush()
        assert missed.notice(session, LOOKED_AT) == 0


def asked_after(session: Session, mia: Client) -> list[OutgoingMessage]:
    """The messages after the event, handled twice as after a crash."""
    event = TrainingWeekMissed(occurred_at=datetime.now(UTC), customer_id=mia.id, week_of=MONDAY, planned=2)
    for handler in HANDLERS[event.type] * 2:
        handler(session, event)
    session.flush()
    return list(session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id)))


def weighed(session: Session, mia: Client, *, at: datetime = LOOKED_AT) -> Decision:
    [row] = asked_after(session, mia)
    row.channel, row.recipient = "email", "mia@plyo.test"
    return weigh(session, row, at)


def stage(session: Session, mia: Client, *facts: tuple[str, datetime]) -> None:
    for kind, at in facts:
        session.add(LifecycleFact(id=new_id(), person_id=mia.id, kind=kind, occurred_at=at))
    session.flush()


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


class TestIsAskedAfter:
    def test_once_as_coaching_until_wednesday_night(self, session: Session, mia: Client) -> None:
        [row] = asked_after(session, mia)
        assert (row.template, row.purpose, row.channel, *row.fallbacks) == ("missed_week", "coaching", *WAYS)
        assert row.expires_at == datetime(2026, 3, 12, tzinfo=UTC)
        assert isinstance(weighed(session, mia), Send)

    def test_not_by_news_that_is_old(self, session: Session, mia: Client) -> None:
        event = TrainingWeekMissed(
            occurred_at=datetime.now(UTC) - timedelta(days=2), customer_id=mia.id, week_of=MONDAY, planned=2
        )
        for handler in HANDLERS[event.type]:
            handler(session, event)
        assert session.scalars(select(OutgoingMessage)).all() == []

    def test_not_who_allows_no_check_ins(self, session: Session, mia: Client) -> None:
        session.add(ContactPreference(customer_id=mia.id, allows_nudges=False))
        session.flush()
        assert asked_after(session, mia) == []

    def test_not_who_had_enough_of_them(self, session: Session, mia: Client) -> None:
        for _ in range(3):
            session.add(
                Message(
                    customer_id=mia.id, sender_id=mia.coach_id, recipient_id=mia.id, kind="nudge", body="Hi",
                    sent_at=datetime.now(UTC),
                )
            )  # fmt: skip
        session.flush()
        assert asked_after(session, mia) == []

    @pytest.mark.parametrize(
        "facts",
        [
            [("membership_paused", day(1)), ("membership_resumed", day(9))],
            [("membership_paused", day(8)), ("membership_resumed", day(9))],
            [("membership_paused", day(9))],
            [("membership_ended", day(9))],
        ],
    )
    def test_not_who_had_a_break_or_left(
        self, session: Session, mia: Client, facts: list[tuple[str, datetime]]
    ) -> None:
        stage(session, mia, ("membership_started", datetime(2026, 1, 1, tzinfo=UTC)), *facts)
        assert asked_after(session, mia) == []

    def test_but_who_had_one_before(self, session: Session, mia: Client) -> None:
        started = ("membership_started", datetime(2026, 1, 1, tzinfo=UTC))
        stage(session, mia, started, ("membership_paused", datetime(2026, 2, 1, tzinfo=UTC)),
              ("membership_resumed", datetime(2026, 3, 1, tzinfo=UTC)))  # fmt: skip
        assert len(asked_after(session, mia)) == 1

    def test_not_who_came_to_a_session(self, session: Session, mia: Client) -> None:
        make_booking(session, slot=make_slot(session, starts_at=day(4)), customer_id=mia.id, status="attended")
        assert asked_after(session, mia) == []

    def test_not_before_quiet_hours_end(self, session: Session, mia: Client) -> None:
        session.add(ContactPreference(customer_id=mia.id, quiet_from=time(9), quiet_until=time(15)))
        session.flush()
        assert weighed(session, mia) == Postpone(LOOKED_AT.replace(hour=15))

    def test_not_against_a_no_to_coaching(self, session: Session, mia: Client) -> None:
        choice = {"channel": "email", "purpose": "coaching", "is_allowed": False, "decided_at": LOOKED_AT}
        session.add(ChannelChoice(customer_id=mia.id, **choice))
        session.flush()
        assert weighed(session, mia) == Withhold("not_allowed")

    def test_not_when_it_is_late(self, session: Session, mia: Client) -> None:
        assert weighed(session, mia, at=datetime(2026, 3, 12, tzinfo=UTC)) == Withhold("too_late")

    @pytest.mark.parametrize("why", KNOWN)
    def test_not_when_why_was_told_meanwhile(
        self, session: Session, mia: Client, why: Callable[[Session, Client], None]
    ) -> None:
        asked_after(session, mia)
        why(session, mia)
        session.flush()
        assert weighed(session, mia) == Withhold("not_so_any_more")

    def test_not_who_trained_before_it_left(self, session: Session, mia: Client) -> None:
        asked_after(session, mia)
        log_one(session, mia, at=LOOKED_AT + timedelta(hours=1))
        assert weighed(session, mia, at=LOOKED_AT + timedelta(hours=2)) == Withhold("not_so_any_more")
