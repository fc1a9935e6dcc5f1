"""Connecting and disconnecting a wearable, against a local Terra: by API, by page, and by its signed webhooks."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.compliance.service import consents
from operational_api.identity.models import Account
from operational_api.integrations.models import WearableLink, WearablePayload
from operational_api.integrations.settings import IntegrationSettings
from tests.factories import make_account
from tests.fakes.stripe.testing import served
from tests.fakes.terra.testing import LocalTerra, local_terra
from tests.operational_api.conftest import SignIn, access_token
from tests.operational_api.integrations.conftest import KEY


def configure(app: FastAPI, terra: LocalTerra) -> None:
    app.state.integration_settings = IntegrationSettings(
        public_url="http://testserver", health_data_keys=SecretStr(KEY), terra_base_url=terra.base_url,
        terra_dev_id=terra.settings.dev_id, terra_api_key=SecretStr(terra.settings.api_key),
        terra_signing_secrets=SecretStr(terra.settings.signing_secret),
    )  # fmt: skip


@pytest.fixture
def terra(app: FastAPI) -> Iterator[LocalTerra]:
    with local_terra() as running:
        configure(app, running)
        yield running


def test_a_customer_is_sent_to_terras_page(session: Session, terra: LocalTerra, sign_in: SignIn) -> None:
    account = make_account(session)
    url = sign_in(account).post("/api/integrations/wearables").json()["url"]
    assert url.startswith(f"{terra.url}/widget/")
    assert httpx.get(url).status_code == 200


def test_disconnecting_ends_it_at_terra_too_and_twice_is_once(
    session: Session, terra: LocalTerra, sign_in: SignIn
) -> None:
    mia = make_account(session)
    user = terra.connect("GARMIN", str(mia.id))
    now = mia.created_at
    link = WearableLink(
        customer_id=mia.id, source="terra", external_user_id=user, provider="GARMIN", scopes="", state="active",
        connected_at=now, changed_at=now,
    )  # fmt: skip
    session.add(link)
    session.flush()
    path = f"/api/integrations/wearables/{link.id}"
    assert sign_in(make_account(session)).delete(path).status_code == 404
    for _ in range(2):
        assert sign_in(mia).delete(path).json()["state"] == "ended"
    with terra.client() as client:
        assert client.get("/userInfo", params={"user_id": user}).status_code == 404
    assert sign_in(mia).get("/api/integrations/wearables").json()["items"][0]["ended_reason"] == "by_customer"


def test_nothing_ends_here_while_terra_does_not_answer(session: Session, terra: LocalTerra, sign_in: SignIn) -> None:
    mia = make_account(session)
    now = mia.created_at
    link = WearableLink(
        customer_id=mia.id, source="terra", external_user_id=terra.connect(), provider="GARMIN", scopes="",
        state="active", connected_at=now, changed_at=now,
    )  # fmt: skip
    session.add(link)
    session.flush()
    terra.fail(503)
    answer = sign_in(mia).delete(f"/api/integrations/wearables/{link.id}")
    assert (answer.status_code, answer.json()["code"]) == (503, "integrations.terra_unavailable")
    session.refresh(link)
    assert link.state == "active"


def test_without_terra_the_customer_is_told(session: Session, settings: IntegrationSettings, sign_in: SignIn) -> None:
    answer = sign_in(make_account(session)).post("/api/integrations/wearables")
    assert (answer.status_code, answer.json()["code"]) == (409, "integrations.connector_not_configured")


class TestTheWholeWay:
    """A served API and a Terra that sends it real webhooks."""

    @pytest.fixture
    def live(
        self, fresh_database: Callable[[], str], serve_app: Callable[[str], FastAPI]
    ) -> Iterator[tuple[FastAPI, LocalTerra]]:
        app = serve_app(fresh_database())
        with served(app) as api, local_terra(webhook_url=f"{api.url}/webhooks/terra") as terra:
            configure(app, terra)
            yield app, terra

    def test_a_night_arrives_once_and_after_a_withdrawal_none(self, live: tuple[FastAPI, LocalTerra]) -> None:
        app, terra = live
        with app.state.sessions.begin() as session:
            mia: Account = make_account(session)
            decide(session, mia, is_given=True)
        user = terra.connect("GARMIN", str(mia.id))
        for night in ("n1", "n2", "n1"):
            terra.measure(user, "sleep", {"metadata": {"summary_id": night}})
        kept = wait_for(app, lambda rows: len([row for row in rows if row.is_kept]) == 3)
        assert {row.customer_id for row in kept} == {mia.id}
        with app.state.sessions() as session:
            assert session.scalars(select(WearableLink.state)).all() == ["active"]
        with app.state.sessions.begin() as session:
            decide(session, mia, is_given=False)
        terra.measure(user, "sleep", {"metadata": {"summary_id": "n3"}})
        rows = wait_for(app, lambda rows: any(row.refusal == "no_consent" for row in rows))
        assert [row.body for row in rows if row.refusal == "no_consent"] == [None]
        page = TestClient(app, headers={"Authorization": f"Bearer {access_token(app, mia)}"})
        assert "Connected" in page.get("/devices").text


def decide(session: Session, account: Account, *, is_given: bool) -> None:
    consents.decide(
        session, customer_id=account.id, decisions={("sleep", "coaching"): is_given}, decided_by=account.id,
        now=datetime.now(UTC),
    )  # fmt: skip


def wait_for(app: FastAPI, is_so: Callable[[list[WearablePayload]], bool]) -> list[WearablePayload]:
    """Payloads as soon as they are as wanted; Terra sends by itself."""
    deadline = time.monotonic() + 20
    while True:
        with app.state.sessions() as session:
            rows = list(session.scalars(select(WearablePayload).order_by(WearablePayload.id)))
        if is_so(rows) or time.monotonic() > deadline:
            return rows
        time.sleep(0.05)
