"""A person's secret address for calendar apps: signed, so that none is guessed, and revocable, for it may get out."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.calendars.models import CalendarFeed
from operational_api.scheduling.errors import FeedNotFound

_CONTEXT = b"plyo calendar feed 1"


def feed_of(session: Session, account_id: UUID) -> CalendarFeed | None:
    """A person's feed, or None."""
    return session.scalar(
        select(CalendarFeed).where(CalendarFeed.account_id == account_id, CalendarFeed.revoked_at.is_(None))
    )


def renew(session: Session, account_id: UUID, *, now: datetime) -> CalendarFeed:
    """A new address; the old one opens nothing any more."""
    revoke(session, account_id, now=now)
    feed = CalendarFeed(id=new_id(), account_id=account_id, created_at=now)
    session.add(feed)
    session.flush()
    return feed


def revoke(session: Session, account_id: UUID, *, now: datetime) -> None:
    """No address any more; twice is once."""
    feed = feed_of(session, account_id)
    if feed is not None:
        feed.revoked_at = now
        session.flush()


def token_of(feed: CalendarFeed, keys: Sequence[str]) -> str:
    """What stands in the address, signed with the first key."""
    return f"{feed.id.hex}-{_signature(feed.id, keys[0])}"


def open_feed(session: Session, token: str, keys: Sequence[str]) -> CalendarFeed:
    """The feed of an address.

    Raises:
        FeedNotFound: signed by nobody, or revoked: both are answered alike.
    """
    id_, _, signature = token.partition("-")
    try:
        feed_id = UUID(hex=id_)
    except ValueError:
        raise FeedNotFound from None
    if not any(hmac.compare_digest(_signature(feed_id, key).encode(), signature.encode()) for key in keys):
        raise FeedNotFound
    feed = session.get(CalendarFeed, feed_id)
    if feed is None or feed.revoked_at is not None:
        raise FeedNotFound
    return feed


def _signature(feed_id: UUID, key: str) -> str:
    secret = hashlib.sha256(_CONTEXT + key.encode()).digest()
    digest = hmac.new(secret, feed_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
