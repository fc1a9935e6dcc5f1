"""HTTP to the services of compliance and back, under /api/compliance."""

from datetime import UTC, datetime

from fastapi import APIRouter

from operational_api.compliance.schemas import ConsentsRead, ConsentsWrite, DecisionRead
from operational_api.compliance.service import consents
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount

router = APIRouter(prefix="/api/compliance", tags=["compliance"], route_class=IdempotentRoute)


@router.get("/consents", dependencies=[Allowed("compliance.read_consents")])
def read_consents(customer_id: CurrentAccount, session: DbSession) -> ConsentsRead:
    """What the customer allows us to do with each kind of their health data."""
    return ConsentsRead.of(consents.current(session, customer_id))


@router.put("/consents", dependencies=[Allowed("compliance.decide_consents")])
def write_consents(body: ConsentsWrite, customer_id: CurrentAccount, session: DbSession) -> ConsentsRead:
    """Give or withdraw consent. What may no longer be kept is forgotten within minutes."""
    consents.decide(
        session, customer_id=customer_id, decisions=body.by_choice(), decided_by=customer_id, now=datetime.now(UTC)
    )
    return ConsentsRead.of(consents.current(session, customer_id))


@router.get("/consents/history", dependencies=[Allowed("compliance.read_consents")])
def list_decisions(
    customer_id: CurrentAccount, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionRead]:
    """Every decision the customer took, newest first."""
    rows, following = consents.history(session, customer_id, limit=limit, cursor=cursor)
    return Page(items=[DecisionRead.model_validate(row) for row in rows], next_cursor=following)
