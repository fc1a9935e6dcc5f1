"""HTTP for what of billing waits for a person: the same things, and what is said of each, as on the staff's page."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from operational_api.commerce.billing import desk
from operational_api.commerce.billing.desk import Kind
from operational_api.commerce.schemas import Reason
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/commerce/exceptions", tags=["billing"], route_class=IdempotentRoute)


class ExceptionRead(BaseModel):
    """One thing that waits. `amount_minor`: what it is about, below 0 where we owe it; of a customer by how much the
    ledger has more as owed than open invoices ask for; null of an invoice of which nothing is left. `account_id`: whose
    money it is. `ways`: what may be said of it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    kind: Kind
    customer_id: UUID
    account_id: UUID
    reason: str
    amount_minor: int | None
    currency: str
    since: datetime
    descriptions: list[str]
    ways: list[str]


class SettledRead(BaseModel):
    """What somebody settled, or a rule where `settled_by` is null."""

    model_config = ConfigDict(from_attributes=True)
    item_id: UUID
    customer_id: UUID
    description: str
    amount_minor: int
    currency: str
    settled_as: str
    settled_at: datetime
    settled_by: UUID | None
    reason: str
    can_undo: bool


class SettlementCreate(BaseModel):
    """What became of a credit or a top-up (paid_outside, written_off), or of a charge (waived), and why."""

    how: desk.How
    reason: Reason


class RetryRead(BaseModel):
    """Whether the card took any of it back; if not, it waits on."""

    gave_back: bool


class DecisionCreate(BaseModel):
    """To charge an invoice that was stopped, of as much as was seen, or to let its charges go, and why."""

    decision: Literal["approve", "void"]
    total_minor: Annotated[int, Field(ge=-(10**15), le=10**15)] = 0
    reason: Reason


class DecisionRead(BaseModel):
    """The invoice that was made, if one was."""

    parked_id: UUID
    decision: str
    invoice_id: UUID | None


class ReleaseCreate(BaseModel):
    """Why billing of a customer goes on."""

    reason: Reason


@router.get("", dependencies=[Allowed("commerce.settle_waiting")])
def list_exceptions(
    session: DbSession, kind: Annotated[Kind | None, Query()] = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ExceptionRead]:
    """What waits for a person, of one kind or of all, the oldest first."""
    found, following = desk.cases(session, datetime.now(UTC), kind=kind, limit=limit, cursor=cursor)
    return Page(items=[ExceptionRead.model_validate(one) for one in found], next_cursor=following)


@router.get("/settled", dependencies=[Allowed("commerce.settle_waiting")])
def list_settled(session: DbSession, limit: Limit = 50, cursor: Cursor = None) -> Page[SettledRead]:
    """What was settled in the last month, the newest first."""
    found, following = desk.settled_page(session, datetime.now(UTC), limit=limit, cursor=cursor)
    return Page(items=[SettledRead.model_validate(one) for one in found], next_cursor=following)


@router.post("/items/{item_id}/retries", dependencies=[Allowed("commerce.settle_waiting")])
def try_again(item_id: UUID, principal: CurrentPrincipal, session: DbSession, request: Request) -> RetryRead:
    """Ask the card that paid once more to take a credit or a top-up back."""
    given = desk.try_item_again(request, session, item_id, principal=principal, now=datetime.now(UTC))
    return RetryRead(gave_back=given)


@router.post(
    "/items/{item_id}/settlement", response_model=SettledRead, status_code=201,
    dependencies=[Allowed("commerce.settle_waiting")],
)  # fmt: skip
def settle(item_id: UUID, body: SettlementCreate, principal: CurrentPrincipal, session: DbSession) -> object:
    """Say what became of a charge, a credit or a top-up."""
    now = datetime.now(UTC)
    return desk.settle_item(session, item_id, how=body.how, reason=body.reason, principal=principal, now=now)


@router.delete("/items/{item_id}/settlement", status_code=204, dependencies=[Allowed("commerce.settle_waiting")])
def undo(item_id: UUID, principal: CurrentPrincipal, session: DbSession) -> None:
    """Let it wait again, where no money has moved."""
    desk.undo_settlement(session, item_id, principal=principal, now=datetime.now(UTC))


@router.post("/invoices/{parked_id}/decision", status_code=201, dependencies=[Allowed("commerce.decide_parked")])
def decide(parked_id: UUID, body: DecisionCreate, principal: CurrentPrincipal, session: DbSession) -> DecisionRead:
    """Make an invoice that was stopped, or let its charges go."""
    invoice_id = desk.decide_parked_invoice(
        session, parked_id, approves=body.decision == "approve", total_minor=body.total_minor, reason=body.reason,
        principal=principal, now=datetime.now(UTC),
    )  # fmt: skip
    return DecisionRead(parked_id=parked_id, decision=body.decision, invoice_id=invoice_id)


@router.post("/customers/{customer_id}/release", status_code=204, dependencies=[Allowed("commerce.decide_parked")])
def release(customer_id: UUID, body: ReleaseCreate, principal: CurrentPrincipal, session: DbSession) -> None:
    """Let billing of a customer go on."""
    desk.release_customer(session, customer_id, reason=body.reason, principal=principal, now=datetime.now(UTC))
