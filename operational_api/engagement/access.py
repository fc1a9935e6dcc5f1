"""Which leads a principal may reach. Used by the router and the pages; threads are reached by their own service."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core import audit
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal
from operational_api.engagement.errors import LeadNotFound
from operational_api.engagement.models import Lead
from operational_api.engagement.service import leads
from operational_api.scheduling import public as scheduling

KEEP_LEADS = "engagement.keep_leads"


def studios_of(session: Session, principal: Principal) -> frozenset[UUID] | None:
    """The studios whose leads somebody at a front desk is kept to, beside those of no studio; None: to none."""
    if principal.role != "front_desk" or principal.account_id is None:
        return None
    return scheduling.studios_of_desk(session, principal.account_id)


def list_leads(
    session: Session, principal: Principal, state: leads.State, *, wanted: str, studios: frozenset[UUID] | None,
    limit: int, cursor: str | None,
) -> tuple[list[Lead], str | None]:  # fmt: skip
    """`leads.leads_of` for the principal, whose `studios_of` they are. Looking is written down."""
    found, older = leads.leads_of(session, state, wanted=wanted, studios=studios, limit=limit, cursor=cursor)
    audit.record(
        session, KEEP_LEADS, "Leads", state, actor_id=principal.account_id, purpose="operations",
        details={"found": len(found)},
    )  # fmt: skip
    return found, older


def reach_lead(session: Session, principal: Principal, lead_id: UUID) -> Lead:
    """A lead, where the policy lets the principal; else as if there were none."""
    lead, studios = leads.get_lead(session, lead_id), studios_of(session, principal)
    about = Resource("Lead", lead.id, kind="business")
    if studios is not None and lead.location_id is not None:
        about, principal = replace(about, location_id=lead.location_id), replace(principal, locations=studios)
    require(principal, KEEP_LEADS, about, missing=LeadNotFound)
    return lead
