"""/staff/collections and /staff/commissions: payments that did not go through, and what coaches earned."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from contracts.money import exponent
from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal, may_see_everybody
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff import amounts
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
SHOWN = 25
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
    """What coaches earned: a coach's own closed pay periods; for finance everybody's, what is owed, and the rates."""
    earliest, today = commerce.days_at_studios(session, datetime.now(UTC))
    sees_all = may_see_everybody(principal, "commerce.read_commissions")
    closed, following = commerce.commission_statements(
        session, coach_id=None if sees_all else account_id, limit=SHOWN, cursor=cursor
    )
    owed = commerce.commissions_owed(session, last_on=today, coach_id=None if sees_all else account_id)
    known = commerce.commission_rates(session, None if sees_all else [account_id])
    coaches = scheduling.all_coaches(session) if sees_all else {account_id: principal.display_name}
    shown = {one.coach_id for one in closed} | {one.coach_id for one in owed} | {one.coach_id for one in known}
    left = shown - coaches.keys()
    names = coaches | {id_: one.display_name for id_, one in (identity.people(session, left) if left else {}).items()}
    last_month = earliest.replace(day=1) - timedelta(days=1)
    return render(
        request, "staff/commissions.html", sees_all=sees_all, owed=owed, closed=closed, following=following,
        rates=known, coaches=coaches, names=names, today=today, first=last_month.replace(day=1), last=last_month,
        currencies=sorted({one.currency for one in known} | {one.currency for one in owed} | {"EUR"}),
    )  # fmt: skip


@router.get("/commissions/statements/{statement_id}", dependencies=[Allowed("commerce.read_commissions")])
def statement(request: Request, statement_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A closed pay period of a coach, line by line."""
    slip = commerce.pay_slip(session, principal, statement_id)
    return render(
        request, "staff/pay_slip.html", slips=[slip], coach=slip.coach, is_closed=True,
        reads=may_see_everybody(principal, "commerce.read_invoice"),
    )  # fmt: skip


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
        request, "staff/pay_slip.html", slips=slips, is_closed=False,
        coach=known[coach_id].display_name if coach_id in known else "A former coach",
        reads=may_see_everybody(principal, "commerce.read_invoice"),
    )  # fmt: skip


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
) -> Response:
    """Set what a coach earns from a day on."""
    commerce.set_commission_rate(
        session, coach_id=coach_id, currency=currency, per_session_minor=amounts.units(per_session, exponent(currency)),
        pack_share_bp=amounts.share(pack_share), valid_from=amounts.day(valid_from), actor_id=account_id,
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
