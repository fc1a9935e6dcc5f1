"""Turning working hours into slots: what the calendar has already, what the hours promise, and the difference written.

The rule itself is `scheduling.hours.openings`; this feeds it from the tables, for one coach or for all in a few
statements.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, any_, delete, exists, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.hours import Rules, Span, WeeklyHours, openings
from operational_api.scheduling.lifecycle import HOLDING, PENDING
from operational_api.scheduling.models import (
    AvailabilityException,
    AvailabilityRule,
    Booking,
    BookingTerms,
    Coach,
    Location,
    PublicHoliday,
    Slot,
    TimeOff,
    WaitlistEntry,
)
from operational_api.scheduling.service import seats, waitlist
from operational_api.scheduling.service.terms import layers, terms_of
from operational_api.scheduling.terms import Terms, effective

HORIZON = timedelta(days=28)
"""How far ahead calendars are open; further for coaches whose booking window is longer."""
LONGEST_SESSION = timedelta(days=1)


@dataclass(slots=True)
class _Calendar:
    """What is known of one coach."""

    weekly: list[WeeklyHours] = field(default_factory=list)
    exceptions: dict[date, list[tuple[time, time]]] = field(default_factory=lambda: defaultdict(list))
    away: list[tuple[date, date]] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    def rules(self, holidays: frozenset[date]) -> Rules:
        """When they work, at a studio with these holidays."""
        return Rules(self.weekly, self.exceptions, holidays, self.away)


def open_slots(session: Session, now: datetime, *, until: datetime | None = None, coach_id: UUID | None = None) -> int:
    """Create the slots that working hours promise after `now`, and close those that lie outside of them now and that
    nobody holds. Running again does neither.

    A slot called off by its coach is not made again, nor one that would come too near to a slot already there.

    Args:
        until: The last start; by default the horizon or the coach's booking window, whichever is further.
        coach_id: Only this coach; None for all who work here.

    Returns:
        How many slots are new.
    """
    return _open(session, _locked(session, coach_id), now, until)


def _open(session: Session, rows: Sequence[tuple[Coach, Location]], now: datetime, until: datetime | None) -> int:
    ids = [coach.id for coach, _ in rows]
    calendars, holidays, said = _calendars(session, ids, now), _holidays(session), layers(session, ids)
    outside = [
        slot.id
        for coach, location in rows
        for slot in _outside(coach, location, calendars[coach.id], holidays[location.id], now)
    ]
    _close_vacant(session, outside, now)
    wanted: list[dict[str, object]] = []
    for coach, location in rows:
        zone = ZoneInfo(location.time_zone)
        terms = _terms(coach, "one_to_one", said)
        for span in _openings(coach, zone, terms, calendars[coach.id], holidays[location.id], said, now, until):
            wanted.append(
                {
                    "id": new_id(), "coach_id": coach.id, "location_id": location.id, "kind": "one_to_one",
                    "title": "Personal training", "starts_at": span.starts_at, "ends_at": span.ends_at, "capacity": 1,
                    "status": "open",
                }
            )  # fmt: skip
    if not wanted:
        return 0
    made = session.scalars(insert(Slot).on_conflict_do_nothing().returning(Slot.id), wanted)
    return len(made.all())


def renew_slots(session: Session, now: datetime, *, coach_id: UUID | None) -> int:
    """Bring one coach's calendar, or everybody's, in line with new hours or buffers.

    Future slots that nobody ever booked or waited for are taken back, then those that are promised are opened.
    """
    rows = _locked(session, coach_id)
    _take_back(session, *_coming(now), *([Slot.coach_id == coach_id] if coach_id is not None else []))
    return _open(session, rows, now, None)


def _locked(session: Session, coach_id: UUID | None) -> list[tuple[Coach, Location]]:
    """One coach or all, locked in everybody's order: what a calendar promises does not change while it is filled."""
    query = select(Coach, Location).join(Location, Location.id == Coach.location_id).order_by(Coach.id)
    if coach_id is not None:
        query = query.where(Coach.id == coach_id)
    locked = query.with_for_update(of=Coach, key_share=True).execution_options(populate_existing=True)
    return list(session.execute(locked).tuples())


def make_room(session: Session, coach_id: UUID, spans: Sequence[Span], now: datetime) -> None:
    """Take back empty sessions in the way of classes, or nearer to them than the terms keep sessions apart."""
    own, other = (terms_of(session, coach_id=coach_id, kind=kind) for kind in ("group", "one_to_one"))
    wide = [one.widened(own.before + other.after, own.after + other.before) for one in spans]
    touches = or_(*(and_(Slot.starts_at < one.ends_at, Slot.ends_at > one.starts_at) for one in wide))
    in_the_way = (*_coming(now), Slot.coach_id == coach_id, touches)
    _take_back(session, *in_the_way)
    _close_vacant(session, session.scalars(select(Slot.id).where(*in_the_way)).all(), now)


def _coming(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Slot.starts_at > now, Slot.status == "open", Slot.kind == "one_to_one"


def _take_back(session: Session, *which: ColumnElement[bool]) -> None:
    """Delete slots that nobody ever booked or waited for."""
    untouched = (
        ~exists().where(Booking.slot_id == Slot.id).correlate(Slot),
        ~exists().where(WaitlistEntry.slot_id == Slot.id).correlate(Slot),
    )
    empty = select(Slot.id).where(*which, *untouched)
    # Locked first and asked again after: whoever books one at this moment has it, and keeps it.
    ids = session.scalars(empty.order_by(Slot.id).with_for_update(skip_locked=True)).all()
    if ids:
        gone = delete(Slot).where(Slot.id == any_(literal(list(ids), ARRAY(Uuid))), *untouched)
        session.execute(gone.execution_options(synchronize_session=False))


def _close_vacant(session: Session, slot_ids: Sequence[UUID], now: datetime) -> None:
    """Withdraw those of these slots that nobody holds a seat of, and that cannot be deleted for their history. Who
    waits for one waits no longer. What another transaction works on at this moment stays.
    """
    if not slot_ids:
        return
    locked = {one.id: one for one in seats.lock_slots(session, slot_ids, skip_locked=True)}
    held = select(Booking.slot_id).where(Booking.slot_id.in_(locked), Booking.status.in_((*HOLDING, *PENDING)))
    vacant = {id_ for id_, one in locked.items() if one.status == "open"} - set(session.scalars(held))
    for id_ in sorted(vacant):
        locked[id_].status = "withdrawn"
        waitlist.expire(session, slot_id=id_, now=now)
    session.flush()


def _outside(
    coach: Coach, location: Location, known: _Calendar, holidays: frozenset[date], now: datetime
) -> Iterator[Slot]:
    """Sessions to come that the hours have no more."""
    zone, rules = ZoneInfo(location.time_zone), known.rules(holidays)
    for slot in known.slots:
        if slot.status == "open" and slot.kind == "one_to_one" and slot.starts_at > now:
            is_kept = rules.have(Span(slot.starts_at, slot.ends_at), zone)
            if not is_kept or not _works_on(coach, slot.starts_at.astimezone(zone).date()):
                yield slot


def _openings(
    coach: Coach, zone: ZoneInfo, terms: Terms, known: _Calendar, holidays: frozenset[date],
    said: Sequence[BookingTerms], now: datetime, until: datetime | None,
) -> list[Span]:  # fmt: skip
    last = until or now + max(HORIZON, timedelta(days=terms.booking_window_days or 0))
    of_classes = _terms(coach, "group", said)
    other = {"one_to_one": terms, "group": of_classes, "assist": of_classes}
    taken = [
        Span(one.starts_at, one.ends_at).widened(other[one.kind].before, other[one.kind].after)
        for one in known.slots
        if one.status == "open"
    ]
    rules = known.rules(holidays)
    called_off = {one.starts_at for one in known.slots if one.kind != "assist" and one.status != "withdrawn"}
    return [
        span
        for span in openings(
            rules, taken, zone=zone, length=timedelta(minutes=coach.session_minutes),
            terms=terms, since=now, until=last,
        )
        if span.starts_at not in called_off and _works_on(coach, span.starts_at.astimezone(zone).date())
    ]  # fmt: skip


def _works_on(coach: Coach, day: date) -> bool:
    return coach.hired_on <= day and (coach.left_on is None or day <= coach.left_on)


def _terms(coach: Coach, kind: str, said: Sequence[BookingTerms]) -> Terms:
    base = Terms(buffer_after_minutes=coach.buffer_minutes)
    return effective(said, coach_id=coach.id, kind=kind, base=base)


def _calendars(session: Session, ids: Sequence[UUID], now: datetime) -> dict[UUID, _Calendar]:
    found: dict[UUID, _Calendar] = {one: _Calendar() for one in ids}
    for rule in session.scalars(select(AvailabilityRule).where(AvailabilityRule.coach_id.in_(ids))):
        found[rule.coach_id].weekly.append(
            WeeklyHours(rule.weekday, rule.starts_at, rule.ends_at, rule.valid_from, rule.valid_to)
        )
    for other in session.scalars(select(AvailabilityException).where(AvailabilityException.coach_id.in_(ids))):
        day = found[other.coach_id].exceptions[other.exception_on]
        if other.starts_at is not None and other.ends_at is not None:
            day.append((other.starts_at, other.ends_at))
    for off in session.scalars(select(TimeOff).where(TimeOff.coach_id.in_(ids))):
        found[off.coach_id].away.append((off.starts_on, off.ends_on))
    for slot in session.scalars(select(Slot).where(Slot.coach_id.in_(ids), Slot.starts_at > now - LONGEST_SESSION)):
        found[slot.coach_id].slots.append(slot)
    return found


def _holidays(session: Session) -> dict[UUID, frozenset[date]]:
    found: dict[UUID, set[date]] = defaultdict(set)
    for location_id, day in session.execute(select(PublicHoliday.location_id, PublicHoliday.holiday_on)).tuples():
        found[location_id].add(day)
    return defaultdict(frozenset, {location: frozenset(days) for location, days in found.items()})
