"""HTTP to the services of compliance and back, under /api/compliance."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from operational_api.compliance import public
from operational_api.compliance.schemas import AuditEntryRead, ConsentsRead, ConsentsWrite, DecisionRead, ReadingRead
from operational_api.compliance.service import consents, trail
from operational_api.core import audit
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal

router = APIRouter(prefix="/api/compliance", tags=["compliance"], route_class=IdempotentRoute)


@router.get("/consents", dependencies=[Allowed("compliance.read_consents")])
def read_consents(customer_id: CurrentAccount, session: DbSession) -> ConsentsRead:
    """What the customer allows us to do with each kind of their health data."""
    return ConsentsRead.of(consents.current(session, customer_id))


@router.put("/consents", dependencies=[Allowed("compliance.decide_consents")])
def write_consents(body: ConsentsWrite, principal: CurrentPrincipal, session: DbSession) -> ConsentsRead:
    """Give or withdraw consent. What may no longer be kept is forgotten within minutes."""
    return public.decide_consents(session, principal, body, now=datetime.now(UTC))


@router.get("/consents/history", dependencies=[Allowed("compliance.read_consents")])
def list_decisions(
    customer_id: CurrentAccount, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionRead]:
    """Every decision the customer took, newest first."""
    rows, following = consents.history(session, customer_id, limit=limit, cursor=cursor)
    return Page(items=[DecisionRead.model_validate(row) for row in rows], next_cursor=following)


@router.get("/audit", dependencies=[Allowed("compliance.read_audit")])
def list_audit(
    admin_id: CurrentAccount,
    session: DbSession,
    person: UUID | None = None,
    actor: UUID | None = None,
    subject: UUID | None = None,
    action: Annotated[str | None, Query(max_length=80, description="`training.` for all of a context")] = None,
    outcome: Literal["done", "refused", "failed"] | None = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntryRead]:
    """Who did what, newest first. Asking is written down as well."""
    asked = trail.Asked(person, actor, subject, action, outcome, since, until)
    rows, following = trail.entries(session, asked, limit=limit, cursor=cursor)
    told = {name: str(value) for name, value in asdict(asked).items() if value is not None}
    audit.record(
        session, "compliance.read_audit", "AuditLog", "all", actor_id=admin_id, subject_id=subject or person,
        purpose="audit", details=told,
    )  # fmt: skip
    return Page(items=[AuditEntryRead.of(row) for row in rows], next_cursor=following)


@router.get("/readings", dependencies=[Allowed("compliance.read_readings")])
def list_readings(customer_id: CurrentAccount, session: DbSession) -> Page[ReadingRead]:
    """Who else looked at one's health data within the last year."""
    rows = trail.readings(session, customer_id, since=datetime.now(UTC) - trail.SHOWN)
    return Page(items=[ReadingRead.model_validate(row) for row in rows])
