"""HTTP to service and back: plans, checkout, membership, invoices, refunds, and the providers' webhooks."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy.orm import Session

from operational_api.commerce import books, catalogue, wallets
from operational_api.commerce.billing import exceptions, pay_router
from operational_api.commerce.billing import router as billing
from operational_api.commerce.billing.service import memberships
from operational_api.commerce.models import CheckoutSession, Refund, RefundRequest
from operational_api.commerce.providers.dependencies import (
    AllProviders,
    Provider,
    momo_settings,
    payment_provider,
    payment_providers,
    stripe_settings,
)
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.schemas import (
    CancellationCreate,
    CardPage,
    CheckoutCreate,
    CheckoutRead,
    CurrencyCode,
    DisputeRead,
    InvoiceRead,
    PlanList,
    PlanRead,
    RefundCreate,
    RefundRead,
    RefundRequestCreate,
    RefundRequestRead,
    SubscriptionRead,
    WebhookRead,
)
from operational_api.commerce.service import (
    approvals,
    cards,
    checkout,
    disputes,
    invoices,
    notifications,
    plans,
    refunds,
    subscriptions,
    webhooks,
)
from operational_api.commerce.settings import MomoSettings, RefundSettings, StripeSettings
from operational_api.core import idempotency
from operational_api.core.approvals import Decision, Status
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed, Resource, require
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = APIRouter()
api = ContextRouter(prefix="/api/commerce", tags=["commerce"], route_class=IdempotentRoute)


def refund_settings(request: Request) -> RefundSettings:
    """What one person may give back alone; tests and other deployments put their own on the app."""
    state = request.app.state
    if not hasattr(state, "refund_settings"):
        state.refund_settings = RefundSettings()
    found: RefundSettings = state.refund_settings
    return found


def provider_of_payment(request: Request, session: Session, payment_id: UUID) -> PaymentProvider:
    """The provider that a payment was made with; of a payment that nobody made, the one that bills memberships."""
    found = payment_providers(request)
    name = refunds.provider_of(session, payment_id=payment_id)
    return found.that_give_back.get(name or "") or payment_provider(request)


async def raw_body(request: Request) -> bytes:
    """The body as it came over the wire, which is what was signed."""
    return await request.body()


@api.get("/plans", dependencies=[Allowed("commerce.read_plans")])
def list_plans(session: DbSession, currency: CurrencyCode = plans.DEFAULT_CURRENCY) -> PlanList:
    """Plans for sale, with today's price in one currency, tax included."""
    found = plans.offers(session, currency=currency, now=datetime.now(UTC))
    return PlanList(items=[PlanRead.of(sold) for sold in found])


@api.post("/checkout-sessions", response_model=CheckoutRead, status_code=201, dependencies=[Allowed("commerce.buy")])
def create_checkout(
    body: CheckoutCreate,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    providers: AllProviders,
    request: Request,
) -> CheckoutSession:
    """Open the provider's payment page; send the customer to `url`."""
    return checkout.begin_checkout(
        session,
        providers.chosen(body.provider),
        customer_id=customer_id,
        display_name=principal.display_name,
        plan_code=body.plan_code,
        currency=body.currency,
        public_url=request.app.state.settings.public_url,
        now=datetime.now(UTC),
        others=providers.by_name,
    )


@api.post("/card-pages", status_code=201, dependencies=[Allowed("commerce.buy")])
def create_card_page(
    account_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, provider: Provider, request: Request
) -> CardPage:
    """Open the provider's page for another card; send the payer to `url`."""
    url = cards.open_page(
        session, provider, account_id=account_id, display_name=principal.display_name,
        public_url=request.app.state.settings.public_url,
    )  # fmt: skip
    return CardPage(url=url)


@api.get("/subscription", dependencies=[Allowed("commerce.read_membership")])
def read_subscription(customer_id: CurrentAccount, session: DbSession) -> SubscriptionRead:
    """The customer's membership."""
    return SubscriptionRead.of(subscriptions.membership(session, customer_id))


@api.post("/subscription/cancellation", dependencies=[Allowed("commerce.change_membership")])
def create_cancellation(
    body: CancellationCreate, customer_id: CurrentAccount, session: DbSession, provider: Provider
) -> SubscriptionRead:
    """End the membership when the paid period ends, or at once."""
    return SubscriptionRead.of(
        memberships.cancel(
            session, provider, customer_id=customer_id, reason=body.reason, at_once=body.at_once, now=datetime.now(UTC)
        )
    )


@api.delete("/subscription/cancellation", dependencies=[Allowed("commerce.change_membership")])
def delete_cancellation(customer_id: CurrentAccount, session: DbSession, provider: Provider) -> SubscriptionRead:
    """Keep the membership after all."""
    return SubscriptionRead.of(memberships.keep(session, provider, customer_id=customer_id, now=datetime.now(UTC)))


@api.get("/invoices", dependencies=[Allowed("commerce.read_membership")])
def list_invoices(
    customer_id: CurrentAccount, session: DbSession, limit: Limit = 20, cursor: Cursor = None
) -> Page[InvoiceRead]:
    """The customer's invoices, newest first."""
    rows, following = invoices.invoices_of(session, customer_id=customer_id, limit=limit, cursor=cursor)
    return Page(items=[InvoiceRead.of(row) for row in rows], next_cursor=following)


@api.post("/refunds", response_model=RefundRead, status_code=201, dependencies=[Allowed("commerce.create_refund")])
def create_refund(
    body: RefundCreate,
    admin_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    request: Request,
    settings: Annotated[RefundSettings, Depends(refund_settings)],
) -> Refund:
    """Give a customer's money back, as far as one person may alone."""
    asked = idempotency.name_of(request)
    require(principal, "commerce.create_refund", Resource("Payment", body.payment_id, kind="business"))
    approvals.require_small(
        session, payment_id=body.payment_id, amount_minor=body.amount_minor, limits=settings.alone_up_to
    )
    return refunds.refund_payment(
        session,
        provider_of_payment(request, session, body.payment_id),
        payment_id=body.payment_id,
        amount_minor=body.amount_minor,
        reason=body.reason,
        actor_id=admin_id,
        asked_as=asked and f"refund-asked-{asked}",
        now=datetime.now(UTC),
    )


@api.get("/refund-requests", dependencies=[Allowed("commerce.read_refund_requests")])
def list_refund_requests(
    session: DbSession, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[RefundRequestRead]:
    """Refunds that were asked for, the newest first."""
    rows, following = approvals.REFUNDS.page(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[RefundRequestRead.model_validate(row) for row in rows], next_cursor=following)


@api.post(
    "/refund-requests",
    response_model=RefundRequestRead,
    status_code=201,
    dependencies=[Allowed("commerce.request_refund")],
)
def request_refund(body: RefundRequestCreate, principal: CurrentPrincipal, session: DbSession) -> RefundRequest:
    """Ask for a refund; somebody else decides."""
    return approvals.request_refund(session, **body.model_dump(), principal=principal, now=datetime.now(UTC))


@api.post(
    "/refund-requests/{request_id}/approval",
    response_model=RefundRequestRead,
    dependencies=[Allowed("commerce.approve_refund")],
)
def approve_refund(
    request_id: UUID, principal: CurrentPrincipal, session: DbSession, request: Request, body: Decision | None = None
) -> RefundRequest:
    """Give the money back that somebody else asked for."""
    return approvals.approve(
        session, approvals.provider_for(session, payment_providers(request), request_id=request_id),
        request_id=request_id, principal=principal, reason=body.reason if body else "",
        now=datetime.now(UTC),
    )  # fmt: skip


@api.post(
    "/refund-requests/{request_id}/refusal",
    response_model=RefundRequestRead,
    dependencies=[Allowed("commerce.approve_refund")],
)
def decline_refund(
    request_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> RefundRequest:
    """Say no to what somebody else asked for."""
    return approvals.REFUNDS.refuse(
        session, request_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@api.post(
    "/refund-requests/{request_id}/withdrawal",
    response_model=RefundRequestRead,
    dependencies=[Allowed("commerce.request_refund")],
)
def withdraw_refund(request_id: UUID, principal: CurrentPrincipal, session: DbSession) -> RefundRequest:
    """Take back what one asked for."""
    return approvals.REFUNDS.withdraw(session, request_id, principal=principal, now=datetime.now(UTC))


@api.get("/disputes", dependencies=[Allowed("commerce.read_differences")])
def list_disputes(session: DbSession, limit: Limit = 50, cursor: Cursor = None) -> Page[DisputeRead]:
    """Payments contested at the bank, the newest first."""
    rows, following = disputes.page(session, limit=limit, cursor=cursor)
    return Page(items=[DisputeRead.model_validate(row) for row in rows], next_cursor=following)


@router.post("/webhooks/stripe", tags=["webhooks"], dependencies=[Allowed("commerce.receive_webhook")])
def receive_stripe_webhook(
    body: Annotated[bytes, Depends(raw_body)],
    session: DbSession,
    settings: Annotated[StripeSettings, Depends(stripe_settings)],
    stripe_signature: Annotated[str | None, Header()] = None,
) -> WebhookRead:
    """Store an event of Stripe's; the worker follows it up. Answered 200 also when it came before."""
    is_new = webhooks.receive(
        session,
        body=body,
        signature_header=stripe_signature,
        secrets=settings.signing_secrets,
        now=datetime.now(UTC),
    )
    return WebhookRead(is_new=is_new)


@router.post(
    "/webhooks/momo",
    tags=["webhooks"],
    status_code=204,
    response_class=Response,
    responses={401: {"description": "Not signed by MoMo."}},
    dependencies=[Allowed("commerce.receive_webhook")],
)
def receive_momo_notification(
    body: Annotated[bytes, Depends(raw_body)],
    session: DbSession,
    settings: Annotated[MomoSettings, Depends(momo_settings)],
) -> Response:
    """Store a result that MoMo tells; the worker asks MoMo about it. Answered 204 also when it came before."""
    is_taken = notifications.receive(session, body=body, settings=settings, now=datetime.now(UTC))
    return Response(status_code=204 if is_taken else 401)


router.include_router(api)
router.include_router(catalogue.router)
router.include_router(wallets.router)
router.include_router(books.router)
router.include_router(books.settled)
router.include_router(books.compared)
router.include_router(billing.router)
router.include_router(pay_router.router)
router.include_router(exceptions.router)
