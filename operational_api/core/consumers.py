"""Runs the function behind each inbox message: effect and receipt in one transaction, retries, parking of poison.

Messages of one consumer about one aggregate keep their order, also while one of them waits for its next try. A parked
message lets the ones behind it pass.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import CursorResult, exists, or_, select, text, update
from sqlalchemy.orm import Session, aliased, sessionmaker

from contracts.telemetry import get_logger, trace
from operational_api.core import clock, failpoints
from operational_api.core.models import InboxMessage
from operational_api.core.relay import Consumer
from operational_api.core.retries import RetryPolicy, told

log = get_logger(__name__)


def handle_next(sessions: sessionmaker[Session], consumers: Mapping[str, Consumer], *, retry: RetryPolicy) -> bool:
    """Handle the oldest message that is due and that nobody else is handling.

    Returns:
        False when there is none.
    """
    key: tuple[str, str] | None = None
    attempts, traceparent = 0, None
    try:
        with sessions.begin() as session:
            message = _next_due(session, list(consumers), clock.now())
            if message is None:
                return False
            # A rollback empties the row.
            key, attempts, traceparent = (message.source, message.message_id), message.attempts, message.traceparent
            try:
                with trace(traceparent), session.begin_nested():
                    consumers[message.source](session, message)
                    failpoints.hit("consumer.before_commit")
            except Exception as error:
                # In the same transaction: the row is locked until everybody can see when its next try is due.
                session.execute(text("select"))  # raises where the connection is gone too
                with trace(traceparent):
                    log.exception("message_failed", source=key[0], message_id=key[1])
                    _put_back(message, error, retry)
                return True
            message.handled_at = clock.now()
            message.attempts += 1
            message.next_attempt_at = message.last_error = None
    except Exception as error:
        if key is None:  # the database, not the message
            raise
        with trace(traceparent), sessions.begin() as session:
            log.exception("message_failed", source=key[0], message_id=key[1])
            message = session.get(InboxMessage, key, with_for_update={"skip_locked": True})
            # Otherwise another worker has it, or has tried it since.
            if message is not None and message.handled_at is None and message.attempts == attempts:
                _put_back(message, error, retry)
        return True
    failpoints.hit("consumer.after_commit")
    return True


def redrive(session: Session, *, source: str | None = None) -> int:
    """Let parked messages try again from the start, after their cause was mended. Returns how many."""
    statement = update(InboxMessage).where(InboxMessage.parked_at.is_not(None), InboxMessage.handled_at.is_(None))
    if source is not None:
        statement = statement.where(InboxMessage.source == source)
    done = session.execute(statement.values(parked_at=None, attempts=0, next_attempt_at=None))
    assert isinstance(done, CursorResult)  # noqa: S101 - narrows the type only
    return done.rowcount


def _next_due(session: Session, sources: list[str], now: datetime) -> InboxMessage | None:
    earlier = aliased(InboxMessage)
    is_behind_another = exists().where(
        earlier.source == InboxMessage.source,
        earlier.aggregate_id == InboxMessage.aggregate_id,
        earlier.position < InboxMessage.position,
        earlier.handled_at.is_(None),
        earlier.parked_at.is_(None),
    )
    return session.scalar(
        select(InboxMessage)
        .where(
            InboxMessage.source.in_(sources),
            InboxMessage.handled_at.is_(None),
            InboxMessage.parked_at.is_(None),
            or_(InboxMessage.next_attempt_at.is_(None), InboxMessage.next_attempt_at <= now),
            ~is_behind_another,
        )
        .order_by(InboxMessage.received_at, InboxMessage.position)
        .limit(1)
        .with_for_update(skip_locked=True, of=InboxMessage)
    )


def _put_back(message: InboxMessage, error: Exception, retry: RetryPolicy) -> None:
    now = clock.now()
    message.attempts += 1
    message.last_error = told(error)
    message.next_attempt_at = now + retry.delay(message.attempts)
    if retry.is_last(message.attempts):
        message.next_attempt_at, message.parked_at = None, now
        log.error(
            "message_parked", source=message.source, message_id=message.message_id, attempts=message.attempts
        )  # fmt: skip
