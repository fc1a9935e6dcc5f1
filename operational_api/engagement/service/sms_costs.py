"""What texts cost: their segments, which is what a provider charges, at the price of the settings."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.settings import ChannelSettings

LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SmsCosts:
    """Of the texts that left since a moment, those that did not arrive among them. `cost_minor` is None where nobody
    said the price."""

    since: datetime
    messages: int
    segments: int
    cost_minor: int | None
    currency: str


def lately(session: Session, settings: ChannelSettings, *, now: datetime) -> SmsCosts:
    """Of the last thirty days."""
    since, price = now - LATELY, settings.sms_thousand_segments_minor
    query = select(func.count(), func.coalesce(func.sum(OutgoingMessage.segments), 0)).where(
        OutgoingMessage.segments.is_not(None), OutgoingMessage.sent_at > since
    )
    messages, segments = session.execute(query).one()
    cost = (segments * price + 500) // 1000 if price else None
    return SmsCosts(since, messages, segments, cost, settings.sms_currency)
