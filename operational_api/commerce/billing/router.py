"""HTTP to service and back: memberships that we bill, invoices, collection, prices and payers.

What coaches earn and are paid is `pay_router`.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from operational_api.commerce import invoice_desk
from operational_api.commerce.billing.models import Coupon, CreditNote
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.schemas import (
    BilledTo,
    CollectionList,
    CollectionRead,
    CollectionStatus,
    CouponCreate,
    CouponList,
    CouponRead,
    CouponUse,
    CouponUsedRead,
    CreditNoteCreate,
    CreditNoteRead,
    InvoiceDetail,
    MembershipCreate,
    PauseCreate,
    PayerChangeList,
    PayerChangeRead,
    PayerChangesCreate,
    PayerRead,
    PayerSet,
    PlanChangeCreate,
    PlanChangeRead,
    PriceCreate,
    PriceList,
    PriceRead,
)
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    memberships,
    papers,
    payers,
    plan_changes,
    pricing,
    takeovers,
)
from operational_api.commerce.models import PlanPrice
from operational_api.commerce.providers.dependencies import AllProviders, Provider
from operational_api.commerce.schemas import PlanCode, SubscriptionRead
from operational_api.commerce.service import checkout, subscriptions
from operational_api.commerce.settings import SellerSettings
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/commerce", tags=["billing"], route_class=IdempotentRoute)
PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}


def seller(request: Request) -> SellerSettings:
    """Who sells; tests and other deployments put their own on the app."""
    found: SellerSettings | None = getattr(request.app.state, "seller_settings", None)
    return found or SellerSettings()


def pdf(name: str, content: bytes) -> Response:
    """A PDF to keep; nobody else may."""
    return attachment(name, "application/pdf", content)


def attachment(name: str, media_type: str, content: bytes) -> Response:
    """A file to keep."""
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


@router.post("/memberships", status_code=201, dependencies=[Allowed("commerce.buy")])
def create_membership(
    body: MembershipCreate, customer_id: CurrentAccount, session: DbSession, providers: AllProviders
) -> SubscriptionRead:
    """Begin a membership that we bill, paid by a card that was paid with before; its first invoice is collected within
    a minute. Who never paid begins at the checkout; a page for one that is still open there is closed."""
    now = datetime.now(UTC)
    memberships.demand_payer(session, customer_id)
    checkout.close_pages(session, providers.by_name, customer_id=customer_id, kind="membership", now=now)
    memberships.start_membership(
        session, customer_id=customer_id, plan_code=body.plan_code, currency=body.currency, coupon=body.coupon,
        now=now,
    )  # fmt: skip
    return SubscriptionRead.of(subscriptions.membership(session, customer_id))


@router.post("/subscription/pause", dependencies=[Allowed("commerce.change_membership")])
def pause(body: PauseCreate, customer_id: CurrentAccount, session: DbSession, provider: Provider) -> SubscriptionRead:
    """Pause until a day; it goes on by itself. One that a provider bills we bill from then on."""
    now = datetime.now(UTC)
    with takeovers.ours(session, provider, customer_id=customer_id, now=now):
        found = memberships.pause(session, customer_id=customer_id, resumes_on=body.resumes_on, now=now)
    return SubscriptionRead.of(found)


@router.post("/subscription/resumption", dependencies=[Allowed("commerce.change_membership")])
def resume(customer_id: CurrentAccount, session: DbSession) -> SubscriptionRead:
    """End a pause now."""
    return SubscriptionRead.of(memberships.resume(session, customer_id=customer_id, now=datetime.now(UTC)))


@router.get("/subscription/plan-change", dependencies=[Allowed("commerce.change_membership")])
def preview_change(
    plan_code: PlanCode, customer_id: CurrentAccount, session: DbSession, mode: Mode | None = None
) -> PlanChangeRead:
    """What a change of plan would cost now and later, without doing it."""
    # Looking takes a membership over and brings it up to date; a look changes nothing.
    now = datetime.now(UTC)
    with session.begin_nested() as look:
        takeovers.take_over(session, customer_id=customer_id, now=now)
        found = plan_changes.preview(session, customer_id=customer_id, plan_code=plan_code, mode=mode, now=now)
        answer = PlanChangeRead.of(found)
        look.rollback()
    return answer


@router.post("/subscription/plan-change", dependencies=[Allowed("commerce.change_membership")])
def change_plan(
    body: PlanChangeCreate, customer_id: CurrentAccount, session: DbSession, provider: Provider
) -> SubscriptionRead:
    """Change to another plan. One that a provider bills we bill from then on."""
    now = datetime.now(UTC)
    with takeovers.ours(session, provider, customer_id=customer_id, now=now):
        found = plan_changes.change_plan(
            session, customer_id=customer_id, plan_code=body.plan_code, mode=body.mode, now=now
        )
    return SubscriptionRead.of(found)


@router.post("/subscription/coupons", status_code=201, dependencies=[Allowed("commerce.change_membership")])
def use_coupon(body: CouponUse, customer_id: CurrentAccount, session: DbSession, provider: Provider) -> CouponUsedRead:
    """Use a code: it takes something off from the next payment on. What a provider bills we bill from then on."""
    now = datetime.now(UTC)
    with takeovers.ours(session, provider, customer_id=customer_id, now=now):
        used = memberships.use_coupon(session, customer_id=customer_id, code=body.code, now=now)
    return CouponUsedRead.of(*used)


@router.get("/subscription/collections", dependencies=[Allowed("commerce.read_membership")])
def own_collections(customer_id: CurrentAccount, session: DbSession) -> CollectionList:
    """What is being collected from, or about, the customer: tried and to come."""
    return CollectionList(items=[CollectionRead.of(one) for one in collection.open_of(session, customer_id)])


@router.get("/collections", dependencies=[Allowed("commerce.read_collections")])
def list_collections(
    session: DbSession, status: CollectionStatus | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CollectionRead]:
    """Everybody's: those that are open, unless a status is named; the newest first."""
    found, following = collection.page(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[CollectionRead.of(one) for one in found], next_cursor=following)


@router.get("/invoices/{invoice_id}", dependencies=[Allowed("commerce.read_invoice")])
def read_invoice(invoice_id: UUID, principal: CurrentPrincipal, session: DbSession) -> InvoiceDetail:
    """An invoice with its lines and credit notes."""
    found = papers.invoice(session, principal, invoice_id=invoice_id)
    return InvoiceDetail.whole(found.invoice, found.lines, found.credit_notes, found.wallet_minor)


@router.get(
    "/invoices/{invoice_id}/file", response_class=Response, responses=PDF,
    dependencies=[Allowed("commerce.read_invoice")],
)  # fmt: skip
def read_invoice_file(invoice_id: UUID, principal: CurrentPrincipal, session: DbSession, request: Request) -> Response:
    """An invoice as a PDF."""
    return pdf(*papers.invoice_pdf(session, principal, invoice_id=invoice_id, seller=seller(request)))


@router.get(
    "/credit-notes/{credit_note_id}/file", response_class=Response, responses=PDF,
    dependencies=[Allowed("commerce.read_invoice")],
)  # fmt: skip
def read_credit_note_file(
    credit_note_id: UUID, principal: CurrentPrincipal, session: DbSession, request: Request
) -> Response:
    """A credit note as a PDF."""
    return pdf(*papers.credit_note_pdf(session, principal, credit_note_id=credit_note_id, seller=seller(request)))


@router.post("/invoices/{invoice_id}/payment-attempts", dependencies=[Allowed("commerce.pay_invoice")])
def try_payment(invoice_id: UUID, principal: CurrentPrincipal, session: DbSession) -> CollectionRead:
    """Try the saved card within a minute instead of on the next day planned."""
    return CollectionRead.of(collection.try_now(session, principal, invoice_id=invoice_id, now=datetime.now(UTC)))


@router.post(
    "/invoices/{invoice_id}/credit-notes",
    response_model=CreditNoteRead,
    status_code=201,
    dependencies=[Allowed("commerce.issue_credit_note")],
)
def create_credit_note(
    invoice_id: UUID, body: CreditNoteCreate, principal: CurrentPrincipal, session: DbSession
) -> CreditNote:
    """Ask for less of an open invoice, or for nothing more."""
    return invoice_desk.credit_invoice(
        session, principal, invoice_id, asked=invoice_desk.Asked(amount_minor=body.amount_minor), reason=body.reason,
        now=datetime.now(UTC),
    )  # fmt: skip


@router.get("/coupons", dependencies=[Allowed("commerce.manage_prices")])
def list_coupons(session: DbSession) -> CouponList:
    """Every code."""
    return CouponList(items=[CouponRead.model_validate(row) for row in coupons.all_coupons(session)])


@router.post("/coupons", response_model=CouponRead, status_code=201, dependencies=[Allowed("commerce.manage_prices")])
def create_coupon(body: CouponCreate, actor_id: CurrentAccount, session: DbSession) -> Coupon:
    """Make a code."""
    return coupons.create(
        session, code=body.code, worth=body.worth(), duration=body.duration, duration_months=body.duration_months,
        max_redemptions=body.max_redemptions, expires_at=body.expires_at, actor_id=actor_id, now=datetime.now(UTC),
    )  # fmt: skip


@router.post(
    "/coupons/{coupon_id}/retirement", response_model=CouponRead, dependencies=[Allowed("commerce.manage_prices")]
)
def retire_coupon(coupon_id: UUID, actor_id: CurrentAccount, session: DbSession) -> Coupon:
    """Take a code no more; whoever used it keeps what it takes off."""
    return coupons.set_taken(session, coupon_id=coupon_id, is_taken=False, actor_id=actor_id, now=datetime.now(UTC))


@router.delete(
    "/coupons/{coupon_id}/retirement", response_model=CouponRead, dependencies=[Allowed("commerce.manage_prices")]
)
def restore_coupon(coupon_id: UUID, actor_id: CurrentAccount, session: DbSession) -> Coupon:
    """Take a code again."""
    return coupons.set_taken(session, coupon_id=coupon_id, is_taken=True, actor_id=actor_id, now=datetime.now(UTC))


@router.get("/plans/{plan_code}/prices", dependencies=[Allowed("commerce.manage_prices")])
def list_prices(plan_code: PlanCode, session: DbSession) -> PriceList:
    """What a plan cost, costs and will cost."""
    return PriceList(items=[PriceRead.model_validate(row) for row in pricing.history(session, plan_code=plan_code)])


@router.post(
    "/plans/{plan_code}/prices",
    response_model=PriceRead,
    status_code=201,
    dependencies=[Allowed("commerce.manage_prices")],
)
def create_price(plan_code: PlanCode, body: PriceCreate, actor_id: CurrentAccount, session: DbSession) -> PlanPrice:
    """Give a plan another price, now or later."""
    now = datetime.now(UTC)
    return pricing.set_price(
        session, plan_code=plan_code, currency=body.currency, amount_minor=body.amount_minor,
        tax_rate_bp=body.tax_rate_bp, valid_from=body.valid_from or now, for_members=body.for_members,
        actor_id=actor_id, now=now,
    )  # fmt: skip


@router.delete("/plans/{plan_code}/prices/{price_id}", dependencies=[Allowed("commerce.manage_prices")])
def withdraw_price(plan_code: PlanCode, price_id: UUID, actor_id: CurrentAccount, session: DbSession) -> PriceList:
    """Take back a price that has not begun; answers with the prices that are left."""
    pricing.withdraw_price(session, plan_code=plan_code, price_id=price_id, actor_id=actor_id, now=datetime.now(UTC))
    return list_prices(plan_code, session)


@router.put("/customers/{customer_id}/payer", dependencies=[Allowed("commerce.set_payer")])
def set_payer(customer_id: UUID, body: PayerSet, actor_id: CurrentAccount, session: DbSession) -> PayerRead:
    """Let another account pay for a customer: a parent, an employer."""
    row = payers.set_payer(
        session, customer_id=customer_id, payer_id=body.payer_id, actor_id=actor_id, now=datetime.now(UTC)
    )
    return PayerRead(customer_id=row.id, payer_id=row.payer_id)


@router.post("/payer-changes/preview", dependencies=[Allowed("commerce.set_payer")])
def preview_payer_changes(body: PayerChangesCreate, actor_id: CurrentAccount, session: DbSession) -> PayerChangeList:
    """What would become of each if one account paid for many; nothing changes."""
    made = payers.set_payer_of_many(
        session, customer_ids=body.customer_ids, payer_id=body.payer_id, actor_id=actor_id, now=datetime.now(UTC),
        is_a_look=True,
    )  # fmt: skip
    return PayerChangeList(items=[PayerChangeRead.model_validate(one) for one in made])


@router.post("/payer-changes", dependencies=[Allowed("commerce.set_payer")])
def create_payer_changes(body: PayerChangesCreate, actor_id: CurrentAccount, session: DbSession) -> PayerChangeList:
    """Let one account, a company say, pay for many, or each for themselves again: for all of them or for nobody."""
    made = payers.set_payer_of_all(
        session, customer_ids=body.customer_ids, payer_id=body.payer_id, actor_id=actor_id, now=datetime.now(UTC)
    )
    return PayerChangeList(items=[PayerChangeRead.model_validate(one) for one in made])


@router.put("/billed-to", dependencies=[Allowed("commerce.buy")])
def set_billed_to(body: BilledTo, account_id: CurrentAccount, session: DbSession) -> BilledTo:
    """Address the invoices that one pays from now on to a company."""
    row = payers.set_billed_to(
        session, customer_id=account_id, words=body.billed_to or "", actor_id=account_id, now=datetime.now(UTC)
    )
    return BilledTo(billed_to=row.billed_to)
