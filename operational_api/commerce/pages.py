"""Pages of commerce: plans, the way to the payment page and back, the membership. They work without JavaScript."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from operational_api.commerce import wallet_pages
from operational_api.commerce.billing import pages as billing
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    fees,
    giving_back,
    leaving,
    memberships,
    payers,
    people,
    plan_changes,
)
from operational_api.commerce.errors import CheckoutNotFound, CheckoutNotPaid, CheckoutUnknown, ProviderUnavailable
from operational_api.commerce.models import Customer
from operational_api.commerce.providers.dependencies import AllProviders, Provider
from operational_api.commerce.schemas import NO_NUL
from operational_api.commerce.service import cards, checkout, invoices, packs, plans, subscriptions, wallets
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import person, redirect, render

router = APIRouter()
NAV = [
    NavItem("Plans", "/plans", None, for_guests=True, order=10, icon="tag"),
    NavItem("Membership", "/membership", "commerce.read_membership", order=60, icon="card"),
]
REASONS = (
    "It costs too much",
    "I train too rarely",
    "I am moving away",
    "I am injured or unwell",
    "I was not happy with my coach",
    "I found something else",
)
OTHER_REASON = "Something else"
"""What a leaving customer may tick; `Something else` opens their own words."""
INVOICES_SHOWN = 12
NAMES = {"stripe": "Stripe", "momo": "MoMo"}
"""Providers as customers know them."""


@router.get("/plans", response_class=HTMLResponse, dependencies=[Allowed("commerce.read_plans")])
def show_plans(
    request: Request,
    session: DbSession,
    providers: AllProviders,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
) -> Response:
    """What we sell, in one currency: the one asked for, else the customer's own, else euros."""
    now = datetime.now(UTC)
    who = person(request)
    customer_id = who.account_id if who and who.role == "customer" else None
    payer = session.get(Customer, customer_id) if customer_id else None
    sold_in = plans.currencies(session, now=now)
    shown = currency or (payer.currency if payer else plans.DEFAULT_CURRENCY)
    if shown not in sold_in and sold_in:
        shown = plans.DEFAULT_CURRENCY if plans.DEFAULT_CURRENCY in sold_in else sold_in[0]
    found = plans.services(session, currency=shown, now=now)
    here = "/plans?" + urlencode({"currency": shown})
    return render(
        request,
        "commerce/plans.html",
        is_shared=True,
        memberships=[sold for sold in found if sold.plan.kind == "membership"],
        packs=[sold for sold in found if sold.plan.kind != "membership"],
        currency=shown,
        currencies=sold_in,
        member=subscriptions.live_membership(session, customer_id) if customer_id else None,
        can_buy=customer_id is not None,
        ways={
            kind: providers.choices(shown, is_recurring=kind == "membership")
            for kind in {sold.plan.kind for sold in found}
        },
        signup=f"/signup?next={quote(here, safe='')}",
    )


@router.post("/checkout", dependencies=[Allowed("commerce.buy")])
def go_to_payment(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    providers: AllProviders,
    plan_code: Annotated[str, Form(max_length=100, pattern=NO_NUL)],
    currency: Annotated[str | None, Form(pattern="^[A-Z]{3}$")] = None,
    provider: Annotated[Literal["stripe", "momo"], Form()] = "stripe",
) -> Response:
    """Send the customer to the provider's page; pressing twice leads to the same one."""
    page = checkout.begin_checkout(
        session,
        providers.chosen(provider),
        customer_id=customer_id,
        display_name=principal.display_name,
        plan_code=plan_code,
        currency=currency,
        public_url=request.app.state.settings.public_url,
        now=datetime.now(UTC),
        others=providers.by_name,
    )
    return redirect(request, str(page.url))


@router.get("/checkout/return", response_class=HTMLResponse, dependencies=[Allowed("commerce.buy")])
def come_back(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    providers: AllProviders,
    session_id: Annotated[str, Query(max_length=255, pattern=NO_NUL)] = "",
    order_id: Annotated[str, Query(alias="orderId", max_length=255, pattern=NO_NUL)] = "",
) -> Response:
    """Say what came of the payment page. Loading it again changes nothing; what the address says is not believed.

    Stripe brings `session_id`, MoMo `orderId` among others.
    """
    id_ = session_id or order_id
    name = checkout.provider_of(session, id_)
    if name is None:
        raise CheckoutNotFound
    try:
        bought = checkout.confirm_checkout(
            session, providers.of(name), provider_session_id=id_, customer_id=customer_id, now=datetime.now(UTC)
        )
    except CheckoutNotPaid:
        return render(request, "commerce/checkout_open.html", status_code=409)
    except (ProviderUnavailable, CheckoutUnknown):
        return render(request, "commerce/checkout_waiting.html", status_code=503, provider=NAMES[name])
    own = subscriptions.live_membership(session, customer_id) if bought.plan.kind == "membership" else None
    return render(request, "commerce/checkout_done.html", bought=bought, member=own)


@router.post("/membership/card", dependencies=[Allowed("commerce.buy")])
def go_to_card_page(
    request: Request, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, provider: Provider
) -> Response:
    """Send the payer to the provider's page for another card."""
    url = cards.open_page(
        session, provider, account_id=customer_id, display_name=principal.display_name,
        public_url=request.app.state.settings.public_url,
    )  # fmt: skip
    return redirect(request, url)


@router.get("/membership", response_class=HTMLResponse, dependencies=[Allowed("commerce.read_membership")])
def show_membership(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    cursor: Cursor = None,
    card: Annotated[Literal["given"] | None, Query()] = None,
) -> Response:
    """The customer's membership, packs and invoices.

    Args:
        card: They come back from the page for another card.
    """
    rows, following = invoices.invoices_of(session, customer_id=customer_id, limit=INVOICES_SHOWN, cursor=cursor)
    paid_for = payers.paid_for_by(session, customer_id)
    own = subscriptions.live_membership(session, customer_id)
    held = coupons.held(session, own.subscription.id) if own else None
    return render(
        request,
        "commerce/membership.html",
        member=own,
        coupon=held,
        next_minor=_next_minor(own, held),
        packs=packs.usable_packs(session, customer_id=customer_id, now=datetime.now(UTC)),
        invoices=rows,
        older=following,
        is_first=cursor is None,
        collections=collection.open_of(session, customer_id),
        fees=fees.waiting(session, customer_id),
        credits=giving_back.waiting_for(session, customer_id),
        handed_over=leaving.handed_over_to(session, customer_id),
        payer=session.get(Customer, customer_id),
        paid_for=paid_for,
        names=people.names(session, {*paid_for, *(row.customer_id for row in rows)}),
        top_ups=wallets.top_ups_among(session, [row.id for row in rows]),
        wallets=wallets.standing(session, customer_id, datetime.now(UTC)),
        fee_wait=fees.WAIT,
        a_moment=timedelta(microseconds=1),  # a period ends where the next begins; its last day is the one before
        next_plan=memberships.next_plan(session, customer_id),
        failed_change=plan_changes.failed_lately(session, customer_id, now=datetime.now(UTC)),
        account_id=customer_id,
        is_card_given=card is not None,
    )


def _next_minor(own: subscriptions.Membership | None, held: coupons.Held | None) -> int:
    """What the next whole period costs, a code taken off."""
    amount = own.subscription.amount_minor if own else 0
    return max(0, amount - coupons.off(held[1], amount)) if held else amount


@router.get("/membership/cancel", response_class=HTMLResponse, dependencies=[Allowed("commerce.change_membership")])
def ask_why(request: Request, customer_id: CurrentAccount, session: DbSession) -> Response:
    """What ending the membership means, and why the customer wants it."""
    own = subscriptions.membership(session, customer_id)
    return render(request, "commerce/cancel.html", member=own, reasons=[*REASONS, OTHER_REASON])


@router.post("/membership/cancellation", dependencies=[Allowed("commerce.change_membership")])
def cancel(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    provider: Provider,
    reason: Annotated[str, Form(max_length=100, pattern=NO_NUL)] = "",
    words: Annotated[str, Form(max_length=400, pattern=NO_NUL)] = "",
) -> Response:
    """End the membership at the end of what is paid."""
    said = ": ".join(part for part in (reason.strip(), words.strip()) if part)
    if not said:
        raise Invalid("Tell us why, please: one click is enough.")
    now = datetime.now(UTC)
    memberships.cancel(session, provider, customer_id=customer_id, reason=said, now=now)
    return redirect(request, "/membership", flash="Your membership will end. You can change your mind until then.")


@router.post("/membership/cancellation/undo", dependencies=[Allowed("commerce.change_membership")])
def keep(request: Request, customer_id: CurrentAccount, session: DbSession, provider: Provider) -> Response:
    """Keep the membership after all."""
    memberships.keep(session, provider, customer_id=customer_id, now=datetime.now(UTC))
    return redirect(request, "/membership", flash="Good to have you: your membership goes on.")


router.include_router(billing.router)
router.include_router(wallet_pages.router)
