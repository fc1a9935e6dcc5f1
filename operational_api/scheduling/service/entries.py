"""Bookings as calendars know them: a UID for as long as they exist, a sequence that grows with each change.

A coach sees a group's session once, however many come; everybody else sees bookings.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.scheduling.calendars.models import CalendarEntry
from operational_api.scheduling.calendars.port import Entry, uid_of
from operational_api.scheduling.lifecycle import HOLDING
from operational_api.scheduling.models import Booking, Coach, Location, Slot
from operational_api.training import public as training

SHOWN_AFTER_CANCELLING = timedelta(days=30)
"""As long as a feed says that something was cancelled, so that calendars that ask seldom hear of it."""
SHOWN_PAST = timedelta(days=90)
MOST = 2000
_Row = Row[tuple[Booking, Slot, str, Location, CalendarEntry]]
"""The last of them is None of a booking that was never moved nor cancelled."""


def moved(session: Session, *, old_id: UUID, new_id: UUID, now: datetime) -> None:
    """The new booking is the old one at another time: it takes its UID over."""
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


def cancelled(session: Session, *, booking_id: UUID, now: datetime) -> None:
    """One change more, unless another booking has taken its place."""
    entry = _of(session, booking_id, now)
    if not entry.is_superseded:
        entry.sequence, entry.changed_at = entry.sequence + 1, now
    session.flush()


def _of(session: Session, booking_id: UUID, now: datetime) -> CalendarEntry:
    values = {"booking_id": booking_id, "uid": uid_of(booking_id), "sequence": 0, "changed_at": now}
    session.execute(insert(CalendarEntry).values(**values).on_conflict_do_nothing())
    return session.scalars(select(CalendarEntry).where(CalendarEntry.booking_id == booking_id).with_for_update()).one()


def coming(session: Session, account_id: UUID, now: datetime) -> list[tuple[UUID | None, UUID | None, Entry]]:
    """Everything of a person that a newly connected calendar is to show: (booking id, slot id of a group, entry)."""
    query = _rows().where(_is_of(account_id), Booking.status == "booked", Booking.ends_at > now)
    return _told(session, session.execute(query.order_by(Booking.starts_at).limit(MOST)).all(), account_id)


def of_feed(session: Session, account_id: UUID, now: datetime) -> list[Entry]:
    """What a person's feed shows: coming bookings, past ones for a while, and what was cancelled, for a while too."""
    query = _rows().where(
        _is_of(account_id),
        Booking.starts_at > now - SHOWN_PAST,
        or_(Booking.status.in_(HOLDING), Booking.cancelled_at > now - SHOWN_AFTER_CANCELLING),
        or_(CalendarEntry.is_superseded.is_(None), CalendarEntry.is_superseded.is_(False)),
    )
    rows = session.execute(query.order_by(Booking.starts_at.desc(), Booking.id).limit(MOST)).all()
    return sorted((one for *_, one in _told(session, rows, account_id)), key=lambda one: (one.starts_at, one.uid))


def of_booking(session: Session, booking_id: UUID, account_id: UUID) -> Entry | None:
    """One booking as this person's calendar shows it; None where there is none or another has taken its place."""
    rows = session.execute(_rows().where(Booking.id == booking_id)).all()
    if not rows or (rows[0][4] is not None and rows[0][4].is_superseded):
        return None
    return _entry(rows[0], _names(session, rows, account_id), account_id)


def of_slot(session: Session, slot_id: UUID) -> Entry | None:
    """A group's session as its coach's calendar shows it: there while anybody comes."""
    rows = session.execute(_rows().where(Slot.id == slot_id)).all()
    return _group(rows) if rows else None


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


def _told(session: Session, rows: Sequence[_Row], account_id: UUID) -> list[tuple[UUID | None, UUID | None, Entry]]:
    names = _names(session, rows, account_id)
    groups: dict[UUID, list[_Row]] = {}
    found: list[tuple[UUID | None, UUID | None, Entry]] = []
    for row in rows:
        if is_group_of(row[1], account_id):
            groups.setdefault(row[1].id, []).append(row)
        else:
            found.append((row[0].id, None, _entry(row, names, account_id)))
    return found + [(None, slot_id, _group(members)) for slot_id, members in groups.items()]


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


def _group(rows: Sequence[_Row]) -> Entry:
    _, slot, _, location, _ = rows[0]
    is_cancelled = not any(row[0].status in HOLDING for row in rows)
    changes = [row[0].cancelled_at for row in rows if row[0].cancelled_at] if is_cancelled else []
    return Entry(
        uid=uid_of(slot.id), sequence=int(is_cancelled), title=slot.title,
        location=f"{location.name}, {location.city}", starts_at=slot.starts_at, ends_at=slot.ends_at,
        time_zone=location.time_zone, changed_at=max(changes) if changes else min(row[0].booked_at for row in rows),
        is_cancelled=is_cancelled,
    )  # fmt: skip
