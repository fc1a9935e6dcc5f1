"""A copy of all that is known of a person: asked for with a fresh proof, made by the worker, for nobody else."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zipfile import ZipFile

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api import worker
from operational_api.compliance import handlers
from operational_api.compliance.keeping import ExportKeeper
from operational_api.compliance.models import PersonalExport, StoredFile
from operational_api.compliance.service import files
from operational_api.compliance.settings import ExportSettings
from operational_api.core import audit, failpoints
from operational_api.core.database import session_factory
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.objects import ObjectSettings, ObjectStore
from operational_api.core.principal import Principal
from operational_api.engagement import handlers as engagement_handlers
from operational_api.engagement.models import AttachmentFile, OutgoingMessage
from operational_api.engagement.service import threads
from operational_api.identity.models import Account
from operational_api.integrations.models import WearablePayload
from operational_api.training.models import Client
from operational_api.training.service.media import folder_of
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_customer,
    make_invoice,
    make_login_session,
    make_video,
    make_workout,
)
from tests.operational_api.conftest import SignIn, access_token, bearing

PATH = "/api/identity/me/copies"
KEYS = ExportSettings(health_data_keys=SecretStr("k" * 40))
NOW = datetime.now(UTC)
Keep = Callable[..., ExportKeeper]


class Killed(BaseException):
    """As by kill -9: nothing of ours handles it."""


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), display_name="=Mia")


@pytest.fixture
def keeper(app: FastAPI, session: Session, store: ObjectStore) -> Iterator[Keep]:
    app.state.objects, app.state.export_settings = store, KEYS
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    yield lambda at=store: ExportKeeper(sessions, KEYS.sealer, at, worker.contributions())
    store.erase("exports/")
    store.erase("media/")


def drain(session: Session, keeper: ExportKeeper) -> None:
    while keeper.run_due():
        pass
    session.expire_all()


def make_due(session: Session) -> None:
    session.execute(update(StoredFile).values(due_at=NOW - timedelta(days=1)))
    session.expire_all()


def fetched(client: TestClient, export_id: str) -> ZipFile:
    answer = client.post(f"{PATH}/{export_id}/link")
    assert answer.status_code == 201, answer.text
    file = client.get(answer.json()["url"])
    assert (file.status_code, file.headers["content-type"]) == (200, "application/zip")
    assert file.headers["cache-control"] == "no-store"
    return ZipFile(io.BytesIO(file.content))


class TestCopy:
    def test_holds_every_context_and_what_is_nobody_elses(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        proved: SignIn,
        store: ObjectStore,
    ) -> None:
        tom = make_client(session, coach=make_coach(session), display_name="Tom")
        for one in (mia, tom):
            make_workout(session, client=one, status="completed", completed_at=NOW, note=f"Note of {one.display_name}")
            thread = threads.Conversation(one.id, one.coach_id)
            threads.write_with_files(
                session, thread=thread, sender_id=one.id, body=f"From {one.display_name}",
                files=[("a.pdf", b"%PDF-1.7 " + one.id.bytes)], now=NOW,
            )  # fmt: skip
        session.execute(update(AttachmentFile).values(status="ready"))
        video = make_video(session, client=mia)
        store.put(f"{folder_of(video)}video.mp4", b"moving pictures", media_type="video/mp4")
        assert KEYS.sealer is not None
        session.add(
            WearablePayload(
                id=new_id(), customer_id=mia.id, source="terra", kind="sleep", trace_id="t", ordering_at=NOW,
                received_at=NOW, is_kept=True, body=KEYS.sealer.seal(b'{"asleep": 7}'),
            )
        )  # fmt: skip
        session.flush()
        lead = Principal("lead_coach", "tests", new_id())
        for people in ([mia.id, tom.id], [tom.id, new_id()]):  # a list that she was in, and one that she was not in
            audit.record_read(session, lead, "training.read_progress", "Client", people, now=NOW)
        client = proved(account_of(session, mia))
        asked = client.post(PATH)
        assert (asked.status_code, asked.json()["state"]) == (202, "making")
        assert client.post(f"{PATH}/{asked.json()['export_id']}/link").json()["code"] == "compliance.export_not_ready"
        drain(session, keeper())
        [made] = client.get(PATH).json()["items"]
        assert (made["state"], made["file_count"]) == ("ready", 2)
        archive = fetched(client, made["export_id"])
        assert archive.testzip() is None

        def rows(name: str) -> list[dict[str, object]]:
            found: list[dict[str, object]] = json.loads(archive.read(f"{name}.json"))
            table = list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode())))
            assert len(table) == len(found)
            assert list(table[0]) == list(found[0])
            return found

        [account] = rows("identity/accounts")
        assert account["id"] == str(mia.id)
        assert "password_hash" not in account
        assert [one["note"] for one in rows("training/workouts")] == ["Note of =Mia"]
        assert [one["body"] for one in rows("engagement/messages")] == ["From =Mia"]
        assert rows("integrations/wearable_payloads")[0]["body"] == {"asleep": 7}
        entries = rows("platform/audit_entries")
        assert {one["action"] for one in entries} >= {"compliance.request_copy"}
        [looked] = [one for one in entries if one["action"] == "training.read_progress"]
        assert looked["actor_id"] == str(lead.account_id)
        assert not looked.keys() & {"group_id", "subjects"}
        clients = csv.DictReader(io.StringIO(archive.read("training/clients.csv").decode()))
        assert next(clients)["display_name"] == "'=Mia", "no spreadsheet runs it"
        [letter] = [one for one in archive.namelist() if one.startswith("engagement/attachments/")]
        assert archive.read(letter) == b"%PDF-1.7 " + mia.id.bytes
        [film] = [one for one in archive.namelist() if one.startswith("training/videos/")]
        assert archive.read(film) == b"moving pictures"
        everything = b"".join(archive.read(name) for name in archive.namelist())
        assert str(tom.id).encode() not in everything
        assert b"Tom" not in everything
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["rows"]["training/workouts"] == 1
        for name, told in manifest["files"].items():
            content = archive.read(name)
            assert (told["bytes"], told["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert manifest["files"].keys() == set(archive.namelist()) - {"manifest.json"}
        readme = archive.read("README.txt").decode()
        assert "training/workouts: 1 row\n" in readme
        assert "integrations/webhook_attempts: answers of systems" in readme

    def test_has_their_invoices_and_credit_notes_as_they_fetch_them_one_by_one(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        tom, parent = make_client(session, display_name="Tom"), make_client(session, display_name="Pat")
        make_customer(session, id=parent.id)
        own, note = make_invoice(session, customer_id=mia.id, payer_id=parent.id)
        paid, _ = make_invoice(session, customer_id=parent.id, payer_id=mia.id, number="A/../B 7")
        make_invoice(session, customer_id=tom.id)
        client = proved(account_of(session, mia))
        client.post(PATH)
        drain(session, keeper())
        [made] = client.get(PATH).json()["items"]
        archive = fetched(client, made["export_id"])
        papers = {name for name in archive.namelist() if name.endswith(".pdf")}
        own_file, note_file = f"commerce/invoices/{own.number}.pdf", f"commerce/credit_notes/{note.number}.pdf"
        assert {own_file, note_file, "commerce/invoices/A_.._B_7.pdf"} < papers
        assert len(papers) == 4  # and the credit note of the one that they pay
        for path, name in (
            (f"invoices/{own.id}", own_file), (f"credit-notes/{note.id}", note_file),
            (f"invoices/{paid.id}", "commerce/invoices/A_.._B_7.pdf"),
        ):  # fmt: skip
            assert archive.read(name) == client.get(f"/api/commerce/{path}/file").content

    def test_says_what_was_lost_meanwhile(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        proved: SignIn,
    ) -> None:
        make_video(session, client=mia)  # the store has nothing of it
        client = proved(account_of(session, mia))
        asked = client.post(PATH).json()["export_id"]
        drain(session, keeper())
        archive = fetched(client, asked)
        [lost] = json.loads(archive.read("manifest.json"))["lost"]
        assert lost.startswith("training/videos/")

    def test_of_somebody_who_works_here_has_no_customers_in_it(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        thread = threads.Conversation(mia.id, mia.coach_id)
        threads.write(session, thread=thread, sender_id=mia.id, body="My knee hurts", now=NOW)
        threads.write(session, thread=thread, sender_id=mia.coach_id, body="Rest then", now=NOW)
        client = proved(session.get_one(Account, mia.coach_id))
        asked = client.post(PATH).json()["export_id"]
        drain(session, keeper())
        archive = fetched(client, asked)
        messages = json.loads(archive.read("engagement/messages.json"))
        assert [one["body"] for one in messages] == ["Rest then"]
        assert "training/workouts.json" not in archive.namelist()


class TestAsking:
    def test_takes_a_fresh_proof_as_fetching_does(
        self, app: FastAPI, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        account = account_of(session, mia)
        old = make_login_session(session, account, authenticated_at=NOW - timedelta(minutes=11))
        stale = bearing(app, access_token(app, account, session_id=old.id))
        refused = stale.post(PATH)
        assert (refused.status_code, refused.json()["code"]) == (401, "identity.step_up_required")
        assert session.scalars(select(PersonalExport)).all() == []
        asked = proved(account).post(PATH).json()["export_id"]
        drain(session, keeper())
        assert stale.get(PATH).json()["items"][0]["state"] == "ready"
        assert stale.post(f"{PATH}/{asked}/link").json()["code"] == "identity.step_up_required"
        assert fetched(proved(account), asked)

    def test_is_once_a_day_and_never_twice_at_once(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        client = proved(account_of(session, mia))
        client.post(PATH)
        session.execute(update(PersonalExport).values(requested_at=NOW - timedelta(days=2)))
        session.expire_all()
        assert client.post(PATH).json()["code"] == "compliance.copy_asked_already", "the first is still being made"
        drain(session, keeper())
        assert client.post(PATH).status_code == 202
        drain(session, keeper())
        assert client.post(PATH).json()["code"] == "compliance.copy_asked_already", "within a day"

    def test_is_nobody_elses(
        self, session: Session, api: TestClient, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        client = proved(account_of(session, mia))
        asked = client.post(PATH).json()["export_id"]
        drain(session, keeper())
        for role in ("customer", "coach", "admin"):
            other = proved(make_account(session, role=role))
            theirs, missing = (other.post(f"{PATH}/{one}/link") for one in (asked, new_id()))
            assert theirs.status_code == missing.status_code == 404
            assert theirs.json()["detail"] == missing.json()["detail"]
        url = client.post(f"{PATH}/{asked}/link").json()["url"]
        assert proved(make_account(session, role="admin")).get(url).status_code == 403
        assert api.get(url.split("?")[0]).status_code == 422

    def test_by_an_admin_is_for_the_person_alone(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        ada = make_account(session, role="admin")
        path = f"/api/identity/accounts/{mia.id}/copies"
        assert proved(ada).post(f"/api/identity/accounts/{ada.id}/copies", json={"reason": "Mine"}).status_code == 404
        made = proved(ada).post(path, json={"reason": "Wrote us a letter"})
        assert (made.status_code, made.json()["is_asked_by_us"]) == (202, True)
        drain(session, keeper())
        asked = made.json()["export_id"]
        assert proved(ada).post(f"{PATH}/{asked}/link").status_code == 404
        assert fetched(proved(account_of(session, mia)), asked)
        noted = session.scalars(
            select(AuditEntry).where(AuditEntry.subject_id == mia.id, AuditEntry.action.like("compliance.%copy"))
        ).all()
        assert [(one.action, one.actor_id, one.purpose) for one in noted] == [
            ("compliance.request_copy", ada.id, "data_subject_request"), ("compliance.make_copy", None, "own"),
            ("compliance.open_copy", mia.id, "own"),
        ]  # fmt: skip
        assert noted[0].details == {"reason": "Wrote us a letter"}
        mails = select(OutgoingMessage).where(OutgoingMessage.template == "security_notice")
        assert [one.recipient for one in session.scalars(mails)] == [account_of(session, mia).email]

    def test_is_told_by_e_mail_when_ready_with_no_link_that_opens_it(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn
    ) -> None:
        client = proved(account_of(session, mia))
        client.post(PATH)
        drain(session, keeper())
        row = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "compliance.personal_export_made")).one()
        event = parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handle in engagement_handlers.HANDLERS[row.type]:
            handle(session, event)
            handle(session, event)  # delivered twice
        mails = select(OutgoingMessage).where(OutgoingMessage.template == "data_copy_ready")
        [mail] = session.scalars(mails)
        assert (mail.recipient, mail.context["path"]) == (account_of(session, mia).email, "/account/data")


class TestKeeping:
    @pytest.fixture
    def asked(self, session: Session, mia: Client, keeper: Keep, proved: SignIn) -> UUID:
        return UUID(proved(account_of(session, mia)).post(PATH).json()["export_id"])

    def test_dead_before_it_is_noted_is_made_again_and_the_first_is_erased(
        self, session: Session, mia: Client, keeper: Keep, proved: SignIn, asked: UUID,
        monkeypatch: pytest.MonkeyPatch, store: ObjectStore,
    ) -> None:  # fmt: skip
        def die(name: str) -> None:
            if name == "exports.before_note":
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "hit", die)
            with pytest.raises(Killed):
                keeper().run_due()
        assert b"".join(store.read(f"{files.folder(asked, 1)}000000"))
        assert not keeper().run_due(), "somebody else has it, as far as anybody knows"
        make_due(session)
        drain(session, keeper())
        file = session.get_one(StoredFile, asked)
        assert (file.status, file.edition) == ("ready", 2)
        assert store.erase(files.folder(asked, 1)) == 0
        assert fetched(proved(account_of(session, mia)), str(asked))

    def test_without_a_store_that_answers_it_waits(self, session: Session, keeper: Keep, asked: UUID) -> None:
        nowhere = ObjectStore(ObjectSettings(s3_endpoint="http://127.0.0.1:9", s3_access_key=SecretStr("a")))
        assert keeper(nowhere).run_due()
        session.expire_all()
        file = session.get_one(StoredFile, asked)
        assert file.status == "making"
        assert file.due_at > datetime.now(UTC)
        assert not keeper(None).run_due()
        make_due(session)
        drain(session, keeper())
        assert session.get_one(StoredFile, asked).status == "ready"

    def test_of_a_closed_account_nothing_is_kept(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        proved: SignIn,
        asked: UUID,
        store: ObjectStore,
    ) -> None:
        drain(session, keeper())
        client = proved(account_of(session, mia))
        url = client.post(f"{PATH}/{asked}/link").json()["url"]
        for _ in range(2):
            handlers.remove_copies(session, AccountClosed(account_id=mia.id, occurred_at=NOW))
        session.expire_all()
        assert client.get(url).status_code == 410
        drain(session, keeper())
        assert session.scalars(select(StoredFile)).all() == []
        assert store.erase(f"exports/{asked}/") == 0

    def test_closed_while_it_is_made_leaves_nothing(
        self, session: Session, mia: Client, keeper: Keep, asked: UUID, monkeypatch: pytest.MonkeyPatch,
        store: ObjectStore,
    ) -> None:  # fmt: skip
        def close(name: str) -> None:
            if name == "exports.before_note":
                handlers.remove_copies(session, AccountClosed(account_id=mia.id, occurred_at=NOW))

        monkeypatch.setattr(failpoints, "hit", close)
        assert keeper().run_due()
        session.expire_all()
        assert session.get_one(PersonalExport, asked).made_at is None
        assert store.erase(f"exports/{asked}/") == 0
        make_due(session)
        drain(session, keeper())
        assert session.scalars(select(StoredFile)).all() == []

    def test_is_gone_after_a_week_and_the_page_says_so(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        proved: SignIn,
        asked: UUID,
        store: ObjectStore,
    ) -> None:
        drain(session, keeper())
        row = session.get_one(PersonalExport, asked)
        assert row.made_at is not None
        assert row.expires_at == session.get_one(StoredFile, asked).due_at == row.made_at + timedelta(days=7)
        ago = NOW - timedelta(seconds=1)
        session.execute(update(StoredFile).values(due_at=ago, expires_at=ago))
        session.execute(update(PersonalExport).values(expires_at=ago))
        session.expire_all()
        client = proved(account_of(session, mia))
        assert client.post(f"{PATH}/{asked}/link").json()["code"] == "compliance.export_gone"
        drain(session, keeper())
        assert store.erase(f"exports/{asked}/") == 0
        assert client.get(PATH).json()["items"][0]["state"] == "gone"
