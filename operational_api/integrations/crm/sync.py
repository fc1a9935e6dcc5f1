"""The worker's hand: brings the people who may differ from their contact together with it, a batch at a time.

No transaction is open while HubSpot is waited for. What is about to be written is noted before it is written, and what
both sides say is kept after: whoever dies in between is followed by another worker, which knows its own writing again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from contracts.events.integrations import CrmContactForgotten, CrmContactLinked
from contracts.telemetry import get_logger, trace
from operational_api.core import failpoints
from operational_api.core.outbox import publish
from operational_api.core.rate_limit import Limiter
from operational_api.core.retries import RetryPolicy, told
from operational_api.engagement import public as engagement
from operational_api.integrations.crm import contacts, deals
from operational_api.integrations.crm.contacts import PROVIDER
from operational_api.integrations.crm.hubspot import (
    PERSON,
    Contact,
    CrmDown,
    CrmRefused,
    CrmResting,
    HubSpotCrm,
    Properties,
)
from operational_api.integrations.crm.merging import CUSTOMER, LEAD, Merged, merge
from operational_api.integrations.crm.models import CrmContact, CrmDeal, CrmState
from operational_api.integrations.models import Connector
from operational_api.integrations.settings import IntegrationSettings

log = get_logger(__name__)
LEASE = timedelta(minutes=5)
BATCH = 50
POLL_EVERY = timedelta(minutes=10)
OVERLAP = timedelta(minutes=5)
"""A search finds a contact only some moments after it changed."""
OWNERS_KNOWN = timedelta(minutes=10)
RETRY = RetryPolicy(attempts=1_000_000, first_seconds=30, longest_seconds=6 * 3600)
Clock = Callable[[], datetime]


@dataclass
class _Person:
    """One of a batch, from reading to writing down."""

    id: UUID
    person_id: UUID
    marks: int
    known_ours: Mapping[str, str | None]
    known_theirs: Mapping[str, str | None]
    pending: Mapping[str, str | None]
    contact_id: str | None
    is_leaving: bool
    is_customer: bool = False
    lead_id: UUID | None = None
    ours: dict[str, str | None] = field(default_factory=dict)
    contact: Contact | None = None
    merged: Merged = field(default_factory=lambda: Merged({}, {}))
    problem: str | None = None


class CrmWorker:
    """Does one batch each time it is asked.

    Args:
        sessions: Of the system.
        limiter: Counts requests over all processes.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        settings: IntegrationSettings,
        limiter: Limiter | None = None,
        *,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._sessions, self._clock = sessions, clock
        token = settings.hubspot_access_token.get_secret_value() if settings.hubspot_sync else ""
        limiter = limiter or Limiter(settings.redis_url.get_secret_value())
        self._crm = (
            HubSpotCrm(
                settings.hubspot_api_base, token, limiter, in_ten_seconds=settings.hubspot_requests_in_ten_seconds
            )
            if token
            else None
        )
        self._owners: dict[str, str] = {}
        self._owners_at: datetime | None = None

    def run_due(self) -> bool:
        """Bring a batch together, or look for changes there.

        Returns:
            Whether there was something, so that more may be waiting.
        """
        if self._crm is None or not self._may_ask():
            return False
        with trace():
            try:
                return (
                    self._prepare(self._crm)
                    or self._people(self._crm)
                    or self._sales(self._crm)
                    or self._poll(self._crm)
                )
            except CrmResting as resting:
                self._rest(resting.rest)
            except CrmDown as down:
                log.warning("crm_down", error=str(down))
                self._rest(timedelta(seconds=30))
        return False

    def _may_ask(self) -> bool:
        now = self._clock()
        with self._sessions.begin() as session:
            row = session.get(Connector, PROVIDER)
            if row is None or row.state != "connected":
                return False
            state = session.get(CrmState, PROVIDER, with_for_update=True)
            if state is None:
                session.add(state := CrmState(provider=PROVIDER, next_poll_at=now, changed_until=now))
            since = max(filter(None, (row.connected_at, row.resync_asked_at)))
            if state.resynced_for is None or state.resynced_for < since:
                state.resynced_for, state.prepared_at = since, None
                contacts.mark_all(session, now)
            return state.rest_until is None or state.rest_until <= now

    def _rest(self, span: timedelta) -> None:
        with self._sessions.begin() as session:
            session.get_one(CrmState, PROVIDER, with_for_update=True).rest_until = self._clock() + span

    def _prepare(self, crm: HubSpotCrm) -> bool:
        with self._sessions() as session:
            if session.get_one(CrmState, PROVIDER).prepared_at is not None:
                return False
        crm.prepare()
        with self._sessions.begin() as session:
            session.get_one(CrmState, PROVIDER, with_for_update=True).prepared_at = self._clock()
        return True

    def _people(self, crm: HubSpotCrm) -> bool:
        now = self._clock()
        with self._sessions.begin() as session:
            taken = [_of(row) for row in contacts.take_due(session, now=now, lease=LEASE, limit=BATCH)]
            if not taken:
                return False
            known = engagement.crm_people(session, [one.person_id for one in taken])
            for one in taken:
                if (person := known.get(one.person_id)) is not None:
                    one.ours = contacts.ours_of(person)
                    one.is_customer, one.lead_id = person.is_customer, person.lead_id
        try:
            self._bring_together(crm, [one for one in taken if one.ours and not one.is_leaving])
            for one in taken:
                if one.is_leaving and one.contact_id:
                    crm.archive(one.contact_id)
        except (CrmResting, CrmDown):
            self._put_back(CrmContact, {one.id: one.marks for one in taken})
            raise
        with self._sessions.begin() as session:
            for one in taken:
                self._note(session, one)
        return True

    def _bring_together(self, crm: HubSpotCrm, people: list[_Person]) -> None:
        if not people:
            return
        owners = self._known_owners(crm)
        by_id = {one.id: one for one in crm.read([one.contact_id for one in people if one.contact_id])}
        for one in people:
            one.contact = by_id.get(one.contact_id or "")
        # Who was never there, was merged or deleted is looked for by address.
        lost = {str(one.ours["email"]): one for one in people if one.contact is None}
        for contact in crm.read(list(lost), by_email=True):
            if (found := lost.get((contact.properties.get("email") or "").lower())) is not None:
                found.contact = contact
        for one in people:
            has_met = one.contact is not None and one.contact.id == one.contact_id and bool(one.known_ours)
            theirs = contacts.theirs_of(one.contact.properties if one.contact else {}, owners)
            one.merged = merge(
                one.ours, theirs, rules=CUSTOMER if one.is_customer else LEAD, pending=one.pending,
                known_ours=one.known_ours if has_met else None,
                known_theirs=contacts.theirs_of(one.known_theirs, owners) if has_met else None,
            )  # fmt: skip
        self._write(crm, [one for one in people if one.merged.to_them])

    def _write(self, crm: HubSpotCrm, people: list[_Person]) -> None:
        if not people:
            return
        with self._sessions.begin() as session:
            for one in people:
                session.get_one(CrmContact, one.id).pending = one.merged.to_them
        failpoints.hit("crm.before_write")
        known = [one for one in people if one.contact is not None]
        fresh = [one for one in people if one.contact is None]
        for some, write in ((known, self._update), (fresh, self._make)):
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

    def _update(self, crm: HubSpotCrm, people: list[_Person]) -> None:
        changes = {one.contact.id: contacts.properties_of(one.merged.to_them) for one in people if one.contact}
        told = crm.update(changes)
        for one in people:
            if one.contact is not None:
                written = changes[one.contact.id] | told.get(one.contact.id, {})
                one.contact = Contact(one.contact.id, one.contact.properties | _nulled(written))

    def _make(self, crm: HubSpotCrm, people: list[_Person]) -> None:
        asked: dict[str, Properties] = {
            str(one.ours["email"]): contacts.properties_of(one.merged.to_them) | {PERSON: str(one.person_id)}
            for one in people
        }
        made = {email.lower(): contact for email, contact in crm.upsert(asked).items()}
        for one in people:
            email = str(one.ours["email"])
            if (contact := made.get(email)) is not None:
                one.contact = Contact(contact.id, _nulled(asked[email]) | contact.properties)

    def _note(self, session: Session, one: _Person) -> None:
        now = self._clock()
        row = session.get(CrmContact, one.id, with_for_update=True, populate_existing=True)
        if row is None or row.person_id != one.person_id:
            return
        if one.is_leaving or (not one.ours and row.contact_id is None):
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
        if self._is_taken(session, row, one.contact.id):
            row.problem, row.due_at = "Another person of ours is this contact already", None
            return
        if row.contact_id != one.contact.id:
            row.contact_id = one.contact.id
            publish(
                session,
                CrmContactLinked(
                    occurred_at=now, person_id=row.person_id, provider=PROVIDER, contact_id=one.contact.id
                ),
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

    @staticmethod
    def _is_taken(session: Session, row: CrmContact, contact_id: str) -> bool:
        query = select(CrmContact.id).where(
            CrmContact.provider == PROVIDER, CrmContact.contact_id == contact_id, CrmContact.id != row.id
        )
        return session.scalar(query) is not None

    def _sales(self, crm: HubSpotCrm) -> bool:
        now = self._clock()
        with self._sessions.begin() as session:
            rows = deals.take_due(session, now=now, lease=LEASE, limit=BATCH)
            owners = select(CrmContact.person_id, CrmContact.contact_id).where(
                CrmContact.provider == PROVIDER, CrmContact.person_id.in_([row.person_id for row in rows])
            )
            contact_of: dict[UUID, str | None] = dict(session.execute(owners).tuples().all())
            taken = [(row.id, str(row.sale_id), dict(row.wanted), row.marks, row.person_id) for row in rows]
        if not taken:
            return False
        done = 0
        try:
            for id_, sale_id, wanted, marks, person_id in taken:
                deal_id, problem = None, None
                try:
                    deal_id = crm.upsert_deal(sale_id, wanted, contact_of.get(person_id))
                except CrmRefused as refused:
                    problem = told(refused)[:300]
                with self._sessions.begin() as session:
                    row = session.get(CrmDeal, id_, with_for_update=True)
                    if row is not None:
                        self._note_deal(row, deal_id, problem, marks)
                done += 1
        except (CrmResting, CrmDown):
            self._put_back(CrmDeal, {one[0]: one[3] for one in taken[done:]})
            raise
        return True

    def _note_deal(self, row: CrmDeal, deal_id: str | None, problem: str | None, marks: int) -> None:
        now = self._clock()
        row.problem = problem
        if problem is not None:
            row.attempts += 1
            row.due_at = now + RETRY.delay(min(row.attempts, 30))
            return
        row.deal_id, row.attempts, row.synced_at = deal_id, 0, now
        if row.marks == marks:
            row.due_at = None

    def _put_back(self, table: type[CrmContact] | type[CrmDeal], marks: Mapping[UUID, int]) -> None:
        """Nothing was tried of these: they are due as they were."""
        with self._sessions.begin() as session:
            for row in session.scalars(select(table).where(table.id.in_(marks)).with_for_update()):
                row.due_at = self._clock()

    def _poll(self, crm: HubSpotCrm) -> bool:
        """Mark who changed there, whatever webhooks told."""
        now = self._clock()
        with self._sessions.begin() as session:
            state = session.get_one(CrmState, PROVIDER, with_for_update=True)
            if state.next_poll_at > now:
                return False
            state.next_poll_at = now + POLL_EVERY
            since = (state.changed_until or now) - OVERLAP
        changed: dict[str, dict[str, str]] = {}
        last = None
        for contact in crm.changed_since(since):
            changed[contact.id] = {name: value or "" for name, value in contacts.known(contact).items()}
            last = contact.properties.get("lastmodifieddate") or last
        with self._sessions.begin() as session:
            news = changed.keys() - contacts.echoes(session, changed)
            contacts.mark_known(session, news, now)
            state = session.get_one(CrmState, PROVIDER, with_for_update=True)
            # HubSpot's own time where it told one: our clock may be another.
            state.changed_until = datetime.fromisoformat(last) if last else max(since, now - POLL_EVERY)
        return bool(news)

    def _known_owners(self, crm: HubSpotCrm) -> dict[str, str]:
        now = self._clock()
        if self._owners_at is None or now - self._owners_at > OWNERS_KNOWN:
            self._owners, self._owners_at = crm.owners(), now
        return self._owners


def _of(row: CrmContact) -> _Person:
    return _Person(
        row.id, row.person_id, row.marks, dict(row.known_ours), dict(row.known_theirs), dict(row.pending),
        row.contact_id, row.is_leaving,
    )  # fmt: skip


def _nulled(properties: Mapping[str, str | None]) -> Properties:
    return {name: value or None for name, value in properties.items()}
