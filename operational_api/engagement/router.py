"""HTTP to the services of engagement and back, under /api/engagement."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.engagement import hooks, inbox, lead_router, outreach, public
from operational_api.engagement.schemas import (
    LeadCreate,
    LeadReceipt,
    MessageCreate,
    MessageRead,
    MessageSettled,
    PreferencesRead,
    PreferencesWrite,
    ReadReceipt,
    SettlementCreate,
    ThreadRead,
    UndecidedRead,
)
from operational_api.engagement.service import digests, leads, preferences, threads

router = APIRouter()
api = ContextRouter(prefix="/api/engagement", tags=["engagement"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


@api.get("/threads", dependencies=[Allowed("engagement.read_threads")])
def list_threads(
    coach_id: CurrentAccount, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ThreadRead]:
    """The coach's conversations, the latest first."""
    found, next_cursor = threads.threads_of_coach(session, coach_id, limit=limit, cursor=cursor)
    return Page(items=[ThreadRead.of(one, coach_id) for one in found], next_cursor=next_cursor)


@api.get("/threads/{customer_id}/messages", dependencies=[Allowed("engagement.read_messages")])
def list_messages(
    customer_id: UUID, principal: CurrentPrincipal, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[MessageRead]:
    """A conversation, newest first: the client's own, or a coach's with a client."""
    threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    found, next_cursor = threads.messages_of(session, customer_id, limit=limit, cursor=cursor)
    people = threads.people_of(session, found)
    return Page(items=[MessageRead.of(one, people) for one in found], next_cursor=next_cursor)


@api.get("/undecided-messages", dependencies=[Allowed("engagement.settle_message")])
def list_undecided(session: DbSession) -> Page[UndecidedRead]:
    """Messages of which nobody knows whether they left: they were handed over, and no answer came. The oldest first."""
    return Page(items=public.undecided_messages(session))


@api.post("/undecided-messages/{message_id}/settlement", dependencies=[Allowed("engagement.settle_message")])
def settle_message(
    message_id: UUID, body: SettlementCreate, actor_id: CurrentAccount, session: DbSession
) -> MessageSettled:
    """Have it sent again, at the risk that it arrives twice, or leave it as it is."""
    public.settle_message(session, message_id, sends_again=body.sends_again, actor_id=actor_id, now=_now())
    return MessageSettled(state="queued" if body.sends_again else "failed")


@api.post("/threads/{customer_id}/messages", status_code=201, dependencies=[Allowed("engagement.send_message")])
def create_message(
    customer_id: UUID, body: MessageCreate, principal: CurrentPrincipal, session: DbSession
) -> MessageRead:
    """Write to the other side of the conversation."""
    return public.write_message(session, principal, customer_id=customer_id, body=body.body, now=_now())


@api.post("/threads/{customer_id}/read", dependencies=[Allowed("engagement.send_message")])
def read_thread(
    customer_id: UUID, principal: CurrentPrincipal, session: DbSession, up_to: UUID | None = None
) -> ReadReceipt:
    """What was sent to the reader is read: everything, or up to the newest message that they were shown."""
    return public.mark_thread_read(session, principal, customer_id=customer_id, up_to=up_to, now=_now())


@api.get("/preferences", dependencies=[Allowed("engagement.set_preferences")])
def read_preferences(customer_id: CurrentAccount, session: DbSession) -> PreferencesRead:
    """What the customer allows, and when lists come."""
    allowed = preferences.preferences_of(session, customer_id)
    return PreferencesRead.of(allowed, digests.rhythms_of(session, customer_id))


@api.put("/preferences", dependencies=[Allowed("engagement.set_preferences")])
def write_preferences(body: PreferencesWrite, principal: CurrentPrincipal, session: DbSession) -> PreferencesRead:
    """Change what the customer allows; and when lists come, of what is named."""
    return public.set_preferences(session, principal, body, now=_now())


@api.post("/leads", status_code=202, dependencies=[Allowed("engagement.leave_lead")])
def create_lead(body: LeadCreate, session: DbSession) -> LeadReceipt:
    """A guest asks to be contacted."""
    leads.capture_lead(session, **body.model_dump(), now=_now())
    return LeadReceipt()


router.include_router(api)
router.include_router(inbox.api)
router.include_router(lead_router.api)
router.include_router(outreach.api)
router.include_router(hooks.hooks)
