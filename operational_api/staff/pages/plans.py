"""/staff/plans: what is for sale, and at which price from when."""

import re
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Annotated, cast
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Path, Request, Response

from contracts.money import EXPONENTS, exponent
from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.staff import amounts
from operational_api.web.rendering import WayBack, redirect, render, time_zone

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
MANAGED = [Allowed("commerce.manage_prices")]
KINDS = {
    "membership": "Membership", "pack": "Session pack", "drop_in": "Single session", "intro": "Introduction",
    "top_up": "Wallet top-up",
}  # fmt: skip
LEFT = {
    "refund": "go back to the card", "credit": "wait as credit for whoever comes back", "forfeit": "are lost",
}  # fmt: skip
Code = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]*$")]
Text = Annotated[str, Form(max_length=300)]
Typed = Annotated[str, Form(max_length=20)]
Maybe = Annotated[str | None, Form(max_length=20)]
Currency = Annotated[str, Form(pattern="^[A-Z]{3}$")]


class CodeNotAllowed(Invalid):
    """Short names have small letters from a to z, digits and hyphens."""


class NameNeeded(Invalid):
    """It needs a name, of at most 80 letters."""


@router.get("/plans", dependencies=MANAGED)
def plans(request: Request, session: DbSession) -> Response:
    """All plans: those for sale in the order in which they are shown, and those sold no more."""
    found = commerce.every_plan(session, now=datetime.now(UTC))
    return render(request, "staff/plans.html", found=found, kinds=KINDS)


@router.get("/plans/new", dependencies=MANAGED)
def new_plan(request: Request, kind: commerce.PlanKind = "membership") -> Response:
    """The form that makes one; which fields it has follows from the kind."""
    return render(
        request, "staff/plan_new.html", kind=kind, kinds=KINDS, left=LEFT, currencies=sorted(EXPONENTS),
    )  # fmt: skip


@router.post("/plans", dependencies=MANAGED)
def create_plan(
    request: Request,
    actor_id: CurrentAccount,
    session: DbSession,
    name: Text,
    kind: Annotated[commerce.PlanKind, Form()],
    currency: Currency,
    amount: Typed,
    tax: Typed = "0",
    code: Annotated[str, Form(max_length=60)] = "",
    description: Text = "",
    interval_months: Typed = "",
    sessions_included: Typed = "",
    trial_days: Typed = "",
    validity_days: Typed = "",
    days_left: Annotated[commerce.DaysLeft, Form()] = "refund",
    sort_order: Typed = "",
) -> Response:
    """Make one, with its first price."""
    now = datetime.now(UTC)
    terms = commerce.Terms(
        name=_name(name),
        description=description.strip(),
        kind=kind,
        interval_months=amounts.whole(interval_months, 24),
        sessions_included=1 if kind == "drop_in" else amounts.whole(sessions_included, 1000),
        trial_days=amounts.whole(trial_days, 90) or 0,
        validity_days=amounts.whole(validity_days, 1825),
        days_left=days_left,
        sort_order=amounts.whole(sort_order, 1000) or 0,
    )
    made = commerce.create_plan(session, terms, code=_code(code.lower()), actor_id=actor_id, now=now)
    commerce.set_price(
        session, plan_code=made.code, currency=currency, amount_minor=amounts.units(amount, exponent(currency)),
        tax_rate_bp=_tax(tax), valid_from=now, for_members=False, actor_id=actor_id, now=now,
    )  # fmt: skip
    return redirect(request, _path(made.code), flash=f"{made.name} is for sale.")


@router.get("/plans/{plan_code}", dependencies=MANAGED)
def plan(request: Request, plan_code: Code, session: DbSession) -> Response:
    """One plan: what it says, what it cost, costs and will cost, and who has it."""
    now = datetime.now(UTC)
    return render(
        request, "staff/plan.html", kept=commerce.plan_kept(session, code=plan_code, now=now), kinds=KINDS, left=LEFT,
        prices=commerce.price_history(session, plan_code=plan_code), currencies=sorted(EXPONENTS),
        members_at=commerce.members_at(session, plan_code=plan_code), path_of=_path(plan_code),
    )  # fmt: skip


@router.post("/plans/{plan_code}", dependencies=MANAGED)
def change_plan(
    request: Request,
    plan_code: Code,
    actor_id: CurrentAccount,
    session: DbSession,
    name: Text,
    description: Text = "",
    interval_months: Maybe = None,
    sessions_included: Maybe = None,
    trial_days: Typed = "",
    validity_days: Typed = "",
    days_left: Annotated[commerce.DaysLeft | None, Form()] = None,
    sort_order: Typed = "",
) -> Response:
    """Have it say something else. What the form does not have stays: what somebody bought is not in it."""
    now = datetime.now(UTC)
    row = commerce.plan_kept(session, code=plan_code, now=now).plan
    terms = commerce.Terms(
        name=_name(name),
        description=description.strip(),
        kind=cast("commerce.PlanKind", row.kind),
        interval_months=row.interval_months,
        sessions_included=row.sessions_included,
        trial_days=amounts.whole(trial_days, 90) or 0,
        validity_days=amounts.whole(validity_days, 1825),
        days_left=days_left or cast("commerce.DaysLeft", row.days_left),
        sort_order=amounts.whole(sort_order, 1000) or 0,
    )
    if interval_months is not None:
        terms = replace(terms, interval_months=amounts.whole(interval_months, 24))
    if sessions_included is not None:
        terms = replace(terms, sessions_included=amounts.whole(sessions_included, 1000))
    commerce.change_plan(session, terms, code=plan_code, actor_id=actor_id, now=now)
    return redirect(request, _path(plan_code), flash="It is changed.")


@router.post("/plans/{plan_code}/retirement", dependencies=MANAGED)
def set_plan_sold(
    request: Request, plan_code: Code, actor_id: CurrentAccount, session: DbSession, is_sold: Annotated[bool, Form()]
) -> Response:
    """Sell it no more, or again; each undoes the other."""
    row = commerce.set_plan_sold(session, code=plan_code, is_sold=is_sold, actor_id=actor_id, now=datetime.now(UTC))
    said = f"{row.name} is for sale again." if is_sold else f"{row.name} is sold no more. Whoever has it keeps it."
    undo = WayBack("Undo", f"{_path(plan_code)}/retirement", {"is_sold": "false" if is_sold else "true"})
    return redirect(request, _path(plan_code), flash=said, way_back=undo)


@router.post("/plans/{plan_code}/prices", dependencies=MANAGED)
def set_price(
    request: Request,
    plan_code: Code,
    actor_id: CurrentAccount,
    session: DbSession,
    currency: Currency,
    amount: Typed,
    tax: Typed = "0",
    begins: Typed = "",
    for_members: Annotated[bool, Form()] = False,
) -> Response:
    """Give it another price, now or from a day of the reader's on."""
    now = datetime.now(UTC)
    zone = ZoneInfo(time_zone(request))
    first_on = amounts.day(begins) if begins else now.astimezone(zone).date()
    is_now = first_on == now.astimezone(zone).date()
    starts = now if is_now else datetime.combine(first_on, time.min, zone).astimezone(UTC)
    made = commerce.set_price(
        session, plan_code=plan_code, currency=currency, amount_minor=amounts.units(amount, exponent(currency)),
        tax_rate_bp=_tax(tax), valid_from=starts, for_members=for_members, actor_id=actor_id, now=now,
    )  # fmt: skip
    undo = None
    if starts > now:
        undo = WayBack("Undo", f"{_path(plan_code)}/prices/{made.id}/withdrawal")
    return redirect(request, _path(plan_code), flash="The price is set.", way_back=undo)


@router.post("/plans/{plan_code}/prices/{price_id}/withdrawal", dependencies=MANAGED)
def withdraw_price(
    request: Request, plan_code: Code, price_id: UUID, actor_id: CurrentAccount, session: DbSession
) -> Response:
    """Take back a price that has not begun."""
    commerce.withdraw_price(session, plan_code=plan_code, price_id=price_id, actor_id=actor_id, now=datetime.now(UTC))
    return redirect(request, _path(plan_code), flash="That price will not begin.")


def _path(code: str) -> str:
    return f"/staff/plans/{quote(code, safe='')}"


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= 80 or "\x00" in text:
        raise NameNeeded
    return text.strip()


def _code(text: str) -> str:
    if not re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", text):
        raise CodeNotAllowed
    return text


def _tax(text: str) -> int:
    found = amounts.share(text)
    if found >= 10_000:
        raise amounts.NoSuchAmount
    return found
