"""Connectors as the admin sets them and as the data platform reports them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry
from operational_api.integrations.models import Connector
from operational_api.integrations.service import runs
from operational_api.integrations.settings import IntegrationSettings
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, settings: IntegrationSettings) -> Path:
    """MoMo's folder, which a connector may be connected to without anybody outside."""
    settings.momo_settlements_url = str(tmp_path)
    return tmp_path


@pytest.fixture
def admin(session: Session, sign_in: SignIn, folder: Path) -> TestClient:
    return sign_in(make_account(session, role="admin"))


def ask(client: TestClient, what: str, name: str = "momo") -> Any:
    return client.post(f"/api/integrations/connectors/{name}/{what}")


def momo(client: TestClient) -> dict[str, Any]:
    items = client.get("/api/integrations/connectors").json()["items"]
    return next(one for one in items if one["name"] == "momo")


def run(
    platform: TestClient, *, started: datetime = NOW, kind: str = "pull", id_: UUID | None = None, **problems: str
) -> Any:
    streams = [
        {"stream": stream, "rows": 3, "cursor": f"after {stream}", "problem": problems.get(stream)}
        for stream in ("settlements", "refunds")
    ]
    body = {
        "id": str(id_ or new_id()), "kind": kind, "started_at": started.isoformat(),
        "finished_at": (started + timedelta(seconds=9)).isoformat(), "streams": streams,
    }  # fmt: skip
    return platform.post("/api/integrations/connectors/momo/runs", json=body)


def orders(platform: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = platform.get("/api/integrations/connectors/momo/orders").json()
    return found


class TestAdmin:
    def test_sees_every_connector_and_what_it_lacks(self, admin: TestClient) -> None:
        items = admin.get("/api/integrations/connectors").json()["items"]
        assert {one["name"]: (one["state"], one["health"], one["missing_settings"]) for one in items} == {
            "stripe": ("off", "off", ["PLYO_STRIPE_SECRET_KEY"]),
            "momo": ("off", "off", []),
            "hubspot": ("off", "off", ["PLYO_HUBSPOT_ACCESS_TOKEN"]),
            "terra": ("off", "off", ["PLYO_TERRA_DEV_ID", "PLYO_TERRA_API_KEY"]),
        }

    def test_connects_pauses_resumes_and_revokes(self, admin: TestClient, platform: TestClient) -> None:
        assert orders(platform) == {"pull": False, "resync_asked_at": None, "reason": "not connected"}
        assert ask(admin, "connect").json()["health"] == "waiting"
        assert orders(platform) == {"pull": True, "resync_asked_at": None, "reason": None}
        assert ask(admin, "pause").json()["state"] == "paused"
        assert ask(admin, "pause").json()["health"] == "paused"
        assert orders(platform) == {"pull": False, "resync_asked_at": None, "reason": "paused"}
        assert ask(admin, "resume").json()["state"] == "connected"
        assert ask(admin, "revoke").json()["state"] == "revoked"
        assert orders(platform) == {"pull": False, "resync_asked_at": None, "reason": "not connected"}
        assert ask(admin, "resume").json()["code"] == "integrations.connector_not_connected"
        assert ask(admin, "connect").json()["state"] == "connected"

    def test_leaves_a_trail(self, admin: TestClient, session: Session) -> None:
        for what in ("connect", "pause", "pause", "resume", "resync", "test", "revoke"):
            ask(admin, what)
        trail = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        done = ["connect", "pause", "resume", "resync", "test", "revoke"]
        assert [entry.removeprefix("integrations.") for entry in trail] == done

    def test_is_told_which_settings_are_missing(self, admin: TestClient) -> None:
        answer = ask(admin, "connect", "hubspot")
        assert (answer.status_code, answer.json()["code"]) == (409, "integrations.connector_not_configured")
        assert "PLYO_HUBSPOT_ACCESS_TOKEN" in answer.json()["detail"]

    def test_is_told_what_the_source_says(self, admin: TestClient, settings: IntegrationSettings) -> None:
        settings.momo_settlements_url = "/nowhere/at/all"
        assert "cannot be listed" in ask(admin, "test").json()["problem"]
        answer = ask(admin, "connect")
        assert (answer.status_code, answer.json()["code"]) == (409, "integrations.probe_failed")
        assert momo(admin)["state"] == "off"

    def test_is_told_when_nobody_answers(self, admin: TestClient, settings: IntegrationSettings) -> None:
        settings.hubspot_api_base, settings.hubspot_access_token = "http://127.0.0.1:9", SecretStr("pat")
        assert "cannot be reached" in ask(admin, "test", "hubspot").json()["problem"]

    def test_knows_no_other_connector(self, admin: TestClient) -> None:
        for what in ("connect", "test", "pause", "resume", "resync", "revoke"):
            assert ask(admin, what, "salesforce").status_code == 404

    @pytest.mark.parametrize("role", ["customer", "coach"])
    def test_nobody_else_may(self, session: Session, sign_in: SignIn, role: str) -> None:
        client = sign_in(make_account(session, role=role))
        assert client.get("/api/integrations/connectors").status_code == 403
        assert ask(client, "connect").status_code == 403
        assert client.get("/api/integrations/connectors/momo/orders").status_code == 403


class TestRuns:
    def test_make_a_connector_healthy_and_tell_where_each_stream_goes_on(
        self, admin: TestClient, platform: TestClient
    ) -> None:
        ask(admin, "connect")
        assert run(platform, started=datetime.now(UTC)).json() == {"is_new": True}
        seen = momo(admin)
        assert (seen["health"], seen["problem"]) == ("healthy", None)
        assert [(one["stream"], one["cursor"], one["rows"]) for one in seen["streams"]] == [
            ("refunds", "after refunds", 3),
            ("settlements", "after settlements", 3),
        ]

    def test_reported_twice_count_once(self, admin: TestClient, platform: TestClient) -> None:
        ask(admin, "connect")
        answers = [run(platform, id_=UUID(int=7)).json()["is_new"] for _ in range(2)]
        assert answers == [True, False]
        assert len(admin.get("/api/integrations/connectors/momo/runs").json()["items"]) == 1

    def test_that_fail_are_shown_since_when_and_why(self, admin: TestClient, platform: TestClient) -> None:
        ask(admin, "connect")
        start = datetime.now(UTC)
        run(platform, started=start)
        for minute in (1, 2):
            run(platform, started=start + timedelta(minutes=minute), refunds="HTTP 500")
        seen = momo(admin)
        assert (seen["health"], seen["problem"]) == ("failing", "refunds: HTTP 500")
        assert datetime.fromisoformat(seen["failing_since"]) == start + timedelta(minutes=1)
        run(platform, started=start + timedelta(minutes=3))
        assert (momo(admin)["health"], momo(admin)["failing_since"]) == ("healthy", None)

    def test_that_stay_away_make_it_late(self, session: Session, admin: TestClient, platform: TestClient) -> None:
        ask(admin, "connect")
        row = session.get_one(Connector, "momo")
        row.changed_at = NOW - timedelta(days=9)
        session.flush()
        run(platform, started=NOW)
        for hours, health in ((71, "healthy"), (73, "late")):
            found = runs.conditions(session, {"momo": row}, now=NOW + timedelta(hours=hours))
            assert found["momo"].health == health

    def test_answer_a_resync_only_when_they_began_after_it_and_succeeded(
        self, admin: TestClient, platform: TestClient
    ) -> None:
        ask(admin, "connect")
        before = datetime.now(UTC) - timedelta(minutes=1)
        assert ask(admin, "resync").json()["is_resync_due"]
        after = datetime.now(UTC) + timedelta(minutes=1)
        run(platform, started=before, kind="resync")
        run(platform, started=after, kind="pull")
        run(platform, started=after, kind="resync", refunds="HTTP 500")
        assert orders(platform)["resync_asked_at"] is not None
        run(platform, started=after, kind="resync")
        assert orders(platform) == {"pull": True, "resync_asked_at": None, "reason": None}

    def test_are_listed_in_pages_newest_first(self, admin: TestClient, platform: TestClient) -> None:
        ask(admin, "connect")
        for hour in range(5):
            run(platform, started=NOW + timedelta(hours=hour))
        seen: list[str] = []
        path = "/api/integrations/connectors/momo/runs?limit=2"
        page = admin.get(path).json()
        while True:
            seen += [one["started_at"][11:13] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            page = admin.get(f"{path}&cursor={page['next_cursor']}").json()
        assert seen == ["16", "15", "14", "13", "12"]

    def test_of_unknown_connectors_are_refused(self, platform: TestClient, session: Session) -> None:
        body = {"id": str(new_id()), "started_at": NOW.isoformat(), "finished_at": NOW.isoformat(), "streams": []}
        assert platform.post("/api/integrations/connectors/salesforce/runs", json=body).status_code == 404
