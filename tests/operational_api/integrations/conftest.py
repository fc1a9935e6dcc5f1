"""Integrations with keys and secrets of the test's own, and Terra's hand to sign with."""

import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.sealing import Sealer
from operational_api.compliance.service import consents
from operational_api.integrations.settings import IntegrationSettings
from tests.operational_api.conftest import ISSUER, service_token

KEY, SECRET = "k" * 48, "terra-signing-secret"
GARMIN = "40f7b0e1-89e2-43ac-a5b8-1e29c8d47cad"


@pytest.fixture
def settings(app: FastAPI) -> IntegrationSettings:
    """The app's settings of providers; nothing is configured but what webhooks need."""
    found = IntegrationSettings(
        public_url=ISSUER, health_data_keys=SecretStr(KEY), terra_signing_secrets=SecretStr(SECRET)
    )
    app.state.integration_settings = found
    return found


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([KEY])


def allow(session: Session, customer_id: UUID, *kinds: str, is_given: bool = True) -> None:
    """Have the customer decide on kinds of data, for coaching."""
    consents.decide(
        session, customer_id=customer_id, decisions={(kind, "coaching"): is_given for kind in kinds},
        decided_by=customer_id, now=datetime.now(UTC),
    )  # fmt: skip


def user(customer_id: object, user_id: str = GARMIN, **given: Any) -> dict[str, Any]:
    """Terra's user object, whose reference is our customer."""
    return {
        "user_id": user_id, "provider": "GARMIN", "scopes": "ACTIVITY_EXPORT", "reference_id": str(customer_id),
        "active": True,
    } | given  # fmt: skip


Hook = Callable[..., Response]


@pytest.fixture
def hook(api: TestClient, settings: IntegrationSettings) -> Hook:
    """Terra's request: `hook({"type": "sleep", …}, trace="t1", at=moment)`."""

    def post(
        event: dict[str, Any] | bytes, *, trace: str | None = "", at: datetime | None = None, secret: str = SECRET
    ) -> Response:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        now = int(time.time())
        digest = hmac.new(secret.encode(), f"{now}.".encode() + body, sha256).hexdigest()
        headers = {"terra-signature": f"t={now},v1={digest}"}
        if trace is not None:
            headers["X-Terra-Trace-Id"] = trace or new_id().hex
        if at is not None:
            headers["X-Terra-Ordering-Timestamp"] = at.isoformat()
        return api.post("/webhooks/terra", content=body, headers=headers)

    return post


@pytest.fixture
def platform(app: FastAPI) -> TestClient:
    """The data platform's client."""
    client = TestClient(app, base_url=ISSUER, raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {service_token(app, 'plyo-activation')}"
    return client
