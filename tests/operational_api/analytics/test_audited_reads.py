"""Who reads about a person's health is written down before it is told, whatever dataset it is."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from operational_api.analytics.datasets import DATASETS, HEALTH_COLUMNS
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.models import AuditEntry, AuditGroup
from tests.operational_api.analytics.conftest import ANNA, MIA, NOAH, OLGA, person, serve

pytestmark = pytest.mark.usefixtures("one_loop")

READS = "analytics.read_client"


def newest(app: FastAPI) -> int:
    with app.state.audit_sessions() as session:
        return session.scalar(select(AuditEntry.sequence).order_by(AuditEntry.sequence.desc()).limit(1)) or 0


def since(app: FastAPI, sequence: int) -> list[AuditEntry]:
    with app.state.audit_sessions() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.sequence > sequence)))


def subjects_of(app: FastAPI, entries: Sequence[AuditEntry]) -> set[UUID]:
    """Everybody whom the entries are about: alone or in a group."""
    with app.state.audit_sessions() as session:
        groups = session.scalars(
            select(AuditGroup.subjects).where(AuditGroup.id.in_({one.group_id for one in entries}))
        )
        alone = {one.subject_id for one in entries if one.subject_id is not None}
        return alone.union(*groups)


class TestEveryDataset:
    @pytest.mark.parametrize("name", sorted(DATASETS))
    def test_leaves_reader_and_subject_where_it_tells_of_health(
        self, app: FastAPI, anna: TestClient, name: str
    ) -> None:
        dataset, before = DATASETS[name], newest(app)
        if dataset.subject == "business":
            reader, reader_id, role, asked = person(app, "admin", OLGA), OLGA, "admin", {}
        else:
            reader, reader_id, role = anna, ANNA, "coach"
            asked = {"customer_id": str(MIA)} if dataset.subject == "client" else {}
        answer = reader.get(f"/api/analytics/datasets/{name}", params=asked)
        assert answer.status_code == 200, answer.text
        rows, entries = answer.json()["items"], since(app, before)
        told = {row["customer_id"] for row in rows if HEALTH_COLUMNS & row.keys() and row.get("customer_id")}
        assert set(map(str, subjects_of(app, entries))) == (told | ({str(MIA)} if asked else set()))
        for entry in entries:
            assert (entry.action, entry.actor_id, entry.actor_role) == (READS, reader_id, role)
            assert entry.details == {"what": f"dataset {name}"}

    def test_a_list_counts_for_everybody_in_it(self, app: FastAPI, anna: TestClient) -> None:
        before = newest(app)
        anna.get("/api/analytics/datasets/coach_clients")
        [entry] = since(app, before)
        assert subjects_of(app, [entry]) == {MIA, NOAH}
        assert (entry.purpose, entry.subject_id) == ("care", None)


class TestMetrics:
    def test_of_one_customer(self, app: FastAPI, mia: TestClient) -> None:
        before = newest(app)
        asked = {"customer_id": str(MIA)}
        assert mia.get("/api/analytics/metrics/adherence", params=asked).status_code == 200
        [entry] = since(app, before)
        assert (entry.actor_id, entry.subject_id, entry.purpose) == (MIA, MIA, "own")


class TestRefusals:
    @pytest.mark.asvs("16.3.2")
    def test_are_kept(self, app: FastAPI, anna: TestClient) -> None:
        before = newest(app)
        assert (
            anna.get("/api/analytics/datasets/client_wearables", params={"customer_id": str(OLGA)}).status_code == 404
        )
        assert anna.get("/api/analytics/datasets/mrr_daily").status_code == 403
        hidden, whole = since(app, before)
        assert (hidden.outcome, hidden.action, hidden.subject_id, hidden.actor_id) == ("refused", READS, OLGA, ANNA)
        assert (whole.action, whole.object_id) == ("core.call_route", "GET /api/analytics/datasets/{name}")


class TestWithoutAnAuditLog:
    """What cannot be written down is not told; nor can it be known who has signed out."""

    @pytest.mark.parametrize("url", [None, "postgresql+psycopg://nobody@127.0.0.1:1/none"])
    def test_nobody_is_let_in(self, settings: AnalyticsSettings, url: str | None) -> None:
        told = type(settings.model_copy().lake_catalog_url)(url) if url else None
        app = serve(settings.model_copy(update={"audit_database_url": told}))
        mia = person(app, "customer", MIA)
        for path in ("/api/analytics/datasets/client_progress", "/api/analytics/metrics"):
            refused = mia.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "core.unavailable")
        app.state.lake.close()
