"""HTTP for wallets: what is in somebody's, what moved, and what the desk gives. Top-ups are bought like any plan."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from operational_api.commerce import wallet_desk
from operational_api.commerce.schemas import CurrencyCode, Reason
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/commerce", tags=["commerce"], route_class=IdempotentRoute)


class StandingRead(BaseModel):
    """What is in a wallet. `gift_minor` of what can be spent was given, and is used first; `held_minor` cannot be: it
    is on its way back, contested at a bank, or ran out."""

    model_config = ConfigDict(from_attributes=True)
    currency: str
    spendable_minor: int
    gift_minor: int
    held_minor: int
    next_expiry_at: datetime | None


class EntryRead(BaseModel):
    """One change. `kind`: topped_up, given, spent, returned, refunded, disputed, expired, paid_outside, written_off,
    restored, reinstated; amounts out of it are negative."""

    model_config = ConfigDict(from_attributes=True)
    entry_id: UUID
    kind: str
    amount_minor: int
    currency: str
    moved_at: datetime
    invoice_id: UUID | None
    invoice_number: str | None
    reason: str | None
    expires_at: datetime | None


class WalletRead(BaseModel):
    """Somebody's wallets, one for each currency, and a page of what moved in them, the newest first."""

    balances: list[StandingRead]
    items: list[EntryRead]
    next_cursor: str | None


class GiftCreate(BaseModel):
    """Something to spend, from the studio. `last_on`: the last day on which it can be used; for ever unless named.
    `currency`: the one that they pay in unless named. `reason` is shown to them."""

    amount_minor: Annotated[int, Field(gt=0, le=10**12)]
    reason: Reason
    currency: CurrencyCode | None = None
    last_on: date | None = None


class GiftRead(BaseModel):
    """A gift, and what of it is not used yet."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    customer_id: UUID
    amount_minor: int
    left_minor: int
    currency: str
    reason: str
    expires_at: datetime | None
    made_at: datetime


@router.get("/customers/{customer_id}/wallet", dependencies=[Allowed("commerce.read_wallet")])
def read_wallet(
    customer_id: UUID, principal: CurrentPrincipal, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> WalletRead:
    """A wallet: one's own, or anybody's for the desk."""
    found = wallet_desk.wallet_of(session, principal, customer_id, limit=limit, cursor=cursor, now=datetime.now(UTC))
    return WalletRead(
        balances=[StandingRead.model_validate(one) for one in found.standings],
        items=[EntryRead.model_validate(one) for one in found.entries], next_cursor=found.following,
    )  # fmt: skip


@router.post(
    "/customers/{customer_id}/wallet/gifts", response_model=GiftRead, status_code=201,
    dependencies=[Allowed("commerce.give_credit")],
)  # fmt: skip
def give(customer_id: UUID, body: GiftCreate, principal: CurrentPrincipal, session: DbSession) -> object:
    """Give a customer something to spend."""
    return wallet_desk.give_credit(
        session, principal, customer_id=customer_id, amount_minor=body.amount_minor, currency=body.currency,
        reason=body.reason, last_on=body.last_on, now=datetime.now(UTC),
    )  # fmt: skip
