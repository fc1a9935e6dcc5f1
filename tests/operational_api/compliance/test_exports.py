"""Files of customers' data: asked for by one, approved by another, fetched by who asked, then gone."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api.compliance import handlers
from operational_api.compliance.keeping import ExportKeeper
from operational_api.compliance.models import Export, ExportFile, StoredFile
from operational_api.compliance.service import exports, files
from operational_api.compliance.settings import ExportSettings
from operational_api.core.database import session_factory
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.objects import ObjectStore
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

PATH = "/api/compliance/exports"
KEYS = ExportSettings(health_data_keys=SecretStr("k" * 40))
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


@pytest.fixture(autouse=True)
def keeper(app: FastAPI, session: Session, store: ObjectStore) -> Iterator[ExportKeeper]:
    """The worker's loop, called by hand, on the store that the app reads."""
    app.state.objects, app.state.export_settings = store, KEYS
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    yield ExportKeeper(sessions, KEYS.sealer, store, [])
    store.erase("exports/")


def drain(session: Session, keeper: ExportKeeper) -> None:
    while keeper.run_due():
        pass
    session.expire_all()


@pytest.fixture
def dita(session: Session) -> Account:
    return make_account(session, role="data", display_name="Dita")


@pytest.fixture
def ready(session: Session, dita: Account, keeper: ExportKeeper, sign_in: SignIn) -> str:
    """Id of an export of Dita's whose file is made."""
    asked = sign_in(dita).post(PATH, json=BODY).json()["id"]
    assert sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked}/approval").status_code == 200
    work(session, asked)
    drain(session, keeper)
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
        assert session.scalars(select(StoredFile)).all() == [], "the worker makes it, not the request"

    def test_a_refused_one_is_never_made(
        self, session: Session, dita: Account, keeper: ExportKeeper, sign_in: SignIn
    ) -> None:
        asked = sign_in(dita).post(PATH, json=BODY).json()["id"]
        sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked}/refusal", json={"reason": "No"})
        work(session, asked)
        drain(session, keeper)
        assert session.scalars(select(StoredFile)).all() == []

    def test_days_are_in_order(self, dita: Account, sign_in: SignIn) -> None:
        days = {"from_on": "2026-03-02", "to_on": "2026-03-01"}
        assert sign_in(dita).post(PATH, json=BODY | days).status_code == 422


class TestFile:
    def test_holds_customers_and_runs_no_formula(
        self, session: Session, api: TestClient, dita: Account, keeper: ExportKeeper, sign_in: SignIn
    ) -> None:
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
        exports.queue_file(session, export_id=row.id, now=day)
        drain(session, keeper)
        content = api.get(link(sign_in(dita), str(row.id))).content
        [found] = csv.DictReader(io.StringIO(content.decode()))
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

    def test_lies_in_the_store_alone_sealed_and_answers_ranges(
        self,
        session: Session,
        api: TestClient,
        dita: Account,
        ready: str,
        sign_in: SignIn,
        store: ObjectStore,
    ) -> None:
        lies_there = b"".join(store.read(f"{files.folder(UUID(ready), 1)}000000"))
        assert b"customer_id" not in lies_there
        assert session.scalars(select(ExportFile)).all() == []
        url = link(sign_in(dita), ready)
        whole = api.get(url)
        assert whole.headers["accept-ranges"] == "bytes"
        part = api.get(url, headers={"Range": "bytes=9-20"})
        assert (part.status_code, part.content) == (206, whole.content[9:21])
        assert part.headers["content-range"] == f"bytes 9-20/{len(whole.content)}"
        behind = api.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
        assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")

    def test_is_gone_after_three_days_from_the_store_too(
        self,
        session: Session,
        api: TestClient,
        dita: Account,
        ready: str,
        keeper: ExportKeeper,
        sign_in: SignIn,
        store: ObjectStore,
    ) -> None:
        url = link(sign_in(dita), ready)
        drain(session, keeper)
        assert api.get(url).status_code == 200, "not before"
        assert session.get_one(Export, UUID(ready)).file_expires_at == session.get_one(
            StoredFile, UUID(ready)
        ).due_at  # fmt: skip
        ago = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(StoredFile).values(due_at=ago, expires_at=ago))
        assert api.get(url).status_code == 410, "over, though nobody deleted it yet"
        drain(session, keeper)
        assert session.scalars(select(StoredFile)).all() == []
        assert store.erase(f"exports/{ready}/") == 0
        assert api.get(url).status_code == 410

    def test_one_from_before_there_was_a_store_is_read_where_it_is(
        self, session: Session, api: TestClient, dita: Account, sign_in: SignIn
    ) -> None:
        now = datetime.now(UTC)
        row = Export(
            id=new_id(), status="approved", reason="x", requested_by=dita.id, requested_at=now, expires_at=now,
            decided_by=new_id(), dataset="customers", purpose="legal", row_count=0, made_at=now,
            file_expires_at=now + timedelta(days=1),
        )  # fmt: skip
        session.add(row)
        session.flush()
        old = {"export_id": row.id, "content": b"customer_id", "expires_at": row.file_expires_at}
        session.execute(insert(ExportFile).values(old))
        url = link(sign_in(dita), str(row.id))
        assert api.get(url).content == b"customer_id"
        assert row.file_expires_at is not None
        exports.forget_files(session, row.file_expires_at)
        assert api.get(url).status_code == 410
