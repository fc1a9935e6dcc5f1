"""Bookings that recur: the same hour of the same coach week after week, each a booking of its own.

What the calendar is open for is booked at once; what lies beyond follows as it opens, up to the last week that is
wanted, or until somebody ends it. What cannot be had is told and left out, and taken after all where it is free in
time; the first has to be there. A session may be moved or cancelled by itself, or cancelled with all that follow.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from contracts.events.scheduling import SeriesBooked, SeriesEnded, SeriesSessionMissed
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import (
    AllowanceUsed,
    InvalidRecurrence,
    NotRecurring,
    PlanRequired,
    SeriesNotFound,
    SlotNotFound,
    SlotTaken,
    TooEarly,
    TooLate,
)
from operational_api.scheduling.models import Booking, BookingSeries, Coach, Location, Slot
from operational_api.scheduling.recurrence import LONGEST, Recurrence, at_wall_time, parse
from operational_api.scheduling.service import bookings, openings, payment, seats
from operational_api.scheduling.service.terms import layers, terms_of
from operational_api.scheduling.terms import Terms, effective

MOST = 26
"""Sessions that are looked for at once: half a year of weeks."""
MOST_SERIES = 200
"""Series that are continued in one transaction; of more, those with a new week come first."""
TIME_TO_CANCEL = timedelta(days=1)
"""What is booked by itself can be cancelled for nothing at least this long."""
LIVE = ("booked", "requested", "held")
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Missed:
    """A session that the rule has and that could not be booked, and why."""

    starts_at: datetime
    reason: DomainError


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of it, by start. `series` is None where only one could be booked and none can follow: it is a booking
    like any."""

    bookings: Sequence[Booking]
    missed: Sequence[Missed]
    series: BookingSeries | None


def book_series(
    session: Session,
    *,
    customer_id: UUID,
    slot_id: UUID,
    times: int | None = None,
    until: date | None = None,
    interval: int = 1,
    now: datetime,
) -> Booked:
    """Book a session and the same hour of its coach in the weeks that follow, on the studio's clock.

    Args:
        times: How many weeks in all, 2 to 26. None: up to `until`, or without an end.
        until: The last day on which there may be a session, on the studio's calendar; instead of `times`.
        interval: 1 is every week, 2 every second.

    Raises:
        InvalidRecurrence: another number of weeks, or an end before the second.
        Whatever booking the first one refuses (`bookings.book_session`).
    """
    if times is not None and (until is not None or not 2 <= times <= MOST):
        raise InvalidRecurrence(f"Sessions are booked for 2 to {MOST} weeks, up to a day, or until you end it.")
    first = session.get(Slot, slot_id)
    if first is None:
        raise SlotNotFound
    zone = ZoneInfo(session.get_one(Location, first.location_id).time_zone)
    local = first.starts_at.astimezone(zone)
    step = interval * WEEK
    ends_on = until if times is None else local.date() + (times - 1) * step
    if ends_on is not None and ends_on < local.date() + step:
        raise InvalidRecurrence("By that day there is no second session.")
    count = MOST if ends_on is None else min(MOST, (ends_on - local.date()) // step + 1)
    days = Recurrence(interval, count=count).days(local.date())
    # Of an hour that autumn repeats the first slot's own moment counts.
    starts = [first.starts_at, *(at_wall_time(day, local.time(), zone) for day in days[1:])]
    slots = _slots(session, first.coach_id, first.location_id, first.kind, starts)
    seats.lock_slots(session, {first.id, *(one.id for one in slots.values())})
    terms = terms_of(session, coach_id=first.coach_id, kind=first.kind)
    opened = _open_until(terms, now)
    made, missed = [bookings.book_session(session, customer_id=customer_id, slot_id=first.id, now=now)], []
    looked_at = local.date()
    for day, starts_at in zip(days[1:], starts[1:], strict=True):
        outcome = _attempt(session, slots.get(starts_at), customer_id=customer_id, now=now)
        if isinstance(outcome, Booking):
            made.append(outcome)
        elif starts_at > opened or isinstance(outcome, TooEarly):
            continue
        else:
            missed.append(Missed(starts_at, outcome))
        looked_at = day
    goes_on = ends_on is None or looked_at + step <= ends_on
    if len(made) == 1 and not goes_on:
        return Booked(made, missed, None)
    series = BookingSeries(
        customer_id=customer_id, coach_id=first.coach_id, location_id=first.location_id, kind=first.kind,
        rule=str(Recurrence(interval, count=starts.index(made[-1].starts_at) + 1)), starts_on=local.date(),
        wall_start=local.time(), minutes=(first.ends_at - first.starts_at) // timedelta(minutes=1), changed_at=now,
        goes_on=goes_on, ends_on=ends_on, looked_at=looked_at,
    )  # fmt: skip
    session.add(series)
    session.flush()
    for booking in made:
        booking.series_id, booking.recurs_at = series.id, booking.starts_at
    session.flush()
    event = SeriesBooked(
        occurred_at=now, series_id=series.id, customer_id=customer_id, coach_id=series.coach_id, rule=series.rule,
        starts_at=first.starts_at, booking_ids=tuple(one.id for one in made), goes_on=goes_on, ends_on=ends_on,
    )  # fmt: skip
    publish(session, event)
    return Booked(made, missed, series)


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


def end_series(session: Session, *, series_id: UUID, now: datetime, reason: str = "ended") -> BookingSeries:
    """Book no more of a series; what is booked stays. Twice is once.

    Raises:
        SeriesNotFound: there is none.
    """
    series = session.get(BookingSeries, series_id, with_for_update={"key_share": True}, populate_existing=True)
    if series is None:
        raise SeriesNotFound
    if series.goes_on:
        series.goes_on, series.ended_at = False, now
        session.flush()
        event = SeriesEnded(
            occurred_at=now, series_id=series.id, customer_id=series.customer_id, coach_id=series.coach_id,
            reason=reason,
        )  # fmt: skip
        publish(session, event)
    return series


def end_series_of(session: Session, *, booking_id: UUID, now: datetime) -> BookingSeries:
    """`end_series` of the series that a booking is of.

    Raises:
        BookingNotFound.
        NotRecurring: it is of no series.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.series_id is None:
        raise NotRecurring
    return end_series(session, series_id=booking.series_id, now=now)


def end_all(session: Session, *, customer_id: UUID, now: datetime) -> None:
    """Nothing goes on of a customer who left."""
    query = select(BookingSeries.id).where(BookingSeries.customer_id == customer_id, BookingSeries.goes_on)
    for series_id in session.scalars(query.order_by(BookingSeries.id)).all():
        end_series(session, series_id=series_id, now=now)


def cancel_following(
    session: Session, *, booking_id: UUID, now: datetime, by_coach: bool = False
) -> list[Booking]:  # fmt: skip
    """Cancel a booking and all that follow it in its series, each by its own terms: what is late counts as used. It
    does not go on.

    Raises:
        BookingNotFound.
        NotRecurring: it is of no series.
        BookingClosed, SessionStarted: that one itself is over.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.series_id is None or booking.recurs_at is None:
        raise NotRecurring
    end_series(session, series_id=booking.series_id, now=now)
    found = session.scalars(
        select(Booking)
        .where(
            Booking.series_id == booking.series_id, Booking.recurs_at > booking.recurs_at,
            Booking.status.in_(LIVE), Booking.starts_at > now,
        )
        .order_by(Booking.slot_id)
    ).all()  # fmt: skip
    seats.lock_slots(session, {booking.slot_id, *(one.slot_id for one in found)})
    seats.lock_credits(session, Booking.id.in_([booking.id, *(one.id for one in found)]))
    gone = [bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=by_coach)]
    for one in found:
        session.refresh(one)
        if one.status in LIVE:
            gone.append(bookings.cancel_booking(session, booking_id=one.id, now=now, by_coach=by_coach))
    return sorted(gone, key=lambda one: one.starts_at)


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
        return starts_at > _open_until(self.terms, now)

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
                    outcome = _attempt(session, slot, customer_id=series.customer_id, now=now)
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
    wanted = [(series.coach_id, starts_at) for series, _, starts in drafts for _, starts_at in starts]
    found = session.execute(
        select(Slot, Slot.capacity > seats.count_held(now)).where(
            tuple_(Slot.coach_id, Slot.starts_at).in_(wanted), Slot.status == "open"
        )
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


def _open_until(terms: Terms, now: datetime) -> datetime:
    """Up to when a session that is not there will not come: the calendar is opened by the hour, in whole days."""
    reach = openings.HORIZON if terms.booking_window_days is None else timedelta(days=terms.booking_window_days)
    return now + reach - DAY


def _has_coming(session: Session, series: BookingSeries, now: datetime) -> bool:
    query = select(Booking.id).where(
        Booking.series_id == series.id, Booking.status.in_(LIVE), Booking.starts_at > now
    )  # fmt: skip
    return session.scalar(query.limit(1)) is not None


def _attempt(session: Session, slot: Slot | None, *, customer_id: UUID, now: datetime) -> Booking | DomainError:
    """A booking, or why there is none."""
    if slot is None:
        return SlotNotFound()
    try:
        with session.begin_nested():
            return bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=now)
    except DomainError as refusal:
        return refusal


def _slots(
    session: Session, coach_id: UUID, location_id: UUID, kind: str, starts: Sequence[datetime]
) -> dict[datetime, Slot]:
    """The coach's open sessions of that kind at these times, by start."""
    found = session.scalars(
        select(Slot).where(
            Slot.coach_id == coach_id, Slot.location_id == location_id, Slot.kind == kind,
            Slot.status == "open", Slot.starts_at.in_(starts),
        )
    )  # fmt: skip
    return {one.starts_at: one for one in found}
