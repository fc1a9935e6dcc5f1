"""Bookings as calendars know them: a UID for as long as they exist, a sequence that grows with each change.

A coach sees a group's session once, however many come; everybody else sees bookings. Those that recur are one entry.
Who assists a class sees it from when they were asked to, whoever comes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from operational_api.scheduling.calendars.models import CalendarEntry
from operational_api.scheduling.calendars.port import Entry, Occurrence, Series, uid_of
from operational_api.scheduling.lifecycle import HOLDING
from operational_api.scheduling.models import Booking, BookingMove, BookingSeries, Coach, Location, Slot
from operational_api.scheduling.recurrence import starts_of
from operational_api.training import public as training

SHOWN_AFTER_CANCELLING = timedelta(days=30)
"""As long as a feed says that something was cancelled, so that calendars that ask seldom hear of it."""
SHOWN_PAST = timedelta(days=90)
MOST = 2000
_Row = Row[tuple[Booking, Slot, str, Location, CalendarEntry]]
"""The last of them is None of a booking that was never moved nor cancelled."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry and what it is of: one of the three."""

    entry: Entry
    booking_id: UUID | None = None
    slot_id: UUID | None = None
    series_id: UUID | None = None


def moved(session: Session, *, old_id: UUID, new_id: UUID, now: datetime) -> None:
    """The new booking is the old one at another time: it takes its UID over. One of a series has no UID of its own."""
    if session.scalar(select(Booking.series_id).where(Booking.id == old_id)) is not None:
        return
    old = _of(session, old_id, now)
    old.is_superseded = True
    values = {"uid": old.uid, "sequence": old.sequence + 1, "changed_at": now}
    session.execute(
        insert(CalendarEntry)
        .values(booking_id=new_id, **values)
        .on_conflict_do_update(index_elements=[CalendarEntry.booking_id], set_=values)
    )
    # The new one was itself moved on or cancelled before this was heard: what it is called follows.
    session.execute(
        update(CalendarEntry)
        .where(CalendarEntry.uid == uid_of(new_id), CalendarEntry.booking_id != new_id)
        .values(uid=old.uid, sequence=CalendarEntry.sequence + old.sequence + 1)
    )
    session.flush()


def changed(session: Session, *, booking_id: UUID, now: datetime) -> None:
    """One change more, of a series where it is one of it; unless another booking has taken its place. An assistant's
    place, and a class to who leads it, are known by the slot's id.
    """
    series_id = session.scalar(select(Booking.series_id).where(Booking.id == booking_id))
    if series_id is not None:
        session.execute(
            update(BookingSeries)
            .where(BookingSeries.id == series_id)
            .values(sequence=BookingSeries.sequence + 1, changed_at=now)
        )
        return
    entry = _of(session, booking_id, now)
    if not entry.is_superseded:
        entry.sequence, entry.changed_at = entry.sequence + 1, now
    session.flush()


def _of(session: Session, booking_id: UUID, now: datetime) -> CalendarEntry:
    values = {"booking_id": booking_id, "uid": uid_of(booking_id), "sequence": 0, "changed_at": now}
    session.execute(insert(CalendarEntry).values(**values).on_conflict_do_nothing())
    return session.scalars(select(CalendarEntry).where(CalendarEntry.booking_id == booking_id).with_for_update()).one()


def coming(session: Session, account_id: UUID, now: datetime) -> list[Shown]:
    """Everything of a person that a newly connected calendar is to show."""
    query = _rows().where(_is_of(account_id), Booking.status == "booked", Booking.ends_at > now)
    found = _told(session, session.execute(query.order_by(Booking.starts_at).limit(MOST)).all(), account_id)
    return found + _assisting(session, Slot.coach_id == account_id, Slot.status == "open", Slot.ends_at > now)


def of_feed(session: Session, account_id: UUID, now: datetime) -> list[Entry]:
    """What a person's feed shows: coming bookings, past ones for a while, and what was cancelled, for a while too."""
    query = _rows().where(
        _is_of(account_id),
        Booking.starts_at > now - SHOWN_PAST,
        or_(Booking.status.in_(HOLDING), Booking.cancelled_at > now - SHOWN_AFTER_CANCELLING),
        or_(CalendarEntry.is_superseded.is_(None), CalendarEntry.is_superseded.is_(False)),
    )
    rows = session.execute(query.order_by(Booking.starts_at.desc(), Booking.id).limit(MOST)).all()
    is_shown = or_(Slot.status == "open", CalendarEntry.changed_at > now - SHOWN_AFTER_CANCELLING)
    found = _told(session, rows, account_id)
    found += _assisting(session, Slot.coach_id == account_id, Slot.starts_at > now - SHOWN_PAST, is_shown)
    return sorted((one.entry for one in found), key=lambda one: (one.starts_at, one.uid))


def of_booking(session: Session, booking_id: UUID, account_id: UUID) -> Entry | None:
    """One booking as this person's calendar shows it, with all of its series; None where there is none or another has
    taken its place."""
    rows = session.execute(_rows().where(Booking.id == booking_id)).all()
    if rows and rows[0][0].series_id is not None:
        return of_series(session, rows[0][0].series_id, account_id)
    if not rows or (rows[0][4] is not None and rows[0][4].is_superseded):
        return None
    return _entry(rows[0], _names(session, rows, account_id), account_id)


def of_slot(session: Session, slot_id: UUID) -> Entry | None:
    """A group's session as its coach's calendar shows it, there while anybody comes, or as its assistant's does."""
    rows = session.execute(_rows().where(Slot.id == slot_id)).all()
    if rows:
        return _group(rows, _changes(session, [slot_id])[slot_id])
    helped = _assisting(session, Slot.id == slot_id)
    return helped[0].entry if helped else None


def _assisting(session: Session, *which: ColumnElement[bool]) -> list[Shown]:
    """Classes that a coach helps with, with who leads them. What is known of such a place is kept by its slot's id."""
    led = aliased(Slot)
    rows = session.execute(
        select(Slot, Coach.display_name, Location, CalendarEntry)
        .join(led, led.id == Slot.assists_id)
        .join(Coach, Coach.id == led.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .outerjoin(CalendarEntry, CalendarEntry.booking_id == Slot.id)
        .where(Slot.kind == "assist", *which)
        .order_by(Slot.starts_at, Slot.id)
        .limit(MOST)
    ).tuples()
    return [
        Shown(
            Entry(
                uid=uid_of(place.id), sequence=known.sequence if known else 0, title=f"{place.title} with {lead}",
                location=f"{location.name}, {location.city}", starts_at=place.starts_at, ends_at=place.ends_at,
                time_zone=location.time_zone, changed_at=known.changed_at if known else place.created_at,
                is_cancelled=place.status != "open",
            ),
            slot_id=place.id,
        )
        for place, lead, location, known in rows
    ]  # fmt: skip


def of_series(session: Session, series_id: UUID, account_id: UUID) -> Entry | None:
    """Sessions that recur as this person's calendar shows them; None where they have none of them."""
    return _series(session, [series_id], account_id).get(series_id)


def _series(session: Session, ids: Collection[UUID], account_id: UUID) -> dict[UUID, Entry]:
    if not ids:
        return {}
    found: dict[UUID, list[_Row]] = {}
    for row in session.execute(
        _rows().where(_is_of(account_id), Booking.series_id.in_(ids)).order_by(Booking.recurs_at, Booking.booked_at)
    ).all():
        found.setdefault(row[0].series_id or row[0].id, []).append(row)
    every = {one.id: one for one in session.scalars(select(BookingSeries).where(BookingSeries.id.in_(found)))}
    names = _names(session, [rows[0] for rows in found.values()], account_id)
    return {id_: _recurring(every[id_], rows, names, account_id) for id_, rows in found.items()}


def _recurring(series: BookingSeries, rows: Sequence[_Row], names: dict[UUID, str], account_id: UUID) -> Entry:
    first = _entry(rows[0], names, account_id)
    starts = starts_of(series.rule, series.starts_on, series.wall_start, rows[0][3].time_zone)
    shown = [
        Occurrence(one.recurs_at, one.starts_at, one.ends_at)
        for one, *_ in rows
        if one.status in HOLDING and one.recurs_at is not None
    ]
    return replace(
        first, uid=uid_of(series.id), sequence=series.sequence, changed_at=series.changed_at, is_cancelled=not shown,
        starts_at=starts[0], ends_at=starts[0] + timedelta(minutes=series.minutes),
        series=Series(series.rule, starts, shown),
    )  # fmt: skip


def _changes(session: Session, slot_ids: Collection[UUID]) -> dict[UUID, list[datetime]]:
    """When classes changed as calendars know them: moved or changed while somebody comes, somebody stays away, or
    somebody comes again after nobody did. Of all that ever were booked, however long ago: a sequence never shrinks."""
    query = (
        select(Booking.slot_id, BookingMove.moved_at)
        .join(Booking, Booking.id == BookingMove.to_booking_id)
        .where(Booking.slot_id.in_(slot_ids), BookingMove.from_booking_id == BookingMove.to_booking_id)
    )
    found: dict[UUID, list[datetime]] = {one: [] for one in slot_ids}
    for slot_id, moved_at in session.execute(query.distinct()).tuples():
        found[slot_id].append(moved_at)
    known = select(CalendarEntry.booking_id, CalendarEntry.changed_at, CalendarEntry.sequence)
    for slot_id, changed_at, times in session.execute(known.where(CalendarEntry.booking_id.in_(slot_ids))).tuples():
        found[slot_id] += [changed_at] * times
    seats = select(Booking.slot_id, Booking.booked_at, Booking.cancelled_at).where(Booking.slot_id.in_(slot_ids))
    empty_since: dict[UUID, datetime | None] = {}
    for slot_id, booked_at, cancelled_at in session.execute(seats.order_by(Booking.booked_at, Booking.id)).tuples():
        since = empty_since.get(slot_id, cancelled_at)
        if slot_id in empty_since and since is not None and since <= booked_at:
            found[slot_id].append(booked_at)
        if cancelled_at is not None:
            found[slot_id].append(cancelled_at)
        empty_since[slot_id] = max(since, cancelled_at) if since is not None and cancelled_at is not None else None
    return found


def _rows() -> Select[tuple[Booking, Slot, str, Location, CalendarEntry]]:
    return (
        select(Booking, Slot, Coach.display_name, Location, CalendarEntry)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .outerjoin(CalendarEntry, CalendarEntry.booking_id == Booking.id)
    )


def _is_of(account_id: UUID) -> ColumnElement[bool]:
    return or_(Booking.customer_id == account_id, Booking.coach_id == account_id)


def _told(session: Session, rows: Sequence[_Row], account_id: UUID) -> list[Shown]:
    names = _names(session, rows, account_id)
    groups: dict[UUID, list[_Row]] = {}
    recurring: set[UUID] = set()
    found: list[Shown] = []
    for row in rows:
        if is_group_of(row[1], account_id):
            groups.setdefault(row[1].id, []).append(row)
        elif row[0].series_id is not None:
            recurring.add(row[0].series_id)
        else:
            found.append(Shown(_entry(row, names, account_id), booking_id=row[0].id))
    changes = _changes(session, groups) if groups else {}
    found += [Shown(entry, series_id=id_) for id_, entry in _series(session, recurring, account_id).items()]
    return found + [Shown(_group(members, changes[id_]), slot_id=id_) for id_, members in groups.items()]


def is_group_of(slot: Slot, account_id: UUID) -> bool:
    """Whether the person leads this slot and it is a group's: then they see the slot, not who comes."""
    return slot.coach_id == account_id and slot.kind == "group"


def _names(session: Session, rows: Iterable[_Row], account_id: UUID) -> dict[UUID, str]:
    clients = {row[0].customer_id for row in rows if row[0].coach_id == account_id}
    return training.client_names(session, clients) if clients else {}


def _entry(row: _Row, names: dict[UUID, str], account_id: UUID) -> Entry:
    booking, slot, coach_name, location, known = row
    other = coach_name if booking.customer_id == account_id else names.get(booking.customer_id, "a new client")
    is_cancelled = booking.status not in HOLDING
    return Entry(
        uid=known.uid if known else uid_of(booking.id),
        sequence=known.sequence if known else int(is_cancelled),
        title=f"{slot.title} with {other}", location=f"{location.name}, {location.city}",
        starts_at=booking.starts_at, ends_at=booking.ends_at, time_zone=location.time_zone,
        changed_at=known.changed_at if known else booking.cancelled_at or booking.booked_at, is_cancelled=is_cancelled,
    )  # fmt: skip


def _group(rows: Sequence[_Row], changes: Sequence[datetime]) -> Entry:
    """A group's session."""
    _, slot, _, location, _ = rows[0]
    is_cancelled = not any(row[0].status in HOLDING for row in rows)
    return Entry(
        uid=uid_of(slot.id), sequence=len(changes), title=slot.title,
        location=f"{location.name}, {location.city}", starts_at=slot.starts_at, ends_at=slot.ends_at,
        time_zone=location.time_zone, changed_at=max([min(row[0].booked_at for row in rows), *changes]),
        is_cancelled=is_cancelled,
    )  # fmt: skip
