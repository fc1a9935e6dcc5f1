"""One's own account: profile, how one signs in, and where one is signed in."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.engagement.public import mail_comes_back
from operational_api.identity import devices
from operational_api.identity.models import Account
from operational_api.identity.pages.common import Text
from operational_api.identity.pages.upstream import choices
from operational_api.identity.service import accounts, deletion, factors, sessions, step_up
from operational_api.identity.upstream import service as upstream
from operational_api.web import sessions as web_sessions
from operational_api.web.rendering import redirect, render

router = APIRouter(dependencies=[Allowed("identity.keep_account")])


@router.get("/account")
def account_page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Profile, how one signs in, and signed-in devices."""
    account_id = account_id_of(principal)
    rows = sessions.listed(session, account_id=account_id, now=datetime.now(UTC))
    found = [
        (row, devices.device_name(row.user_agent), devices.method(row.amr), row.id == principal.session_id)
        for row in rows
    ]
    account = session.get_one(Account, account_id)
    return render(
        request, "identity/account.html", account=account, devices=found,
        comes_back=mail_comes_back(session, account.email),
        found=factors.of(session, account_id), logins=upstream.of(session, account_id), labels=upstream.LABELS,
        choices=choices(request), deletion=deletion.open_request(session, account_id),
        zones=sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc")),
    )  # fmt: skip


@router.post("/account")
def update_account(
    request: Request, principal: CurrentPrincipal, session: DbSession, display_name: Text = "", time_zone: Text = ""
) -> Response:
    """Change name and time zone."""
    account = accounts.update_profile(
        session, account_id=account_id_of(principal), display_name=display_name, time_zone=time_zone
    )
    web_sessions.rename(session, account_id=account.id, display_name=account.display_name, time_zone=account.time_zone)
    return redirect(request, "/account", flash="Saved.")


@router.post("/account/sessions/{session_id}/end")
def end_session(request: Request, session_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Sign one device out."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now, resume="/account")
    sessions.revoke(session, account_id=account_id_of(principal), session_id=session_id, now=now)
    return redirect(request, "/account", flash="That device is signed out.")


@router.post("/account/sessions/end")
def end_other_sessions(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Sign every other device out."""
    now = datetime.now(UTC)
    step_up.demand(session, session_id=principal.session_id, now=now, resume="/account")
    ended = sessions.revoke_all(session, account_id=account_id_of(principal), keep=principal.session_id, now=now)
    return redirect(request, "/account", flash=f"Signed out on {ended} other device{'' if ended == 1 else 's'}.")
