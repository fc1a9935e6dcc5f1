"""What a customer allows, by channel and purpose, when they want quiet, and which language they read."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.engagement import ContactChoiceMade
from operational_api.core.outbox import publish
from operational_api.engagement.errors import (
    DisturbsNot,
    HalfQuiet,
    NudgeRefused,
    NudgesOff,
    QuietHours,
    TooManyNudges,
    UnknownChoice,
)
from operational_api.engagement.models import ChannelChoice, ContactPreference, Message
from operational_api.engagement.sending import (
    CHANNELS,
    LOCKED,
    NUDGES,
    PLACES,
    PURPOSES,
    WEEK,
    Place,
    Purpose,
    Wishes,
    is_quiet,
    quiet_end,
    zone_of,
)
from operational_api.engagement.service import do_not_disturb
from operational_api.engagement.service.contacts import Contact, contacts
from operational_api.web.language import LANGUAGES, language_of


def nudge_refusals(session: Session, customer_ids: Iterable[UUID], *, now: datetime) -> dict[UUID, NudgeRefused]:
    """Why these customers are not to be nudged at `now`; who may be is not in the answer. Four queries for any number.

    Quiet hours are compared on the wall clock of the customer's zone, so daylight saving needs no thought.
    """
    ids = set(customer_ids)
    preferences = {
        one.customer_id: one
        for one in session.scalars(select(ContactPreference).where(ContactPreference.customer_id.in_(ids)))
    }
    zones = {one.account_id: one.time_zone for one in contacts(session, preferences).values()}
    lately = select(Message.customer_id).where(
        Message.customer_id.in_(ids), Message.kind == "nudge", Message.sent_at > now - WEEK
    )
    lately = lately.group_by(Message.customer_id).having(func.count() >= NUDGES.a_week)
    refusals: dict[UUID, NudgeRefused] = {customer_id: TooManyNudges() for customer_id in session.scalars(lately)}
    for customer_id, until in do_not_disturb.ends_of(session, ids, now).items():
        local = until.astimezone(zone_of(zones.get(customer_id, "UTC")))
        refusals[customer_id] = DisturbsNot(
            f"This customer wants no messages until {local:%Y-%m-%d %H:%M} where they live. Nothing was sent."
        )
    for customer_id, allowed in preferences.items():
        local = now.astimezone(zone_of(zones.get(customer_id, "UTC")))
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
    """Store what the customer allows. Takes effect with the next nudge and the next message.

    What they say of marketing as a whole takes the place of what they said of it by channel.

    Raises:
        HalfQuiet: one end of the quiet time without the other.
    """
    if (quiet_from is None) != (quiet_until is None):
        raise HalfQuiet
    if allows_marketing != preferences_of(session, customer_id).allows_marketing:
        session.execute(
            delete(ChannelChoice).where(ChannelChoice.customer_id == customer_id, ChannelChoice.purpose == "marketing")
        )
    values = {
        "allows_nudges": allows_nudges, "allows_marketing": allows_marketing, "quiet_from": quiet_from,
        "quiet_until": quiet_until, "updated_at": now,
    }  # fmt: skip
    statement = insert(ContactPreference).values(customer_id=customer_id, **values)
    statement = statement.on_conflict_do_update(index_elements=[ContactPreference.customer_id], set_=values)
    return session.scalars(statement.returning(ContactPreference), execution_options={"populate_existing": True}).one()


def choices_of(session: Session, customer_id: UUID) -> dict[tuple[Place, Purpose], bool]:
    """What the customer said by channel and purpose; nothing for what they never said."""
    rows = session.scalars(select(ChannelChoice).where(ChannelChoice.customer_id == customer_id))
    return {(row.channel, row.purpose): row.is_allowed for row in rows}  # type: ignore[misc]


def willing_to_hear(session: Session) -> set[UUID]:
    """Who says yes to news by some channel: as a whole, or to one of them. Two queries."""
    said: dict[UUID, dict[tuple[Place, Purpose], bool]] = {}
    for row in session.scalars(select(ChannelChoice).where(ChannelChoice.purpose == "marketing")):
        said.setdefault(row.customer_id, {})[(row.channel, row.purpose)] = row.is_allowed  # type: ignore[index]
    yes = set(
        session.scalars(select(ContactPreference.customer_id).where(ContactPreference.allows_marketing.is_(True)))
    )
    wishes = {one: Wishes(said.get(one, {}), allows_marketing=one in yes) for one in said.keys() | yes}
    return {one for one, wish in wishes.items() if any(wish.allows(channel, "marketing") for channel in CHANNELS)}


def willing_to_read(
    session: Session, person_ids: Iterable[UUID], purposes: Iterable[Purpose] = PURPOSES
) -> set[tuple[UUID, Purpose]]:
    """Who of these wants messages of a purpose in the app's inbox. Two queries for any number."""
    ids = set(person_ids)
    said: dict[UUID, dict[tuple[Place, Purpose], bool]] = {}
    rows = select(ChannelChoice).where(ChannelChoice.customer_id.in_(ids), ChannelChoice.channel == "app")
    for row in session.scalars(rows):
        said.setdefault(row.customer_id, {})[("app", row.purpose)] = row.is_allowed  # type: ignore[index]
    yes = select(ContactPreference.customer_id).where(
        ContactPreference.customer_id.in_(ids), ContactPreference.allows_marketing.is_(True)
    )
    hear = set(session.scalars(yes))
    wishes = {one: Wishes(said.get(one, {}), allows_marketing=one in hear) for one in ids}
    return {(one, purpose) for one, wish in wishes.items() for purpose in purposes if wish.allows("app", purpose)}


def undisturbed_until(
    session: Session, people: Iterable[Contact], until: Mapping[UUID, datetime], *, now: datetime
) -> set[UUID]:
    """Who of these wants to be disturbed by nothing but proofs from `now` until a moment of their own, by quiet hours
    or altogether. Two queries for any number."""
    zones = {one.account_id: one.time_zone for one in people}
    ends = do_not_disturb.ends_of(session, zones, now)
    quiet = {
        one.customer_id: one
        for one in session.scalars(select(ContactPreference).where(ContactPreference.customer_id.in_(zones)))
    }
    found = set()
    for account_id, zone in zones.items():
        free, said, at = ends.get(account_id, now), quiet.get(account_id), until[account_id]
        ended = quiet_end(free, said.quiet_from, said.quiet_until, zone) if said and free < at else None
        if (ended or free) >= at:
            found.add(account_id)
    return found


def wishes_of(session: Session, customer_id: UUID, person: Contact | None) -> Wishes:
    """All that the decision to send asks of a person. Three queries."""
    row = preferences_of(session, customer_id)
    return Wishes(
        choices=choices_of(session, customer_id), allows_marketing=row.allows_marketing, quiet_from=row.quiet_from,
        quiet_until=row.quiet_until, time_zone=person.time_zone if person else "UTC",
        undisturbed_until=do_not_disturb.end_of(session, customer_id),
    )  # fmt: skip


def choose(
    session: Session,
    *,
    customer_id: UUID,
    choices: Mapping[tuple[Place, Purpose], bool],
    source: str = "preferences",
    now: datetime,
) -> None:
    """Store yes or no for channels and purposes, and announce what changes. The one that is locked is left alone.

    Args:
        source: Where it was said: preferences, unsubscribe or stop.

    Raises:
        UnknownChoice: no such channel or purpose.
    """
    before = wishes_of(session, customer_id, None)
    for (channel, purpose), is_allowed in choices.items():
        if channel not in PLACES or purpose not in PURPOSES:
            raise UnknownChoice
        if (channel, purpose) in LOCKED or before.choices.get((channel, purpose)) is is_allowed:
            continue
        values = {"is_allowed": is_allowed, "decided_at": now}
        statement = insert(ChannelChoice).values(customer_id=customer_id, channel=channel, purpose=purpose, **values)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[ChannelChoice.customer_id, ChannelChoice.channel, ChannelChoice.purpose], set_=values
            )
        )
        if before.allows(channel, purpose) is not is_allowed:
            event = ContactChoiceMade(
                occurred_at=now, customer_id=customer_id, channel=channel, purpose=purpose, is_allowed=is_allowed,
                source=source,
            )  # fmt: skip
            publish(session, event)


def speak(session: Session, *, customer_id: UUID, language: str | None, now: datetime) -> None:
    """Have messages come in this language; None follows the account.

    Raises:
        UnknownChoice: none that we speak.
    """
    if language is not None and language not in LANGUAGES:
        raise UnknownChoice
    values = {"language": language, "updated_at": now}
    statement = insert(ContactPreference).values(customer_id=customer_id, **values)
    statement = statement.on_conflict_do_update(index_elements=[ContactPreference.customer_id], set_=values)
    session.scalars(statement.returning(ContactPreference), execution_options={"populate_existing": True}).one()


def chosen_language(session: Session, account_id: UUID) -> str | None:
    """The language that this person chose; None where they never did."""
    row = session.get(ContactPreference, account_id)
    return row.language if row else None


def language_for(session: Session, person: Contact) -> str:
    """The language this person is written to in."""
    row = session.get(ContactPreference, person.account_id)
    return (row.language if row else None) or language_of(person.locale)


def languages_for(session: Session, people: Iterable[Contact]) -> dict[UUID, str]:
    """The language each of these is written to in. One query."""
    locales = {one.account_id: one.locale for one in people}
    said = select(ContactPreference.customer_id, ContactPreference.language).where(
        ContactPreference.customer_id.in_(locales), ContactPreference.language.is_not(None)
    )
    chosen = {customer_id: language for customer_id, language in session.execute(said) if language}
    return {account_id: chosen.get(account_id) or language_of(locale) for account_id, locale in locales.items()}
