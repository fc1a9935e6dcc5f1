"""Connecting people's calendars, and leaving them: what opens them lies sealed, and goes with everything they brought
once what we wrote there is taken out again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import CalendarConnected, CalendarDisconnected, CalendarRefusedUs
from contracts.ids import new_id
from contracts.sealing import SealBroken, Sealer
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.policy import Resource
from operational_api.core.retries import RetryPolicy
from operational_api.scheduling.calendars.errors import CalendarRefused
from operational_api.scheduling.calendars.models import (
    BusyTime,
    CalendarConnection,
    CalendarFeed,
    CalendarPush,
    CalendarSecret,
)
from operational_api.scheduling.errors import ConnectionNotFound, OnlyForCoaches, TooManyCalendars
from operational_api.scheduling.models import Coach, Location
from operational_api.scheduling.service import pushes
from operational_api.training import public as training

MOST = 10
"""Calendars of one person."""
LEAVES_WITHIN, CLOSED_WITHIN = timedelta(days=7), timedelta(days=1)
"""How long a calendar's server may be away before we go without having taken out what is ours; the second where the
account was closed."""
TOLD_AFTER_LEAVING = timedelta(days=30)
"""As long as a person is shown that something of ours stayed in their calendar."""
LEASE = timedelta(minutes=5)
"""How long one worker may take to read a calendar, or to go; then another one tries."""
RETRY = RetryPolicy(attempts=1_000, first_seconds=60, longest_seconds=3600)
_LABELS = {"google": "Google Calendar", "microsoft": "Outlook", "caldav": "CalDAV", "feed": "Subscribed calendar"}
Secret = Mapping[str, str]


def list_connections(session: Session, account_id: UUID) -> Sequence[CalendarConnection]:
    """A person's calendars that are connected, or were until they refused us; the newest first."""
    query = select(CalendarConnection).where(
        CalendarConnection.account_id == account_id, CalendarConnection.state != "ended"
    )
    return session.scalars(query.order_by(CalendarConnection.connected_at.desc(), CalendarConnection.id)).all()


@dataclass(frozen=True, slots=True)
class Shown:
    """A connection as its owner is shown it. `remaining`: of one that is left, events of ours that are still in it."""

    row: CalendarConnection
    remaining: int


def shown(session: Session, account_id: UUID, now: datetime) -> list[Shown]:
    """A person's calendars, the newest first, and of those that ended lately the ones in which something stayed."""
    of_it = select(func.count()).where(CalendarPush.connection_id == CalendarConnection.id)
    has_rest = (CalendarConnection.left_behind > 0, CalendarConnection.ended_at > now - TOLD_AFTER_LEAVING)
    query = (
        select(CalendarConnection, of_it.scalar_subquery())
        .where(CalendarConnection.account_id == account_id)
        .where(or_(CalendarConnection.state != "ended", has_rest[0] & has_rest[1]))
        .order_by(CalendarConnection.connected_at.desc(), CalendarConnection.id)
    )
    return [
        Shown(row, remaining if row.state == "leaving" else row.left_behind)
        for row, remaining in session.execute(query).tuples()
    ]


def get_connection(session: Session, connection_id: UUID) -> CalendarConnection:
    """One of them, whosever it is.

    Raises:
        ConnectionNotFound: none, or it ended.
    """
    found = session.get(CalendarConnection, connection_id)
    if found is None or found.state == "ended":
        raise ConnectionNotFound
    return found


def resource_of(connection: CalendarConnection) -> Resource:
    """A connection as the policy sees it: its owner's alone, whichever role they have."""
    owner = connection.account_id
    return Resource("CalendarConnection", connection.id, customer_id=owner, coach_id=owner)


def connect(
    session: Session,
    *,
    account_id: UUID,
    provider: str,
    calendar_id: str,
    label: str,
    secret: Secret,
    expires_at: datetime | None = None,
    sealer: Sealer,
    now: datetime,
) -> CalendarConnection:
    """Connect a calendar, or mend one that is connected: the same one twice is one.

    A coach's is read, for their busy times; all but feeds are written to. Everything that is coming appears in it.

    Args:
        calendar_id: As its provider names it; of a feed, `feed_id` of its address.
        secret: What opens it; sealed here.

    Raises:
        TooManyCalendars.
        OnlyForCoaches: a feed of somebody whose busy times nobody asks for.
    """
    is_coach, zone = _where(session, account_id)
    if provider == "feed" and not is_coach:
        raise OnlyForCoaches
    known = list_connections(session, account_id)
    row = next((one for one in known if (one.provider, one.calendar_id) == (provider, calendar_id)), None)
    if row is not None:
        session.refresh(row, with_for_update=True)
        row = row if row.state != "ended" else None  # the worker left it at this moment
    is_new, is_back = row is None, row is not None and row.state == "leaving"
    if row is None:
        if len(known) >= MOST:
            raise TooManyCalendars
        row = CalendarConnection(
            id=new_id(), account_id=account_id, provider=provider, calendar_id=calendar_id, connected_at=now
        )
    row.label, row.state, row.problem, row.failures = label[:80] or _LABELS[provider], "active", None, 0
    row.is_read, row.is_written, row.time_zone = is_coach, provider != "feed", zone
    row.cursor, row.next_sync_at, row.leaves_by = None, now, None
    session.add(row)
    session.flush()
    keep_secret(session, row.id, secret, expires_at=expires_at, sealer=sealer)
    if is_new:
        publish(
            session, CalendarConnected(occurred_at=now, connection_id=row.id, account_id=account_id, provider=provider)
        )
    if is_new or is_back:
        _audit(session, row, {"connected": provider}, now)
    if row.is_written:
        pushes.want_all(session, row, now=now)
    return row


def feed_id(url: str) -> str:
    """How a feed is known without its address, which is a secret."""
    return hashlib.sha256(url.encode()).hexdigest()


def _where(session: Session, account_id: UUID) -> tuple[bool, str]:
    """Whether somebody is a coach, and the zone of their days."""
    zone = session.scalar(
        select(Location.time_zone).join(Coach, Coach.location_id == Location.id).where(Coach.id == account_id)
    )
    return zone is not None, zone or training.client_time_zone(session, account_id) or "UTC"


def keep_secret(
    session: Session, connection_id: UUID, secret: Secret, *, expires_at: datetime | None, sealer: Sealer
) -> None:
    """Seal what opens a connection. The connection's id is sealed with it: copied to another row it opens nothing."""
    sealed = sealer.seal(f"{connection_id}:{json.dumps(dict(secret))}".encode())
    session.merge(CalendarSecret(connection_id=connection_id, sealed=sealed, expires_at=expires_at))
    session.flush()


def open_secret(row: CalendarSecret, sealer: Sealer) -> dict[str, str]:
    """What opens a connection.

    Raises:
        CalendarRefused: it was sealed with a key that is gone, or for another connection.
    """
    try:
        owner, _, told = sealer.open(row.sealed).decode().partition(":")
    except SealBroken as error:
        raise CalendarRefused from error
    if owner != str(row.connection_id):
        raise CalendarRefused
    found: dict[str, str] = json.loads(told)
    return found


def refuse(session: Session, connection_id: UUID, problem: str, *, now: datetime) -> None:
    """They let us in no longer: nothing is tried until the person connects it again. What we know stays. Of a calendar
    that is left nothing more can be taken out: it ends."""
    row = session.get(CalendarConnection, connection_id, with_for_update=True)
    if row is not None and row.state == "leaving":
        row.leaves_by = row.next_sync_at = now
    elif row is not None and row.state == "active":
        row.state, row.problem = "refused", problem
        publish(
            session,
            CalendarRefusedUs(
                occurred_at=now, connection_id=row.id, account_id=row.account_id, provider=row.provider
            ),
        )  # fmt: skip


def disconnect(
    session: Session, connection_id: UUID, *, within: timedelta = LEAVES_WITHIN, now: datetime
) -> CalendarConnection:
    """Begin to leave a calendar: its busy times count no more, and the worker takes out what we wrote into it. Then,
    or when that could not be done in time, what opens it is given back and forgotten (`end`). Twice is once.

    Args:
        within: When to go at the latest; nothing: at once, and what is there stays there.
    """
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    if row.state == "ended":
        return row
    is_new = row.state != "leaving"
    row.leaves_by = min(row.leaves_by or now + within, now + within)
    row.state, row.next_sync_at, row.cursor, row.failures = "leaving", now, None, 0
    if is_new:
        row.problem = None
        session.execute(delete(BusyTime).where(BusyTime.connection_id == row.id))
        pushes.want_none(session, row.id, now=now)
        _audit(session, row, {"disconnected": row.provider}, now)
    session.flush()
    return row if row.is_written else end(session, row.id, now=now)


def take_leaving(session: Session, now: datetime) -> UUID | None:
    """A calendar in which nothing of ours is any more, or whose time is over; another worker looks elsewhere."""
    row = session.scalar(
        select(CalendarConnection)
        .where(
            CalendarConnection.state == "leaving", CalendarConnection.next_sync_at <= now,
            or_(
                CalendarConnection.leaves_by <= now,
                ~exists().where(CalendarPush.connection_id == CalendarConnection.id),
            ),
        )
        .order_by(CalendarConnection.next_sync_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    if row is None:
        return None
    row.next_sync_at = now + LEASE
    return row.id


def say_problem(
    session: Session, connection_id: UUID, problem: str, *, now: datetime, wait: timedelta | None = None
) -> CalendarConnection:
    """Tell a calendar's owner what is wrong, and look there again later.

    Args:
        wait: What they asked for.
    """
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    row.failures, row.problem = min(row.failures + 1, 1000), problem
    row.next_sync_at = now + (wait or RETRY.delay(min(row.failures, 20)))
    return row


def go_on_leaving(session: Session, connection_id: UUID, *, now: datetime) -> None:
    """Something was taken out of a calendar that is left: what was wrong with it is over."""
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    row.failures, row.problem, row.next_sync_at = 0, None, now


def end(session: Session, connection_id: UUID, *, now: datetime) -> CalendarConnection:
    """Forget what opens a calendar that was left, and what it was to show; unless it was connected again meanwhile."""
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    if row.state != "leaving":
        return row
    rest = select(func.count()).where(CalendarPush.connection_id == row.id)
    row.state, row.ended_at, row.problem, row.left_behind = "ended", now, None, session.scalar(rest) or 0
    row.calendar_id, row.label = "", ""
    for table in (CalendarSecret, CalendarPush):
        session.execute(delete(table).where(table.connection_id == row.id))
    publish(
        session,
        CalendarDisconnected(
            occurred_at=now, connection_id=row.id, account_id=row.account_id, provider=row.provider,
            left_behind=row.left_behind,
        ),
    )  # fmt: skip
    session.flush()
    return row


def forget_person(session: Session, account_id: UUID, *, now: datetime) -> None:
    """Somebody's account was closed: we leave their calendars, within a day, and their feed ends."""
    for one in list_connections(session, account_id):
        disconnect(session, one.id, within=CLOSED_WITHIN, now=now)
        one.label = ""
    for feed in session.scalars(select(CalendarFeed).where(CalendarFeed.account_id == account_id)):
        feed.revoked_at = feed.revoked_at or now


def _audit(session: Session, row: CalendarConnection, details: Mapping[str, str], now: datetime) -> None:
    audit.record(
        session, "scheduling.connect_calendars", "CalendarConnection", row.id, actor_id=row.account_id,
        subject_id=row.account_id, purpose="own", details=details, now=now,
    )  # fmt: skip
