"""/staff/messages: messages of which nobody knows whether they left, to be sent again or left as they are."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.engagement import public as engagement
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect, render

HOME = "/staff/messages"
router = APIRouter(prefix=HOME, route_class=IdempotentRoute, dependencies=[Allowed("engagement.settle_message")])


@router.get("")
def page(request: Request, session: DbSession) -> Response:
    """What is in doubt, the oldest first."""
    found = engagement.undecided_messages(session)
    people = identity.people(session, {one.customer_id for one in found if one.customer_id})
    return render(request, "staff/messages.html", found=found, people=people)


@router.post("/{message_id}")
def settle(
    request: Request,
    message_id: UUID,
    actor_id: CurrentAccount,
    session: DbSession,
    decision: Annotated[Literal["again", "leave"], Form()],
) -> Response:
    """Send it again, or leave it."""
    again, now = decision == "again", datetime.now(UTC)
    try:
        with session.begin_nested():
            engagement.settle_message(session, message_id, sends_again=again, actor_id=actor_id, now=now)
    except DomainError as refusal:
        return redirect(request, HOME, flash=refusal.detail, tone="warn")
    return redirect(request, HOME, flash="It is sent again." if again else "Left as it is. It counts as not sent.")
