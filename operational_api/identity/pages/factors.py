"""One's second factors: what there is, and taking one away. Adding one is `set_up`."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.identity.models import Account
from operational_api.identity.pages.common import must_have_factor, party_of
from operational_api.identity.service import factors, step_up
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/account/factors", dependencies=[Allowed("identity.keep_account")])


@router.get("")
def page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Everything that one signs in with besides the password."""
    account = session.get_one(Account, account_id_of(principal))
    return render(
        request, "identity/factors.html", account=account, found=factors.of(session, account.id),
        is_required=must_have_factor(request, account), can_have_passkeys=party_of(request).can_have_passkeys,
    )  # fmt: skip


@router.post("/totp/remove")
def remove_app(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """The phone with the app is gone, or another way is better."""
    return _remove(request, principal, session, "totp", None)


@router.post("/passkeys/{passkey_id}/remove")
def remove_passkey(request: Request, passkey_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """The device with the passkey is gone, or is somebody else's now."""
    return _remove(request, principal, session, "passkey", passkey_id)


def _remove(request: Request, principal: Principal, session: DbSession, kind: str, passkey_id: UUID | None) -> Response:
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now, resume="/account/factors")
    account = session.get_one(Account, account_id_of(principal))
    factors.remove(
        session, account=account, kind=kind, passkey_id=passkey_id, is_required=must_have_factor(request, account),
        now=now,
    )  # fmt: skip
    return redirect(request, "/account/factors", flash="Removed.")
