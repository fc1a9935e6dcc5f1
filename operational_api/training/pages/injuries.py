"""What hurts: noted and taken back on the page of training. For customers."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.training import access
from operational_api.training.errors import InvalidDates
from operational_api.training.service import injuries
from operational_api.web.language import word
from operational_api.web.rendering import WayBack, redirect

router = APIRouter(dependencies=[Allowed("training.train")])
BODY_PARTS = ("shoulder", "elbow", "wrist", "neck", "upper back", "lower back", "hip", "knee", "ankle", "other")
BODY_WORDS = (
    "Shoulder", "Elbow", "Wrist", "Neck", "Upper back", "Lower back", "Hip", "Knee", "Ankle", "Other",
)  # fmt: skip


@router.post("/training/injuries")
def report_injury(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    body_part: Annotated[str, Form(min_length=1, max_length=30)],
    severity: Annotated[int, Form(ge=1, le=3)],
    occurred_on: Annotated[date, Form()],
) -> Response:
    """Note that something hurts."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, None, "training.report_injury", now=now, kind="health")
    known = injuries.injuries_of(session, client.id)
    if any((one.body_part, one.occurred_on, one.resolved_on) == (body_part, occurred_on, None) for one in known):
        return redirect(request, "/training#injuries", flash="Already noted.", tone="info")
    try:
        injuries.report_injury(
            session, client=client, body_part=body_part, severity=severity, occurred_on=occurred_on, now=now
        )
    except InvalidDates as refusal:
        return redirect(request, "/training#injuries", flash=refusal.detail, tone="bad")
    return redirect(request, "/training#injuries", flash="Noted. Only you and your coach can see it.", tone="info")


@router.post("/training/injuries/{injury_id}/resolve")
def resolve_injury(request: Request, injury_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """It does not hurt any more."""
    injury, client = access.reach_injury(session, principal, injury_id, "training.resolve_injury")
    injuries.resolve_injury(session, injury=injury, client=client, now=datetime.now(UTC))
    since = injury.occurred_on.isoformat()
    same = {"body_part": injury.body_part, "severity": str(injury.severity), "occurred_on": since}
    again = WayBack(word("It still hurts"), "/training/injuries", same)
    return redirect(request, "/training#injuries", flash="Good to hear.", way_back=again)
