"""The page /messages: a customer's conversation with their coach, and what they allow. Works without JavaScript."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.engagement.errors import HalfQuiet
from operational_api.engagement.models import Message
from operational_api.engagement.service import preferences, threads
from operational_api.engagement.service.contacts import contact
from operational_api.engagement.service.messages import unread_count
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter()
NAV = [NavItem("Messages", "/messages", "engagement.talk", order=40, icon="message", badge=unread_count)]
SHOWN = 40


@dataclass(frozen=True, slots=True)
class _Talk:
    """A page of the conversation, oldest first, as the template draws it. `coach_name` is None without a coach."""

    coach_name: str | None
    messages: list[Message]
    names: dict[UUID, str]
    older: str | None


def _talk(session: DbSession, customer_id: UUID, coach_id: UUID | None, before: str | None) -> _Talk:
    found, older = threads.messages_of(session, customer_id, limit=SHOWN, cursor=before)
    people = threads.people_of(session, found)
    coach = contact(session, coach_id) if coach_id else None
    return _Talk(
        coach_name=coach.display_name if coach else None,
        messages=list(reversed(found)),
        names={account_id: person.display_name for account_id, person in people.items()},
        older=older,
    )


@router.get("/messages", dependencies=[Allowed("engagement.talk")])
def messages_page(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    before: str | None = None,
) -> Response:
    """The conversation. Looking at it reads it."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    with request.app.state.sessions.begin() as own:  # committed before the menu counts what is unread
        threads.mark_read(own, customer_id=customer_id, reader_id=customer_id, now=datetime.now(UTC))
    talk = _talk(session, customer_id, thread.coach_id, before)
    allowed = preferences.preferences_of(session, customer_id)
    return render(request, "engagement/messages.html", talk=talk, allowed=allowed, is_older_page=before is not None)


@router.get("/messages/latest", dependencies=[Allowed("engagement.talk")])
def latest_messages(
    request: Request, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> Response:
    """The newest page of the conversation alone, for the page's script."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    talk = _talk(session, customer_id, thread.coach_id, None)
    threads.mark_read(session, customer_id=customer_id, reader_id=customer_id, now=datetime.now(UTC))
    return render(request, "engagement/_bubbles.html", talk=talk)


@router.post("/messages", dependencies=[Allowed("engagement.talk")])
def write_message(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    body: Annotated[str, Form()] = "",
) -> Response:
    """Send a message to the coach."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.send_message")
    threads.write(session, thread=thread, sender_id=customer_id, body=body, now=datetime.now(UTC))
    return redirect(request, "/messages")


@router.post("/messages/preferences", dependencies=[Allowed("engagement.set_preferences")])
def write_preferences(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    allows_nudges: Annotated[bool, Form()] = False,
    quiet_from: Annotated[str, Form()] = "",
    quiet_until: Annotated[str, Form()] = "",
) -> Response:
    """Change whether and when check-ins may come."""
    preferences.set_preferences(
        session,
        customer_id=customer_id,
        allows_nudges=allows_nudges,
        allows_marketing=preferences.preferences_of(session, customer_id).allows_marketing,
        quiet_from=_time(quiet_from),
        quiet_until=_time(quiet_until),
        now=datetime.now(UTC),
    )
    return redirect(request, "/messages", flash="Saved. It counts from the next check-in on.")


def _time(value: str) -> time | None:
    try:
        return time.fromisoformat(value) if value else None
    except ValueError as error:
        raise HalfQuiet("Times look like 22:00.") from error
