"""/staff/leads: who left their address, who calls them, and what became of them. Part of `pages`."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from operational_api.core import audit
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.engagement import access
from operational_api.engagement.errors import InvalidEmail
from operational_api.engagement.models import Lead
from operational_api.engagement.schemas import NO_NUL
from operational_api.engagement.service import leads
from operational_api.scheduling import public as scheduling
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import WayBack, redirect, render

router = APIRouter(prefix="/staff/leads", route_class=IdempotentRoute)
NAV = [NavItem("Leads", "/staff/leads", access.KEEP_LEADS, order=52, icon="mail")]
SHOWN = 25
TABS = {"waiting": "Waiting", "account": "Have an account", "lost": "Not coming"}
SOURCES = {
    "website": "Website", "referral": "A friend", "instagram": "Instagram", "walk_in": "Walked in", "event": "An event",
    "other": "Somewhere else",
}  # fmt: skip
Typed = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
Sent = Annotated[str, Form(max_length=254, pattern=NO_NUL)]


def _source_of(lead: Lead) -> str:
    """In words; a CRM may know others than we ask for."""
    return SOURCES.get(lead.source, lead.source.replace("_", " ").capitalize())


@router.get("", dependencies=[Allowed(access.KEEP_LEADS)])
def search(
    request: Request, principal: CurrentPrincipal, session: DbSession, state: leads.State = "waiting", q: Typed = "",
    cursor: Cursor = None,
) -> Response:  # fmt: skip
    """Leads in a state, the latest first. Looking is written down."""
    return _list(request, principal, session, state=state, q=q, cursor=cursor)


def _list(
    request: Request, principal: CurrentPrincipal, session: DbSession, *, state: leads.State = "waiting", q: str = "",
    cursor: str | None = None, sent: dict[str, str] | None = None, refusal: str | None = None,
) -> Response:  # fmt: skip
    kept_to = access.studios_of(session, principal)
    found, older = access.list_leads(session, principal, state, wanted=q, studios=kept_to, limit=SHOWN, cursor=cursor)
    studios = {one.location_id: one.name for one in scheduling.studios(session)}
    return render(
        request, "engagement/leads.html", status_code=422 if refusal else 200, found=found, older=older, state=state,
        q=q, is_older_page=cursor is not None, tabs=TABS, sources=SOURCES, source_of=_source_of, studios=studios,
        theirs={one: name for one, name in studios.items() if kept_to is None or one in kept_to},
        sent=sent or {"name": "", "email": "", "source": "walk_in", "studio": ""}, refusal=refusal,
    )  # fmt: skip


@router.post("", dependencies=[Allowed(access.KEEP_LEADS)])
def create(
    request: Request, principal: CurrentPrincipal, session: DbSession, name: Sent = "", email: Sent = "",
    source: Sent = "walk_in", studio: Sent = "",
) -> Response:  # fmt: skip
    """Note somebody who asked at the desk. What is refused loses nothing."""
    sent = {"name": name, "email": email, "source": source, "studio": studio}
    kept_to = access.studios_of(session, principal)
    known = {str(one.location_id): one.location_id for one in scheduling.studios(session)}
    studio_id = known.get(studio)
    if not name.strip() or len(name) > 100:
        return _list(request, principal, session, sent=sent, refusal="What is their name? 100 letters at most.")
    if source not in SOURCES or (studio and (studio_id is None or (kept_to and studio_id not in kept_to))):
        return _list(request, principal, session, sent=sent, refusal="Choose from what there is.")
    try:
        lead = leads.capture_lead(
            session, name=name, email=email, source=source, location_id=studio_id, now=datetime.now(UTC)
        )
    except InvalidEmail as refusal:
        return _list(request, principal, session, sent=sent, refusal=refusal.detail)
    if lead.name != name.strip():
        return redirect(
            request, f"/staff/leads?{urlencode({'q': lead.email})}", flash="They wait already.", tone="info"
        )
    return redirect(request, "/staff/leads", flash=f"{lead.name} waits for a call.")


@router.get("/{lead_id}", dependencies=[Allowed(access.KEEP_LEADS)])
def page(request: Request, lead_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One lead."""
    lead = access.reach_lead(session, principal, lead_id)
    audit.record(
        session, access.KEEP_LEADS, "Lead", lead.id, actor_id=principal.account_id, subject_id=lead.customer_id,
        purpose="operations",
    )  # fmt: skip
    studios = {one.location_id: one.name for one in scheduling.studios(session)}
    return render(
        request, "engagement/lead.html", lead=lead, state=leads.state_of(lead), tabs=TABS, source_of=_source_of,
        studio=studios.get(lead.location_id) if lead.location_id else None,
    )  # fmt: skip


@router.post("/{lead_id}", dependencies=[Allowed(access.KEEP_LEADS)])
def write(
    request: Request, lead_id: UUID, principal: CurrentPrincipal, session: DbSession, name: Sent = "",
    phone: Annotated[str, Form(max_length=40, pattern=NO_NUL)] = "",
    owner: Annotated[str, Form(max_length=200, pattern=NO_NUL)] = "",
) -> Response:  # fmt: skip
    """Say who calls them, and how they are called and reached. A name is never taken away."""
    access.reach_lead(session, principal, lead_id)
    leads.note_lead(session, lead_id, {"name": name, "phone": phone, "owner": owner}, now=datetime.now(UTC))
    return redirect(request, f"/staff/leads/{lead_id}", flash="Saved.")


@router.post("/{lead_id}/loss", dependencies=[Allowed(access.KEEP_LEADS)])
def lose(
    request: Request, lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession
) -> Response:
    """They are not coming."""
    access.reach_lead(session, principal, lead_id)
    lead = leads.lose_lead(session, lead_id, lost_by=actor_id, now=datetime.now(UTC))
    back = WayBack("They wait", f"/staff/leads/{lead_id}/reopening")
    return redirect(request, "/staff/leads", flash=f"{lead.name} is not coming.", way_back=back)


@router.post("/{lead_id}/reopening", dependencies=[Allowed(access.KEEP_LEADS)])
def reopen(
    request: Request, lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession
) -> Response:
    """They wait again."""
    access.reach_lead(session, principal, lead_id)
    lead = leads.reopen_lead(session, lead_id, reopened_by=actor_id, now=datetime.now(UTC))
    return redirect(request, f"/staff/leads/{lead_id}", flash=f"{lead.name} waits again.")


@router.post("/{lead_id}/erasure", dependencies=[Allowed(access.KEEP_LEADS)])
def forget(
    request: Request, lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession
) -> Response:
    """Take out who they are, at their wish."""
    access.reach_lead(session, principal, lead_id)
    leads.forget_lead(session, lead_id, forgotten_by=actor_id, now=datetime.now(UTC))
    return redirect(request, "/staff/leads", flash="Who they are is gone. That somebody asked still counts.")
