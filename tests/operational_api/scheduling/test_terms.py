"""Terms of booking: which row's word counts, and what follows from them."""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.errors import CoachNotFound, InvalidAvailability
from operational_api.scheduling.models import AvailabilityRule, BookingTerms, Slot
from operational_api.scheduling.service import openings, studio
from operational_api.scheduling.service import terms as kept
from operational_api.scheduling.terms import Terms, effective
from tests.factories import make_coach, make_slot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA, BEN = new_id(), new_id()
START = datetime(2026, 3, 29, 12, tzinfo=UTC)
DEAR = Terms(5, 10, 90, 3, 60, 7, 20, needs_confirmation=True, members_first=True, late_fee_minor=500,
             late_fee_currency="EUR")  # fmt: skip


def layer(coach_id: UUID | None = None, kind: str | None = None, **said: Any) -> Any:
    """A row that says only this."""

    @dataclass
    class Row:
        pass

    row = Row()
    values = {"coach_id": coach_id, "kind": kind} | {one.name: None for one in fields(Terms)} | said
    for name, value in values.items():
        setattr(row, name, value)
    return row


class TestEffective:
    def test_the_particular_goes_before_the_general_value_by_value(self) -> None:
        rows = [
            layer(ANA, "group", hold_minutes=4),
            layer(hold_minutes=1, offer_minutes=1, minimum_notice_minutes=1, booking_window_days=1),
            layer(ANA, hold_minutes=3, offer_minutes=3, minimum_notice_minutes=3),
            layer(None, "group", hold_minutes=2, offer_minutes=2),
            layer(BEN, hold_minutes=9, offer_minutes=9, minimum_notice_minutes=9, booking_window_days=9),
        ]
        got = effective(rows, coach_id=ANA, kind="group")
        assert (got.hold_minutes, got.offer_minutes, got.minimum_notice_minutes, got.booking_window_days) == (
            4,
            3,
            3,
            1,
        )
        other = effective(rows, coach_id=new_id(), kind="one_to_one")
        assert (other.hold_minutes, other.offer_minutes) == (1, 1)

    def test_no_is_a_word_too(self) -> None:
        rows = [layer(needs_confirmation=True), layer(ANA, needs_confirmation=False)]
        assert not effective(rows, coach_id=ANA, kind="group").needs_confirmation
        assert effective(rows, coach_id=BEN, kind="group").needs_confirmation

    def test_an_offer_never_lasts_into_the_notice_and_a_hold_not_into_the_session(self) -> None:
        terms = Terms(offer_minutes=60, hold_minutes=15, minimum_notice_minutes=120)
        assert terms.offer_ends(START, START - timedelta(hours=5)) == START - timedelta(hours=4)
        assert terms.offer_ends(START, START - timedelta(minutes=150)) == START - timedelta(hours=2)
        assert terms.hold_ends(START, START - timedelta(minutes=5)) == START


class TestAtDesk:
    def test_lets_in_a_quarter_of_an_hour_late_keeps_for_a_day_and_asks_no_coach(self) -> None:
        said = {one.name: getattr(DEAR, one.name) for one in fields(Terms)}
        desk = DEAR.at_desk()
        changed = {name: getattr(desk, name) for name in said if getattr(desk, name) != said[name]}
        assert changed == {"minimum_notice_minutes": -15, "hold_minutes": 1440, "needs_confirmation": False}
        assert desk.notice == -timedelta(minutes=15)
        assert desk.hold_ends(START, START - timedelta(days=2)) == START - timedelta(days=1)


class TestKept:
    def test_the_query_says_what_the_rule_says(self, session: Session) -> None:
        coach, other = make_coach(session), make_coach(session)
        rows = [
            (None, None, 60), (None, "group", 30), (coach.id, None, 90), (coach.id, "group", 15),
            (other.id, None, None),
        ]  # fmt: skip
        for coach_id, kind, notice in rows:
            session.add(BookingTerms(coach_id=coach_id, kind=kind, minimum_notice_minutes=notice))
        slots = [
            make_slot(session, coach=one, capacity=capacity, starts_at=START + timedelta(hours=hour))
            for one in (coach, other)
            for hour, capacity in ((0, 1), (2, 5))
        ]
        in_sql = dict(
            session.execute(select(Slot.id, kept.of_slot(BookingTerms.minimum_notice_minutes, 120))).tuples().all()
        )
        for slot in slots:
            found = kept.terms_of(session, coach_id=slot.coach_id, kind=slot.kind)
            assert in_sql[slot.id] == found.minimum_notice_minutes
        assert sorted(in_sql.values()) == [15, 30, 60, 90]

    def test_a_fee_has_a_currency(self, session: Session) -> None:
        with pytest.raises(InvalidAvailability):
            kept.put_terms(
                session, coach_id=make_coach(session).id, kind="group", said={"late_fee_minor": 1000}, now=NOW
            )
        with pytest.raises(CoachNotFound):
            kept.put_terms(session, coach_id=new_id(), kind="group", said={}, now=NOW)

    def test_what_is_said_again_replaces_what_was_said(self, session: Session) -> None:
        coach = make_coach(session, buffer_minutes=10)
        for said in ({"hold_minutes": 5, "buffer_after_minutes": 20}, {"hold_minutes": 7}):
            found = kept.put_terms(session, coach_id=coach.id, kind="group", said=said, now=NOW)
        assert found is not None
        assert (found.hold_minutes, found.buffer_after_minutes) == (7, 10)  # the coach's own buffer again
        found = kept.put_terms(session, coach_id=coach.id, kind="group", said={}, now=NOW)
        assert found == Terms(buffer_after_minutes=10)
        assert len(session.scalars(select(BookingTerms)).all()) == 1

    def test_a_studios_buffers_space_what_is_free_at_once(self, session: Session) -> None:
        coach, other = make_coach(session), make_coach(session)
        for one in (coach, other):
            session.add(
                AvailabilityRule(
                    coach_id=one.id, weekday=0, starts_at=time(9), ends_at=time(13), valid_from=date(2026, 1, 1)
                )
            )
        session.flush()
        openings.open_slots(session, NOW)
        mondays = select(Slot.coach_id, func.count(Slot.id)).group_by(Slot.coach_id)
        before = dict(session.execute(mondays).tuples().all())
        said = {"buffer_after_minutes": 30}
        studio.put_terms(session, kind="one_to_one", said=said, now=NOW)
        after = dict(session.execute(mondays).tuples().all())
        assert {one: count * 3 // 4 for one, count in before.items()} == after  # three in four hours instead of four
        ids = set(session.scalars(select(Slot.id)))
        studio.put_terms(session, kind="one_to_one", said=said | {"hold_minutes": 5}, now=NOW)
        assert set(session.scalars(select(Slot.id))) == ids  # what leaves the buffers alone leaves the slots alone


class TestMinutes:
    def test_are_told_as_lengths_and_moments(self) -> None:
        terms = Terms(
            buffer_before_minutes=5, buffer_after_minutes=10, minimum_notice_minutes=90, booking_window_days=3,
            free_cancellation_minutes=60,
        )  # fmt: skip
        assert (terms.before, terms.after) == (timedelta(minutes=5), timedelta(minutes=10))
        assert terms.notice == timedelta(minutes=90)
        assert terms.free_until(START) == START - timedelta(hours=1)
        assert terms.is_in_window(START, START - timedelta(days=3))
        assert not terms.is_in_window(START, START - timedelta(days=3, seconds=1))
        assert Terms().is_in_window(START, START - timedelta(days=900))
