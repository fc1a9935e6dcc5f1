"""Ways into one's account by another provider: what is linked, linking more, taking one away."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.identity.models import Account
from operational_api.identity.pages.upstream import LOGINS, choices, leave
from operational_api.identity.service import step_up
from operational_api.identity.upstream import service
from operational_api.identity.upstream.errors import ProviderDown
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix=LOGINS, dependencies=[Allowed("identity.keep_account")])


@router.get("")
def page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """What is linked, and what could be."""
    account = session.get_one(Account, account_id_of(principal))
    return render(
        request, "identity/logins.html", account=account, logins=service.of(session, account.id),
        labels=service.LABELS, choices=choices(request),
    )  # fmt: skip


@router.post("/{name}")
def begin(request: Request, name: str, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Go to a provider to link it. What comes back counts for this session only."""
    step_up.demand(session, session_id=principal.session_id, now=datetime.now(UTC), resume=LOGINS)
    try:
        return leave(request, name, purpose="link", session_id=str(principal.session_id))
    except ProviderDown as error:
        return redirect(request, LOGINS, flash=error.detail, tone="bad")


@router.post("/{login_id}/remove")
def remove(request: Request, login_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Disconnect one; never the last way in."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now, resume=LOGINS)
    row = service.unlink(session, account_id=account_id_of(principal), login_id=login_id, now=now)
    return redirect(request, LOGINS, flash=f"{service.LABELS[row.provider]} is disconnected.")
