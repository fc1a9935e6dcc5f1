"""What a customer allows and when they want quiet. Asked before every nudge, whatever the channel."""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.engagement.errors import NudgeRefused, NudgesOff, QuietHours, TooManyNudges
from operational_api.engagement.models import ContactPreference, Message
from operational_api.engagement.service.contacts import contact

NUDGES_A_WEEK = 3


def is_quiet(local: time, *, quiet_from: time | None, quiet_until: time | None) -> bool:
    """Whether a local time of day lies in [quiet_from, quiet_until), which may span midnight."""
    if quiet_from is None or quiet_until is None or quiet_from == quiet_until:
        return False
    if quiet_from < quiet_until:
        return quiet_from <= local < quiet_until
    return local >= quiet_from or local < quiet_until


def nudge_refusal(session: Session, *, customer_id: UUID, now: datetime) -> NudgeRefused | None:
    """Why this customer is not to be nudged at `now`, or None when it is fine.

    Quiet hours are compared on the wall clock of the customer's zone, so daylight saving needs no thought.
    """
    allowed = session.get(ContactPreference, customer_id)
    if allowed is not None:
        if not allowed.allows_nudges:
            return NudgesOff()
        person = contact(session, customer_id)
        local = now.astimezone(ZoneInfo(person.time_zone if person else "UTC"))
        if is_quiet(local.time(), quiet_from=allowed.quiet_from, quiet_until=allowed.quiet_until):
            until = f"{allowed.quiet_until:%H:%M}"
            return QuietHours(f"It is {local:%H:%M} where this customer lives, quiet until {until}. Nothing was sent.")
    lately = session.scalar(
        select(func.count()).where(
            Message.customer_id == customer_id, Message.kind == "nudge", Message.sent_at > now - timedelta(days=7)
        )
    )
    return TooManyNudges() if (lately or 0) >= NUDGES_A_WEEK else None
