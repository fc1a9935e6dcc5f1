"""What connected calendars are to show, written down where it changes and done later: each as often as it takes.

A push is a state to reach, not a command: whoever does it looks at the booking as it is then. So order does not
matter, nor how often it is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core.retries import RetryPolicy, told
from operational_api.scheduling.calendars.models import CalendarConnection, CalendarPush
from operational_api.scheduling.calendars.port import Entry, Pushed, uid_of
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.service import entries

RETRY = RetryPolicy(attempts=20, first_seconds=5, longest_seconds=3600)
"""Half a day in all; after that the next change of the booking, or connecting anew, begins again."""
LEASE = timedelta(minutes=2)
"""How long one worker may take; then another one tries."""


@dataclass(frozen=True, slots=True)
class Due:
    """One push that somebody has taken on. `entry` None or cancelled: take it away; `is_leaving`: and for good."""

    connection_id: UUID
    uid: str
    calendar_id: str
    sequence: int
    entry: Entry | None
    known: Pushed | None
    is_leaving: bool = False


def follow(session: Session, booking: Booking, *, now: datetime) -> None:
    """Have the calendars of both people of a booking show what became of it."""
    for connection in _written(session, booking.customer_id, booking.coach_id):
        slot = session.get_one(Slot, booking.slot_id)
        if entries.is_group_of(slot, connection.account_id):
            want(session, connection.id, uid=uid_of(slot.id), slot_id=slot.id, now=now)
            continue
        entry = entries.of_booking(session, booking.id, connection.account_id)
        if entry is not None and entry.series is not None:
            want(session, connection.id, uid=entry.uid, series_id=booking.series_id, now=now)
        elif entry is not None:
            want(session, connection.id, uid=entry.uid, booking_id=booking.id, now=now)
        else:  # moved to another coach, whose calendar has it now: this one's loses it
            session.execute(
                update(CalendarPush)
                .where(CalendarPush.connection_id == connection.id, CalendarPush.booking_id == booking.id)
                .values(sequence=CalendarPush.sequence + 1, due_at=now, attempts=0)
            )


def follow_assistant(session: Session, place: Slot, *, now: datetime) -> None:
    """Have the calendars of who helps with a class show what became of their place in it."""
    for connection in _written(session, place.coach_id):
        want(session, connection.id, uid=uid_of(place.id), slot_id=place.id, now=now)


def _written(session: Session, *people: UUID) -> Sequence[CalendarConnection]:
    """Calendars of these people that show what is theirs here."""
    return session.scalars(
        select(CalendarConnection).where(
            CalendarConnection.account_id.in_(people),
            CalendarConnection.is_written,
            CalendarConnection.state.in_(("active", "refused")),
        )
    ).all()


def want(
    session: Session, connection_id: UUID, *, uid: str, booking_id: UUID | None = None, slot_id: UUID | None = None,
    series_id: UUID | None = None, now: datetime,
) -> None:  # fmt: skip
    """Have it done now, and again if it is being done at this moment. What is shown is one of the three."""
    statement = insert(CalendarPush).values(
        connection_id=connection_id, uid=uid, booking_id=booking_id, slot_id=slot_id, series_id=series_id, sequence=0,
        due_at=now,
    )  # fmt: skip
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[CalendarPush.connection_id, CalendarPush.uid],
            set_={
                "sequence": CalendarPush.sequence + 1, "due_at": now, "attempts": 0, "last_error": None,
                "booking_id": statement.excluded.booking_id,
            },
        )
    )  # fmt: skip


def want_all(session: Session, connection: CalendarConnection, *, now: datetime) -> None:
    """Have a calendar show everything that is coming; what it was to show before is tried again."""
    for one in entries.coming(session, connection.account_id, now):
        want(
            session, connection.id, uid=one.entry.uid, booking_id=one.booking_id, slot_id=one.slot_id,
            series_id=one.series_id, now=now,
        )  # fmt: skip


def want_none(session: Session, connection_id: UUID, *, now: datetime) -> None:
    """Have a calendar show nothing of ours any more. What a worker has in hand is let lie until its lease is over: its
    answer says where the event is."""
    of_it = CalendarPush.connection_id == connection_id
    is_away = (CalendarPush.external_id.is_(None), CalendarPush.due_at.is_(None), CalendarPush.pushed_at.is_not(None))
    session.execute(delete(CalendarPush).where(of_it, *is_away))
    due_at = func.least(func.greatest(func.coalesce(CalendarPush.due_at, now), now), now + LEASE)
    session.execute(
        update(CalendarPush)
        .where(of_it)
        .values(sequence=CalendarPush.sequence + 1, due_at=due_at, attempts=0, last_error=None)
    )


def take_next(session: Session, now: datetime) -> Due | None:
    """The push that has been due longest and nobody else has taken on; those of calendars that are left come last."""
    is_leaving = and_(CalendarConnection.state == "leaving", CalendarConnection.leaves_by > now)
    row = session.execute(
        select(CalendarPush, CalendarConnection)
        .join(CalendarConnection, CalendarConnection.id == CalendarPush.connection_id)
        .where(CalendarPush.due_at <= now, or_(CalendarConnection.state == "active", is_leaving))
        .order_by(CalendarConnection.state == "leaving", CalendarPush.due_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=CalendarPush)
    ).one_or_none()
    if row is None:
        return None
    push, connection = row._tuple()
    push.due_at = now + LEASE
    leaves = connection.state == "leaving"
    entry = None if leaves else _entry(session, push, connection.account_id)
    known = Pushed(push.external_id, push.etag or "") if push.external_id else None
    return Due(connection.id, push.uid, connection.calendar_id, push.sequence, entry, known, leaves)


def entry_of(session: Session, push: CalendarPush) -> Entry | None:
    """What a calendar is to show of it now; None: nothing."""
    return _entry(session, push, session.get_one(CalendarConnection, push.connection_id).account_id)


def _entry(session: Session, push: CalendarPush, account_id: UUID) -> Entry | None:
    if push.series_id is not None:
        return _without_what_they_took_away(entries.of_series(session, push.series_id, account_id), push)
    if push.slot_id is not None:
        return entries.of_slot(session, push.slot_id)
    return entries.of_booking(session, push.booking_id, account_id) if push.booking_id else None


def _without_what_they_took_away(entry: Entry | None, push: CalendarPush) -> Entry | None:
    if entry is None or entry.series is None:
        return entry
    away = {datetime.fromisoformat(one): datetime.fromisoformat(began) for one, began in push.away.items()}
    series = entry.series.without(away)
    return replace(entry, series=series, is_cancelled=not series.shown)


def done(session: Session, due: Due, pushed: Pushed | None, *, now: datetime) -> None:
    """It shows what it should; None: nothing. What changed meanwhile is done again at once."""
    push = _locked(session, due)
    if push is None:
        return
    if due.is_leaving and push.sequence == due.sequence:
        session.delete(push)
        return
    push.external_id, push.etag = (pushed.external_id, pushed.etag) if pushed else (None, None)
    push.occurrences = {id_: one.isoformat() for id_, one in pushed.occurrences.items()} if pushed else {}
    push.pushed_sequence, push.pushed_at, push.attempts, push.last_error = due.sequence, now, 0, None
    push.due_at = None if push.sequence == due.sequence else now


def failed(session: Session, due: Due, error: Exception, *, now: datetime, wait: timedelta | None = None) -> None:
    """It could not be done; try again later, or no more after the last time, which a calendar that is left has none of.

    Args:
        wait: What they asked for, which counts for every push of the connection and is no try.
    """
    if wait is not None:
        session.execute(
            update(CalendarPush)
            .where(CalendarPush.connection_id == due.connection_id, CalendarPush.due_at < now + wait)
            .values(due_at=now + wait)
        )
        session.execute(
            update(CalendarPush)
            .where(CalendarPush.connection_id == due.connection_id, CalendarPush.uid == due.uid)
            .values(due_at=now + wait)
        )
        return
    push = _locked(session, due)
    if push is not None:
        push.attempts, push.last_error = push.attempts + 1, told(error)
        is_last = RETRY.is_last(push.attempts) and not due.is_leaving
        push.due_at = None if is_last else now + RETRY.delay(min(push.attempts, RETRY.attempts))


def own_ids(session: Session, connection_id: UUID) -> dict[str, CalendarPush]:
    """Our events in a calendar by the ids they have there, those of a series' occurrences among them."""
    rows: Sequence[CalendarPush] = session.scalars(
        select(CalendarPush).where(CalendarPush.connection_id == connection_id, CalendarPush.external_id.is_not(None))
    ).all()
    return {id_: row for row in rows for id_ in (str(row.external_id), *row.occurrences)}


def _locked(session: Session, due: Due) -> CalendarPush | None:
    return session.get(CalendarPush, (due.connection_id, due.uid), with_for_update=True)
