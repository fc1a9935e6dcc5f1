"""HTTP to the inbox and to do not disturb, and back. Everything is the asker's own. Included by `router`."""

from datetime import UTC, datetime
from uuid import UUID

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.core.routing import ContextRouter
from operational_api.engagement.schemas import (
    DoNotDisturbRead,
    DoNotDisturbWrite,
    InboxMessageRead,
    InboxMessageWrite,
    ReadReceipt,
    UnreadCount,
)
from operational_api.engagement.service import do_not_disturb, inbox

api = ContextRouter(prefix="/api/engagement", tags=["engagement"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


@api.get("/inbox", dependencies=[Allowed("engagement.keep_inbox")])
def list_inbox(
    account_id: CurrentAccount,
    session: DbSession,
    is_archived: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InboxMessageRead]:
    """What the asker was told, the latest first, also where no channel carried it; or what they put away of it."""
    found, next_cursor = inbox.messages(session, account_id, is_archived=is_archived, limit=limit, cursor=cursor)
    return Page(items=[InboxMessageRead.model_validate(one) for one in found], next_cursor=next_cursor)


@api.get("/inbox/unread-count", dependencies=[Allowed("engagement.keep_inbox")])
def count_unread(account_id: CurrentAccount, session: DbSession) -> UnreadCount:
    """How many messages in the inbox are unread."""
    return UnreadCount(unread=inbox.unread(session, account_id))


@api.post("/inbox/read", dependencies=[Allowed("engagement.keep_inbox")])
def read_inbox(account_id: CurrentAccount, session: DbSession, up_to: UUID | None = None) -> ReadReceipt:
    """All of the inbox is read, or what there is up to the newest message that the asker was shown."""
    return ReadReceipt(read=inbox.read_all(session, account_id, up_to=up_to, now=_now()))


@api.put("/inbox/{message_id}", dependencies=[Allowed("engagement.keep_inbox")])
def keep_inbox_message(
    message_id: UUID, body: InboxMessageWrite, account_id: CurrentAccount, session: DbSession
) -> InboxMessageRead:
    """Say whether a message is read, and whether it is put away; both can be taken back."""
    found = inbox.keep(session, account_id, message_id, **body.model_dump(), now=_now())
    return InboxMessageRead.model_validate(found)


@api.get("/do-not-disturb", dependencies=[Allowed("engagement.keep_inbox")])
def read_do_not_disturb(account_id: CurrentAccount, session: DbSession) -> DoNotDisturbRead:
    """Until when nothing but proofs reaches the asker by any channel."""
    return DoNotDisturbRead(until=do_not_disturb.ends_of(session, [account_id], _now()).get(account_id))


@api.put("/do-not-disturb", dependencies=[Allowed("engagement.keep_inbox")])
def write_do_not_disturb(body: DoNotDisturbWrite, account_id: CurrentAccount, session: DbSession) -> DoNotDisturbRead:
    """Have nothing but proofs reach the asker until then; the rest waits, and is in the inbox meanwhile."""
    return DoNotDisturbRead(until=do_not_disturb.set_until(session, account_id, until=body.until, now=_now()))
