"""HTTP to first screens, under /api/bff: one call a person, whatever the parts."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request

from operational_api.core import audit
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.gateway import screens
from operational_api.gateway.bff import admin, coach, composition, customer
from operational_api.gateway.bff.numbers import Numbers
from operational_api.gateway.bff.schemas import AdminScreen, CoachScreen, CustomerScreen

router = ContextRouter(prefix="/api/bff", tags=["first screens"])


def _told(screen: composition.Screen) -> dict[str, Any]:
    return screen.parts | {"missing": screen.missing, "is_partial": bool(screen.missing)}


@router.get("/customer", dependencies=[Allowed("training.train")])
def customer_screen(request: Request, customer_id: CurrentAccount, principal: CurrentPrincipal) -> CustomerScreen:
    """The customer's first screen."""
    sessions, now = request.app.state.sessions, datetime.now(UTC)
    found = composition.compose(sessions, customer_id, customer.PARTS, now=now)
    with sessions.begin() as session:  # it shows how training goes
        audit.record_read(session, principal, "training.read_progress", "Client", [customer_id], now=now)
    return CustomerScreen.model_validate(_told(found))


@router.get("/coach", dependencies=[Allowed("gateway.open_coach_console")])
def coach_screen(request: Request, coach_id: CurrentAccount, principal: CurrentPrincipal) -> CoachScreen:
    """The coach's first screen."""
    found = composition.compose(request.app.state.sessions, coach_id, coach.PARTS, now=datetime.now(UTC))
    known = {
        "account_id": coach_id,
        "screens": screens.names_of(principal, "coach"),
        "staff_pages": screens.staff_pages(request, principal),
    }
    return CoachScreen.model_validate(_told(found) | known)


@router.get("/admin", dependencies=[Allowed("gateway.open_admin_console")])
def admin_screen(
    request: Request,
    admin_id: CurrentAccount,
    principal: CurrentPrincipal,
    months: Annotated[int, Query(ge=1, le=24, description="Of the figures.")] = 12,
) -> AdminScreen:
    """The admin's first screen; figures come from analytics, asked as the admin."""
    now = datetime.now(UTC)
    parts = admin.parts(Numbers(request, principal), principal, months=months, now=now)
    # The figures are under way all at once: any of them may wait as long as the screen does.
    found = composition.compose(
        request.app.state.sessions, admin_id, parts, now=now, part_seconds=composition.SCREEN_SECONDS
    )
    known = {
        "account_id": admin_id,
        "screens": screens.names_of(principal, "admin"),
        "staff_pages": screens.staff_pages(request, principal),
        "figures": {name: found.parts[name] for name in admin.FIGURES if name in found.parts},
    }
    return AdminScreen.model_validate(_told(found) | known)
