"""/staff/evidence: whether the record of what happened is as it was sealed, whether the tables of money are what it
tells, and having both looked at now."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from operational_api.commerce import public as commerce
from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff/evidence")
SHOWN = 20


@router.get("", dependencies=[Allowed("compliance.check_events")])
def page(request: Request, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None) -> Response:
    """The looks that were taken, and what was found."""
    found, following = compliance.event_checks(session, limit=SHOWN, cursor=cursor)
    return render(
        request, "staff/evidence.html", found=found, following=following,
        retold=next(iter(commerce.retellings_made(session, limit=1)), None),
        people=identity.people(session, {one.asked_by for one in found if one.asked_by}), me=principal.account_id,
        can_export=may_principal(principal, "compliance.request_customer_export"),
    )  # fmt: skip


@router.post("", dependencies=[Allowed("compliance.check_events")])
def ask(request: Request, actor_id: CurrentAccount, session: DbSession) -> Response:
    """Have it looked at within a minute."""
    now = datetime.now(UTC)
    compliance.ask_event_check(session, actor_id=actor_id, now=now)
    commerce.ask_retelling(session, actor_id=actor_id, now=now)
    return redirect(request, "/staff/evidence", flash="Asked for. It is looked at within a minute.")
