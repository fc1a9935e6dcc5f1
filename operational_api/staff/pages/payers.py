"""Who pays for a customer, on the page of a person: a parent, an employer. Part of `people`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect

router = APIRouter(prefix="/staff/people", route_class=IdempotentRoute)
SET = "commerce.set_payer"


@dataclass(frozen=True, slots=True)
class Paying:
    """Who pays for a customer (None: they do), and whom they pay for."""

    payer: identity.Person | None
    others: list[identity.Person]
    billed_to: str | None


def paying(session: Session, principal: Principal, customer_id: UUID) -> Paying | None:
    """It, for who may change it."""
    if not may_principal(principal, SET):
        return None
    payer_id, paid = commerce.payer_of(session, customer_id), commerce.paid_for_by(session, customer_id)
    known = identity.people(session, [*paid, payer_id] if payer_id else paid) if payer_id or paid else {}
    return Paying(
        known.get(payer_id) if payer_id else None, [known[one] for one in paid if one in known],
        commerce.billed_to(session, customer_id),
    )  # fmt: skip


@router.post("/{account_id}/payer", dependencies=[Allowed(SET)])
def put_payer(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    email: Annotated[str, Form(max_length=200, pattern="^[^\\x00]*$")] = "",
) -> Response:
    """Let whoever has that address pay for a customer; without one they pay for themselves."""
    person, here, typed = identity.person(session, account_id), f"/staff/people/{account_id}", email.strip().lower()
    if person is None or person.role != "customer":
        raise NotFound
    found = identity.find_people(session, typed, customers_only=True, limit=2) if typed else []
    payer = next((one for one in found if one.email.lower() == typed), None)
    if typed and payer is None:
        return redirect(request, here, flash="No customer has that address. Whoever pays needs an account.", tone="bad")
    try:
        with session.begin_nested():
            commerce.set_payer(
                session, customer_id=account_id, payer_id=payer.account_id if payer else None,
                actor_id=account_id_of(principal), now=datetime.now(UTC),
            )  # fmt: skip
    except DomainError as refusal:
        return redirect(request, here, flash=refusal.detail, tone="bad")
    told = f"{payer.display_name} pays from now on." if payer else "They pay for themselves from now on."
    return redirect(request, here, flash=told)


@router.post("/{account_id}/billed-to", dependencies=[Allowed(SET)])
def put_billed_to(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    billed_to: Annotated[str, Form(max_length=400, pattern="^[^\\x00]*$")] = "",
) -> Response:
    """Address the invoices that a customer pays from now on to a company."""
    person = identity.person(session, account_id)
    if person is None or person.role != "customer":
        raise NotFound
    commerce.set_billed_to(
        session, customer_id=account_id, words=billed_to, actor_id=account_id_of(principal), now=datetime.now(UTC)
    )
    return redirect(request, f"/staff/people/{account_id}", flash="Saved. It is on their invoices from now on.")
