"""Payloads of Fitbit and Garmin that are handed in directly."""

import json
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from ingestion.wearables import fitbit, garmin
from operational_api.integrations.models import WearablePayload
from operational_api.integrations.service import direct
from operational_api.integrations.settings import IntegrationSettings
from tests.factories import make_account
from tests.operational_api.conftest import SignIn
from tests.operational_api.integrations.conftest import allow

PUSH = {"dailies": [{"summaryId": "d1", "steps": 8000}]}
TABLES = {
    "activity": "wearables__activities", "sleep": "wearables__sleeps", "daily": "wearables__days",
    "body": "wearables__bodies",
}  # fmt: skip


@pytest.fixture
def mia(session: Session, settings: IntegrationSettings, platform: TestClient) -> UUID:
    """A customer whose Garmin account is known."""
    account = make_account(session)
    link = {"source": "garmin", "external_user_id": "g1", "customer_id": str(account.id)}
    for _ in range(2):
        assert platform.post("/api/integrations/wearable-links", json=link).status_code == 201
    return account.id


def hand_in(platform: TestClient, **given: Any) -> Any:
    body = {"source": "garmin", "kind": "dailies", "external_user_id": "g1", "document": PUSH} | given
    return platform.post("/api/integrations/wearable-payloads", json=body)


def test_a_payload_is_kept_sealed_once(session: Session, platform: TestClient, mia: UUID, sealer: Sealer) -> None:
    allow(session, mia, "daily")
    assert hand_in(platform).json() == {"is_new": True, "refusal": None}
    assert hand_in(platform).json()["is_new"] is False
    [row] = session.scalars(select(WearablePayload)).all()
    assert (row.source, row.kind, row.data_kind, row.customer_id, row.provider) == (
        "garmin", "dailies", "daily", mia, "GARMIN",
    )  # fmt: skip
    assert row.body is not None
    assert json.loads(sealer.open(row.body)) == PUSH


@pytest.mark.parametrize(("given", "refusal"), [({}, "no_consent"), ({"external_user_id": "somebody"}, "unknown_user")])
def test_what_may_not_be_kept_is_not(
    session: Session, platform: TestClient, mia: UUID, given: dict[str, str], refusal: str
) -> None:
    assert hand_in(platform, **given).json() == {"is_new": True, "refusal": refusal}
    assert session.scalars(select(WearablePayload.body)).all() == [None]


def test_an_unknown_kind_is_refused_with_those_there_are(platform: TestClient, mia: UUID) -> None:
    answer = hand_in(platform, kind="moonPhases")
    assert (answer.status_code, answer.json()["code"]) == (422, "integrations.unknown_kind")
    assert "dailies" in answer.json()["detail"]


def test_it_is_for_services(session: Session, sign_in: SignIn) -> None:
    assert hand_in(sign_in(make_account(session))).status_code == 403


def test_the_kinds_are_those_that_ingestion_reads() -> None:
    for source, module in (("fitbit", fitbit), ("garmin", garmin)):
        read = {one.kind: one.table.name for one in module.MAPPINGS}
        assert {kind: TABLES[data_kind] for kind, data_kind in direct.KINDS[source].items()} == read
