"""Which people may differ from their contact: marked by whatever may have changed on either side, done by `sync`.

A mark says only that somebody is to be looked at. So it may be made twice, late and in any order.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.integrations import CrmContactForgotten
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.engagement import public as engagement
from operational_api.engagement.public import CrmPerson
from operational_api.integrations.crm.hubspot import SOURCE, STAGE, Contact, Properties
from operational_api.integrations.crm.merging import LIFECYCLE_OF
from operational_api.integrations.crm.models import CrmContact, CrmDeal
from operational_api.integrations.models import Connector

PROVIDER = "hubspot"
FIELD_OF = {
    "email": "email", "firstname": "name", "lastname": "name", "phone": "phone", "hubspot_owner_id": "owner",
    "lifecyclestage": "lifecycle", STAGE: "stage", SOURCE: "source",
}  # fmt: skip
"""Our field behind a property of theirs."""


def is_on(session: Session) -> bool:
    """Whether people are brought there: connected, and not paused. A paused one keeps its marks."""
    state = session.scalar(select(Connector.state).where(Connector.name == PROVIDER))
    return state in ("connected", "paused")


def mark(session: Session, person_ids: Iterable[UUID], now: datetime) -> None:
    """These people may have changed, or are new."""
    rows = [
        {"id": new_id(), "provider": PROVIDER, "person_id": one, "due_at": now, "marks": 1}
        for one in sorted(set(person_ids))
    ]  # fmt: skip
    if rows:
        statement = insert(CrmContact)
        again = {
            "due_at": func.least(CrmContact.due_at, statement.excluded.due_at), "marks": CrmContact.marks + 1,
            "attempts": 0,
        }  # fmt: skip
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["provider", "person_id"], set_=again, where=CrmContact.forgotten_at.is_(None)
            ),
            rows,
        )


def mark_known(session: Session, contact_ids: Collection[str], now: datetime) -> int:
    """These contacts may have changed; whom we do not know is nobody of ours. Returns how many we know."""
    found = session.scalars(
        update(CrmContact)
        .where(CrmContact.provider == PROVIDER, CrmContact.contact_id.in_(contact_ids))
        .values(due_at=func.coalesce(func.least(CrmContact.due_at, now), now), marks=CrmContact.marks + 1)
        .returning(CrmContact.id)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())


def mark_all(session: Session, now: datetime) -> None:
    """Look at everybody: whom it knows already, and every lead and customer of ours."""
    session.execute(
        update(CrmContact)
        .where(CrmContact.provider == PROVIDER, CrmContact.forgotten_at.is_(None))
        .values(due_at=now, marks=CrmContact.marks + 1, attempts=0)
        .execution_options(synchronize_session=False)
    )
    mark(session, engagement.crm_person_ids(session), now)


def convert(session: Session, *, lead_id: UUID, customer_id: UUID, now: datetime) -> None:
    """A lead has an account: their contact is the customer's from now on, under what was known of it."""
    row = session.scalar(
        select(CrmContact).where(CrmContact.provider == PROVIDER, CrmContact.person_id == lead_id).with_for_update()
    )
    other = session.scalar(
        select(CrmContact).where(CrmContact.provider == PROVIDER, CrmContact.person_id == customer_id).with_for_update()
    )
    if row is not None:
        if other is not None:  # the one that is somebody there is kept
            gone, row = (row, other) if row.contact_id is None else (other, row)
            session.delete(gone)
            session.flush()
        row.person_id = customer_id
        session.flush()
    mark(session, [customer_id], now)


def leave(session: Session, person_id: UUID, now: datetime) -> None:
    """A person left us: their contact is archived there, their deals are told no more."""
    session.execute(delete(CrmDeal).where(CrmDeal.provider == PROVIDER, CrmDeal.person_id == person_id))
    session.execute(
        update(CrmContact)
        .where(CrmContact.provider == PROVIDER, CrmContact.person_id == person_id)
        .values(is_leaving=True, due_at=now, marks=CrmContact.marks + 1, known_ours={}, known_theirs={}, pending={})
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, contact_ids: Collection[str], now: datetime) -> int:
    """There these people asked to be erased: nothing of them is told there again, and what it said is dropped here.

    Returns:
        How many of them we know.
    """
    people = session.scalars(
        update(CrmContact)
        .where(CrmContact.provider == PROVIDER, CrmContact.contact_id.in_(contact_ids), ~CrmContact.is_leaving)
        .values(
            forgotten_at=now, due_at=None, contact_id=None, known_ours={}, known_theirs={}, pending={}, problem=None,
            marks=CrmContact.marks + 1,
        )
        .returning(CrmContact.person_id)
        .execution_options(synchronize_session=False)
    ).all()  # fmt: skip
    session.execute(delete(CrmDeal).where(CrmDeal.provider == PROVIDER, CrmDeal.person_id.in_(people)))
    for person_id in people:
        publish(session, CrmContactForgotten(occurred_at=now, person_id=person_id, provider=PROVIDER))
    return len(people)


def is_forgotten(session: Session, person_id: UUID) -> bool:
    """Whether nothing of a person is to be told there."""
    query = select(CrmContact.id).where(
        CrmContact.provider == PROVIDER, CrmContact.person_id == person_id, CrmContact.forgotten_at.is_not(None)
    )
    return session.scalar(query) is not None


def echoes(session: Session, changes: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Of contacts that are said to have changed, those whose told values are what we know already: ours, come back.

    Args:
        changes: By contact, each property's told value.
    """
    rows = session.scalars(
        select(CrmContact).where(CrmContact.provider == PROVIDER, CrmContact.contact_id.in_(changes))
    )
    found = set()
    for row in rows:
        told = changes[str(row.contact_id)]
        known = row.known_theirs
        if all((value or None) == known.get(name) for name, value in told.items() if name in FIELD_OF):
            found.add(str(row.contact_id))
    return found


def ours_of(person: CrmPerson) -> dict[str, str | None]:
    """What we say of a person, by field. What only a lead has is said where there is one."""
    told: dict[str, str | None] = {
        "email": person.email.strip().lower(),
        "name": " ".join(person.name.split()) or None,
        "stage": person.stage,
        "lifecycle": LIFECYCLE_OF.get(person.stage or "lead"),
    }
    if person.lead_id is not None:
        told |= {"phone": person.phone, "source": person.source, "owner": person.owner}
    return told


def theirs_of(properties: Mapping[str, str | None], owners: Mapping[str, str]) -> dict[str, str | None]:
    """What they say of a person, by field."""
    get = properties.get
    name = " ".join(f"{get('firstname') or ''} {get('lastname') or ''}".split())
    return {
        "email": (get("email") or "").strip().lower() or None,
        "name": name or None,
        "phone": (get("phone") or "").strip() or None,
        "source": (get(SOURCE) or "").strip() or None,
        "owner": owners.get(get("hubspot_owner_id") or ""),
        "stage": get(STAGE),
        "lifecycle": get("lifecyclestage"),
    }


def properties_of(values: Mapping[str, str | None]) -> Properties:
    """Fields as their properties."""
    found: Properties = {}
    for field, value in values.items():
        if field == "name":
            first, _, last = (value or "").partition(" ")
            found |= {"firstname": first, "lastname": last}
        elif field != "owner":
            found[next(name for name, ours in FIELD_OF.items() if ours == field)] = value
    return found


def known(contact: Contact) -> dict[str, str | None]:
    """A contact's properties as we keep them to tell a change from an echo."""
    return {name: contact.properties.get(name) for name in FIELD_OF}


def failing(session: Session) -> list[CrmContact]:
    """Whom it does not take, the longest waiting first: for the connector's health."""
    query = select(CrmContact).where(CrmContact.provider == PROVIDER, CrmContact.problem.is_not(None))
    return list(session.scalars(query.order_by(CrmContact.due_at).limit(5)))


def waiting(session: Session, now: datetime) -> int:
    """How many people and deals are to be looked at."""
    people = select(func.count()).select_from(CrmContact).where(CrmContact.due_at <= now)
    deals = select(func.count()).select_from(CrmDeal).where(CrmDeal.due_at <= now)
    return (session.scalar(people) or 0) + (session.scalar(deals) or 0)


def is_any_due(session: Session, now: datetime) -> bool:
    """Whether there is something to do."""
    due = or_(
        select(CrmContact.id).where(CrmContact.due_at <= now).exists(),
        select(CrmDeal.id).where(CrmDeal.due_at <= now).exists(),
    )
    return bool(session.scalar(select(due)))
