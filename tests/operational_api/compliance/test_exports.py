"""Files of customers' data: asked for by one, approved by another, fetched by who asked, then gone."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api.compliance import handlers
from operational_api.compliance.models import Export, ExportFile
from operational_api.compliance.service import exports
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

PATH = "/api/compliance/exports"
BODY = {"dataset": "customers", "purpose": "legal", "reason": "Asked for by the court"}


def work(session: Session, export_id: str) -> None:
    """What the worker does on the decision's event."""
    row = session.scalars(
        select(OutboxEvent).where(
            OutboxEvent.type == "compliance.export_decided", OutboxEvent.aggregate_id == UUID(export_id)
        )
    ).one()
    event = parse(
        event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
        payload=row.payload,
    )  # fmt: skip
    for handle in handlers.HANDLERS[row.type]:
        handle(session, event)
        handle(session, event)  # delivered twice
    session.flush()


@pytest.fixture
def dita(session: Session) -> Account:
    return make_account(session, role="data", display_name="Dita")


@pytest.fixture
def ready(session: Session, dita: Account, sign_in: SignIn) -> str:
    """Id of an export of Dita's whose file is made."""
    asked = sign_in(dita).post(PATH, json=BODY).json()["id"]
    assert sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked}/approval").status_code == 200
    work(session, asked)
    return str(asked)


def link(client: TestClient, export_id: str) -> str:
    return str(client.post(f"{PATH}/{export_id}/link").json()["url"])


class TestAsking:
    def test_takes_two_and_the_second_is_an_admin(self, session: Session, dita: Account, sign_in: SignIn) -> None:
        ada = make_account(session, role="admin")
        own = sign_in(ada).post(PATH, json=BODY).json()
        refused = sign_in(ada).post(f"{PATH}/{own['id']}/approval")
        assert (refused.status_code, refused.json()["code"]) == (403, "compliance.own_export")
        asked = sign_in(dita).post(PATH, json=BODY).json()
        assert sign_in(dita).post(f"{PATH}/{asked['id']}/approval").status_code == 403
        assert sign_in(dita).post(f"{PATH}/{asked['id']}/link").json()["code"] == "compliance.export_not_ready"
        assert sign_in(ada).post(f"{PATH}/{asked['id']}/approval").json()["status"] == "approved"
        assert session.scalars(select(ExportFile)).all() == [], "the worker makes it, not the request"

    def test_a_refused_one_is_never_made(self, session: Session, dita: Account, sign_in: SignIn) -> None:
        asked = sign_in(dita).post(PATH, json=BODY).json()["id"]
        sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked}/refusal", json={"reason": "No"})
        work(session, asked)
        assert session.scalars(select(ExportFile)).all() == []

    def test_days_are_in_order(self, dita: Account, sign_in: SignIn) -> None:
        days = {"from_on": "2026-03-02", "to_on": "2026-03-01"}
        assert sign_in(dita).post(PATH, json=BODY | days).status_code == 422


class TestFile:
    def test_holds_customers_and_runs_no_formula(self, session: Session, dita: Account, sign_in: SignIn) -> None:
        day = datetime(2026, 3, 2, 12, tzinfo=UTC)
        mia = make_account(session, display_name="=HYPERLINK(1)", created_at=day)
        make_account(session, display_name="Too early", created_at=day - timedelta(days=1))
        make_account(session, role="coach", display_name="Cara", created_at=day)
        row = Export(
            id=new_id(), status="approved", reason="x", requested_by=dita.id, requested_at=day, expires_at=day,
            decided_by=new_id(), dataset="customers", purpose="legal", from_on=date(2026, 3, 2), to_on=date(2026, 3, 2),
        )  # fmt: skip
        session.add(row)
        session.flush()
        exports.make_file(session, export_id=row.id, now=day)
        [found] = csv.DictReader(io.StringIO(session.get_one(ExportFile, row.id).content.decode()))
        assert found["customer_id"] == str(mia.id)
        assert found["display_name"] == "'=HYPERLINK(1)"
        assert row.row_count == 1

    def test_is_fetched_by_who_asked_and_the_read_is_written_down(
        self, session: Session, api: TestClient, dita: Account, ready: str, sign_in: SignIn
    ) -> None:
        url = link(sign_in(dita), ready)
        answer = api.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"
        read = session.scalars(select(AuditEntry).where(AuditEntry.action == "compliance.open_export")).one()
        assert (read.actor_id, read.purpose, read.object_id) == (dita.id, "legal", ready)
        assert read.details["dataset"] == "customers"

    @pytest.mark.asvs("8.2.2")
    def test_is_nobody_elses(
        self, session: Session, api: TestClient, dita: Account, ready: str, sign_in: SignIn
    ) -> None:
        ada = sign_in(make_account(session, role="admin"))
        theirs, missing = (ada.post(f"{PATH}/{one}/link") for one in (ready, new_id()))
        assert theirs.status_code == missing.status_code == 404
        assert theirs.json()["detail"] == missing.json()["detail"]
        url = link(sign_in(dita), ready)
        assert ada.get(url).status_code == 403, "made for somebody else"
        assert api.get(url.replace(ready, str(new_id()))).status_code == 403
        assert api.get(url.split("?")[0]).status_code == 422

    def test_is_gone_after_three_days(
        self, session: Session, api: TestClient, dita: Account, ready: str, sign_in: SignIn
    ) -> None:
        url = link(sign_in(dita), ready)
        row = session.get_one(Export, UUID(ready))
        assert row.file_expires_at is not None
        exports.forget_files(session, row.file_expires_at)
        assert session.scalars(select(ExportFile)).all() == []
        assert api.get(url).status_code == 410
