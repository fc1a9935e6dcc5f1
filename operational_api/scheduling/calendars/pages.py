"""The page /calendars: what is connected and how it fares, connecting and disconnecting, the address for other apps."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response

from contracts.sealing import Sealer
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.scheduling.calendars import oauth
from operational_api.scheduling.calendars.addresses import Guard
from operational_api.scheduling.calendars.caldav import CaldavCalendar
from operational_api.scheduling.calendars.errors import CalendarGone, CalendarRefused
from operational_api.scheduling.calendars.google import GoogleCalendar
from operational_api.scheduling.calendars.microsoft import MicrosoftCalendar
from operational_api.scheduling.calendars.port import CalendarRef, Window
from operational_api.scheduling.calendars.router import (
    CONNECT,
    CalendarSealer,
    Settings,
    feed_url,
    leaving_within,
    reach,
)
from operational_api.scheduling.calendars.subscribed import SubscribedCalendar
from operational_api.scheduling.errors import CalendarsNotSetUp
from operational_api.scheduling.service import busy_times, connections, feeds
from operational_api.scheduling.service.calendar_sync import secret_of
from operational_api.scheduling.settings import CalendarSettings
from operational_api.web import flows
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter()
NAV = [NavItem("Calendars", "/calendars", CONNECT, order=70, icon="calendar", place="account")]
HOME, KIND = "/calendars", "calendar"
LABELS = oauth.LABELS | {"caldav": "CalDAV", "feed": "Subscribed calendar"}
Short = Annotated[str, Form(max_length=200)]
Long = Annotated[str, Form(max_length=2000)]


@dataclass
class _Visit:
    """Who looks at the page, and what it is drawn from."""

    request: Request
    principal: CurrentPrincipal
    account_id: CurrentAccount
    session: DbSession
    settings: Settings

    def page(self, **shown: Any) -> Response:
        """What is connected, and what can be; `shown` has what was typed and why it was refused."""
        settings, now, is_coach = self.settings, datetime.now(UTC), self.principal.role != "customer"
        found = feeds.feed_of(self.session, self.account_id) if settings.keys else None
        return render(
            self.request,
            "scheduling/calendars.html",
            connected=connections.shown(self.session, self.account_id, now),
            labels=LABELS,
            offered=oauth.clients(settings) if settings.keys else {},
            has_keys=bool(settings.keys),
            is_coach=is_coach,
            clashes=busy_times.clashes(self.session, self.account_id, now=now) if is_coach else [],
            feed=feed_url(settings, found) if found else "",
            **({"typed": {}, "failed": "", "problem": ""} | shown),
        )

    def connect(self, sealer: Sealer, provider: str, calendar: CalendarRef, secret: connections.Secret) -> None:
        """Connect what has let us in."""
        connections.connect(
            self.session, account_id=self.account_id, provider=provider, calendar_id=calendar.id, label=calendar.name,
            secret=secret, sealer=sealer, now=datetime.now(UTC),
        )  # fmt: skip


Visit = Annotated[_Visit, Depends()]


@router.get("/calendars", dependencies=[Allowed(CONNECT)])
def calendars_page(visit: Visit) -> Response:
    """What is connected, and what can be."""
    return visit.page()


@router.post("/calendars/connect/{provider}", dependencies=[Allowed(CONNECT)])
def begin(request: Request, provider: str, account_id: CurrentAccount, settings: Settings) -> Response:
    """Off to the provider, where the person lets us in."""
    client = oauth.clients(settings).get(provider)
    if client is None or not settings.keys:
        return redirect(request, HOME, flash=CalendarsNotSetUp().detail, tone="bad")
    flow = flows.new(provider=provider, account_id=str(account_id))
    response = redirect(request, client.address(state=flow["state"], verifier=flow["verifier"]))
    flows.keep(request, response, KIND, flow)
    return response


@router.get("/calendars/connect/{provider}/callback", dependencies=[Allowed(CONNECT)])
def come_back(
    request: Request,
    provider: str,
    account_id: CurrentAccount,
    session: DbSession,
    settings: Settings,
    sealer: CalendarSealer,
    state: str = "",
    code: str = "",
    error: str = "",
) -> Response:
    """Back from there: connect the account's main calendar."""
    flow = flows.find(request, KIND, state)
    client = oauth.clients(settings).get(provider)
    is_ours = flow is not None and (flow["provider"], flow["account_id"]) == (provider, str(account_id))
    if flow is None or client is None or not is_ours:
        return redirect(request, HOME, flash="That was not begun here, or too long ago. Please try again.", tone="bad")
    if error or not code:
        response = redirect(request, HOME, flash="You went back. Nothing was connected.", tone="info")
        flows.end(request, response, state)
        return response
    now = datetime.now(UTC)
    try:
        tokens = client.trade(code, flow["verifier"])
        if not tokens.refresh_token:
            raise CalendarRefused("They let us in for an hour only. Remove Plyo there and connect again.")
        main = _main(_oauth_calendars(settings, provider, tokens.access_token))
        connections.connect(
            session, account_id=account_id, provider=provider, calendar_id=main.id, label=main.name,
            secret=secret_of(tokens), expires_at=now + timedelta(seconds=tokens.expires_in), sealer=sealer, now=now,
        )  # fmt: skip
        response = redirect(request, HOME, flash=f"{LABELS[provider]} is connected.")
    except DomainError as refused:
        response = redirect(request, HOME, flash=refused.detail, tone="bad")
    flows.end(request, response, state)
    return response


def _oauth_calendars(settings: CalendarSettings, provider: str, token: str) -> list[CalendarRef]:
    account: GoogleCalendar | MicrosoftCalendar = (
        GoogleCalendar(settings.calendar_google_api_url, token)
        if provider == "google"
        else MicrosoftCalendar(settings.calendar_microsoft_api_url, token)
    )
    with closing(account):
        return account.calendars()


def _main(found: list[CalendarRef]) -> CalendarRef:
    main = next((one for one in found if one.is_writable), None)
    if main is None:
        raise CalendarGone("There is no calendar that we could write to.")
    return main


@router.post("/calendars/caldav", dependencies=[Allowed(CONNECT)])
def connect_caldav(
    visit: Visit, sealer: CalendarSealer, url: Long = "", username: Short = "", password: Short = ""
) -> Response:
    """Connect the first calendar of a CalDAV account, once its server has let us in."""
    typed = {"url": url.strip(), "username": username.strip()}
    try:
        with_password, guard = typed | {"password": password}, Guard.of(visit.settings.calendar_private_networks)
        guard.resolve(typed["url"])  # also what is no address at all
        with closing(CaldavCalendar(**with_password, guard=guard)) as calendar:
            main = _main(calendar.calendars())
        visit.connect(sealer, "caldav", main, with_password)
    except CalendarRefused:
        told = "That server refuses this name and password. Many want a password made for one app."
        return visit.page(typed=typed, failed="caldav", problem=told)
    except DomainError as refused:
        return visit.page(typed=typed, failed="caldav", problem=refused.detail)
    return redirect(visit.request, HOME, flash=f"{main.name} is connected.")


@router.post("/calendars/feeds", dependencies=[Allowed(CONNECT)])
def connect_feed(visit: Visit, sealer: CalendarSealer, address: Long = "", name: Short = "") -> Response:
    """Connect an address with an iCalendar file behind it, once it could be read."""
    typed, now = {"address": address.strip(), "name": name.strip()}, datetime.now(UTC)
    try:
        calendar = SubscribedCalendar(typed["address"], Guard.of(visit.settings.calendar_private_networks))
        calendar.changes("", None, Window(now, now + timedelta(days=7)), zone="UTC")
        subscribed = CalendarRef(connections.feed_id(typed["address"]), typed["name"], False, False)
        visit.connect(sealer, "feed", subscribed, {"url": typed["address"]})
    except DomainError as refused:
        return visit.page(typed=typed, failed="feed", problem=refused.detail)
    return redirect(visit.request, HOME, flash="Connected. What is in it is busy from now on.")


@router.post("/calendars/address", dependencies=[Allowed(CONNECT)])
def renew_address(
    request: Request,
    account_id: CurrentAccount,
    session: DbSession,
    settings: Settings,
    action: Annotated[str, Form(max_length=10)] = "renew",
) -> Response:
    """A new secret address for other apps, or none any more."""
    now = datetime.now(UTC)
    if not settings.keys:
        return redirect(request, HOME, flash=CalendarsNotSetUp().detail, tone="bad")
    if action == "end":
        feeds.revoke(session, account_id, now=now)
        return redirect(request, HOME, flash="The address opens nothing any more.")
    feeds.renew(session, account_id, now=now)
    return redirect(request, HOME, flash="Here is your address. Keep it to yourself.")


@router.post("/calendars/{connection_id}/end", dependencies=[Allowed(CONNECT)])
def end_calendar(
    request: Request, connection_id: UUID, principal: CurrentPrincipal, session: DbSession,
    at_once: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Disconnect a calendar once our sessions are taken out of it, or at once."""
    row = reach(session, principal, connection_id)
    label = row.label or LABELS[row.provider]
    row = connections.disconnect(session, row.id, now=datetime.now(UTC), **leaving_within(at_once))
    if row.state == "ended":
        return redirect(request, HOME, flash=f"{label} is disconnected. What we knew of it is gone.")
    if at_once:
        return redirect(request, HOME, flash=f"{label} is being disconnected. What is in it stays there.")
    return redirect(request, HOME, flash=f"{label} is being disconnected. Our sessions are taken out of it first.")
