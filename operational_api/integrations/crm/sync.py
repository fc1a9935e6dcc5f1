"""The worker's hand: brings the people who may differ from their contact together with it, a batch at a time.

No transaction is open while HubSpot is waited for.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger, trace
from operational_api.core.rate_limit import Limiter
from operational_api.core.retries import told
from operational_api.integrations.crm import contacts, people
from operational_api.integrations.crm.contacts import PROVIDER
from operational_api.integrations.crm.due import take_due
from operational_api.integrations.crm.hubspot import (
    CrmDown,
    CrmRefused,
    CrmResting,
    HubSpotCrm,
)
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
Clock = Callable[[], datetime]


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
                settings.hubspot_api_base,
                token,
                limiter,
                in_ten_seconds=settings.hubspot_requests_in_ten_seconds,
                in_a_day=settings.hubspot_requests_a_day,
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
            except CrmRefused as refused:  # not one of them: the token, or what it may do
                log.error("crm_refuses_us", error=str(refused))
                self._rest(timedelta(minutes=5), str(refused)[:300])
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
            if state.rest_until is not None and state.rest_until > now:
                return False
            state.rest_until = state.problem = None
            return True

    def _rest(self, span: timedelta, problem: str | None = None) -> None:
        with self._sessions.begin() as session:
            state = session.get_one(CrmState, PROVIDER, with_for_update=True)
            state.rest_until, state.problem = self._clock() + span, problem

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
            taken = people.take(session, now=now, lease=LEASE, limit=BATCH)
        if not taken:
            return False
        try:
            living = [one for one in taken if one.ours and not one.is_leaving]
            if living:
                people.bring_together(self._sessions, crm, self._known_owners(crm), living)
            for one in taken:
                if one.is_leaving and one.contact_id:
                    try:
                        crm.archive(one.contact_id)
                    except CrmRefused as refused:
                        one.problem = str(refused)[:300]
        except (CrmResting, CrmDown, CrmRefused):
            self._put_back(CrmContact, [one.id for one in taken])
            raise
        with self._sessions.begin() as session:
            for one in taken:
                people.note(session, one, self._clock())
        return True

    def _sales(self, crm: HubSpotCrm) -> bool:
        now = self._clock()
        with self._sessions.begin() as session:
            rows = take_due(session, CrmDeal, now=now, lease=LEASE, limit=BATCH)
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
            self._put_back(CrmDeal, [one[0] for one in taken[done:]])
            raise
        return True

    def _note_deal(self, row: CrmDeal, deal_id: str | None, problem: str | None, marks: int) -> None:
        now = self._clock()
        row.problem = problem
        if problem is not None:
            row.attempts += 1
            row.due_at = now + people.RETRY.delay(min(row.attempts, 30))
            return
        row.deal_id, row.attempts, row.synced_at = deal_id, 0, now
        if row.marks == marks:
            row.due_at = None

    def _put_back(self, table: type[CrmContact] | type[CrmDeal], ids: Collection[UUID]) -> None:
        """Nothing was tried of these: they are due as they were."""
        with self._sessions.begin() as session:
            session.execute(update(table).where(table.id.in_(ids)).values(due_at=self._clock()))

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
