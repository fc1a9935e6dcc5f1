"""Signing in with Google or Microsoft: going there, coming back, and the offer to link an account that exists."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.identity import devices
from operational_api.identity.models import Account
from operational_api.identity.pages.common import SIGN_IN, Text
from operational_api.identity.pages.conclude import ask_or_start
from operational_api.identity.service import attempts, step_up
from operational_api.identity.upstream import offers, providers, service
from operational_api.identity.upstream.claims import Person
from operational_api.identity.upstream.errors import Declined, LoginNotFound, NotConfirmed
from operational_api.web import flows
from operational_api.web.language import language_for
from operational_api.web.rendering import person as signed_in
from operational_api.web.rendering import redirect, safe_return_path, time_zone

router = APIRouter(prefix="/login/with")
KIND = "upstream"
LOGINS = "/account/logins"


def leave(request: Request, name: str, **facts: str) -> Response:
    """Send the browser to a provider, and remember what for."""
    provider = providers.named(request, name)
    flow = flows.new(provider=name, **facts)
    response = redirect(request, provider.address(flow))
    flows.keep(request, response, KIND, flow)
    return response


@router.post("/{name}")
def begin(request: Request, name: str, return_to: Text = "", acr: Text = "") -> Response:
    """Go there to sign in or up. A post with the form's token: no other site starts it."""
    facts = {"purpose": "sign_in", "return_to": safe_return_path(return_to, SIGN_IN), "acr": acr}
    try:
        return leave(request, name, **facts)
    except DomainError as error:
        return redirect(request, _login(facts), flash=error.detail, tone="bad")


@router.get("/{name}/callback")
def come_back(
    request: Request, name: str, session: DbSession, state: str = "", code: str = "", iss: str = "", error: str = ""
) -> Response:
    """Back from there: believe the answer or not, then sign in, link, or ask for the way in that they had before."""
    flow = flows.find(request, KIND, state)
    if flow is None or flow["provider"] != name:
        raise NotConfirmed
    is_linking = flow["purpose"] == "link"
    try:
        if error:
            raise Declined if error == "access_denied" else NotConfirmed
        person = providers.named(request, name).person(flow, code=code, iss=iss)
        response = (_link if is_linking else _enter)(request, session, person, flow, datetime.now(UTC))
    except DomainError as refused:  # answered, not raised: an attempt was noted, and this round trip is over
        to = LOGINS if is_linking else _login(flow)
        response = redirect(request, to, flash=refused.detail, tone="info" if isinstance(refused, Declined) else "bad")
    flows.end(request, response, state)
    return response


def _login(facts: dict[str, str]) -> str:
    return f"/login?{urlencode({'return_to': facts['return_to']} | ({'acr': facts['acr']} if facts['acr'] else {}))}"


def _enter(request: Request, session: Session, person: Person, flow: dict[str, str], now: datetime) -> Response:
    arrival = service.arrive(session, person, time_zone=time_zone(request), locale=language_for(request, None), now=now)
    if arrival.must_prove:
        response: Response = redirect(request, _login(flow))
        offers.make(request, response, person, arrival.account)
        return response
    account = arrival.account
    try:
        return ask_or_start(request, session, account, amr=("fed",), onward=flow["return_to"], acr=flow["acr"], now=now)
    except attempts.FAILURES as error:
        browser = devices.browser_of(request, account.email)
        attempts.note_failure(session, email=account.email, account=account, browser=browser, error=error, now=now)
        raise


def _link(request: Request, session: Session, person: Person, flow: dict[str, str], now: datetime) -> Response:
    found = signed_in(request)
    if found is None or found.account_id is None or str(found.session_id) != flow["session_id"]:
        raise LoginNotFound("You signed out meanwhile. Sign in and try again.")
    step_up.demand(session, session_id=found.session_id, now=now, resume=LOGINS)
    account = session.get_one(Account, found.account_id)
    is_new = service.link(session, account=account, person=person, now=now)
    label = service.LABELS[person.provider]
    return redirect(request, LOGINS, flash=f"You can sign in with {label} from now on." if is_new else "Connected.")


def choices(request: Request) -> list[providers.Provider]:
    """The buttons of pages where people sign in or up."""
    return list(providers.of(request).values())
