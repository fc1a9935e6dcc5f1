"""Messages that wait to be sent, and what those they are for allow."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.engagement.models import ChannelChoice, OutgoingMessage, Phone
from operational_api.engagement.sending import Channel
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import queue_message
from tests.factories import make_account

NOW = datetime.now(UTC)
NUMBER = "+84912345678"


def with_number(session: Session) -> Contact:
    """Mia, in UTC, with a confirmed number."""
    account = make_account(session, display_name="Mia Maier", time_zone="UTC")
    session.add(Phone(customer_id=account.id, number=NUMBER, confirmed_at=NOW, asked_at=NOW))
    session.flush()
    found = contact(session, account.id)
    assert found
    return found


def queue(session: Session, mia: Contact, *channels: Channel, key: str = "k", **given: Any) -> None:
    values: dict[str, Any] = {"purpose": "transactional", "now": NOW} | given
    context = {"sender": "Ana", "body": "Chào", "path": "/messages"}
    queue_message(
        session, dedupe_key=key, person=mia, template="new_message", context=context, channels=channels, **values
    )
    session.flush()


def allow(session: Session, mia: Contact, purpose: str, *channels: str, is_allowed: bool = True) -> None:
    for channel in channels:
        session.add(
            ChannelChoice(
                customer_id=mia.account_id, channel=channel, purpose=purpose, is_allowed=is_allowed, decided_at=NOW
            )
        )
    session.flush()


def only(session: Session) -> OutgoingMessage:
    return session.scalars(select(OutgoingMessage).execution_options(populate_existing=True)).one()
