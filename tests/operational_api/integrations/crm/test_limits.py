"""How much is asked of HubSpot, and what becomes of what it does not answer."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import SecretStr
from sqlalchemy.orm import Session

from ingestion.crm.settings import HubSpotSettings
from operational_api.core.rate_limit import Limiter
from operational_api.integrations.crm import standing
from operational_api.integrations.crm.hubspot import SEARCHES_A_SECOND, CrmResting, HubSpotCrm
from operational_api.integrations.crm.sync import CrmWorker
from operational_api.integrations.models import Connector
from operational_api.integrations.settings import IntegrationSettings
from tests.fakes.hubspot.testing import TOKEN, LocalHubSpot
from tests.operational_api.integrations.crm.hearing import drain, make_lead, make_worker


class TestLimits:
    @staticmethod
    def later(minutes: int) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=minutes)

    def test_the_product_and_the_nightly_reading_together_stay_below_the_smallest_accounts(self) -> None:
        """100 requests in ten seconds of an app, five searches a second of an account, 250,000 requests a day."""
        ours, reading = IntegrationSettings(), HubSpotSettings(access_token=SecretStr(TOKEN))
        assert SEARCHES_A_SECOND + reading.searches_a_second <= 5
        assert ours.hubspot_requests_in_ten_seconds + 10 * reading.searches_a_second <= 100
        assert 2 * ours.hubspot_requests_a_day <= 250_000, "two days of ours reach into one of the account's"

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
            drain(make_worker(session, crm, clock=partial(self.later, minutes)))
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
