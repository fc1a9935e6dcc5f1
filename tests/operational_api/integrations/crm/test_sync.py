"""People of ours at a local HubSpot, spoken to by HubSpot's own client: out, in, and no echo either way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events import commerce, identity
from contracts.events import engagement as facts
from contracts.events.envelope import Event
from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api.core import failpoints
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.rate_limit import Limiter
from operational_api.engagement.models import Lead, LifecycleStage
from operational_api.engagement.service.leads import capture_lead, convert_leads
from operational_api.integrations.crm import contacts, deals, standing
from operational_api.integrations.crm.hubspot import CrmResting, HubSpotCrm
from operational_api.integrations.crm.models import CrmContact, CrmDeal
from operational_api.integrations.crm.sync import CrmWorker
from operational_api.integrations.handlers import CRM
from operational_api.integrations.models import Connector
from operational_api.integrations.settings import IntegrationSettings
from plyo import valkey
from plyo.postgres import free_port
from tests.factories import make_account
from tests.fakes.hubspot.testing import CLIENT_SECRET, TOKEN, LocalHubSpot, local_hubspot
from tests.operational_api.conftest import ISSUER
from tests.operational_api.core.test_rate_limit import Store

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalHubSpot]:
    with local_hubspot(searches_a_second=1000) as one:
        yield one


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A counter that all processes share, as the local stack runs it."""
    port = free_port()
    store = Store(
        valkey.configure(tmp_path_factory.mktemp("valkey"), port, "a-password"), valkey.url(port, "a-password")
    )
    store.start()
    yield store.url
    store.stop()


@pytest.fixture
def crm(running: LocalHubSpot) -> LocalHubSpot:
    """The local HubSpot with nothing in it."""
    running.store.__init__()  # type: ignore[misc]
    running.limits.requests.clear()
    running.limits.in_ten_seconds, running.limits.refusals = 10_000, 0
    running.limits.in_a_day, running.limits.today = 250_000, 0
    running.limits.faults.clear()
    return running


@pytest.fixture
def worker(session: Session, crm: LocalHubSpot) -> CrmWorker:
    session.add(Connector(name="hubspot", state="connected", connected_at=NOW, changed_at=NOW))
    session.flush()
    return make_worker(session, crm)


def make_worker(session: Session, crm: LocalHubSpot, **given: Any) -> CrmWorker:
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    settings = IntegrationSettings(
        hubspot_api_base=crm.url, hubspot_access_token=SecretStr(TOKEN), hubspot_requests_in_ten_seconds=10_000,
        hubspot_requests_a_day=given.pop("a_day", 100_000),
    )  # fmt: skip
    return CrmWorker(sessions, settings, Limiter(factor=given.pop("factor", 1.0)), **given)


def hear(session: Session, *events: Event) -> None:
    for event in events:
        CRM[event.type](session, event)
    session.flush()


def hear_all(session: Session) -> None:
    """Hand every event that is written to whoever listens to it here, as the relay does."""

    rows = session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()
    for row in rows:
        if row.type in CRM and row.relayed_at is None:
            row.relayed_at = NOW
            hear(session, parse(event_type=row.type, version=row.version, event_id=row.event_id,
                                occurred_at=row.occurred_at, payload=row.payload))  # fmt: skip


def drain(worker: CrmWorker) -> None:
    while worker.run_due():
        pass


def make_lead(session: Session, name: str = "Lea Lind", email: str = "lea@example.test") -> Lead:
    lead = capture_lead(session, name=name, email=email, source="instagram", location_id=None, now=NOW)
    hear_all(session)
    return lead


def contact_of(session: Session, crm: LocalHubSpot) -> dict[str, str]:
    [row] = session.scalars(select(CrmContact)).all()
    session.refresh(row)
    found: dict[str, str] = crm.store.objects["contacts"][str(row.contact_id)]["properties"]
    return found


def remark(session: Session) -> None:
    for row in session.scalars(select(CrmContact)):
        row.due_at, row.marks = NOW - timedelta(days=1), row.marks + 1
    session.flush()


def remark_all(session: Session) -> None:
    """Whatever may make somebody be looked at."""
    contacts.mark(session, session.scalars(select(CrmContact.person_id)).all(), NOW)
    contacts.mark_all(session, NOW)


class TestOut:
    def test_a_lead_becomes_a_contact_with_its_stage(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        told = contact_of(session, crm)
        expected = {
            "email": "lea@example.test", "firstname": "Lea", "lastname": "Lind", "lifecyclestage": "lead",
            "plyo_stage": "lead",
        }  # fmt: skip
        assert {name: told.get(name) for name in expected} == expected
        assert (told["plyo_lead_source"], told["plyo_person_id"]) == ("instagram", str(lead.id))
        linked = session.scalars(select(OutboxEvent.type)).all()
        assert "integrations.crm_contact_linked" in linked

    def test_somebody_who_is_there_already_is_not_made_twice(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        crm.store.make("contacts", email="lea@example.test", firstname="Lea", lastname="Lind-Berg", phone="+49 30 1")
        lead = make_lead(session)
        drain(worker)
        assert len(crm.store.objects["contacts"]) == 1
        session.refresh(lead)
        assert (lead.name, lead.phone) == ("Lea Lind-Berg", "+49 30 1")

    def test_a_lead_with_an_account_stays_one_contact_and_its_name_is_the_accounts(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        mia = make_account(session, email="lea@example.test", display_name="Lea Account")
        hear(session, identity.EmailVerified(occurred_at=NOW, account_id=mia.id))  # whichever is heard first
        convert_leads(session, email="lea@example.test", customer_id=mia.id, now=NOW)
        hear_all(session)
        drain(worker)
        assert len(crm.store.objects["contacts"]) == 1
        assert contact_of(session, crm)["lastname"] == "Account"
        late = facts.LifecycleStageChanged(occurred_at=NOW, person_id=lead.id, before=None, stage="lead", since=NOW)
        hear(session, late)
        drain(worker)
        crm.store.change("contacts", "501", lastname="Other")
        remark(session)
        drain(worker)
        assert contact_of(session, crm)["lastname"] == "Account"

    def test_one_that_it_refuses_holds_up_no_other(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        first, second = make_lead(session), make_lead(session, "Tom Ton", "tom@example.test")
        drain(worker)
        crm.store.make("contacts", email="taken@example.test")
        first.email = "taken@example.test"
        second.name = "Tom Town"
        crm.store.change("contacts", "501", email="lea@example.test")
        remark(session)
        drain(worker)
        rows = {
            row.person_id: row for row in session.scalars(select(CrmContact).execution_options(populate_existing=True))
        }
        assert "409" in str(rows[first.id].problem)
        assert rows[second.id].problem is None
        assert crm.store.by("contacts", "email", "tom@example.test")["properties"]["lastname"] == "Town"  # type: ignore[index]

    def test_a_membership_is_a_deal_of_its_contact_once(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        mia = make_account(session, email="mia@example.test")
        sale = {"subscription_id": new_id(), "customer_id": mia.id}
        begun = commerce.SubscriptionStarted(
            occurred_at=NOW, plan_id=new_id(), amount_minor=4950, currency="EUR", is_trial=True, **sale
        )
        hear(
            session,
            facts.LifecycleStageChanged(occurred_at=NOW, person_id=mia.id, before=None, stage="trial", since=NOW),
        )
        hear(session, begun)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        assert (deal["properties"]["dealstage"], deal["properties"]["amount"]) == (deals.TRYING, "49.50")
        bought = commerce.SubscriptionChanged(
            occurred_at=NOW + timedelta(days=14), kind="started", mrr_minor=4950, currency="EUR", **sale
        )
        hear(session, bought, begun)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        assert deal["properties"]["dealstage"] == deals.WON
        [contact] = crm.store.objects["contacts"]
        assert crm.store.associations["deals", deal["id"], "contacts"] == [contact]
        ended = commerce.SubscriptionCancelled(occurred_at=NOW + timedelta(days=90), ends_now=True, **sale)
        hear(session, ended)
        assert session.scalars(select(CrmDeal.due_at)).all() == [None], "what was won stays won"

    def test_a_pack_is_a_deal_that_is_won_at_once(self, session: Session, crm: LocalHubSpot, worker: CrmWorker) -> None:
        lead = make_lead(session)
        bought = commerce.PackBought(
            occurred_at=NOW, pack_id=new_id(), customer_id=lead.id, plan_id=new_id(), sessions=10, amount_minor=45000,
            currency="EUR",
        )  # fmt: skip
        for _ in range(2):
            hear(session, bought)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        told = {name: deal["properties"].get(name) for name in ("dealname", "dealstage", "amount", "closedate")}
        assert told == {
            "dealname": "Plyo pack of 10 sessions", "dealstage": "closedwon", "amount": "450.00",
            "closedate": NOW.date().isoformat(),
        }  # fmt: skip

    def test_whoever_leaves_us_is_archived_there_and_forgotten_here(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        mia = make_account(session, email="mia@example.test")
        hear(session, identity.EmailChanged(occurred_at=NOW, account_id=mia.id))
        drain(worker)
        hear(session, identity.AccountClosed(occurred_at=NOW, account_id=mia.id))
        drain(worker)
        assert [one["archived"] for one in crm.store.objects["contacts"].values()] == [True]
        assert session.scalars(select(CrmContact)).all() == []


class TestConnecting:
    def test_brings_everybody_who_was_there_before_and_says_so(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        """Nothing was marked: the events were long ago."""
        mia = make_account(session, email="mia@example.test", display_name="Mia Maier")
        session.add(LifecycleStage(person_id=mia.id, stage="active", since=NOW))
        make_account(session, email="unconfirmed@example.test")
        capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=NOW)
        drain(worker)
        emails = {one["properties"]["email"] for one in crm.store.objects["contacts"].values()}
        assert emails == {"mia@example.test", "lea@example.test"}
        told = standing.stream(session, datetime.now(UTC))
        assert told is not None
        assert (told["rows"], told["problem"], told["cursor"]) == (len(emails), None, "all as it should be")


class TestIn:
    def test_what_sales_changes_of_a_lead_comes_here_and_goes_nowhere_again(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        owner = crm.store.make_owner(firstName="Olga", lastName="Own")
        lead = make_lead(session)
        drain(worker)
        writes, [there] = crm.store.writes, crm.store.objects["contacts"]
        crm.store.change("contacts", there, phone="+49 30 9", lastname="Lund", hubspot_owner_id=owner["id"])
        remark(session)
        drain(worker)
        session.refresh(lead)
        assert (lead.name, lead.phone, lead.owner) == ("Lea Lund", "+49 30 9", "Olga Own")
        hear_all(session)
        assert session.scalars(select(CrmContact.due_at)).all() == [None], "what it said itself is no news to it"
        remark(session)
        drain(worker)
        assert crm.store.writes == writes

    def test_a_poll_finds_what_no_webhook_told_and_not_our_own_doing(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.store.change("contacts", "501", phone="+49 30 9")
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=11))
        drain(later)
        session.refresh(lead)
        assert lead.phone == "+49 30 9"


@pytest.fixture
def hook_app(app: FastAPI) -> FastAPI:
    app.state.integration_settings = IntegrationSettings(
        public_url=ISSUER, hubspot_client_secret=SecretStr(CLIENT_SECRET)
    )
    return app


class TestWebhooks:
    URL = f"{ISSUER}/webhooks/hubspot"

    def test_of_our_own_writes_mark_nobody_and_of_others_mark_them(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        body, headers = crm.webhook(self.URL)
        assert b"INTEGRATION" in body
        assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 0}
        assert session.scalars(select(CrmContact.due_at)).all() == [None]
        crm.store.change("contacts", "501", phone="+49 30 9")
        body, headers = crm.webhook(self.URL)
        for _ in range(2):
            assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 1}
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1)))
        session.refresh(lead)
        assert lead.phone == "+49 30 9"

    def test_of_a_merge_mark_whoever_was_merged_and_they_stay_one_contact(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.webhook(self.URL)
        crm.store.make("contacts", email="lea@work.test", firstname="Lea", lastname="Lund", phone="+49 30 9")
        [survivor] = crm.store.objects["contacts"].keys() - {"501"}
        crm.store.merge("contacts", survivor, "501")
        body, headers = crm.webhook(self.URL)
        assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 1}
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1))
        drain(later)
        assert list(crm.store.objects["contacts"]) == [survivor], "nobody is made anew"
        told = contact_of(session, crm)
        assert (told["email"], told["hs_additional_emails"]) == ("lea@work.test", "lea@example.test")
        session.refresh(lead)
        assert (lead.name, lead.phone) == ("Lea Lund", "+49 30 9")
        writes = crm.store.writes
        remark(session)
        drain(later)
        assert crm.store.writes == writes

    def test_of_two_people_of_ours_who_were_merged_one_writes(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        first, second = make_lead(session), make_lead(session, "Tom Tal", "tom@example.test")
        drain(worker)
        ids = {str(row.person_id): str(row.contact_id) for row in session.scalars(select(CrmContact))}
        crm.store.merge("contacts", ids[str(first.id)], ids[str(second.id)])
        for _ in range(2):
            remark(session)
            drain(worker)
        assert crm.store.objects["contacts"][ids[str(first.id)]]["properties"]["firstname"] == "Lea"
        problems = dict(session.execute(select(CrmContact.person_id, CrmContact.problem)).tuples().all())
        assert problems[first.id] is None
        assert problems[second.id] == "Another person of ours is this contact already"
        session.refresh(second)
        assert second.name == "Tom Tal"
        writes = crm.store.writes
        remark(session)
        drain(worker)
        assert crm.store.writes == writes

    def test_of_a_deletion_mark_at_once_and_of_an_erasure_forget_for_good(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.webhook(self.URL)

        def told() -> int:
            body, headers = crm.webhook(self.URL)
            found: int = api.post("/webhooks/hubspot", content=body, headers=headers).json()["marked"]
            return found

        crm.store.archive("contacts", "501")
        assert told() == 1
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1)))
        again = str(session.scalars(select(CrmContact.contact_id)).one())
        assert again != "501", "whoever is ours is there again"
        told()
        deals.pack_bought(
            session, sale_id=new_id(), person_id=lead.id, sessions=1, amount_minor=900, currency="EUR", at=NOW, now=NOW
        )
        crm.store.purge("contacts", again)
        assert told() == 1
        lead.name = "Lea Later"
        session.flush()
        session.expire_all()
        remark_all(session)
        deals.pack_bought(
            session, sale_id=new_id(), person_id=lead.id, sessions=1, amount_minor=900, currency="EUR", at=NOW, now=NOW
        )
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=20)))
        assert [one for one in crm.store.objects["contacts"].values() if not one["archived"]] == []
        assert crm.store.objects["deals"] == {}
        [row] = session.scalars(select(CrmContact)).all()
        assert (row.contact_id, row.known_ours, row.known_theirs) == (None, {}, {})
        assert session.scalars(select(OutboxEvent.type)).all().count("integrations.crm_contact_forgotten") == 1

    def test_that_hubspot_did_not_sign_now_are_refused(
        self, hook_app: FastAPI, api: TestClient, crm: LocalHubSpot
    ) -> None:
        for forge in ("secret", "old", "future", "body", "none"):
            crm.store.make("contacts", email=f"{forge}@example.test")
            moment = datetime.now(UTC).timestamp() + {"old": -3600, "future": 3600}.get(forge, 0)
            body, headers = crm.webhook(self.URL, at=moment, secret="other" if forge == "secret" else CLIENT_SECRET)
            if forge == "body":
                body += b" "
            refused = api.post("/webhooks/hubspot", content=body, headers={} if forge == "none" else headers)
            assert (forge, refused.status_code) == (forge, 401)

    def test_that_are_no_list_are_refused(self, hook_app: FastAPI, api: TestClient, crm: LocalHubSpot) -> None:
        crm.store.heard = "nonsense"  # type: ignore[assignment]
        body, headers = crm.webhook(self.URL)
        assert api.post("/webhooks/hubspot", content=body, headers=headers).status_code == 400


class TestLimits:
    def test_too_many_requests_of_ours_are_not_sent(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        crm.limits.in_ten_seconds = 10
        slow = make_worker(session, crm, factor=8 / 10_000)
        for n in range(3):
            make_lead(session, f"Lead {n}", f"lead{n}@example.test")
        for _ in range(5):
            slow.run_due()
        assert crm.limits.refusals == 0
        assert len(crm.limits.requests) <= 10

    def test_a_burst_of_many_processes_stays_below_its_limit(self, crm: LocalHubSpot, valkey_url: str) -> None:
        crm.limits.in_ten_seconds = 20

        def burst() -> int:
            client = HubSpotCrm(crm.url, TOKEN, Limiter(valkey_url), in_ten_seconds=20, in_a_day=1_000)
            told = 0
            for _ in range(15):
                with suppress(CrmResting):
                    client.read(["1"])
                    told += 1
            return told

        with ThreadPoolExecutor(4) as pool:
            told = sum(one.result(60) for one in [pool.submit(burst) for _ in range(4)])
        assert (told, len(crm.limits.requests), crm.limits.refusals) == (20, 20, 0)

    def test_the_day_of_ours_ends_before_its(self, session: Session, crm: LocalHubSpot, worker: CrmWorker) -> None:
        few = make_worker(session, crm, a_day=6)
        for n in range(3):
            make_lead(session, f"Lead {n}", f"lead{n}@example.test")
        drain(few)
        assert (crm.limits.today, crm.limits.refusals) == (6, 0)
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=61)))
        assert len(crm.store.objects["contacts"]) == 3

    def test_a_day_that_is_used_up_is_asked_for_once_an_hour_and_nothing_is_lost(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        make_lead(session)
        worker.run_due()
        crm.limits.in_a_day = crm.limits.today
        for minutes in (0, 30, 59, 61, 90):
            drain(make_worker(session, crm, clock=lambda m=minutes: datetime.now(UTC) + timedelta(minutes=m)))  # type: ignore[misc]
        assert (crm.limits.refusals, crm.store.objects["contacts"]) == (2, {})
        crm.limits.in_a_day = 250_000
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=122)))
        assert len(crm.store.objects["contacts"]) == 1

    def test_its_429_is_waited_for_and_nothing_is_lost(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        make_lead(session)
        worker.run_due()
        crm.fail(429)
        drain(worker)
        assert crm.store.objects["contacts"] == {}
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=11)))
        assert len(crm.store.objects["contacts"]) == 1

    def test_a_token_that_it_refuses_is_said_and_asked_seldom(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        make_lead(session)
        worker.run_due()
        crm.fail(401)
        drain(worker)
        told = standing.stream(session, datetime.now(UTC))
        assert told is not None
        assert told["problem"].startswith("401")
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=6))
        drain(later)
        told = standing.stream(session, datetime.now(UTC))
        assert told is not None
        assert (told["problem"], len(crm.store.objects["contacts"])) == (None, 1)

    def test_a_paused_connector_asks_nothing_and_goes_on_where_it_was(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        connector = session.get_one(Connector, "hubspot")
        connector.state = "paused"
        make_lead(session)
        drain(worker)
        assert len(crm.limits.requests) == 0
        connector.state = "connected"
        session.flush()
        drain(worker)
        assert len(crm.store.objects["contacts"]) == 1


class TestDeath:
    @pytest.mark.parametrize("place", ["crm.before_write", "crm.after_write"])
    def test_between_writing_and_noting_changes_nothing(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(name: str) -> None:
            if name == place:
                raise Killed

        lead = make_lead(session)
        monkeypatch.setattr(failpoints, "hit", die)
        with pytest.raises(Killed):
            drain(worker)
        monkeypatch.undo()
        lead.name = "Lea Newest"
        session.flush()
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=6)))
        told = contact_of(session, crm)
        assert (told["lastname"], session.get_one(Lead, lead.id).name) == ("Newest", "Lea Newest")
        assert len(crm.store.objects["contacts"]) == 1
