"""Beside the conversation: templates, later messages, files, announcements, and reminders."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from contracts.events import scheduling
from operational_api.core.database import session_factory
from operational_api.engagement.errors import EmptyMergeField, FileRejected, TooSoon, UnknownMergeField
from operational_api.engagement.filing import FileKeeper
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import (
    AttachmentFile,
    LifecycleStage,
    Message,
    OutgoingMessage,
    ScheduledMessage,
)
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service import scheduled
from operational_api.engagement.service.attachments import LARGEST_BYTES, media_type_of
from operational_api.engagement.service.merging import fields_of, fill
from operational_api.engagement.service.threads import Conversation
from operational_api.engagement.settings import FileSettings
from operational_api.identity.models import Account
from operational_api.training.models import Client
from tests.factories import account_of, make_account, make_booking, make_client, make_coach, make_slot
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def mia(session: Session) -> Client:
    found = make_client(session, coach=make_coach(session))
    session.get_one(Account, found.id).display_name = "Mia Maier"
    session.get_one(Account, found.coach_id).display_name = "Ana Ruiz"
    session.flush()
    return found


def wall(text: str) -> datetime:
    """A time on somebody's wall clock."""
    return datetime.fromisoformat(text)


def thread(mia: Client) -> Conversation:
    return Conversation(mia.id, mia.coach_id)


class TestMergeFields:
    @pytest.mark.parametrize("body", ["Hi {{firstname}}", "Hi {{first_name}", "Hi {{}}", "{{first_name}} }}"])
    def test_that_there_are_not_are_an_error(self, body: str) -> None:
        with pytest.raises(UnknownMergeField):
            fields_of(body)

    def test_are_filled_or_refused(self) -> None:
        values = {"first_name": "Mia", "coach_name": ""}
        assert fill("Hi {{ first_name }}, {{first_name}}!", values) == "Hi Mia, Mia!"
        with pytest.raises(EmptyMergeField, match="no coach name"):
            fill("Yours, {{coach_name}}", values)

    def test_are_checked_when_a_template_is_saved(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        assert mia.coach_id
        ana = sign_in(session.get_one(Account, mia.coach_id))
        wrong = ana.post("/api/engagement/templates", json={"name": "Hello", "body": "Hi {{nickname}}"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "engagement.unknown_merge_field")
        for body in ("Hi {{first_name}}", "Dear {{first_name}}, yours {{coach_name}}"):
            saved = ana.post("/api/engagement/templates", json={"name": "Hello", "body": body})
            assert saved.status_code == 200
        [one] = ana.get(f"/api/engagement/threads/{mia.id}/templates").json()["items"]
        assert (one["body"], one["problem"]) == ("Dear Mia, yours Ana", None)
        assert ana.delete(f"/api/engagement/templates/{one['id']}").status_code == 204
        assert ana.get("/api/engagement/templates").json()["items"] == []


class TestScheduled:
    def schedule(self, session: Session, mia: Client, local: datetime, now: datetime) -> ScheduledMessage:
        assert mia.coach_id
        return scheduled.schedule(
            session, thread=thread(mia), sender_id=mia.coach_id, body="Morning!", local_at=local, now=now
        )

    @pytest.mark.parametrize(
        ("local", "expected"),
        [
            (wall("2026-03-28T07:00"), datetime(2026, 3, 28, 6, tzinfo=UTC)),
            (wall("2026-03-29T07:00"), datetime(2026, 3, 29, 5, tzinfo=UTC)),
            (
                wall("2026-10-25T02:30"),
                datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            ),
        ],
    )
    def test_means_the_recipients_clock(
        self, session: Session, mia: Client, local: datetime, expected: datetime
    ) -> None:
        assert self.schedule(session, mia, local, datetime(2026, 3, 1, tzinfo=UTC)).send_at == expected

    @pytest.mark.parametrize(
        "local",
        [
            wall("2026-03-29T02:30"),
            wall("2026-02-01T00:00"),
            wall("2028-01-01T00:00"),
        ],
    )
    def test_refuses_a_time_that_is_skipped_past_or_far(self, session: Session, mia: Client, local: datetime) -> None:
        with pytest.raises(TooSoon):
            self.schedule(session, mia, local, datetime(2026, 3, 1, tzinfo=UTC))

    def test_leaves_once_at_its_time(self, session: Session, mia: Client) -> None:
        row = self.schedule(session, mia, wall("2026-03-28T07:00"), datetime(2026, 3, 1, tzinfo=UTC))
        for at in (row.send_at - timedelta(seconds=1), row.send_at, row.send_at):
            scheduled.send_due(session, at)
        assert session.scalars(select(Message.body)).all() == ["Morning!"]
        assert row.status == "sent"

    def test_is_not_sent_by_who_is_their_coach_no_longer(self, session: Session, mia: Client) -> None:
        row = self.schedule(session, mia, wall("2026-03-28T07:00"), datetime(2026, 3, 1, tzinfo=UTC))
        mia.coach_id = make_coach(session).id
        session.flush()
        scheduled.send_due(session, row.send_at)
        assert (row.status, row.reason) == ("refused", "no_longer_their_coach")
        assert session.scalars(select(Message)).all() == []

    def test_is_not_sent_by_who_is_here_no_longer(self, session: Session, mia: Client) -> None:
        row = self.schedule(session, mia, wall("2026-03-28T07:00"), datetime(2026, 3, 1, tzinfo=UTC))
        session.get_one(Account, mia.coach_id).disabled_at = NOW
        session.flush()
        scheduled.send_due(session, row.send_at)
        assert (row.status, row.reason) == ("refused", "sender_is_gone")
        assert session.scalars(select(Message)).all() == []

    def test_can_be_cancelled_until_it_leaves(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        assert mia.coach_id
        ana = sign_in(session.get_one(Account, mia.coach_id))
        local = (NOW + timedelta(days=2)).strftime("%Y-%m-%dT07:00:00")
        home = f"/api/engagement/threads/{mia.id}/scheduled"
        made = ana.post(home, json={"body": "Later", "local_at": local}).json()
        assert made["local_at"] == local
        assert [one["id"] for one in ana.get(home).json()["items"]] == [made["id"]]
        end = f"/api/engagement/scheduled-messages/{made['id']}/cancellation"
        assert ana.post(end).json()["status"] == "cancelled"
        assert ana.post(end).status_code == 404
        scheduled.send_due(session, NOW + timedelta(days=3))
        assert session.scalars(select(Message)).all() == []


def look_through(session: Session) -> None:
    """What the worker does about files, where there is neither a scanner nor a store."""
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    keeper = FileKeeper(sessions, FileSettings(media_scanner="none"), None)
    while keeper.run_due():
        pass
    session.expire_all()


class TestAttachments:
    @pytest.mark.asvs("5.2.2")
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"%PDF-1.7", "application/pdf"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"), (b"\0\0\0\x18ftypmp42", "video/mp4"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>", None), (b"<html>", None), (b"MZ", None), (b"", None),
            (b"GIF89a", None), (b"\0\0\0\x18ftypheic", None),
        ],
    )  # fmt: skip
    def test_are_what_their_content_says(self, content: bytes, expected: str | None) -> None:
        assert media_type_of(content) == expected

    def send(self, client: Any, mia: Client, content: bytes, name: str = "a.png") -> Any:
        return client.post(
            f"/api/engagement/threads/{mia.id}/attachments",
            json={"name": name, "content": base64.b64encode(content).decode()},
        )

    @pytest.mark.asvs("5.2.1")
    def test_have_a_size(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        client = sign_in(account_of(session, mia))
        answer = self.send(client, mia, PNG + bytes(LARGEST_BYTES))
        assert (answer.status_code, answer.json()["code"]) == (422, "engagement.file_rejected")
        assert session.scalar(select(func.count()).select_from(Message)) == 0
        assert FileRejected().detail.startswith("Files are pictures")

    @pytest.mark.asvs("5.3.2", "5.4.1")
    def test_are_saved_by_an_address_made_for_one_person(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        assert mia.coach_id
        client, ana = sign_in(account_of(session, mia)), sign_in(session.get_one(Account, mia.coach_id))
        made = self.send(client, mia, PNG, '../../etc/pass"wd\r\n.html').json()
        assert (made["media_type"], made["name"]) == ("image/png", "pass_wd.png")
        link = f"/api/engagement/attachments/{made['id']}/link"
        assert (made["status"], ana.post(link).json()["code"]) == ("checking", "engagement.file_checked")
        look_through(session)
        [listed] = ana.get(f"/api/engagement/threads/{mia.id}/attachments").json()["items"]
        assert listed["status"] == "ready"
        url = ana.post(link).json()["url"]
        part = ana.get(url, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"PNG", f"bytes 1-3/{len(PNG)}")
        assert ana.get(url, headers={"Range": "bytes=9999-"}).status_code == 416
        file = ana.get(url)
        assert file.content == PNG
        assert file.headers["content-disposition"] == 'attachment; filename="pass_wd.png"'
        assert file.headers["content-type"] == "application/octet-stream"
        assert client.get(url).status_code == 403
        assert ana.get(url.replace("sig=", "sig=x")).status_code == 403
        assert session.scalars(select(Message.body)).all() != []

    def test_go_with_their_message(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        self.send(sign_in(account_of(session, mia)), mia, PNG)
        session.delete(session.scalars(select(Message)).one())
        session.flush()
        session.expire_all()
        [file] = session.scalars(select(AttachmentFile).options(undefer(AttachmentFile.content))).all()
        assert (file.status, file.content) == ("removed", None)
        look_through(session)
        assert session.scalar(select(func.count()).select_from(AttachmentFile)) == 0


class TestAnnouncements:
    def test_ask_each_ones_wishes_and_take_few_statements(self, session: Session, sign_in: SignIn) -> None:
        people = [make_account(session) for _ in range(3)]
        session.add(LifecycleStage(person_id=people[0].id, stage="trial", since=NOW))
        session.flush()
        boss = sign_in(make_account(session, role="admin"))
        news = {"subject": "We open on Sundays", "body": "From May.", "segment": "trial"}
        assert boss.post("/api/engagement/announcements", json=news).json()["recipients"] == 1
        everybody = boss.post("/api/engagement/announcements", json=news | {"segment": "everybody"}).json()
        assert everybody["recipients"] == len(people)
        rows = session.scalars(select(OutgoingMessage)).all()
        assert len(rows) == 1 + len(people)
        assert {(row.purpose, row.channel, *row.fallbacks) for row in rows} == {("marketing", *WAYS)}


class TestReminders:
    def test_come_the_day_before_and_not_for_what_is_off(self, session: Session, mia: Client) -> None:
        starts_at = (NOW + timedelta(days=3)).replace(microsecond=0)
        booking = make_booking(session, slot=make_slot(session, starts_at=starts_at), customer_id=mia.id)
        about = {
            "occurred_at": NOW, "booking_id": booking.id, "slot_id": booking.slot_id, "customer_id": mia.id,
            "coach_id": booking.coach_id,
        }  # fmt: skip
        for event in (scheduling.SessionBooked(**about), scheduling.SessionBooked(**about)):
            for handler in HANDLERS[event.type]:
                handler(session, event)
        which = select(OutgoingMessage).where(OutgoingMessage.template == "session_reminder")
        row = session.scalars(which).one()
        assert (row.next_attempt_at, row.expires_at) == (starts_at - timedelta(days=1), starts_at)
        later = starts_at + timedelta(hours=2)
        booking.starts_at, booking.ends_at = later, later + timedelta(hours=1)
        session.flush()
        moved = scheduling.SessionMoved(**about, from_starts_at=starts_at, to_starts_at=later)
        for handler in HANDLERS[moved.type]:
            handler(session, moved)
        session.refresh(row)
        assert (row.status, row.reason) == ("withheld", "cancelled")
        again = session.scalars(which.where(OutgoingMessage.status == "queued")).one()
        assert again.next_attempt_at == later - timedelta(days=1)
        off = scheduling.SessionCancelled(**about)
        for handler in HANDLERS[off.type]:
            handler(session, off)
        session.refresh(again)
        assert (again.status, again.reason) == ("withheld", "cancelled")
