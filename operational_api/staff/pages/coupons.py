"""/staff/coupons: codes that take something off what memberships charge."""

from datetime import UTC, datetime, time
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response

from contracts.money import EXPONENTS, exponent
from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.staff import amounts
from operational_api.web.rendering import WayBack, redirect, render, time_zone

router = APIRouter(prefix="/staff/coupons", route_class=IdempotentRoute)
MANAGED = [Allowed("commerce.manage_prices")]
Typed = Annotated[str, Form(max_length=20)]


class WorthNeeded(Invalid):
    """A coupon takes off a share up to 100 percent, or an amount of one currency: fill in one of both."""


class CodeNotAllowed(Invalid):
    """Codes of coupons have letters from A to Z, digits and hyphens."""


@router.get("", dependencies=MANAGED)
def coupons(request: Request, session: DbSession) -> Response:
    """All codes, how often each was used, and the form that makes one."""
    return render(
        request, "staff/coupons.html", found=commerce.all_coupons(session), currencies=sorted(EXPONENTS),
    )  # fmt: skip


@router.post("", dependencies=MANAGED)
def create_coupon(
    request: Request,
    actor_id: CurrentAccount,
    session: DbSession,
    code: Annotated[str, Form(max_length=40)],
    percent: Typed = "",
    amount: Typed = "",
    currency: Annotated[str, Form(pattern="^[A-Z]{3}$")] = "EUR",
    duration: Annotated[commerce.CouponDuration, Form()] = "once",
    duration_months: Typed = "",
    max_redemptions: Typed = "",
    expires: Typed = "",
) -> Response:
    """Make a code. It is taken to the end of the day it names, where the reader is."""
    if bool(percent.strip()) == bool(amount.strip()):
        raise WorthNeeded
    worth = commerce.Worth(percent_bp=amounts.share(percent))
    if amount.strip():
        worth = commerce.Worth(amount_minor=amounts.units(amount, exponent(currency)), currency=currency)
    if not (worth.percent_bp or worth.amount_minor):
        raise WorthNeeded
    months = amounts.whole(duration_months, 120)
    if duration == "months" and months is None:
        raise amounts.NoSuchNumber
    if not (code.isascii() and code.strip().replace("-", "").isalnum()):
        raise CodeNotAllowed
    expires_at = None
    if expires:
        expires_at = datetime.combine(amounts.day(expires), time.max, ZoneInfo(time_zone(request))).astimezone(UTC)
    made = commerce.create_coupon(
        session,
        code=code.strip(),
        worth=worth,
        duration=duration,
        duration_months=months if duration == "months" else None,
        max_redemptions=amounts.whole(max_redemptions, 1_000_000),
        expires_at=expires_at,
        actor_id=actor_id,
        now=datetime.now(UTC),
    )
    return redirect(request, "/staff/coupons", flash=f"{made.code} can be used.")


@router.post("/{coupon_id}/retirement", dependencies=MANAGED)
def set_coupon_taken(
    request: Request, coupon_id: UUID, actor_id: CurrentAccount, session: DbSession, is_taken: Annotated[bool, Form()]
) -> Response:
    """Take a code no more, or again; each undoes the other."""
    row = commerce.set_coupon_taken(
        session, coupon_id=coupon_id, is_taken=is_taken, actor_id=actor_id, now=datetime.now(UTC)
    )
    said = f"{row.code} is taken again." if is_taken else f"{row.code} is taken no more. Whoever used it keeps it."
    undo = WayBack("Undo", f"/staff/coupons/{coupon_id}/retirement", {"is_taken": "false" if is_taken else "true"})
    return redirect(request, "/staff/coupons", flash=said, way_back=undo)
