"""HTTP to first screens, under /api/bff: one call a person, whatever the parts."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from operational_api.core import audit
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.gateway.bff import admin, coach, composition, customer
from operational_api.gateway.bff.numbers import Numbers
from operational_api.gateway.bff.schemas import AdminScreen, CoachScreen, CustomerScreen

router = APIRouter(prefix="/api/bff", tags=["first screens"])


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
def coach_screen(request: Request, coach_id: CurrentAccount) -> CoachScreen:
    """The coach's first screen."""
    found = composition.compose(request.app.state.sessions, coach_id, coach.PARTS, now=datetime.now(UTC))
    return CoachScreen.model_validate(_told(found))


@router.get("/admin", dependencies=[Allowed("gateway.open_admin_console")])
def admin_screen(request: Request, admin_id: CurrentAccount, principal: CurrentPrincipal) -> AdminScreen:
    """The admin's first screen; figures come from analytics, asked as the admin."""
    parts = admin.parts(
        Numbers(request, principal), role=principal.role,
        sees_connectors=may_principal(principal, "integrations.read_connectors"),
    )  # fmt: skip
    found = composition.compose(request.app.state.sessions, admin_id, parts, now=datetime.now(UTC))
    return AdminScreen.model_validate(_told(found))
