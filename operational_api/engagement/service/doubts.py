"""Messages of which nobody knows whether they left: what becomes of them, and who says so.

That one may have left is written down by `channels.dispatch` before it is handed over. What a person may do about it is
on /staff/messages.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.core import audit
from operational_api.engagement.channels.port import Receipt
from operational_api.engagement.errors import MessageNotUndecided
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.service import outgoing

log = get_logger(__name__)
SENT_AGAIN = "sent_again"
"""The reason of one that waits and was handed over a second time while nobody knew of the first."""
SETTLED_WITHIN = timedelta(days=7)
"""How long one in doubt can be settled by hand; then it has failed."""
IN_DOUBT = ("queued", "undecided")


def leaves_again(row: OutgoingMessage, *, told_within: timedelta, now: datetime) -> bool:
    """Whether a message that may have left is handed over once more, its provider being one that cannot be asked.

    First it is waited for what the provider tells of itself. Then what proves something, or leads back into an account,
    leaves once more, under the same Message-ID: missing it is worse than having it twice. Anything else, and what is
    still in doubt then, is undecided until somebody of ours, or the provider, says what became of it.

    Args:
        told_within: How long after it may have left to wait.
    """
    if row.in_doubt_since is None:
        raise ValueError("it is in no doubt")
    if (until := row.in_doubt_since + told_within) > now:
        row.next_attempt_at = until
        return False
    if row.purpose == "transactional" and row.reason != SENT_AGAIN:
        row.reason = SENT_AGAIN
        return True
    row.status, row.reason = "undecided", None
    log.warning("message_undecided", message_id=str(row.id), channel=row.channel, template=row.template)
    return False


def ends_unanswered(session: Session, row: OutgoingMessage, now: datetime) -> bool:
    """Whether it has had all its tries, so that it ends here: the worker of the last one died with it in hand. One that
    takes every worker with it would else be the first of its channel for ever."""
    if row.in_doubt_since is None or not outgoing.RETRY.is_last(row.attempts):
        return False
    outgoing.end(session, row, "failed", "undecided", now)
    return True


def take_for_left(session: Session, row: OutgoingMessage, provider_message_id: str, now: datetime) -> None:
    """The provider tells of a message that was in doubt: so it had left. Of any other this is no news."""
    if row.status in IN_DOUBT and row.in_doubt_since is not None:
        outgoing.note_taken(session, row, Receipt(provider_message_id), now)
        session.flush()


def undecided(session: Session) -> Sequence[OutgoingMessage]:
    """Messages of which nobody knows whether they left and that wait for a word, the oldest first."""
    query = select(OutgoingMessage).where(OutgoingMessage.status == "undecided")
    return session.scalars(query.order_by(OutgoingMessage.in_doubt_since, OutgoingMessage.id)).all()


def settle(session: Session, row_id: UUID, *, sends_again: bool, actor_id: UUID, now: datetime) -> OutgoingMessage:
    """Say what becomes of a message of which nobody knows whether it left: it is sent again, whatever its reader has by
    now, as far as it still may; or it is left as it is, and counts as failed.

    Raises:
        MessageNotUndecided: it is none, or somebody was quicker.
    """
    row = session.scalar(
        select(OutgoingMessage).where(OutgoingMessage.id == row_id, OutgoingMessage.status == "undecided")
        .with_for_update().execution_options(populate_existing=True)
    )  # fmt: skip
    if row is None:
        raise MessageNotUndecided
    if sends_again:
        row.status, row.reason = "queued", None
        outgoing.clear_doubt(row)
        row.attempts, row.next_attempt_at = 0, now
    else:
        outgoing.end(session, row, "failed", "undecided", now)
    audit.record(
        session, "engagement.settle_message", "Message", row.id, actor_id=actor_id, subject_id=row.customer_id,
        purpose="operations", details={"decision": "sent again" if sends_again else "left"}, now=now,
    )  # fmt: skip
    session.flush()
    return row


def end_undecided(session: Session, now: datetime) -> None:
    """What nobody settled in time has failed."""
    old = select(OutgoingMessage).where(
        OutgoingMessage.status == "undecided", OutgoingMessage.in_doubt_since <= now - SETTLED_WITHIN
    )
    for row in session.scalars(old.with_for_update(skip_locked=True)):
        outgoing.end(session, row, "failed", "undecided", now)
