"""A local HubSpot for these tests, spoken to by HubSpot's own client, and a counter of requests."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session

from operational_api.integrations.crm.sync import CrmWorker
from operational_api.integrations.models import Connector
from operational_api.integrations.settings import IntegrationSettings
from plyo import valkey
from plyo.postgres import free_port
from tests.fakes.hubspot.testing import CLIENT_SECRET, LocalHubSpot, local_hubspot
from tests.operational_api.conftest import ISSUER
from tests.operational_api.core.test_rate_limit import Store
from tests.operational_api.integrations.crm.hearing import (
    NOW,
    make_worker,
)


@pytest.fixture(scope="session")
def running() -> Iterator[LocalHubSpot]:
    with local_hubspot(searches_a_second=1000) as one:
        yield one


@pytest.fixture(scope="session")
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


@pytest.fixture
def hook_app(app: FastAPI) -> FastAPI:
    app.state.integration_settings = IntegrationSettings(
        public_url=ISSUER, hubspot_client_secret=SecretStr(CLIENT_SECRET)
    )
    return app
