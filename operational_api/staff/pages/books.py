"""/staff/books: where a payment provider's books and ours differ, and saying what was done about it."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff/books", route_class=IdempotentRoute)
SHOWN = 20
OUTCOMES = {
    "booked": "Our books were corrected",
    "provider_corrected": "The provider corrected it",
    "accepted": "We accept the difference",
    "no_fault": "It is no fault",
}


@router.get("", dependencies=[Allowed("commerce.read_differences")])
def page(
    request: Request, principal: CurrentPrincipal, session: DbSession, show: str = "open", cursor: Cursor = None
) -> Response:
    """What waits, or what was resolved; or the payments that are contested at the bank."""
    if show == "disputes":
        lines, following = commerce.contested(session, limit=SHOWN, cursor=cursor)
        now = datetime.now(UTC)
        return render(
            request, "staff/disputes.html", found=lines, following=following, now=now,
            unanswered=commerce.contested_unanswered(session, now=now),
            people=identity.people(session, {one.customer_id for one in lines}),
            invoices=commerce.invoices_of_payments(session, {one.payment_id for one in lines}),
            looks_up=may_principal(principal, "identity.look_up_person"),
        )  # fmt: skip
    is_resolved = show == "resolved"
    found, following = commerce.differences(session, is_resolved=is_resolved, limit=SHOWN, cursor=cursor)
    ids = {one for line in found for one in (line.customer_id, line.resolved_by) if one}
    invoices = commerce.invoices_of_payments(session, {one.payment_id for one in found if one.payment_id})
    return render(
        request, "staff/books.html", found=found, following=following, is_resolved=is_resolved, outcomes=OUTCOMES,
        people=identity.people(session, ids), invoices=invoices, runs=commerce.comparisons(session),
        can_resolve=may_principal(principal, "commerce.resolve_difference"),
        looks_up=may_principal(principal, "identity.look_up_person"),
    )  # fmt: skip


@router.post("/{finding_id}/resolve", dependencies=[Allowed("commerce.resolve_difference")])
def resolve(
    request: Request,
    finding_id: UUID,
    actor_id: CurrentAccount,
    session: DbSession,
    outcome: Annotated[Literal["booked", "provider_corrected", "accepted", "no_fault"], Form()],
    reason: Annotated[str, Form(max_length=500, pattern="^[^\\x00]*$")] = "",
) -> Response:
    """Say what was done about one, for good."""
    commerce.resolve_difference(
        session, finding_id, outcome=outcome, reason=reason, actor_id=actor_id, now=datetime.now(UTC)
    )
    return redirect(request, "/staff/books", flash="Resolved.")
