"""/staff/commissions/paid-outside: all pay up to a day noted as paid at once, looked at before; and taken back at once.

Paying one statement is `money`.
"""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.approvals import Reason
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, Forbidden, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff import amounts
from operational_api.web.rendering import redirect, render

HERE = "/staff/commissions/paid-outside"
PAY = "commerce.record_payout"
router = APIRouter(prefix=HERE, route_class=IdempotentRoute, dependencies=[Allowed(PAY)])


@router.get("")
def look(
    request: Request, principal: CurrentPrincipal, session: DbSession, last_on: Annotated[date | None, Query()] = None
) -> Response:
    """What is not paid of periods that ended by a day; nothing is noted yet."""
    earliest, _ = commerce.days_at_studios(session, datetime.now(UTC))
    return _look(request, session, principal, last_on or earliest)


def _look(
    request: Request, session: Session, principal: Principal, last_on: date, *, sent: str = "", refusal: str = ""
) -> Response:
    found = commerce.unpaid_until(session, principal, last_on=last_on)
    return render(
        request, "staff/paid_outside.html", status_code=409 if refusal else 200, found=found, last_on=last_on,
        names=_names(session, {one.statement.coach_id for one in found.rows}), refusal=refusal, sent=sent,
    )  # fmt: skip


@router.post("")
def note(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    last_on: Annotated[str, Form(max_length=10)],
    seen: Annotated[str, Form(pattern="^[0-9a-f]{32}$")],
    reference: Annotated[str, Form(max_length=140, pattern="^[^\\x00]*$")] = "",
) -> Response:
    """Note all of it as paid, just as it was seen; where that is refused, what is left now is shown."""
    day = amounts.day(last_on)
    try:
        with session.begin_nested():
            batch_id = commerce.record_payout_batch(
                session, principal, last_on=day, seen=seen, reference=reference, now=datetime.now(UTC)
            )
    except (Forbidden, NotFound):
        raise
    except DomainError as refusal:
        return _look(request, session, principal, day, sent=reference, refusal=refusal.detail)
    return redirect(request, f"{HERE}/{batch_id}", flash="Noted as paid.")


@router.get("/{batch_id}")
def batch(request: Request, batch_id: UUID, session: DbSession) -> Response:
    """What was noted as paid at once, and what of it was taken back."""
    rows = commerce.payouts_of_batch(session, batch_id)
    return render(
        request, "staff/payout_batch.html", rows=rows, batch_id=batch_id, first=rows[0][0],
        names=_names(session, {paid.coach_id for paid, _ in rows}),
        stands=sum(not is_reversed for _, is_reversed in rows),
    )  # fmt: skip


@router.post("/{batch_id}/reversal")
def reverse(
    request: Request, batch_id: UUID, principal: CurrentPrincipal, session: DbSession,
    reason: Annotated[Reason, Form()],
) -> Response:  # fmt: skip
    """Take back all of them."""
    commerce.reverse_payout_batch(session, principal, batch_id=batch_id, reason=reason, now=datetime.now(UTC))
    return redirect(request, f"{HERE}/{batch_id}", flash="Taken back: all of it is to be paid again.")


def _names(session: Session, coach_ids: set[UUID]) -> dict[UUID, str]:
    """Coaches by the name that they have here, those who left by that of their account."""
    coaches = scheduling.all_coaches(session)
    left = coach_ids - coaches.keys()
    return coaches | {id_: one.display_name for id_, one in (identity.people(session, left) if left else {}).items()}
