"""/staff/requests: what was asked for and takes two. Each kind's forms go to addresses with that kind's own action."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.desks import Desk
from operational_api.core.errors import Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.staff import desks
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff/requests", route_class=IdempotentRoute)
SHOWN = 20
HERE = "/staff/requests"
Said = Annotated[str, Form(max_length=500, pattern="^[^\\x00]*$")]


class SayWhy(Invalid):
    """Say why not: who asked for it reads that."""


@router.get("", dependencies=[Allowed("staff.read_requests")])
def page(
    request: Request, principal: CurrentPrincipal, session: DbSession, show: str = "waiting", cursor: Cursor = None
) -> Response:
    """What waits, or what was decided, of the kinds that the person may see."""
    is_closed = show == "decided"
    lines, following = desks.lines(
        session, principal, is_closed=is_closed, limit=SHOWN, cursor=cursor, now=datetime.now(UTC)
    )
    ids = {one for line in lines for one in (line.row.requested_by, line.row.decided_by, line.words.about_id) if one}
    return render(
        request, "staff/requests.html", lines=lines, following=following, is_closed=is_closed,
        people=identity.people(session, ids), looks_up=may_principal(principal, "identity.look_up_person"),
        kinds=[desk.label for desk in desks.seen_by(principal)],
    )  # fmt: skip


def _serve(desk: Desk) -> None:
    """The three answers to requests of one kind."""

    def approve(
        request: Request, request_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Said = ""
    ) -> Response:
        """Yes: what was asked for happens."""
        desk.approve(request, session, request_id, principal, reason.strip(), datetime.now(UTC))
        return redirect(request, HERE, flash="Approved.")

    def refuse(
        request: Request, request_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Said = ""
    ) -> Response:
        """No, and why."""
        if not reason.strip():
            raise SayWhy
        desk.approvals.refuse(
            session, request_id, principal=principal, reason=reason.strip(), now=datetime.now(UTC)
        )  # fmt: skip
        return redirect(request, HERE, flash="Refused.")

    def withdraw(request: Request, request_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
        """Take back what one asked for."""
        desk.approvals.withdraw(session, request_id, principal=principal, now=datetime.now(UTC))
        return redirect(request, HERE, flash="Taken back.")

    for name, endpoint, action in (
        ("approve", approve, desk.approvals.decide),
        ("refuse", refuse, desk.approvals.decide),
        ("withdraw", withdraw, desk.approvals.ask),
    ):
        router.add_api_route(
            f"/{desk.name}/{{request_id}}/{name}", endpoint, methods=["POST"], dependencies=[Allowed(action)],
            name=f"{name} {desk.name}",
        )  # fmt: skip


for _desk in desks.DESKS:
    _serve(_desk)
