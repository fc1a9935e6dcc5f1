"""/staff/people: finding somebody, what the reader may see of them, and asking for what takes two people."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from contracts.money import exponent
from operational_api.commerce import public as commerce
from operational_api.core import audit
from operational_api.core.approvals import Reason
from operational_api.core.database import DbSession
from operational_api.core.errors import NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, Resource, is_allowed, may_principal, require
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.engagement import public as engagement
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff import amounts
from operational_api.staff.pages import payers
from operational_api.training import public as training
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff/people", route_class=IdempotentRoute)
SHOWN, PAYMENTS = 25, 5
Typed = Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$")]
ROLES = {
    "customer": "Customer", "coach": "Coach", "lead_coach": "Lead coach", "front_desk": "Front desk",
    "finance": "Finance", "support": "Support", "admin": "Admin", "data": "Data",
}  # fmt: skip
Role = Literal["customer", "coach", "lead_coach", "front_desk", "finance", "support", "admin", "data"]
Check = Literal["photo_id", "video_call", "known_person"]
Why = Annotated[Reason, Form()]


class PersonNotFound(NotFound):
    """There is nobody here whom you may look up."""


@router.get("", dependencies=[Allowed("identity.look_up_person")])
def search(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    q: Typed = "",
) -> Response:
    """People by name or e-mail address. Looking is written down."""
    staff_too = is_allowed(principal, "identity.look_up_person", Resource("Account", "any", kind="business"))
    return render(
        request, "staff/people.html", **find(session, principal, q, customers_only=not staff_too), roles=ROLES,
        sees_contact=may_principal(principal, "identity.read_contact"),
    )  # fmt: skip


def find(session: Session, principal: Principal, q: str, *, customers_only: bool) -> dict[str, Any]:
    """What `staff/find.html` shows of what was typed; who looks for people is written down."""
    wanted = q.strip()
    found: list[identity.Person] | None = None
    if len(wanted) >= 2:
        found = identity.find_people(session, wanted, customers_only=customers_only, limit=SHOWN)
        audit.record(
            session, "identity.look_up_person", "People", "search", actor_id=principal.account_id,
            purpose="operations", details={"found": len(found)},
        )  # fmt: skip
    # Who has just what was typed stands first.
    is_alike = bool(found) and not any(_has(one, wanted) for one in (found or [])[:1])
    return {"found": found, "is_alike": is_alike, "q": wanted, "limit": SHOWN, "masked": masked}


def _has(person: identity.Person, wanted: str) -> bool:
    typed = " ".join(wanted.split()).lower()
    return typed in person.display_name.lower() or typed == person.email.lower()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reader may see of a person; None is kept from them, an empty value is not there.

    `studios`: of somebody at a front desk, every studio and whether they are kept to it.
    """

    person: identity.Person
    email: str
    steps: int
    plan: commerce.CurrentPlan | None
    sees_plan: bool
    next_session: scheduling.SessionFacts | None
    coach: str | None
    payments: list[commerce.PaymentMade] | None
    fees: list[scheduling.LateFee]
    wallet: commerce.Wallet | None
    paying: payers.Paying | None
    sees_invoices: bool
    can_reset: bool
    can_change_role: bool
    can_sign_out: bool
    can_ask_for_copy: bool
    can_revive: bool
    can_book: bool
    studios: list[tuple[scheduling.Studio, bool]] | None


@router.get("/{account_id}", dependencies=[Allowed("identity.look_up_person")])
def page(request: Request, account_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One person."""
    person = _reach(session, principal, account_id)
    audit.record(
        session, "identity.look_up_person", "Account", account_id, actor_id=principal.account_id,
        subject_id=account_id, purpose=audit.purpose_of(principal, account_id),
    )  # fmt: skip
    seen = _seen(session, principal, person, datetime.now(UTC))
    return render(request, "staff/person.html", seen=seen, roles=ROLES, checks=identity.CHECKS)


def masked(email: str) -> str:
    """An address as somebody sees it who may only compare it."""
    name, _, host = email.partition("@")
    return f"{name[:1]}…@{host}"


def _resource(person: identity.Person) -> Resource:
    kind = None if person.role == "customer" else "business"
    return Resource("Account", person.account_id, customer_id=person.account_id, kind=kind)


def _reach(session: Session, principal: Principal, account_id: UUID) -> identity.Person:
    person = identity.person(session, account_id)
    if person is None:
        raise PersonNotFound
    require(principal, "identity.look_up_person", _resource(person), missing=PersonNotFound)
    return person


def _studios(
    session: Session, principal: Principal, person: identity.Person
) -> list[tuple[scheduling.Studio, bool]] | None:
    if person.role != "front_desk" or not may_principal(principal, "scheduling.assign_desk"):
        return None
    kept_to = scheduling.studios_of_desk(session, person.account_id) or ()
    return [(one, one.location_id in kept_to) for one in scheduling.studios(session)]


def _seen(session: Session, principal: Principal, person: identity.Person, now: datetime) -> Seen:
    id_, about = person.account_id, _resource(person)
    is_customer = person.role == "customer"
    theirs = Resource("Client", id_, customer_id=id_, coach_id=training.coach_of(session, id_))
    sees_plan = is_customer and is_allowed(principal, "commerce.read_client_membership", theirs)
    sees_bookings = is_customer and is_allowed(principal, "scheduling.read_booking", theirs)
    asks_refunds = is_customer and is_allowed(principal, "commerce.request_refund", theirs)
    waives = is_customer and is_allowed(principal, "scheduling.waive_fee", theirs)
    coaches = scheduling.coach_names(session, [theirs.coach_id]) if theirs.coach_id else {}
    return Seen(
        person,
        email=person.email if is_allowed(principal, "identity.read_contact", about) else masked(person.email),
        steps=identity.second_steps(session, id_),
        plan=commerce.current_plan(session, id_) if sees_plan else None,
        sees_plan=sees_plan,
        next_session=scheduling.next_session(session, id_, now, seen_by=principal) if sees_bookings else None,
        coach=next(iter(coaches.values()), None),
        payments=commerce.payments_of(session, id_, limit=PAYMENTS) if asks_refunds else None,
        wallet=(
            commerce.wallet_of(session, principal, id_, limit=PAYMENTS, now=now)
            if is_customer and commerce.may_read_wallet(principal, id_)
            else None
        ),
        paying=payers.paying(session, principal, id_) if is_customer else None,
        sees_invoices=is_customer and is_allowed(principal, "commerce.issue_credit_note", theirs),
        fees=scheduling.late_fees(session, principal, id_, limit=PAYMENTS) if waives else [],
        can_reset=is_allowed(principal, "identity.request_factor_reset", about),
        can_change_role=is_allowed(principal, "identity.request_role", about),
        can_sign_out=id_ != principal.account_id and is_allowed(principal, "identity.end_sessions", about),
        can_ask_for_copy=is_allowed(principal, "compliance.request_export", about),
        can_revive=(
            is_allowed(principal, "engagement.revive_address", about)
            and engagement.mail_comes_back(session, person.email)
        ),
        can_book=is_customer and is_allowed(principal, "scheduling.book_for", theirs),
        studios=_studios(session, principal, person),
    )


@router.post("/{account_id}/factor-resets", dependencies=[Allowed("identity.request_factor_reset")])
def ask_reset(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    identity_check: Annotated[Check, Form()],
    reason: Why,
) -> Response:
    """Ask for a lost second step to be removed; the person is told, somebody else decides."""
    _reach(session, principal, account_id)
    identity.request_factor_reset(
        session, account_id=account_id, identity_check=identity_check, reason=reason, principal=principal,
        now=datetime.now(UTC),
    )  # fmt: skip
    return redirect(request, f"/staff/people/{account_id}", flash="Asked for. We told them; now somebody else decides.")


@router.post("/{account_id}/roles", dependencies=[Allowed("identity.request_role")])
def ask_role(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    role: Annotated[Role, Form()],
    reason: Why,
) -> Response:
    """Ask for another role for somebody; another admin decides."""
    _reach(session, principal, account_id)
    identity.request_role(
        session, account_id=account_id, role=role, reason=reason, principal=principal, now=datetime.now(UTC)
    )
    return redirect(request, f"/staff/people/{account_id}", flash="Asked for. Now another admin decides.")


@router.post("/{account_id}/refunds", dependencies=[Allowed("commerce.request_refund")])
def ask_refund(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    payment_id: Annotated[UUID, Form()],
    currency: Annotated[str, Form(pattern="^[A-Z]{3}$")],
    reason: Why,
    amount: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Ask for as much of a payment to be given back, or for all that is left; somebody else decides."""
    commerce.request_refund(
        session, payment_id=payment_id, customer_id=account_id, reason=reason, principal=principal,
        amount_minor=amounts.units(amount, exponent(currency), least=1) if amount.strip() else None,
        now=datetime.now(UTC),
    )  # fmt: skip
    return redirect(request, f"/staff/people/{account_id}", flash="Asked for. Now somebody else decides.")


@router.post("/{account_id}/sign-outs", dependencies=[Allowed("identity.end_sessions")])
def sign_out(
    request: Request, account_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Why
) -> Response:
    """Sign them out of every browser and console, at once; they are told."""
    _reach(session, principal, account_id)
    ended = identity.sign_out(session, account_id=account_id, reason=reason, principal=principal, now=datetime.now(UTC))
    count = "They had no open session" if not ended else "1 session ended" if ended == 1 else f"{ended} sessions ended"
    return redirect(request, f"/staff/people/{account_id}", flash=f"{count}. We told them by e-mail.")


@router.post("/{account_id}/copies", dependencies=[Allowed("compliance.request_export")])
def ask_for_copy(
    request: Request, account_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Why
) -> Response:
    """Have a copy made of all that is known of them, for them alone; they are told."""
    _reach(session, principal, account_id)
    identity.request_copy(session, account_id=account_id, reason=reason, principal=principal, now=datetime.now(UTC))
    return redirect(request, f"/staff/people/{account_id}", flash="It is being made. They hear when they can fetch it.")


@router.post("/{account_id}/mail-revivals", dependencies=[Allowed("engagement.revive_address")])
def revive_mail(
    request: Request, account_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Why
) -> Response:
    """Write to their address again, from which our mails came back."""
    _reach(session, principal, account_id)
    engagement.revive_mail(session, principal, account_id=account_id, reason=reason, now=datetime.now(UTC))
    return redirect(request, f"/staff/people/{account_id}", flash="Lifted. The next e-mail goes there again.")


@router.post("/{account_id}/studios", dependencies=[Allowed("scheduling.assign_desk")])
def assign_desk(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    studio: Annotated[list[UUID], Form(max_length=100)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """At which studios' front desk they work; none ticked means all."""
    _reach(session, principal, account_id)
    scheduling.assign_desk(session, principal, account_id=account_id, location_ids=studio, now=datetime.now(UTC))
    told = "They work at the studios you chose." if studio else "They work at every studio."
    return redirect(request, f"/staff/people/{account_id}", flash=f"{told} It holds at once.")


@router.post("/{account_id}/gifts", dependencies=[Allowed("commerce.give_credit")])
def give_credit(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    amount: Annotated[str, Form(max_length=20)],
    reason: Why,
    last_on: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Give a customer something to spend, in the currency that they pay in."""
    person = _reach(session, principal, account_id)
    if person.role != "customer":
        raise PersonNotFound
    currency = commerce.currency_of(session, account_id)
    commerce.give_credit(
        session, principal, customer_id=account_id, amount_minor=amounts.units(amount, exponent(currency)),
        currency=currency, reason=reason, last_on=amounts.day(last_on) if last_on else None, now=datetime.now(UTC),
    )  # fmt: skip
    return redirect(request, f"/staff/people/{account_id}", flash="Given. Their next invoice takes it first.")


@router.post("/{account_id}/fee-waivers", dependencies=[Allowed("scheduling.waive_fee")])
def waive_fee(
    request: Request,
    account_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    booking_id: Annotated[UUID, Form()],
    reason: Why,
) -> Response:
    """Let a customer off the fee of a late cancellation."""
    scheduling.waive_late_fee(
        session, principal, booking_id=booking_id, customer_id=account_id, reason=reason, now=datetime.now(UTC)
    )
    return redirect(request, f"/staff/people/{account_id}", flash="Waived. They see it under their bookings.")
