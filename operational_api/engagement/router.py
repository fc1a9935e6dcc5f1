"""HTTP to the services of engagement and back, under /api/engagement."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from operational_api.core.database import DbSession
from operational_api.core.errors import Forbidden
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.principal import CurrentCoach, CurrentCustomer, CurrentPrincipal, Principal
from operational_api.engagement.schemas import (
    LeadCreate,
    LeadReceipt,
    MessageCreate,
    MessageRead,
    PreferencesRead,
    PreferencesWrite,
    ReadReceipt,
    ThreadRead,
)
from operational_api.engagement.service import leads, preferences, threads

router = APIRouter(prefix="/api/engagement", tags=["engagement"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


def _writer(principal: Principal) -> UUID:
    if principal.role not in ("customer", "coach") or principal.account_id is None:
        raise Forbidden("Only the client and their coach write here.")
    return principal.account_id


@router.get("/threads")
def list_threads(
    coach_id: CurrentCoach, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ThreadRead]:
    """The coach's conversations, the latest first."""
    found, next_cursor = threads.threads_of_coach(session, coach_id, limit=limit, cursor=cursor)
    return Page(items=[ThreadRead.of(one, coach_id) for one in found], next_cursor=next_cursor)


@router.get("/threads/{customer_id}/messages")
def list_messages(
    customer_id: UUID, principal: CurrentPrincipal, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[MessageRead]:
    """A conversation, newest first: the client's own, or a coach's with a client."""
    threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    found, next_cursor = threads.messages_of(session, customer_id, limit=limit, cursor=cursor)
    people = threads.people_of(session, found)
    return Page(items=[MessageRead.of(one, people) for one in found], next_cursor=next_cursor)


@router.post("/threads/{customer_id}/messages", status_code=201)
def create_message(
    customer_id: UUID, body: MessageCreate, principal: CurrentPrincipal, session: DbSession
) -> MessageRead:
    """Write to the other side of the conversation."""
    sender_id = _writer(principal)
    thread = threads.reach_thread(session, principal, customer_id, "engagement.send_message")
    message = threads.write(session, thread=thread, sender_id=sender_id, body=body.body, now=_now())
    return MessageRead.of(message, threads.people_of(session, [message]))


@router.post("/threads/{customer_id}/read")
def read_thread(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> ReadReceipt:
    """Everything sent to the reader is read."""
    reader_id = _writer(principal)
    threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    return ReadReceipt(read=threads.mark_read(session, customer_id=customer_id, reader_id=reader_id, now=_now()))


@router.get("/preferences")
def read_preferences(customer_id: CurrentCustomer, session: DbSession) -> PreferencesRead:
    """What the customer allows."""
    return PreferencesRead.of(preferences.preferences_of(session, customer_id))


@router.put("/preferences")
def write_preferences(body: PreferencesWrite, customer_id: CurrentCustomer, session: DbSession) -> PreferencesRead:
    """Change what the customer allows."""
    row = preferences.set_preferences(session, customer_id=customer_id, **body.model_dump(), now=_now())
    return PreferencesRead.of(row)


@router.post("/leads", status_code=202)
def create_lead(body: LeadCreate, session: DbSession) -> LeadReceipt:
    """A guest asks to be contacted."""
    leads.capture_lead(session, **body.model_dump(), now=_now())
    return LeadReceipt()
