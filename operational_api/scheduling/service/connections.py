"""Connecting people's calendars: what opens them lies sealed, and goes with everything they brought when it ends."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import CalendarConnected, CalendarDisconnected, CalendarRefusedUs
from contracts.ids import new_id
from contracts.sealing import SealBroken, Sealer
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.policy import Resource
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
_LABELS = {"google": "Google Calendar", "microsoft": "Outlook", "caldav": "CalDAV", "feed": "Subscribed calendar"}
Secret = Mapping[str, str]


def list_connections(session: Session, account_id: UUID) -> Sequence[CalendarConnection]:
    """A person's calendars that are connected, or were until they refused us; the newest first."""
    query = select(CalendarConnection).where(
        CalendarConnection.account_id == account_id, CalendarConnection.state != "ended"
    )
    return session.scalars(query.order_by(CalendarConnection.connected_at.desc(), CalendarConnection.id)).all()


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
    is_new = row is None
    if row is None:
        if len(known) >= MOST:
            raise TooManyCalendars
        row = CalendarConnection(
            id=new_id(), account_id=account_id, provider=provider, calendar_id=calendar_id, connected_at=now
        )
    row.label, row.state, row.problem, row.failures = label[:80] or _LABELS[provider], "active", None, 0
    row.is_read, row.is_written, row.time_zone = is_coach, provider != "feed", zone
    row.cursor, row.next_sync_at = None, now
    session.add(row)
    session.flush()
    keep_secret(session, row.id, secret, expires_at=expires_at, sealer=sealer)
    if is_new:
        publish(
            session, CalendarConnected(occurred_at=now, connection_id=row.id, account_id=account_id, provider=provider)
        )
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
    """They let us in no longer: nothing is tried until the person connects it again. What we know stays."""
    row = session.get(CalendarConnection, connection_id, with_for_update=True)
    if row is not None and row.state == "active":
        row.state, row.problem = "refused", problem
        publish(
            session,
            CalendarRefusedUs(
                occurred_at=now, connection_id=row.id, account_id=row.account_id, provider=row.provider
            ),
        )  # fmt: skip


def disconnect(session: Session, connection_id: UUID, *, now: datetime) -> CalendarConnection:
    """End a connection: its secret, its busy times and what it was to show are gone. Twice is once.

    What we wrote into the calendar stays there: we cannot reach it without the leave that ends here.
    """
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    if row.state == "ended":
        return row
    row.state, row.ended_at, row.cursor, row.problem = "ended", now, None, None
    row.calendar_id, row.label = "", ""
    for table in (CalendarSecret, BusyTime, CalendarPush):
        session.execute(delete(table).where(table.connection_id == row.id))
    publish(
        session,
        CalendarDisconnected(occurred_at=now, connection_id=row.id, account_id=row.account_id, provider=row.provider),
    )
    _audit(session, row, {"disconnected": row.provider}, now)
    session.flush()
    return row


def forget_person(session: Session, account_id: UUID, *, now: datetime) -> None:
    """Somebody's account was closed: their calendars end, and so does their feed."""
    for one in list_connections(session, account_id):
        disconnect(session, one.id, now=now)
    for feed in session.scalars(select(CalendarFeed).where(CalendarFeed.account_id == account_id)):
        feed.revoked_at = feed.revoked_at or now


def _audit(session: Session, row: CalendarConnection, details: Mapping[str, str], now: datetime) -> None:
    audit.record(
        session, "scheduling.connect_calendars", "CalendarConnection", row.id, actor_id=row.account_id,
        subject_id=row.account_id, purpose="own", details=details, now=now,
    )  # fmt: skip
