"""HTTP of calendars outside, included under /api/scheduling: a person's connections, the feed that apps read."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from contracts.sealing import Sealer
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed, require
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.scheduling.calendars import feed
from operational_api.scheduling.calendars.models import CalendarConnection, CalendarFeed
from operational_api.scheduling.calendars.schemas import ConnectionRead, FeedRead
from operational_api.scheduling.errors import CalendarsNotSetUp, ConnectionNotFound
from operational_api.scheduling.service import connections, entries, feeds
from operational_api.scheduling.settings import CalendarSettings

router = APIRouter(route_class=IdempotentRoute)
CONNECT = "scheduling.connect_calendars"
FEEDS = "/api/scheduling/calendar-feeds"


def calendar_settings(request: Request) -> CalendarSettings:
    """This process's settings of calendars; tests and other deployments put their own on the app."""
    state = request.app.state
    if not hasattr(state, "calendar_settings"):
        own = state.settings
        state.calendar_settings = CalendarSettings(public_url=own.public_url, session_secret=own.session_secret)
    found: CalendarSettings = state.calendar_settings
    return found


Settings = Annotated[CalendarSettings, Depends(calendar_settings)]


def sealer_of(settings: Settings) -> Sealer:
    """What seals the secrets of connections.

    Raises:
        CalendarsNotSetUp: no key is set.
    """
    if not settings.keys:
        raise CalendarsNotSetUp
    return Sealer(settings.keys)


CalendarSealer = Annotated[Sealer, Depends(sealer_of)]


def reach(session: DbSession, principal: Principal, connection_id: UUID) -> CalendarConnection:
    """A connection of the person who asks; anybody else's is like a missing one."""
    row = connections.get_connection(session, connection_id)
    require(principal, CONNECT, connections.resource_of(row), missing=ConnectionNotFound)
    return row


def leaving_within(at_once: bool) -> dict[str, timedelta]:
    """How long taking out what is ours may take, as it was asked for."""
    return {"within": timedelta()} if at_once else {}


def feed_url(settings: CalendarSettings, found: CalendarFeed) -> str:
    """The whole address of a feed."""
    return f"{settings.public_url}{FEEDS}/{feeds.token_of(found, settings.keys)}.ics"


@router.get("/calendar-connections", dependencies=[Allowed(CONNECT)])
def list_connections(account_id: CurrentAccount, session: DbSession) -> Page[ConnectionRead]:
    """The calendars that the person who asks has connected."""
    rows = connections.list_connections(session, account_id)
    return Page(items=[ConnectionRead.model_validate(row) for row in rows], next_cursor=None)


@router.delete("/calendar-connections/{connection_id}", status_code=204, dependencies=[Allowed(CONNECT)])
def end_connection(
    connection_id: UUID, principal: CurrentPrincipal, session: DbSession, at_once: Annotated[bool, Query()] = False
) -> None:
    """Disconnect a calendar: its busy times count no more. Our events are taken out of it first, which may take up to a
    week where its server is away; then what opened it is gone. `at_once` leaves there what is there."""
    connections.disconnect(
        session, reach(session, principal, connection_id).id, now=datetime.now(UTC), **leaving_within(at_once)
    )


@router.post("/calendar-feeds", status_code=201, dependencies=[Allowed(CONNECT)])
def renew_feed(account_id: CurrentAccount, session: DbSession, settings: Settings) -> FeedRead:
    """A new secret address of one's bookings for calendar apps; an old one opens nothing from then on."""
    if not settings.keys:
        raise CalendarsNotSetUp
    return FeedRead(url=feed_url(settings, feeds.renew(session, account_id, now=datetime.now(UTC))))


@router.get(
    "/calendar-feeds/{token}.ics",
    response_class=Response,
    responses={200: {"content": {feed.MEDIA_TYPE: {}}}, 304: {"description": "Nothing changed."}},
    dependencies=[Allowed("scheduling.open_calendar_feed")],
)
def read_feed(
    request: Request, token: Annotated[str, Path(max_length=100)], session: DbSession, settings: Settings
) -> Response:
    """A person's bookings as an iCalendar feed, for whoever has its secret address."""
    found = feeds.open_feed(session, token, settings.keys)
    shown = entries.of_feed(session, found.account_id, datetime.now(UTC))
    text = feed.render(shown, name="Plyo")
    changed_at = max([found.created_at, *(one.changed_at for one in shown)])
    headers = {
        "ETag": feed.etag_of(text), "Last-Modified": format_datetime(changed_at.astimezone(UTC), usegmt=True),
        "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex",
        "Content-Disposition": 'inline; filename="plyo.ics"',
    }  # fmt: skip
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type=feed.MEDIA_TYPE, headers=headers)
