"""Guests who leave their address: kept once each, told to nobody but the business, and what becomes of them."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, text, true, tuple_, update
from sqlalchemy.orm import Session

from contracts.events.engagement import (
    LeadCaptured,
    LeadChanged,
    LeadConverted,
    LeadForgotten,
    LeadLost,
    LeadReopened,
)
from operational_api.core import audit, paging
from operational_api.core.outbox import publish
from operational_api.engagement.errors import InvalidEmail, LeadAskedAgain, LeadHasAccount, LeadNotFound
from operational_api.engagement.models import Lead

State = Literal["waiting", "account", "lost"]
Source = Literal["website", "referral", "instagram", "walk_in", "event", "other"]
"""Where somebody may say that they come from; a CRM may know others."""
FORGOTTEN = "Forgotten at their wish"

AMENDABLE = {"name": 200, "phone": 40, "source": 30, "owner": 200}
"""What another system may say of a lead, and how long it may be."""
_EMAIL = re.compile(r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")


def capture_lead(
    session: Session, *, name: str, email: str, source: str, location_id: UUID | None, now: datetime
) -> Lead:
    """Keep a guest's contact. Asking again with an address that waits already keeps the first.

    Raises:
        InvalidEmail: no address could look like this.
    """
    email = email.strip()
    if len(email) > 254 or not _EMAIL.match(email):
        raise InvalidEmail
    known = _waiting(session, email)
    if known is not None:
        return known
    lead = Lead(name=name.strip(), email=email, source=source, location_id=location_id, created_at=now)
    session.add(lead)
    session.flush()
    publish(session, LeadCaptured(occurred_at=now, lead_id=lead.id, source=source))
    return lead


def convert_leads(session: Session, *, email: str, customer_id: UUID, now: datetime) -> None:
    """Mark the waiting leads of this address as converted to a customer, and announce each; of who was not coming, and
    has not asked again, the newest."""
    theirs = func.lower(Lead.email) == email.lower()
    waits = theirs & _STATES["waiting"]
    lost = select(Lead.id).where(theirs, Lead.converted_at.is_(None), ~select(Lead.id).where(waits).exists())
    converted = session.scalars(
        update(Lead)
        .where(or_(waits, Lead.id == lost.order_by(Lead.created_at.desc(), Lead.id.desc()).limit(1).scalar_subquery()))
        .values(customer_id=customer_id, converted_at=now, lost_at=None)
        .returning(Lead.id)
    )
    for lead_id in converted.all():
        publish(session, LeadConverted(occurred_at=now, lead_id=lead_id, customer_id=customer_id))


def amend_lead(session: Session, lead_id: UUID, values: Mapping[str, str | None], *, by: str, now: datetime) -> bool:
    """Take over what another system, or the desk, says of a lead, and announce what is another now.

    Args:
        values: Of `AMENDABLE`; what is not in it stays, and neither name nor source is ever taken away.
        by: Who says so: a system, or "desk".

    Returns:
        False: nothing was other than it is, or there is no such lead.
    """
    lead = session.get(Lead, lead_id, with_for_update=True, populate_existing=True)
    if lead is None or not lead.email:  # who was forgotten is not learned of again
        return False
    wanted = {name: (value or "").strip()[: AMENDABLE[name]] or None for name, value in values.items()}
    changed = tuple(
        name for name, value in sorted(wanted.items())
        if value != getattr(lead, name) and (value is not None or name not in ("name", "source"))
    )  # fmt: skip
    for name in changed:
        setattr(lead, name, wanted[name])
    if changed:
        session.flush()
        publish(session, LeadChanged(occurred_at=now, lead_id=lead.id, changed=changed, by=by))
    return bool(changed)


def state_of(lead: Lead) -> State:
    """Whether they wait, have an account by now, or are not coming."""
    return "account" if lead.converted_at is not None else "lost" if lead.lost_at is not None else "waiting"


def leads_of(
    session: Session, state: State, *, wanted: str = "", studios: Collection[UUID] | None, limit: int,
    cursor: str | None = None,
) -> tuple[list[Lead], str | None]:  # fmt: skip
    """Leads in a state, the latest first; nobody who was forgotten.

    Args:
        wanted: Part of a name, or a whole address; empty for all.
        studios: Only who asked at one of these, or at none; None: all.
    """
    query = select(Lead).where(_STATES[state], _is_at(studios))
    if typed := " ".join(wanted.split()).lower():
        named = func.lower(Lead.name).contains(typed, autoescape=True)
        query = query.where(named | (func.lower(Lead.email) == typed))
    if cursor is not None:
        last = map(literal, paging.after(cursor, datetime, UUID))
        query = query.where(tuple_(Lead.created_at, Lead.id) < tuple_(*last))
    rows = session.scalars(query.order_by(Lead.created_at.desc(), Lead.id.desc()).limit(limit + 1)).all()
    return paging.cut(rows, limit, lambda lead: (lead.created_at, lead.id))


def get_lead(session: Session, lead_id: UUID, *, is_locked: bool = False) -> Lead:
    """One lead.

    Raises:
        LeadNotFound: there is none, or they were forgotten.
    """
    lead = session.get(Lead, lead_id, with_for_update=is_locked or None, populate_existing=is_locked)
    if lead is None or not lead.email:
        raise LeadNotFound
    return lead


def lose_lead(session: Session, lead_id: UUID, *, lost_by: UUID, now: datetime) -> Lead:
    """They are not coming. Again is as once.

    Raises:
        LeadNotFound: as `get_lead`.
        LeadHasAccount: they came.
    """
    lead = _without_account(session, lead_id)
    if lead.lost_at is None:
        lead.lost_at = now
        session.flush()
        publish(session, LeadLost(occurred_at=now, lead_id=lead.id, lost_by=lost_by))
    return lead


def reopen_lead(session: Session, lead_id: UUID, *, reopened_by: UUID, now: datetime) -> Lead:
    """They wait again. Again is as once.

    Raises:
        LeadNotFound: as `get_lead`.
        LeadHasAccount: they came.
        LeadAskedAgain: another lead with their address waits.
    """
    found = get_lead(session, lead_id)
    other = _waiting(session, found.email)  # before the row itself, as `capture_lead` does
    lead = _without_account(session, lead_id)
    if lead.lost_at is not None:
        if other is not None:
            raise LeadAskedAgain
        lead.lost_at = None
        session.flush()
        publish(session, LeadReopened(occurred_at=now, lead_id=lead.id, reopened_by=reopened_by))
    return lead


def forget_lead(session: Session, lead_id: UUID, *, forgotten_by: UUID, now: datetime) -> None:
    """Take out who they are, at their wish, wherever they asked before too; that somebody asked, when and where from
    stays, without them.

    Raises:
        LeadNotFound: as `get_lead`.
        LeadHasAccount: closing the account forgets all of them.
    """
    email = get_lead(session, lead_id).email
    _waiting(session, email)  # before the rows themselves, as `capture_lead` does
    _without_account(session, lead_id)
    for forgotten in forget_at(session, email, forgotten_by=forgotten_by, now=now):
        audit.record(
            session, "engagement.keep_leads", "Lead", forgotten, actor_id=forgotten_by, purpose="operations",
            details={"decision": "forgotten"}, now=now,
        )  # fmt: skip


def forget_at(session: Session, email: str, *, forgotten_by: UUID, now: datetime) -> list[UUID]:
    """Take who they are out of every lead of an address that has no account. Returns which those are."""
    forgotten = session.scalars(
        update(Lead)
        .where(func.lower(Lead.email) == email.lower(), Lead.converted_at.is_(None))
        .values(name=FORGOTTEN, email="", phone=None, owner=None, lost_at=func.coalesce(Lead.lost_at, now))
        .returning(Lead.id)
    ).all()
    for lead_id in forgotten:
        publish(session, LeadForgotten(occurred_at=now, lead_id=lead_id, forgotten_by=forgotten_by))
    return list(forgotten)


def note_lead(session: Session, lead_id: UUID, values: Mapping[str, str | None], *, now: datetime) -> Lead:
    """What the desk knows of a lead; see `amend_lead`.

    Raises:
        LeadNotFound: as `get_lead`.
        LeadHasAccount: who they are is said there.
    """
    lead = _without_account(session, lead_id)
    amend_lead(session, lead_id, values, by="desk", now=now)
    return lead


def _waiting(session: Session, email: str) -> Lead | None:
    """Who waits with this address; one transaction at a time asks."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('lead:' || lower(:email)))"), {"email": email})
    return session.scalar(select(Lead).where(func.lower(Lead.email) == email.lower(), _STATES["waiting"]))


def _without_account(session: Session, lead_id: UUID) -> Lead:
    lead = get_lead(session, lead_id, is_locked=True)
    if lead.converted_at is not None:
        raise LeadHasAccount
    return lead


def _is_at(studios: Collection[UUID] | None) -> ColumnElement[bool]:
    return true() if studios is None else or_(Lead.location_id.is_(None), Lead.location_id.in_(studios))


_STATES: Mapping[State, ColumnElement[bool]] = {
    "waiting": and_(Lead.converted_at.is_(None), Lead.lost_at.is_(None)),
    "account": and_(Lead.converted_at.is_not(None), Lead.email != ""),
    "lost": and_(Lead.lost_at.is_not(None), Lead.email != ""),
}
"""What of a lead says the state that it is in."""
