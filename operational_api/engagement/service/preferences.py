"""What a customer allows and when they want quiet. Asked before every nudge, whatever the channel."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.engagement.errors import HalfQuiet, NudgeRefused, NudgesOff, QuietHours, TooManyNudges
from operational_api.engagement.models import ContactPreference, Message
from operational_api.engagement.service.contacts import contacts

NUDGES_A_WEEK = 3


def is_quiet(local: time, *, quiet_from: time | None, quiet_until: time | None) -> bool:
    """Whether a local time of day lies in [quiet_from, quiet_until), which may span midnight."""
    if quiet_from is None or quiet_until is None or quiet_from == quiet_until:
        return False
    if quiet_from < quiet_until:
        return quiet_from <= local < quiet_until
    return local >= quiet_from or local < quiet_until


def nudge_refusals(session: Session, customer_ids: Iterable[UUID], *, now: datetime) -> dict[UUID, NudgeRefused]:
    """Why these customers are not to be nudged at `now`; who may be is not in the answer. Three queries for any number.

    Quiet hours are compared on the wall clock of the customer's zone, so daylight saving needs no thought.
    """
    ids = set(customer_ids)
    preferences = {
        one.customer_id: one
        for one in session.scalars(select(ContactPreference).where(ContactPreference.customer_id.in_(ids)))
    }
    zones = {one.account_id: one.time_zone for one in contacts(session, preferences).values()}
    lately = select(Message.customer_id).where(
        Message.customer_id.in_(ids), Message.kind == "nudge", Message.sent_at > now - timedelta(days=7)
    )
    lately = lately.group_by(Message.customer_id).having(func.count() >= NUDGES_A_WEEK)
    refusals: dict[UUID, NudgeRefused] = {customer_id: TooManyNudges() for customer_id in session.scalars(lately)}
    for customer_id, allowed in preferences.items():
        local = now.astimezone(ZoneInfo(zones.get(customer_id, "UTC")))
        if not allowed.allows_nudges:
            refusals[customer_id] = NudgesOff()
        elif is_quiet(local.time(), quiet_from=allowed.quiet_from, quiet_until=allowed.quiet_until):
            refusals[customer_id] = QuietHours(
                f"It is {local:%H:%M} where this customer lives, quiet until {allowed.quiet_until:%H:%M}."
                " Nothing was sent."
            )
    return refusals


def nudge_refusal(session: Session, *, customer_id: UUID, now: datetime) -> NudgeRefused | None:
    """Why this customer is not to be nudged at `now`, or None when it is fine."""
    return nudge_refusals(session, [customer_id], now=now).get(customer_id)


def customers_without_nudges(session: Session, customer_ids: Iterable[UUID]) -> set[UUID]:
    """Those who have switched nudges off altogether."""
    statement = select(ContactPreference.customer_id).where(
        ContactPreference.customer_id.in_(set(customer_ids)), ContactPreference.allows_nudges.is_(False)
    )
    return set(session.scalars(statement))


def preferences_of(session: Session, customer_id: UUID) -> ContactPreference:
    """What the customer said, or the defaults of somebody who said nothing (not stored)."""
    return session.get(ContactPreference, customer_id) or ContactPreference(
        customer_id=customer_id, allows_marketing=False, allows_nudges=True, quiet_from=None, quiet_until=None
    )


def set_preferences(
    session: Session,
    *,
    customer_id: UUID,
    allows_nudges: bool,
    allows_marketing: bool,
    quiet_from: time | None,
    quiet_until: time | None,
    now: datetime,
) -> ContactPreference:
    """Store what the customer allows. Takes effect with the next nudge.

    Raises:
        HalfQuiet: one end of the quiet time without the other.
    """
    if (quiet_from is None) != (quiet_until is None):
        raise HalfQuiet
    values = {
        "allows_nudges": allows_nudges, "allows_marketing": allows_marketing, "quiet_from": quiet_from,
        "quiet_until": quiet_until, "updated_at": now,
    }  # fmt: skip
    statement = insert(ContactPreference).values(customer_id=customer_id, **values)
    statement = statement.on_conflict_do_update(index_elements=[ContactPreference.customer_id], set_=values)
    return session.scalars(statement.returning(ContactPreference), execution_options={"populate_existing": True}).one()
