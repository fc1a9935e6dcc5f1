"""HTTP to leads and back, for the desk that calls them. Part of `router`, where a guest leaves theirs."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.engagement import access
from operational_api.engagement.schemas import NO_NUL, LeadRead, LeadWrite
from operational_api.engagement.service import leads

api = ContextRouter(prefix="/api/engagement", tags=["engagement"], route_class=IdempotentRoute)
Wanted = Annotated[str, Query(max_length=200, pattern=NO_NUL, description="Part of a name, or a whole address.")]


def _now() -> datetime:
    return datetime.now(UTC)


@api.get("/leads", dependencies=[Allowed(access.KEEP_LEADS)])
def list_leads(
    principal: CurrentPrincipal, session: DbSession, state: leads.State = "waiting", q: Wanted = "",
    limit: Limit = 50, cursor: Cursor = None,
) -> Page[LeadRead]:  # fmt: skip
    """Who left their address, the latest first. Looking is written down."""
    kept_to = access.studios_of(session, principal)
    found, following = access.list_leads(
        session, principal, state, wanted=q, studios=kept_to, limit=limit, cursor=cursor
    )
    return Page(items=[LeadRead.of(one) for one in found], next_cursor=following)


@api.put("/leads/{lead_id}", dependencies=[Allowed(access.KEEP_LEADS)])
def write_lead(lead_id: UUID, body: LeadWrite, principal: CurrentPrincipal, session: DbSession) -> LeadRead:
    """Say who calls them, and how they are called and reached."""
    access.reach_lead(session, principal, lead_id)
    return LeadRead.of(leads.note_lead(session, lead_id, body.model_dump(), now=_now()))


@api.put("/leads/{lead_id}/loss", dependencies=[Allowed(access.KEEP_LEADS)])
def lose_lead(lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession) -> LeadRead:
    """They are not coming."""
    access.reach_lead(session, principal, lead_id)
    return LeadRead.of(leads.lose_lead(session, lead_id, lost_by=actor_id, now=_now()))


@api.delete("/leads/{lead_id}/loss", dependencies=[Allowed(access.KEEP_LEADS)])
def reopen_lead(lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession) -> LeadRead:
    """They wait again."""
    access.reach_lead(session, principal, lead_id)
    return LeadRead.of(leads.reopen_lead(session, lead_id, reopened_by=actor_id, now=_now()))


@api.delete("/leads/{lead_id}", status_code=204, dependencies=[Allowed(access.KEEP_LEADS)])
def forget_lead(lead_id: UUID, principal: CurrentPrincipal, actor_id: CurrentAccount, session: DbSession) -> None:
    """Take out who they are, at their wish. It cannot be taken back."""
    access.reach_lead(session, principal, lead_id)
    leads.forget_lead(session, lead_id, forgotten_by=actor_id, now=_now())
