"""A copy of all that Plyo knows of one: asking for it, how far it is, fetching it."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.core.signed_urls import signer
from operational_api.identity.service import copies
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix=copies.PAGE, dependencies=[Allowed("identity.keep_account")])


@router.get("")
def data_page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """What a copy is, and those that were asked for."""
    found = compliance.copies(session, account_id_of(principal), now=datetime.now(UTC))
    return render(request, "identity/data.html", found=found, is_making=any(one.state == "making" for one in found))


@router.post("")
def ask_for_data(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Have one made."""
    copies.ask(session, principal=principal, now=datetime.now(UTC))
    return redirect(request, copies.PAGE, flash="It is being made. We write to you when it is ready.")


@router.post("/{export_id}/link")
def fetch_data(request: Request, export_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """On to the file, by an address that works for five minutes."""
    now = datetime.now(UTC)
    path = copies.path_of(session, export_id=export_id, principal=principal, now=now)
    return redirect(request, signer(request).sign(path, subject=principal.key, now=now))
