"""Beside the conversation: templates, later messages, files, announcements, and reminders."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker, undefer

from contracts.events import commerce, scheduling
from contracts.events.engagement import AnnouncementCancelled
from contracts.ids import new_id
from operational_api.core.database import make_engine, session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.errors import (
    EmptyMergeField,
    FileRejected,
    ScheduledNotFound,
    TooSoon,
    UnknownMergeField,
)
from operational_api.engagement.filing import FileKeeper
from operational_api.engagement.handlers import HANDLERS, learn
from operational_api.engagement.lifecycle import Stage
from operational_api.engagement.models import (
    Attachment,
    AttachmentFile,
    ChannelChoice,
    ContactPreference,
    InboxMessage,
    LifecycleStage,
    Message,
    OutgoingMessage,
    ScheduledFile,
    ScheduledMessage,
)
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service import inbox, scheduled
from operational_api.engagement.service.attachments import LARGEST_BYTES, media_type_of
from operational_api.engagement.service.merging import fields_of, fill
from operational_api.engagement.service.threads import Conversation
from operational_api.engagement.settings import FileSettings
from operational_api.identity.models import Account
from operational_api.training.models import Client
from tests.conftest import sqlalchemy_url
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


class TestChangingLater:
    """A message for later, until it leaves."""

    @pytest.fixture
    def ana(self, session: Session, sign_in: SignIn, mia: Client) -> Any:
        assert mia.coach_id
        return sign_in(session.get_one(Account, mia.coach_id))

    @staticmethod
    def told(body: str = "Later", days: int = 2, **more: Any) -> dict[str, Any]:
        return {"body": body, "local_at": (NOW + timedelta(days=days)).strftime("%Y-%m-%dT07:00:00"), **more}

    @staticmethod
    def file(name: str, content: bytes = PNG) -> dict[str, str]:
        return {"name": name, "content": base64.b64encode(content).decode()}

    def test_text_files_and_time_are_what_was_said_last(self, session: Session, mia: Client, ana: Any) -> None:
        home = f"/api/engagement/threads/{mia.id}/scheduled"
        made = ana.post(home, json=self.told(files=[self.file("a.png"), self.file("b.png")])).json()
        assert [one["name"] for one in made["files"]] == ["a.png", "b.png"]
        there = f"/api/engagement/scheduled-messages/{made['id']}"
        stays = made["files"][1]["id"]
        said = self.told("Sooner", days=1, keep=[stays], files=[self.file("c.png")])
        changed = ana.put(there, json=said).json()
        assert (changed["body"], [one["name"] for one in changed["files"]]) == ("Sooner", ["b.png", "c.png"])
        assert ana.get(home).json()["items"] == [changed]
        [told] = session.scalars(select(OutboxEvent).where(OutboxEvent.type.endswith("scheduled_message_changed")))
        assert datetime.fromisoformat(told.payload["send_at"]) == datetime.fromisoformat(changed["send_at"])
        scheduled.send_due(session, NOW + timedelta(days=1, hours=20))
        [message] = session.scalars(select(Message))
        files = session.scalars(select(Attachment).where(Attachment.message_id == message.id).order_by(Attachment.name))
        assert (message.body, [one.name for one in files]) == ("Sooner", ["b.png", "c.png"])
        assert session.scalars(select(ScheduledFile)).all() == [], "they are the message's now"
        assert ana.put(there, json=self.told()).status_code == 404, "it has left"
        scheduled.send_due(session, NOW + timedelta(days=3))
        assert session.scalar(select(func.count()).select_from(Message)) == 1

    def test_files_alone_are_a_message_too(self, session: Session, mia: Client, ana: Any) -> None:
        home = f"/api/engagement/threads/{mia.id}/scheduled"
        assert ana.post(home, json=self.told("")).status_code == 422
        assert ana.post(home, json=self.told("", files=[self.file("a.png")])).status_code == 201
        scheduled.send_due(session, NOW + timedelta(days=3))
        assert session.scalars(select(Message.body)).all() == ["a.png"]

    def test_a_change_that_is_refused_changes_nothing(self, session: Session, mia: Client, ana: Any) -> None:
        home = f"/api/engagement/threads/{mia.id}/scheduled"
        made = ana.post(home, json=self.told(files=[self.file("a.png")])).json()
        there = f"/api/engagement/scheduled-messages/{made['id']}"
        session.commit()
        four = [self.file(f"{n}.png") for n in range(4)]
        for wrong in (
            self.told(days=-1), self.told("x" * 4001), self.told(files=[self.file("a.exe", b"MZ")]),
            self.told(files=four), self.told(files=four[:3]), self.told("", keep=[]),
        ):  # fmt: skip
            assert ana.put(there, json=wrong).status_code == 422
            assert ana.get(home).json()["items"] == [made]

    def test_nobody_else_changes_it_nor_who_is_their_coach_no_longer(
        self, session: Session, sign_in: SignIn, mia: Client, ana: Any
    ) -> None:
        made = ana.post(f"/api/engagement/threads/{mia.id}/scheduled", json=self.told()).json()
        there = f"/api/engagement/scheduled-messages/{made['id']}"
        other = sign_in(session.get_one(Account, make_coach(session).id))
        assert other.put(there, json=self.told()).status_code == 404
        mia.coach_id = make_coach(session).id
        session.flush()
        assert ana.put(there, json=self.told()).status_code == 404
        assert ana.post(f"{there}/cancellation").status_code == 200, "but it can be taken back"


class TestChangingWhileItLeaves:
    """The coach's change and the worker meet on one row; real connections, who comes first is held until the other
    waits."""

    @pytest.fixture
    def sessions(self, fresh_database: Callable[[], str]) -> Iterator[sessionmaker[Session]]:
        engine = make_engine(sqlalchemy_url(fresh_database()), application_name="tests")
        yield session_factory(engine, viewer=lambda: SYSTEM)
        engine.dispose()

    def kept(self, sessions: sessionmaker[Session]) -> tuple[UUID, Conversation]:
        with sessions.begin() as session:
            mia = make_client(session, coach=make_coach(session))
            assert mia.coach_id
            talk = Conversation(mia.id, mia.coach_id)
            row = scheduled.schedule(
                session, thread=talk, sender_id=mia.coach_id, body="First", local_at=wall("2026-03-28T07:00"),
                now=datetime(2026, 3, 1, tzinfo=UTC),
            )  # fmt: skip
            return row.id, talk

    def change(self, session: Session, scheduled_id: UUID, talk: Conversation, day: int) -> None:
        assert talk.coach_id
        scheduled.change(
            session, scheduled_id=scheduled_id, thread=talk, sender_id=talk.coach_id, body="Second",
            local_at=wall(f"2026-03-{day}T07:00"), now=datetime(2026, 3, 1, tzinfo=UTC),
        )  # fmt: skip

    def bodies(self, sessions: sessionmaker[Session]) -> list[str]:
        with sessions() as session:
            return list(session.scalars(select(Message.body)))

    def test_a_change_under_way_keeps_it_here(self, sessions: sessionmaker[Session]) -> None:
        scheduled_id, talk = self.kept(sessions)
        with sessions.begin() as changing:
            self.change(changing, scheduled_id, talk, 29)
            with sessions.begin() as worker:
                scheduled.send_due(worker, datetime(2026, 3, 28, 12, tzinfo=UTC))
            assert self.bodies(sessions) == []
        with sessions.begin() as worker:
            scheduled.send_due(worker, datetime(2026, 3, 28, 12, tzinfo=UTC))
        assert self.bodies(sessions) == [], "it has another time now"
        with sessions.begin() as worker:
            scheduled.send_due(worker, datetime(2026, 3, 29, 12, tzinfo=UTC))
        assert self.bodies(sessions) == ["Second"]

    def test_a_change_that_comes_while_it_leaves_is_told_that_it_has(self, sessions: sessionmaker[Session]) -> None:
        scheduled_id, talk = self.kept(sessions)
        told: list[Exception] = []

        def late() -> None:
            try:
                with sessions.begin() as changing:
                    self.change(changing, scheduled_id, talk, 29)
            except ScheduledNotFound as error:
                told.append(error)

        changer = Thread(target=late)
        with sessions.begin() as worker:
            scheduled.send_due(worker, datetime(2026, 3, 28, 12, tzinfo=UTC))
            changer.start()
            waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%scheduled%'"
            while not worker.scalar(text(waits)):
                worker.execute(text("select pg_stat_clear_snapshot()"))
        changer.join(20)
        assert (self.bodies(sessions), len(told)) == (["First"], 1)


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

    def test_what_has_not_left_is_taken_back_once(self, session: Session, sign_in: SignIn) -> None:
        """Of four people one has the letter, one has read it in the app, one is in a list that also has other news."""
        people = [make_account(session, time_zone="UTC") for _ in range(4)]
        told, read, listed, waits = (one.id for one in people)
        for who in (told, read, listed, waits):
            session.add(ContactPreference(customer_id=who, allows_marketing=True))
        session.flush()
        boss = sign_in(make_account(session, role="admin"))
        news = {"subject": "We open on Sundays", "body": "From May.", "segment": "everybody"}
        made = boss.post("/api/engagement/announcements", json=news).json()
        assert (made["waiting"], made["cancelled_at"], made["called_off"]) == (4, None, 0)
        other = boss.post("/api/engagement/announcements", json=news | {"subject": "Yoga"}).json()

        def letter(who: UUID, about: str) -> OutgoingMessage:
            found = select(OutgoingMessage).where(OutgoingMessage.dedupe_key == f"announcement:{about}:{who}")
            return session.scalars(found, execution_options={"populate_existing": True}).one()

        letter(told, made["id"]).status = "sent"
        first, second = letter(listed, made["id"]), letter(listed, other["id"])
        first.digest_at = second.digest_at = NOW
        first.digest_id = second.digest_id = first.id
        session.flush()
        inbox.land_due(session, datetime.now(UTC))
        kept = select(InboxMessage).where(InboxMessage.dedupe_key.startswith(f"announcement:{made['id']}:"))
        [theirs] = [one for one in session.scalars(kept) if one.person_id == read]
        inbox.keep(session, read, theirs.id, is_read=True, now=NOW)

        for _ in range(2):
            left = boss.post(f"/api/engagement/announcements/{made['id']}/cancellation").json()
            assert (left["waiting"], left["called_off"]) == (0, 3)
            assert left["cancelled_at"] is not None
        ends = {who: (letter(who, made["id"]).status, letter(who, made["id"]).reason) for who in (told, read, waits)}
        assert ends == {told: ("sent", None)} | dict.fromkeys((read, waits), ("withheld", "called_off"))
        assert [one.person_id for one in session.scalars(kept)] == [read]
        assert (letter(listed, other["id"]).status, letter(listed, other["id"]).digest_id) == ("queued", second.id)
        listing = boss.get("/api/engagement/announcements").json()["items"]
        assert {one["id"]: one["waiting"] for one in listing} == {made["id"]: 0, other["id"]: 4}
        [event] = session.scalars(select(OutboxEvent).where(OutboxEvent.type == AnnouncementCancelled.type))
        assert event.payload["called_off"] == 3

    def test_nobody_takes_back_what_there_is_not(self, session: Session, sign_in: SignIn) -> None:
        boss = sign_in(make_account(session, role="admin"))
        assert boss.post(f"/api/engagement/announcements/{new_id()}/cancellation").status_code == 404

    @pytest.fixture
    def crowd(self, session: Session) -> dict[str, UUID]:
        """Somebody in each stage, and one who is in none; the one at risk and the one who is paused want news."""
        found = {stage: make_account(session).id for stage in [*get_args(Stage), "none"]}
        for stage, person_id in found.items():
            if stage != "none":
                session.add(LifecycleStage(person_id=person_id, stage=stage, since=NOW))
        session.add(ContactPreference(customer_id=found["at_risk"], allows_marketing=True))
        session.add(
            ChannelChoice(
                customer_id=found["paused"], channel="sms", purpose="marketing", is_allowed=True, decided_at=NOW
            )
        )
        no = [("email", False), ("push", False)]  # as a whole yes, by everything that is there no
        session.add(ContactPreference(customer_id=found["active"], allows_marketing=True))
        for channel, is_allowed in no:
            session.add(
                ChannelChoice(
                    customer_id=found["active"], channel=channel, purpose="marketing", is_allowed=is_allowed,
                    decided_at=NOW,
                )
            )  # fmt: skip
        session.flush()
        return found

    @pytest.mark.parametrize(
        ("segment", "stages", "willing"),
        [
            ("active", ["active", "won_back", "at_risk", "paused"], 2), ("trial", ["trial"], 0),
            ("at_risk", ["at_risk"], 1), ("churned", ["churned"], 0), ("everybody", [*get_args(Stage), "none"], 2),
        ],
    )  # fmt: skip
    def test_say_whom_they_reach_before_and_reach_them(
        self, session: Session, sign_in: SignIn, crowd: dict[str, UUID], segment: str, stages: list[str], willing: int
    ) -> None:
        boss = sign_in(make_account(session, role="admin"))
        told = boss.get("/api/engagement/announcement-audiences").json()["items"]
        [said] = [one for one in told if one["segment"] == segment]
        assert (said["people"], said["willing"]) == (len(stages), willing)
        news = {"subject": "We open on Sundays", "body": "From May.", "segment": segment}
        assert boss.post("/api/engagement/announcements", json=news).json()["recipients"] == len(stages)
        written_to = set(session.scalars(select(OutgoingMessage.customer_id)))
        assert written_to == {crowd[stage] for stage in stages}

    def test_members_who_are_behind_with_a_payment_are_members(self, session: Session, sign_in: SignIn) -> None:
        mia = make_account(session)
        started = commerce.SubscriptionStarted(
            occurred_at=NOW, customer_id=mia.id, subscription_id=new_id(), plan_id=new_id(),
            currency="EUR", amount_minor=4900,
        )  # fmt: skip
        late = commerce.SubscriptionChanged(
            occurred_at=NOW,
            customer_id=mia.id,
            subscription_id=started.subscription_id,
            kind="past_due",
            mrr_minor=4900,
            currency="EUR",
        )
        learn(session, started)
        learn(session, late)
        boss = sign_in(make_account(session, role="admin"))
        told = boss.get("/api/engagement/announcement-audiences").json()["items"]
        assert {one["segment"]: one["people"] for one in told}["active"] == 1


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
