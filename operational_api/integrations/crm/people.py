"""A batch of people and their contacts: read, merged, written there, and noted here. When, says `sync`.

What is about to be written is noted before it is written, and what both sides say is kept after: whoever dies in
between is followed by another worker, which knows its own writing again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from contracts.events.integrations import CrmContactForgotten, CrmContactLinked
from contracts.telemetry import get_logger
from operational_api.core import failpoints
from operational_api.core.outbox import publish
from operational_api.core.retries import RetryPolicy
from operational_api.engagement import public as engagement
from operational_api.integrations.crm import contacts
from operational_api.integrations.crm.contacts import PROVIDER
from operational_api.integrations.crm.due import take_due
from operational_api.integrations.crm.hubspot import PERSON, Contact, CrmRefused, HubSpotCrm, Properties
from operational_api.integrations.crm.merging import CUSTOMER, LEAD, Merged, merge
from operational_api.integrations.crm.models import CrmContact

log = get_logger(__name__)
RETRY = RetryPolicy(attempts=1_000_000, first_seconds=30, longest_seconds=6 * 3600)


@dataclass
class Person:
    """One of a batch, from reading to writing down."""

    id: UUID
    person_id: UUID
    marks: int
    known_ours: Mapping[str, str | None]
    known_theirs: Mapping[str, str | None]
    pending: Mapping[str, list[str | None]]
    contact_id: str | None
    is_leaving: bool
    is_customer: bool = False
    lead_id: UUID | None = None
    ours: dict[str, str | None] = field(default_factory=dict)
    contact: Contact | None = None
    merged: Merged = field(default_factory=lambda: Merged({}, {}))
    problem: str | None = None


def take(session: Session, *, now: datetime, lease: timedelta, limit: int) -> list[Person]:
    """People to look at, for this worker alone until the lease ends, with what we say of each."""
    taken = [_of(row) for row in take_due(session, CrmContact, now=now, lease=lease, limit=limit)]
    known = engagement.crm_people(session, [one.person_id for one in taken])
    for one in taken:
        person = known.get(one.person_id)
        if person is not None and person.person_id == one.person_id:  # else a lead that is a customer by now
            one.ours = contacts.ours_of(person)
            one.is_customer, one.lead_id = person.is_customer, person.lead_id
    return taken


def bring_together(
    sessions: sessionmaker[Session], crm: HubSpotCrm, owners: Mapping[str, str], people: list[Person]
) -> None:
    """Read all of them there, merge, and write there what is to be written; `note` keeps the rest."""
    if not people:
        return
    by_id = {one.id: one for one in crm.read([one.contact_id for one in people if one.contact_id])}
    for one in people:
        one.contact = by_id.get(one.contact_id or "")
    # Who was never there, was merged or deleted is looked for by address.
    lost = {str(one.ours["email"]): one for one in people if one.contact is None}
    for contact in crm.read(list(lost), by_email=True):
        for address in contact.addresses & lost.keys():
            lost[address].contact = contact
    others = _of_others(sessions, people)
    for one in people:
        if one.id in others:  # `note` says so; of two people of ours, one writes to a contact
            continue
        has_met = one.contact is not None and one.contact.id == one.contact_id and bool(one.known_ours)
        theirs = contacts.theirs_of(one.contact.properties if one.contact else {}, owners)
        if one.contact and one.ours["email"] in one.contact.addresses:
            theirs["email"] = one.ours["email"]  # which of a merged contact's comes first is for them to say
        one.merged = merge(
            one.ours, theirs, rules=CUSTOMER if one.is_customer else LEAD, pending=one.pending,
            known_ours=one.known_ours if has_met else None,
            known_theirs=contacts.theirs_of(one.known_theirs, owners) if has_met else None,
        )  # fmt: skip
    _write(sessions, crm, [one for one in people if one.merged.to_them])


def _of_others(sessions: sessionmaker[Session], people: list[Person]) -> set[UUID]:
    """Who was found to be the contact of another person of ours: two were merged there."""
    with sessions() as session:
        found = select(CrmContact.contact_id, CrmContact.id).where(
            CrmContact.provider == PROVIDER,
            CrmContact.contact_id.in_([one.contact.id for one in people if one.contact]),
        )
        owner = {str(contact_id): id_ for contact_id, id_ in session.execute(found).tuples()}
    for one in people:
        if one.contact:
            owner.setdefault(one.contact.id, one.id)
    return {one.id for one in people if one.contact and owner[one.contact.id] != one.id}


def _write(sessions: sessionmaker[Session], crm: HubSpotCrm, people: list[Person]) -> None:
    if not people:
        return
    with sessions.begin() as session:
        for one in people:
            if (row := session.get(CrmContact, one.id, with_for_update=True)) is not None:
                # Also what an earlier worker was about to write: whether it arrived nobody knows.
                row.pending = row.pending | {
                    name: [*row.pending.get(name, []), value] for name, value in one.merged.to_them.items()
                }
    failpoints.hit("crm.before_write")
    known = [one for one in people if one.contact is not None]
    fresh = [one for one in people if one.contact is None]
    for some, write in ((known, _update), (fresh, _make)):
        try:
            write(crm, some)
        except CrmRefused:
            for one in some:  # one of them is wrong: the others need not wait for it
                try:
                    write(crm, [one])
                except CrmRefused as refused:
                    log.warning("crm_refused", person=str(one.person_id), error=str(refused))
                    one.problem = str(refused)[:300]
    failpoints.hit("crm.after_write")


def _update(crm: HubSpotCrm, people: list[Person]) -> None:
    changes = {one.contact.id: contacts.properties_of(one.merged.to_them) for one in people if one.contact}
    told = crm.update(changes)
    for one in people:
        if one.contact is not None:
            written = changes[one.contact.id] | told.get(one.contact.id, {})
            one.contact = Contact(one.contact.id, one.contact.properties | _nulled(written))


def _make(crm: HubSpotCrm, people: list[Person]) -> None:
    asked: dict[str, Properties] = {
        str(one.ours["email"]): contacts.properties_of(one.merged.to_them) | {PERSON: str(one.person_id)}
        for one in people
    }
    made = {email.lower(): contact for email, contact in crm.upsert(asked).items()}
    for one in people:
        email = str(one.ours["email"])
        if (contact := made.get(email)) is not None:
            one.contact = Contact(contact.id, _nulled(asked[email]) | contact.properties)


def note(session: Session, one: Person, now: datetime) -> None:
    """Keep what both sides say now, and take over here what is to be."""
    row = session.get(CrmContact, one.id, with_for_update=True, populate_existing=True)
    if row is None or row.person_id != one.person_id or (row.forgotten_at is not None and not row.is_leaving):
        return
    if one.problem is None and (one.is_leaving or (not one.ours and row.contact_id is None)):
        session.delete(row)
        if one.is_leaving and one.contact_id:
            publish(session, CrmContactForgotten(occurred_at=now, person_id=row.person_id, provider=PROVIDER))
        return
    if one.problem is not None:
        row.attempts, row.problem = row.attempts + 1, one.problem
        row.due_at = now + RETRY.delay(min(row.attempts, 30))
        return
    row.attempts, row.problem, row.synced_at = 0, None, now
    if row.marks == one.marks:
        row.due_at = None
    if one.contact is None:  # nothing is said of them any more: lost, or an account of the business's own
        return
    if _is_taken(session, row, one.contact.id):
        row.problem, row.due_at = "Another person of ours is this contact already", None
        return
    if row.contact_id != one.contact.id:
        row.contact_id = one.contact.id
        publish(
            session,
            CrmContactLinked(occurred_at=now, person_id=row.person_id, provider=PROVIDER, contact_id=one.contact.id),
        )
    theirs = contacts.known(one.contact)
    ours = dict(one.ours)
    if one.merged.to_us and one.lead_id is not None:
        fresh = engagement.crm_people(session, [one.person_id]).get(one.person_id)
        current = contacts.ours_of(fresh) if fresh else {}
        taken = {name: value for name, value in one.merged.to_us.items() if current.get(name) == one.ours.get(name)}
        engagement.amend_lead(session, one.lead_id, taken, by=PROVIDER, now=now)
        after = engagement.crm_people(session, [one.person_id]).get(one.person_id)
        said = contacts.ours_of(after) if after else {}
        ours |= {name: said.get(name) for name in taken}
        for name in one.merged.to_us.keys() - taken.keys():  # changed here meanwhile: decided next time
            theirs |= {key: row.known_theirs.get(key) for key, ours_ in contacts.FIELD_OF.items() if ours_ == name}
            row.due_at = now
    row.known_ours, row.known_theirs, row.pending = ours, theirs, {}
    session.flush()


def _is_taken(session: Session, row: CrmContact, contact_id: str) -> bool:
    query = select(CrmContact.id).where(
        CrmContact.provider == PROVIDER, CrmContact.contact_id == contact_id, CrmContact.id != row.id
    )
    return session.scalar(query) is not None


def _of(row: CrmContact) -> Person:
    return Person(
        row.id, row.person_id, row.marks, dict(row.known_ours), dict(row.known_theirs), dict(row.pending),
        row.contact_id, row.is_leaving,
    )  # fmt: skip


def _nulled(properties: Mapping[str, str | None]) -> Properties:
    return {name: value or None for name, value in properties.items()}
