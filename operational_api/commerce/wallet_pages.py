"""The customer's page of their wallet: what is in it, what they can pay in, and what moved."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from operational_api.commerce import wallet_desk
from operational_api.commerce.providers.dependencies import AllProviders
from operational_api.commerce.service import plans
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.web.rendering import render

router = APIRouter(route_class=IdempotentRoute)
SHOWN = 20


@router.get("/wallet", response_class=HTMLResponse, dependencies=[Allowed("commerce.read_membership")])
def show_wallet(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    providers: AllProviders,
    cursor: Cursor = None,
) -> Response:
    """One's own wallet."""
    now = datetime.now(UTC)
    shown = wallet_desk.wallet_of(session, principal, customer_id, limit=SHOWN, cursor=cursor, now=now)
    return render(
        request, "commerce/wallet.html", wallet=shown, is_first=cursor is None,
        top_ups=plans.top_ups(session, currency=shown.currency, now=now),
        ways=providers.choices(shown.currency, is_recurring=False),
    )  # fmt: skip
