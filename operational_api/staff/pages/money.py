"""/staff/collections and /staff/commissions: payments that did not go through, what coaches earned and were paid."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from contracts.money import Money, exponent
from operational_api.commerce import public as commerce
from operational_api.core.approvals import Reason
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, Forbidden, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal, may_see_everybody
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff import amounts
from operational_api.web.filters import zone
from operational_api.web.rendering import redirect, render, time_zone

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
SHOWN = 25
PAY, STATEMENTS = "commerce.record_payout", "/staff/commissions/statements"
STATES = {
    "due": ("Being collected", "info"), "retrying": ("Will be tried again", "warn"),
    "stopped": ("Waits for a new card", "bad"),
}  # fmt: skip


@router.get("/collections", dependencies=[Allowed("commerce.read_collections")])
def collections(request: Request, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None) -> Response:
    """What is being collected: what was tried, and when what comes next."""
    found, following = commerce.collections(session, limit=SHOWN, cursor=cursor)
    return render(
        request, "staff/collections.html", found=found, following=following, states=STATES, cursor=cursor,
        people=identity.people(session, {one.collection.customer_id for one in found}),
        looks_up=may_principal(principal, "identity.look_up_person"),
        reads=may_principal(principal, "commerce.read_invoice"),
    )  # fmt: skip


@router.get("/commissions", dependencies=[Allowed("commerce.read_commissions")])
def commissions(
    request: Request, principal: CurrentPrincipal, account_id: CurrentAccount, session: DbSession, cursor: Cursor = None
) -> Response:
    """What coaches earned and have still to be paid: a coach's own; for finance everybody's, and the rates."""
    earliest, today = commerce.days_at_studios(session, datetime.now(UTC))
    sees_all = may_see_everybody(principal, "commerce.read_commissions")
    closed, following = commerce.commission_statements(
        session, coach_id=None if sees_all else account_id, limit=SHOWN, cursor=cursor
    )
    paid = commerce.pay_standings(session, [one.id for one in closed])
    unpaid = commerce.pay_balances(session, coach_id=None if sees_all else account_id)
    owed = commerce.commissions_owed(session, last_on=today, coach_id=None if sees_all else account_id)
    known = commerce.commission_rates(session, None if sees_all else [account_id])
    coaches = scheduling.all_coaches(session) if sees_all else {account_id: principal.display_name}
    shown = {one.coach_id for rows in (closed, owed, known, unpaid) for one in rows}
    left = shown - coaches.keys()
    names = coaches | {id_: one.display_name for id_, one in (identity.people(session, left) if left else {}).items()}
    first, last = commerce.next_pay_period(session, today=earliest) if sees_all else (today, today)
    together: dict[str, int] = {}
    for one in unpaid:
        together[one.currency] = together.get(one.currency, 0) + one.left_minor
    return render(
        request, "staff/commissions.html", sees_all=sees_all, owed=owed, closed=closed, following=following,
        paid=paid, unpaid=unpaid, pays=may_principal(principal, PAY),
        rates=known, coaches=coaches, names=names, today=today, first=first, last=last, is_over=last < earliest,
        together=together,
        currencies=sorted({one.currency for one in known} | {one.currency for one in owed} | {"EUR"}),
    )  # fmt: skip


@router.get("/commissions/statements/{statement_id}", dependencies=[Allowed("commerce.read_commissions")])
def statement(request: Request, statement_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A closed pay period of a coach, line by line."""
    return _statement(request, session, principal, statement_id)


def _statement(
    request: Request, session: Session, principal: Principal, statement_id: UUID, *,
    sent: dict[str, str] | None = None, refusal: str = "",
) -> Response:  # fmt: skip
    slip = commerce.pay_slip(session, principal, statement_id)
    now = datetime.now(UTC)
    _, today = commerce.days_at_studios(session, now)  # the latest that may be said
    theirs = min(now.astimezone(zone(time_zone(request))).date(), today)
    may, is_own = may_principal(principal, PAY), slip.coach_id == principal.account_id
    left = slip.standing.left_minor if slip.standing else 0
    return render(
        request, "staff/pay_slip.html", status_code=409 if refusal else 200, slips=[slip], coach=slip.coach,
        is_closed=True, pays=may and not is_own, needs_another=may and is_own, today=today, refusal=refusal,
        sent=sent or {"amount": f"{Money(left, slip.currency).major}", "paid_on": f"{theirs}", "reference": ""},
        classes=_classes(session, [slip]), reads=may_see_everybody(principal, "commerce.read_invoice"),
    )  # fmt: skip


@router.post("/commissions/statements/{statement_id}/payouts", dependencies=[Allowed(PAY)])
def record_payout(
    request: Request,
    statement_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    currency: Annotated[str, Form(pattern="^[A-Z]{3}$")],
    left_minor: Annotated[int, Form(ge=0, le=10**12)],
    amount: Annotated[str, Form(max_length=20)],
    paid_on: Annotated[str, Form(max_length=10)],
    reference: Annotated[str, Form(max_length=140, pattern="^[^\\x00]*$")] = "",
) -> Response:
    """Note that a coach was paid a statement, or a part of it; where that is refused, what was typed stays."""
    try:
        with session.begin_nested():
            paid = commerce.record_payout(
                session, principal, statement_id=statement_id, left_minor=left_minor,
                amount_minor=amounts.units(amount, exponent(currency), least=1), paid_on=amounts.day(paid_on),
                reference=reference, now=datetime.now(UTC),
            )  # fmt: skip
    except (Forbidden, NotFound):
        raise
    except DomainError as refusal:
        sent = {"amount": amount, "paid_on": paid_on, "reference": reference}
        return _statement(request, session, principal, statement_id, sent=sent, refusal=refusal.detail)
    return redirect(request, f"{STATEMENTS}/{paid.statement_id}", flash="Noted as paid.")


@router.post("/commissions/payouts/{payout_id}/reversal", dependencies=[Allowed(PAY)])
def reverse_payout(
    request: Request, payout_id: UUID, principal: CurrentPrincipal, session: DbSession,
    reason: Annotated[Reason, Form()],
) -> Response:  # fmt: skip
    """Take back that a coach was paid."""
    back = commerce.reverse_payout(session, principal, payout_id=payout_id, reason=reason, now=datetime.now(UTC))
    return redirect(request, f"{STATEMENTS}/{back.statement_id}", flash="Taken back: it is to be paid again.")


@router.get("/commissions/statements/{statement_id}/file", dependencies=[Allowed("commerce.read_commissions")])
def statement_file(
    request: Request,
    statement_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    file_format: Annotated[commerce.FileFormat, Query(alias="format")] = "pdf",
) -> Response:
    """The same to keep: a PDF, or CSV."""
    seller = getattr(request.app.state, "seller_settings", None) or commerce.SellerSettings()
    name, media_type, content = commerce.pay_slip_file(
        session, principal, statement_id, file_format=file_format, seller=seller
    )
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


@router.get("/commissions/coaches/{coach_id}", dependencies=[Allowed("commerce.read_commissions")])
def not_closed(request: Request, coach_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """What a coach earned that is in no statement yet, line by line."""
    _, today = commerce.days_at_studios(session, datetime.now(UTC))
    slips = commerce.pay_not_closed(session, principal, coach_id, last_on=today)
    known = identity.people(session, [coach_id])
    return render(
        request, "staff/pay_slip.html", slips=slips, is_closed=False, pays=False,
        coach=known[coach_id].display_name if coach_id in known else "A former coach",
        classes=_classes(session, slips), reads=may_see_everybody(principal, "commerce.read_invoice"),
    )  # fmt: skip


def _classes(session: Session, slips: Sequence[commerce.PaySlip]) -> dict[UUID, str]:
    return scheduling.titles_of(session, {one.class_id for slip in slips for one in slip.classes if one.class_id})


@router.post("/commissions/rates", dependencies=[Allowed("commerce.set_commission")])
def set_rate(
    request: Request,
    account_id: CurrentAccount,
    session: DbSession,
    coach_id: Annotated[UUID, Form()],
    currency: Annotated[str, Form(pattern="^[A-Z]{3}$")],
    per_session: Annotated[str, Form(max_length=20)],
    valid_from: Annotated[str, Form(max_length=10)],
    pack_share: Annotated[str, Form(max_length=10)] = "0",
    per_class: Annotated[str, Form(max_length=20)] = "0",
) -> Response:
    """Set what a coach earns from a day on."""
    commerce.set_commission_rate(
        session, coach_id=coach_id, currency=currency, per_session_minor=amounts.units(per_session, exponent(currency)),
        pack_share_bp=amounts.share(pack_share), per_class_minor=amounts.units(per_class or "0", exponent(currency)),
        valid_from=amounts.day(valid_from), actor_id=account_id,
        now=datetime.now(UTC),
    )  # fmt: skip
    return redirect(request, "/staff/commissions", flash="The rate is set.")


@router.post("/commissions/close", dependencies=[Allowed("commerce.close_pay_period")])
def close(
    request: Request,
    account_id: CurrentAccount,
    session: DbSession,
    first_on: Annotated[str, Form(max_length=10)],
    last_on: Annotated[str, Form(max_length=10)],
) -> Response:
    """Close a pay period."""
    made = commerce.close_pay_period(
        session,
        first_on=amounts.day(first_on),
        last_on=amounts.day(last_on),
        actor_id=account_id,
        now=datetime.now(UTC),
    )
    return redirect(request, "/staff/commissions", flash=f"Closed, with {made} statement{'' if made == 1 else 's'}.")
