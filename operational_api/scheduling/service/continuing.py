"""Bookings that recur going on: each week that a calendar has opened for is booked where it is free.

For the worker, about all series at once. How a series begins and ends is `recurring`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, DateTime, Uuid, and_, func, literal, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import SeriesSessionMissed
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import AllowanceUsed, PlanRequired, SlotNotFound, SlotTaken, TooLate
from operational_api.scheduling.models import Booking, BookingSeries, Coach, Location, Slot
from operational_api.scheduling.recurrence import LONGEST, Recurrence, at_wall_time, parse
from operational_api.scheduling.service import openings, payment, seats
from operational_api.scheduling.service.recurring import DAY, LIVE, WEEK, attempt, end_series, open_until
from operational_api.scheduling.service.terms import layers
from operational_api.scheduling.terms import Terms, effective

MOST_SERIES = 200
"""Series that are continued in one transaction; of more, those with a new week come first."""
TIME_TO_CANCEL = timedelta(days=1)
"""What is booked by itself can be cancelled for nothing at least this long."""


def go_on(session: Session, now: datetime) -> list[Booking]:
    """Book on what goes on: each week that the calendar is open for and that was not booked before, where it is free.

    A week whose booking was cancelled or moved is not booked again. What cannot be had is told once and tried again,
    as long as whoever gets it so has time to cancel it. Of a series that nothing pays for and of which nothing is
    booked any more no more is tried.
    """
    due = sorted((one for one in _plans(session, now) if one.is_due(now)), key=lambda one: not one.has_news(now))
    due = due[:MOST_SERIES]
    query = select(BookingSeries).where(BookingSeries.id.in_([one.series.id for one in due]), BookingSeries.goes_on)
    query = query.order_by(BookingSeries.id).with_for_update(key_share=True, skip_locked=True)
    ours = {one.id for one in session.scalars(query.execution_options(populate_existing=True))}
    due = [one for one in due if one.series.id in ours]
    wanted = {slot.id for plan in due for slot, _ in plan.slots.values()}
    locked = {slot.id for slot in seats.lock_slots(session, wanted, skip_locked=True)}
    for customer_id in sorted({one.series.customer_id for one in due}):  # after slots and before packs, as everybody
        payment.one_at_a_time(session, customer_id)
    return [booking for plan in due for booking in plan.follow(session, locked, now)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """The coming sessions of one series that were never booked, by start, and the coach's open ones that would be they,
    with whether a seat was free."""

    series: BookingSeries
    terms: Terms
    starts: Sequence[tuple[date, datetime]]
    slots: Mapping[datetime, tuple[Slot, bool]]

    def is_due(self, now: datetime) -> bool:
        """Whether there is something to book or to tell."""
        return self.has_news(now) or any(self._is_free(starts_at, now) for _, starts_at in self.starts)

    def has_news(self, now: datetime) -> bool:
        """Whether there is a week that was not looked at before."""
        last = self.series.looked_at or self.series.starts_on
        return any(day > last and not self._is_to_come(starts_at, now) for day, starts_at in self.starts)

    def _is_free(self, starts_at: datetime, now: datetime) -> bool:
        return self.slots.get(starts_at, (None, False))[1] and self._is_in_time(starts_at, now)

    def _is_in_time(self, starts_at: datetime, now: datetime) -> bool:
        return self.terms.free_until(starts_at) >= now + TIME_TO_CANCEL

    def _is_to_come(self, starts_at: datetime, now: datetime) -> bool:
        if starts_at in self.slots:
            return not self.terms.is_in_window(starts_at, now)
        return starts_at > open_until(self.terms, now)

    def follow(self, session: Session, locked: Collection[UUID], now: datetime) -> Iterator[Booking]:
        """Book what can be had."""
        series, last = self.series, self.series.looked_at or self.series.starts_on
        for day, starts_at in self.starts:
            slot, is_free = self.slots.get(starts_at, (None, False))
            if self._is_to_come(starts_at, now) or (slot is not None and slot.id not in locked):
                break  # not yet, or somebody works on it: next time
            outcome: Booking | DomainError = SlotNotFound() if slot is None else SlotTaken()
            if is_free:
                outcome = TooLate()
                if self._is_in_time(starts_at, now):
                    outcome = attempt(session, slot, customer_id=series.customer_id, now=now)
            if isinstance(outcome, Booking):
                self._add(session, outcome, day, now)
                yield outcome
            elif day > last:
                event = SeriesSessionMissed(
                    occurred_at=now, series_id=series.id, customer_id=series.customer_id, coach_id=series.coach_id,
                    starts_at=starts_at, reason=outcome.code(),
                )  # fmt: skip
                publish(session, event)
                if isinstance(outcome, PlanRequired | AllowanceUsed) and not _has_coming(session, series, now):
                    end_series(session, series_id=series.id, now=now, reason="unpaid")
                    return
            last = series.looked_at = max(day, last)
        step = parse(series.rule, most=LONGEST).interval * WEEK
        if series.ends_on is not None and last + step > series.ends_on:
            end_series(session, series_id=series.id, now=now, reason="over")

    def _add(self, session: Session, booking: Booking, day: date, now: datetime) -> None:
        series, rule = self.series, parse(self.series.rule, most=LONGEST)
        booking.series_id, booking.recurs_at = series.id, booking.starts_at
        number = (day - series.starts_on) // (rule.interval * WEEK) + 1
        if rule.count is not None and number > rule.count:
            series.rule = str(Recurrence(rule.interval, rule.weekdays, count=number, most=LONGEST))
        series.sequence, series.changed_at = series.sequence + 1, now
        session.flush()


def _plans(session: Session, now: datetime) -> list[_Plan]:
    """Of every series that goes on, in a few statements."""
    rows = session.execute(
        select(BookingSeries, Coach.buffer_minutes, Location.time_zone)
        .join(Coach, Coach.id == BookingSeries.coach_id)
        .join(Location, Location.id == BookingSeries.location_id)
        .where(BookingSeries.goes_on)
    ).tuples()
    every = rows.all()
    said = layers(session, [one.coach_id for one, *_ in every])
    ids = [one.id for one, *_ in every]
    pairs = select(Booking.series_id, Booking.recurs_at)
    known = set(session.execute(pairs.where(Booking.series_id.in_(ids), Booking.recurs_at > now)).tuples())
    drafts: list[tuple[BookingSeries, Terms, list[tuple[date, datetime]]]] = []
    for series, buffer_minutes, time_zone in every:
        base, zone = Terms(buffer_after_minutes=buffer_minutes), ZoneInfo(time_zone)
        terms = effective(said, coach_id=series.coach_id, kind=series.kind, base=base)
        starts = [(day, at_wall_time(day, series.wall_start, zone)) for day in _days(series, _last_day(terms, now))]
        drafts.append((series, terms, [one for one in starts if one[1] > now and (series.id, one[1]) not in known]))
    wanted = {(series.coach_id, starts_at) for series, _, starts in drafts for _, starts_at in starts}
    # Two values, however many series there are: a statement has no more than 65,535.
    coaches, begins = [one[0] for one in wanted], [one[1] for one in wanted]
    moments = func.unnest(literal(coaches, ARRAY(Uuid)), literal(begins, ARRAY(DateTime(timezone=True))))
    at = moments.table_valued("coach_id", "starts_at").render_derived()
    found = session.execute(
        select(Slot, Slot.capacity > seats.count_held(now))
        .join(at, and_(Slot.coach_id == at.c.coach_id, Slot.starts_at == at.c.starts_at))
        .where(Slot.status == "open")
    ).tuples()
    slots = {(one.coach_id, one.location_id, one.kind, one.starts_at): (one, is_free) for one, is_free in found}
    return [
        _Plan(series, terms, starts, {
            starts_at: slots[key] for _, starts_at in starts
            if (key := (series.coach_id, series.location_id, series.kind, starts_at)) in slots
        })
        for series, terms, starts in drafts
    ]  # fmt: skip


def _last_day(terms: Terms, now: datetime) -> date:
    """Beyond it no calendar is open."""
    return (now + max(openings.HORIZON, timedelta(days=terms.booking_window_days or 0)) + DAY).date()


def _days(series: BookingSeries, last: date) -> Iterator[date]:
    """The days of a series up to one, as far as it goes at all."""
    step = parse(series.rule, most=LONGEST).interval * WEEK
    for number in range(LONGEST):
        day = series.starts_on + number * step
        if day > last or (series.ends_on is not None and day > series.ends_on):
            return
        yield day


def _has_coming(session: Session, series: BookingSeries, now: datetime) -> bool:
    query = select(Booking.id).where(
        Booking.series_id == series.id, Booking.status.in_(LIVE), Booking.starts_at > now
    )  # fmt: skip
    return session.scalar(query.limit(1)) is not None
