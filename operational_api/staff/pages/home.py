"""/staff: where somebody of the business starts; the ways on are those that open for them."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.staff import desks
from operational_api.web.rendering import render

router = APIRouter(prefix="/staff")
WAYS = {
    "/staff/today": "Who comes to the studio today, and whether they came.",
    "/staff/book": "Book for somebody who asks you to, in front of you or on the phone, and let in who walks in.",
    "/staff/requests": "Refunds, roles, lost second steps and exports that take two people.",
    "/staff/people": "Find a customer, help with a lost second step, ask for a refund or a role.",
    "/staff/books": "Where a payment provider's books and ours differ.",
    "/staff/collections": "Payments that did not go through, and when they are tried again.",
    "/staff/exceptions": "Charges, credits and invoices that billing cannot decide by itself.",
    "/staff/payers": "One pays for many: a company for those who work there.",
    "/staff/plans": "What is sold, at which prices, and coupons.",
    "/staff/commissions": "What coaches earned by their sessions, pay period by pay period.",
    "/staff/exports": "Ask for a file of customers or payments, and fetch it once somebody agreed.",
    "/staff/audit": "Who did what to whose data, when and why.",
    "/staff/webhooks": "Which systems outside hear of what, and what became of each delivery.",
    "/coach/": "Your clients, calendar and messages.",
    "/admin/": "Numbers, automations and connectors.",
    "/dagster/": "Runs of the data platform.",
}
"""What each way leads to, by its address."""


@router.get("", dependencies=[Allowed("staff.open_desk")])
def home(request: Request, principal: CurrentPrincipal, account_id: CurrentAccount, session: DbSession) -> Response:
    """What waits, and the ways on."""
    now = datetime.now(UTC)
    waiting, unanswered = None, None
    if may_principal(principal, "staff.read_requests"):
        waiting = desks.waiting(session, role=principal.role, account_id=account_id, now=now)
    if may_principal(principal, "commerce.read_differences"):
        unanswered = commerce.contested_unanswered(session, now=now)
    ways = [
        (item, WAYS[item.href]) for item in request.app.state.nav if item.href in WAYS and item.is_for(principal)
    ]  # fmt: skip
    return render(request, "staff/home.html", ways=ways, waiting=waiting, unanswered=unanswered)
