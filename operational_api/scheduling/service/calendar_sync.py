"""The worker's hand: brings what is due to calendars outside, and reads what changed in them.

No transaction is open while a server is waited for: work is taken on in one, done, and noted in another. Who dies in
between is followed by another worker, and everything done twice is done once.
"""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, String, any_, delete, literal, or_, select
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from contracts.sealing import Sealer
from contracts.telemetry import get_logger, trace
from operational_api.core import failpoints
from operational_api.core.errors import DomainError
from operational_api.scheduling.calendars import oauth
from operational_api.scheduling.calendars.addresses import Guard
from operational_api.scheduling.calendars.caldav import CaldavCalendar
from operational_api.scheduling.calendars.errors import (
    AddressNotAllowed,
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CursorTooOld,
)
from operational_api.scheduling.calendars.google import GoogleCalendar
from operational_api.scheduling.calendars.microsoft import MicrosoftCalendar
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection, CalendarSecret
from operational_api.scheduling.calendars.port import Calendar, Changes, Readable, Window
from operational_api.scheduling.calendars.subscribed import SubscribedCalendar
from operational_api.scheduling.service import connections, mending, pushes
from operational_api.scheduling.settings import CalendarSettings

log = get_logger(__name__)
LOOKS_BACK, LOOKS_AHEAD = timedelta(days=1), timedelta(days=120)
READ_ANEW_BEFORE = timedelta(days=90)
"""A calendar is read whole again once less than this is known ahead: series reach no further than they were read."""
FRESH = timedelta(minutes=2)
"""A token that lives no longer than this is renewed first."""
_FOR_THE_PERSON = (CalendarRefused, CalendarGone, AddressNotAllowed)


class CalendarWorker:
    """Does one thing that is due each time it is asked.

    Args:
        sessions: Of the system.
    """

    def __init__(self, sessions: sessionmaker[Session], settings: CalendarSettings) -> None:
        self._sessions, self._settings = sessions, settings
        self._sealer = Sealer(settings.keys) if settings.keys else None
        self._guard = Guard.of(settings.calendar_private_networks)
        self._oauth = oauth.clients(settings)

    def run_due(self) -> bool:
        """Bring and read one thing each, so that neither waits for all of the other, and leave one calendar.

        Returns:
            Whether there was something, so that more may be waiting.
        """
        if self._sealer is None:
            return False
        with trace():
            return any([self.push_next(), self.sync_next(), self.leave_next()])

    def push_next(self) -> bool:
        """Have one calendar show one booking."""
        with self._sessions.begin() as session:
            due = pushes.take_next(session, datetime.now(UTC))
        if due is None:
            return False
        try:
            with closing(self._open(due.connection_id)) as found:
                calendar = cast(Calendar, found)
                pushed = None
                if due.entry is not None and not due.entry.is_cancelled:
                    pushed = calendar.put(due.calendar_id, due.entry, due.known)
                elif (known := due.known or calendar.find(due.calendar_id, due.uid)) is not None:
                    calendar.cancel(due.calendar_id, known)
        except DomainError as error:
            log.warning("calendar_push_failed", connection=str(due.connection_id), code=error.code())
            self._push_failed(due, error)
            return True
        except Exception as error:
            log.exception("calendar_push_broke", connection=str(due.connection_id))
            self._push_failed(due, error)
            return True
        failpoints.hit("calendars.before_note")
        with self._sessions.begin() as session:
            if due.is_leaving:
                connections.go_on_leaving(session, due.connection_id, now=datetime.now(UTC))
            pushes.done(session, due, pushed, now=datetime.now(UTC))
        return True

    def _push_failed(self, due: pushes.Due, error: Exception) -> None:
        now = datetime.now(UTC)
        wait = timedelta(seconds=error.retry_after) if isinstance(error, CalendarThrottled) else None
        with self._sessions.begin() as session:
            if isinstance(error, _FOR_THE_PERSON):  # the connection's row first, as whoever disconnects locks them
                connections.refuse(session, due.connection_id, error.detail, now=now)
            elif due.is_leaving:
                connections.say_problem(session, due.connection_id, _told(error), now=now, wait=wait)
            pushes.failed(session, due, error, now=now, wait=wait)

    def leave_next(self) -> bool:
        """Give back and forget what opens one calendar in which nothing of ours is any more, or whose time is over."""
        with self._sessions.begin() as session:
            id_ = connections.take_leaving(session, datetime.now(UTC))
        if id_ is None:
            return False
        try:
            self._give_back(id_)
        except CalendarUnreachable as error:
            now = datetime.now(UTC)
            log.warning("calendar_leave_not_returned", connection=str(id_))
            with self._sessions.begin() as session:
                row = connections.say_problem(session, id_, error.detail, now=now)
                if row.leaves_by is None or row.leaves_by > now:
                    return True
        failpoints.hit("calendars.before_end")
        with self._sessions.begin() as session:
            connections.end(session, id_, now=datetime.now(UTC))
        return True

    def _give_back(self, connection_id: UUID) -> None:
        """Tell a provider that we need its leave no more."""
        with self._sessions() as session:
            row, kept = session.get_one(CalendarConnection, connection_id), session.get(CalendarSecret, connection_id)
            client = self._oauth.get(row.provider)
            if row.state != "leaving" or client is None or kept is None or self._sealer is None:
                return
            try:
                token = connections.open_secret(kept, self._sealer)["refresh_token"]
            except CalendarRefused:  # sealed with a key that is gone: nothing to give back
                return
        client.revoke(token)

    def sync_next(self) -> bool:
        """Read what changed in one calendar."""
        now = datetime.now(UTC)
        with self._sessions.begin() as session:
            row = session.scalar(
                select(CalendarConnection)
                .where(
                    CalendarConnection.state == "active", CalendarConnection.is_read,
                    CalendarConnection.next_sync_at <= now,
                )
                .order_by(CalendarConnection.next_sync_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )  # fmt: skip
            if row is None:
                return False
            row.next_sync_at = now + connections.LEASE
            is_known = row.read_until is not None and row.read_until > now + READ_ANEW_BEFORE
            id_, calendar_id, cursor, zone = row.id, row.calendar_id, row.cursor, row.time_zone
        window = Window(now - LOOKS_BACK, now + LOOKS_AHEAD)
        try:
            with closing(self._open(id_)) as calendar:
                try:
                    changes = calendar.changes(calendar_id, cursor if is_known else None, window, zone=zone)
                except CursorTooOld:
                    changes = calendar.changes(calendar_id, None, window, zone=zone)
        except DomainError as error:
            log.warning("calendar_sync_failed", connection=str(id_), code=error.code())
            self._sync_failed(id_, error)
            return True
        except Exception as error:
            log.exception("calendar_sync_broke", connection=str(id_))
            self._sync_failed(id_, error)
            return True
        with self._sessions.begin() as session:
            every = timedelta(seconds=self._settings.calendar_sync_seconds)
            apply(session, id_, changes, read_from=cursor, window=window, now=now, next_at=now + every)
        return True

    def _sync_failed(self, connection_id: UUID, error: Exception) -> None:
        now = datetime.now(UTC)
        wait = timedelta(seconds=error.retry_after) if isinstance(error, CalendarThrottled) else None
        with self._sessions.begin() as session:
            if isinstance(error, _FOR_THE_PERSON):
                connections.refuse(session, connection_id, _told(error), now=now)
            elif session.get_one(CalendarConnection, connection_id, with_for_update=True).state == "active":
                connections.say_problem(session, connection_id, _told(error), now=now, wait=wait)

    def _open(self, connection_id: UUID) -> Readable:
        with self._sessions() as session:
            row = session.get_one(CalendarConnection, connection_id)
            provider, state = row.provider, row.state
            kept = session.get(CalendarSecret, connection_id)
            if kept is None or state not in ("active", "leaving") or self._sealer is None:
                raise CalendarRefused
            secret = connections.open_secret(kept, self._sealer)
        if provider == "caldav":
            return CaldavCalendar(secret["url"], secret["username"], secret["password"], self._guard)
        if provider == "feed":
            return SubscribedCalendar(secret["url"], self._guard)
        token = self.access_token(connection_id)
        if provider == "google":
            return GoogleCalendar(self._settings.calendar_google_api_url, token)
        return MicrosoftCalendar(self._settings.calendar_microsoft_api_url, token)

    def access_token(self, connection_id: UUID) -> str:
        """A token that lives for a while yet. Of workers that find it old at once, one renews it: the others wait.

        Raises:
            CalendarRefused, CalendarUnreachable.
        """
        with self._sessions.begin() as session:
            row = session.get(CalendarSecret, connection_id, with_for_update=True)
            provider = session.scalar(select(CalendarConnection.provider).where(CalendarConnection.id == connection_id))
            if row is None or self._sealer is None or provider not in self._oauth:
                raise CalendarRefused
            secret, now = connections.open_secret(row, self._sealer), datetime.now(UTC)
            if row.expires_at is not None and row.expires_at > now + FRESH:
                return secret["access_token"]
            tokens = self._oauth[provider].refresh(secret["refresh_token"])
            connections.keep_secret(
                session, connection_id, secret_of(tokens, secret["refresh_token"]),
                expires_at=now + timedelta(seconds=tokens.expires_in), sealer=self._sealer,
            )  # fmt: skip
            return tokens.access_token


def _told(error: Exception) -> str:
    told = "That failed on our side. We try again."
    return error.detail if isinstance(error, DomainError) else told


def secret_of(tokens: oauth.Tokens, known: str = "") -> dict[str, str]:
    """Tokens as they are kept; the refresh token we know goes on counting where no new one came."""
    return {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token or known}


def apply(
    session: Session,
    connection_id: UUID,
    changes: Changes,
    *,
    read_from: str | None,
    window: Window,
    now: datetime,
    next_at: datetime,
) -> None:
    """Note what a calendar said, unless it ended or somebody else read it meanwhile.

    Args:
        read_from: The connection's cursor when reading began.
    """
    row = session.get_one(CalendarConnection, connection_id, with_for_update=True)
    if row.state != "active" or row.cursor != read_from:
        return
    ours = pushes.own_ids(session, row.id)
    stale = delete(BusyTime).where(BusyTime.connection_id == row.id)
    if not changes.is_full:
        touched = any_(
            literal(list(changes.touched), ARRAY(String))
        )  # one value: there may be more than a statement has
        stale = stale.where(or_(BusyTime.external_id == touched, BusyTime.series_id == touched))
    if changes.is_full or changes.touched:
        session.execute(stale)
    spans = {(one.external_id, one.starts_at, one.ends_at, one.series_id) for one in changes.busy}
    session.add_all(
        BusyTime(
            id=new_id(), connection_id=row.id, coach_id=row.account_id, external_id=id_, series_id=series,
            starts_at=starts_at, ends_at=ends_at,
        )
        for id_, starts_at, ends_at, series in sorted(spans)
        if ends_at > starts_at and id_ not in ours
    )  # fmt: skip
    mending.mend(session, changes, ours, now=now)
    row.cursor, row.last_synced_at, row.next_sync_at = changes.cursor, now, next_at
    row.failures, row.problem = 0, None
    if changes.is_full:
        row.read_until = window.until
    session.flush()
