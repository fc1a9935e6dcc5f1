"""Files of messages on their way to a real object store, past a real scanner where this machine has one."""

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session, undefer

from contracts.events.identity import AccountClosed
from operational_api.core import failpoints
from operational_api.core.database import session_factory
from operational_api.core.objects import ObjectMissing, ObjectStore
from operational_api.engagement import filing, handlers
from operational_api.engagement.filing import FileKeeper
from operational_api.engagement.models import Attachment, AttachmentFile
from operational_api.engagement.service import threads
from operational_api.engagement.service.attachments import object_key
from operational_api.engagement.settings import FileSettings
from operational_api.training.models import Client
from tests.factories import account_of, make_client, make_coach
from tests.operational_api.conftest import SignIn
from tests.stores import EICAR

NOW = datetime.now(UTC)
LETTER = b"%PDF-1.7 a letter of a doctor"
KEYS = FileSettings(media_scanner="none", health_data_keys=SecretStr("k" * 40))
Keep = Callable[..., FileKeeper]


class Killed(BaseException):
    """As by kill -9: nothing of ours handles it."""


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def keeper(session: Session, store: ObjectStore) -> Keep:
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    return lambda settings=KEYS, at=store: FileKeeper(sessions, settings, at)


def send(session: Session, mia: Client, content: bytes = LETTER) -> Attachment:
    thread = threads.Conversation(mia.id, mia.coach_id)
    [row] = threads.write_with_files(
        session, thread=thread, sender_id=mia.id, body="Look", files=[("a.pdf", content)], now=NOW
    )
    return row


def drain(keeper: FileKeeper) -> None:
    while keeper.run_due():
        pass


def file_of(session: Session, row: Attachment) -> AttachmentFile:
    found = select(AttachmentFile).options(undefer(AttachmentFile.content)).execution_options(populate_existing=True)
    return session.scalars(found.where(AttachmentFile.attachment_id == row.id)).one()


def make_due(session: Session) -> None:
    """As if the lease had run out, or the day had come."""
    session.execute(update(AttachmentFile).values(due_at=NOW - timedelta(days=1)))
    session.expire_all()


def stored(store: ObjectStore, row: Attachment) -> bytes | None:
    with suppress(ObjectMissing):
        return b"".join(store.read(object_key(row.id)))
    return None


class TestStoring:
    def test_a_file_lies_in_the_store_alone_and_sealed_and_opens_as_it_was(
        self,
        app: FastAPI,
        session: Session,
        sign_in: SignIn,
        mia: Client,
        keeper: Keep,
        store: ObjectStore,
    ) -> None:
        row = send(session, mia)
        drain(keeper())
        file = file_of(session, row)
        assert (file.status, file.scan, file.content, file.is_stored) == ("ready", "not_scanned", None, True)
        assert file.due_at is None
        lies_there = stored(store, row)
        assert lies_there is not None
        assert b"doctor" not in lies_there
        app.state.objects, app.state.file_settings = store, KEYS
        client = sign_in(account_of(session, mia))
        url = client.post(f"/api/engagement/attachments/{row.id}/link").json()["url"]
        assert client.get(url).content == LETTER
        assert client.get(url, headers={"Range": "bytes=-6"}).content == b"doctor"

    def test_a_file_of_before_is_ready_and_follows(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        store: ObjectStore,
    ) -> None:
        row = send(session, mia)
        session.execute(delete(AttachmentFile))
        session.execute(insert(AttachmentFile).values(attachment_id=row.id, content=LETTER))  # as it was written then
        assert file_of(session, row).status == "ready"
        make_due(session)
        drain(keeper())
        assert (file_of(session, row).content, filing.fetch(row.id, store, KEYS.sealer)) == (None, LETTER)

    @pytest.mark.parametrize("place", ["files.before_store", "files.before_note"])
    def test_killed_anywhere_loses_nothing(
        self, session: Session, mia: Client, keeper: Keep, store: ObjectStore, place: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        row = send(session, mia)
        at(monkeypatch, place, _die)
        with pytest.raises(Killed):
            drain(keeper())
        monkeypatch.undo()
        assert file_of(session, row).content == LETTER
        drain(keeper())
        assert file_of(session, row).content == LETTER, "it is leased"
        make_due(session)
        drain(keeper())
        assert file_of(session, row).content is None
        assert filing.fetch(row.id, store, KEYS.sealer) == LETTER

    def test_without_a_store_it_stays_where_it_is(self, session: Session, mia: Client, keeper: Keep) -> None:
        row = send(session, mia)
        drain(keeper(at=None))
        file = file_of(session, row)
        assert (file.status, file.content, file.is_stored) == ("ready", LETTER, False)


class TestRemoving:
    def test_of_a_closed_account_no_byte_is_left(
        self,
        session: Session,
        mia: Client,
        keeper: Keep,
        store: ObjectStore,
    ) -> None:
        row, other = send(session, mia), send(session, make_client(session, coach=make_coach(session)))
        drain(keeper())
        handlers.forget_person(session, AccountClosed(account_id=mia.id, occurred_at=NOW))
        drain(keeper())
        assert stored(store, row) is None
        assert session.scalars(select(AttachmentFile.attachment_id)).all() == [other.id]
        assert stored(store, other) is not None

    def test_while_it_is_stored_leaves_nothing_either(
        self, session: Session, mia: Client, keeper: Keep, store: ObjectStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        row = send(session, mia)
        key = row.id
        at(monkeypatch, "files.before_note", lambda: session.execute(delete(Attachment).where(Attachment.id == key)))
        drain(keeper())
        monkeypatch.undo()
        make_due(session)
        drain(keeper())
        with pytest.raises(ObjectMissing):
            store.read(object_key(key))
        assert session.scalars(select(AttachmentFile)).all() == []


class TestScanning:
    def test_what_is_harmful_is_deleted_and_nobody_gets_it(
        self,
        session: Session,
        sign_in: SignIn,
        mia: Client,
        keeper: Keep,
        clamd: str,
    ) -> None:
        row = send(session, mia, LETTER + EICAR)
        drain(keeper(KEYS.model_copy(update={"media_scanner": clamd})))
        file = file_of(session, row)
        assert (file.status, file.content, file.is_stored) == ("refused", None, False)
        answer = sign_in(account_of(session, mia)).post(f"/api/engagement/attachments/{row.id}/link")
        assert (answer.status_code, answer.json()["code"]) == (409, "engagement.file_harmful")

    @pytest.mark.parametrize("is_decided", [True, False])
    def test_until_somebody_could_look_nobody_gets_it(
        self, session: Session, mia: Client, keeper: Keep, is_decided: bool
    ) -> None:
        row = send(session, mia)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = f"tcp://127.0.0.1:{nobody.getsockname()[1]}" if is_decided else ""
            drain(keeper(KEYS.model_copy(update={"media_scanner": address})))
        file = file_of(session, row)
        assert (file.status, file.content) == ("checking", LETTER)
        assert file.due_at is not None
        assert file.due_at > NOW


def at(monkeypatch: pytest.MonkeyPatch, place: str, do: Callable[[], Any]) -> None:
    """Have something happen where the worker comes by."""

    def hit(name: str) -> None:
        if name == place:
            do()

    monkeypatch.setattr(failpoints, "hit", hit)


def _die() -> None:
    raise Killed
