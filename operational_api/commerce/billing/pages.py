"""Pages of our own billing: pausing, changing plan, paying what is open, invoices and their files."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from operational_api.commerce.billing.errors import CouponNotFound
from operational_api.commerce.billing.periods import add_months, days_after
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.router import pdf, seller
from operational_api.commerce.billing.service import collection, memberships, papers, payers, plan_changes, takeovers
from operational_api.commerce.providers.dependencies import Provider
from operational_api.commerce.schemas import NO_NUL
from operational_api.commerce.service import plans, subscriptions
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, is_allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.web.filters import zone
from operational_api.web.rendering import redirect, render, time_zone

router = APIRouter(route_class=IdempotentRoute)
MODES = {
    Mode.INVOICE: ("Now", "You pay the difference for the days left today; it holds as soon as that is paid."),
    Mode.PRORATE: ("Now, paid later", "The difference is on your next invoice."),
    Mode.NEXT_PERIOD: ("When my paid time is over", "Nothing changes until then."),
    Mode.RESET: (
        "Now, with a new period",
        "A whole new period begins today, as soon as it is paid; what you paid and did not use comes off.",
    ),
}


def _today(request: Request) -> date:
    return datetime.now(UTC).astimezone(zone(time_zone(request))).date()


@router.get("/membership/pause", response_class=HTMLResponse, dependencies=[Allowed("commerce.change_membership")])
def ask_until(request: Request, customer_id: CurrentAccount, session: DbSession) -> Response:
    """What a pause means, and until when."""
    today = _today(request)
    return render(
        request, "commerce/pause.html", member=subscriptions.membership(session, customer_id),
        first=days_after(today, 1), last=add_months(today, 12), usual=add_months(today, 1),
    )  # fmt: skip


@router.post("/membership/pause", dependencies=[Allowed("commerce.change_membership")])
def pause(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    provider: Provider,
    resumes_on: Annotated[str, Form(max_length=10, pattern=NO_NUL)] = "",
) -> Response:
    """Pause until a day."""
    try:
        day = date.fromisoformat(resumes_on)
    except ValueError as error:
        raise Invalid("Choose the day on which you want to train again.") from error
    now = datetime.now(UTC)
    with takeovers.ours(session, provider, customer_id=customer_id, now=now):
        memberships.pause(session, customer_id=customer_id, resumes_on=day, now=now)
    return redirect(request, "/membership", flash="Your membership is paused. It goes on by itself.")


@router.post("/membership/resume", dependencies=[Allowed("commerce.change_membership")])
def resume(request: Request, customer_id: CurrentAccount, session: DbSession) -> Response:
    """End a pause."""
    memberships.resume(session, customer_id=customer_id, now=datetime.now(UTC))
    return redirect(request, "/membership", flash="Welcome back: your membership is active.")


@router.get("/membership/plan", response_class=HTMLResponse, dependencies=[Allowed("commerce.change_membership")])
def choose_plan(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    plan: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None,
    mode: Mode | None = None,
) -> Response:
    """The plans to change to; of one that is chosen, what it would cost and when."""
    now = datetime.now(UTC)
    own = subscriptions.membership(session, customer_id)
    found = [
        sold for sold in plans.offers(session, currency=own.subscription.currency, now=now)
        if sold.plan.kind == "membership" and sold.plan.id != own.plan.id
    ]  # fmt: skip
    seen = None
    if plan:
        with session.begin_nested() as look:  # a look changes nothing
            takeovers.take_over(session, customer_id=customer_id, now=now)
            seen = plan_changes.preview(session, customer_id=customer_id, plan_code=plan, mode=mode, now=now)
            look.rollback()
    return render(request, "commerce/change_plan.html", member=own, offers=found, change=seen, modes=MODES)


@router.post("/membership/plan", dependencies=[Allowed("commerce.change_membership")])
def change_plan(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    provider: Provider,
    plan_code: Annotated[str, Form(max_length=100, pattern=NO_NUL)],
    mode: Annotated[Mode | None, Form()] = None,
) -> Response:
    """Change to another plan."""
    now = datetime.now(UTC)
    with takeovers.ours(session, provider, customer_id=customer_id, now=now):
        found = plan_changes.change_plan(session, customer_id=customer_id, plan_code=plan_code, mode=mode, now=now)
    if found.waits_for is not None:
        told = f"We are charging your card. You are on {found.waits_for.name} as soon as it is paid."
    elif found.subscription.next_price_id is not None:
        told = "Your plan changes when your paid time is over."
    else:
        told = f"You are on {found.plan.name} now."
    return redirect(request, "/membership", flash=told)


@router.post("/membership/coupons", dependencies=[Allowed("commerce.change_membership")])
def use_coupon(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    provider: Provider,
    code: Annotated[str, Form(max_length=40, pattern=NO_NUL)] = "",
) -> Response:
    """Use a code for the membership."""
    now = datetime.now(UTC)
    try:
        with takeovers.ours(session, provider, customer_id=customer_id, now=now):
            memberships.use_coupon(session, customer_id=customer_id, code=code, now=now)
    except CouponNotFound as error:
        raise Invalid(error.detail) from error
    return redirect(request, "/membership", flash="Your code counts from your next payment on.")


@router.post("/membership/invoices/{invoice_id}/pay", dependencies=[Allowed("commerce.pay_invoice")])
def pay(request: Request, invoice_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Try the saved card within a minute."""
    collection.try_now(session, principal, invoice_id=invoice_id, now=datetime.now(UTC))
    return redirect(request, "/membership", flash="We are trying your card now. Look again in a minute.")


@router.post("/membership/billed-to", dependencies=[Allowed("commerce.buy")])
def set_billed_to(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    billed_to: Annotated[str, Form(max_length=400, pattern=NO_NUL)] = "",
) -> Response:
    """Address the invoices that one pays from now on to a company."""
    payers.set_billed_to(session, customer_id=customer_id, words=billed_to, actor_id=customer_id, now=datetime.now(UTC))
    return redirect(request, "/membership", flash="Saved. It is on your invoices from now on.")


@router.get("/invoices/{invoice_id}", response_class=HTMLResponse, dependencies=[Allowed("commerce.read_invoice")])
def show_invoice(request: Request, invoice_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """An invoice with its lines and credit notes."""
    found = papers.invoice(session, principal, invoice_id=invoice_id)
    return render(
        request, "commerce/invoice.html", paper=found, invoice=found.invoice, one_day=timedelta(days=1),
        can_credit=is_allowed(principal, "commerce.issue_credit_note", papers.resource_of(found.invoice)),
    )  # fmt: skip


@router.get("/invoices/{invoice_id}/file", response_class=Response, dependencies=[Allowed("commerce.read_invoice")])
def invoice_file(request: Request, invoice_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """An invoice as a PDF."""
    return pdf(*papers.invoice_pdf(session, principal, invoice_id=invoice_id, seller=seller(request)))


@router.get(
    "/credit-notes/{credit_note_id}/file", response_class=Response, dependencies=[Allowed("commerce.read_invoice")]
)
def credit_note_file(
    request: Request, credit_note_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> Response:
    """A credit note as a PDF."""
    return pdf(*papers.credit_note_pdf(session, principal, credit_note_id=credit_note_id, seller=seller(request)))
