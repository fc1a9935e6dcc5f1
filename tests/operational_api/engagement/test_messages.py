"""Conversations over the API: who reaches which, what is announced, what is read."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.engagement.models import Message
from operational_api.engagement.public import send_message, unread_count
from operational_api.scheduling.models import Coach
from operational_api.training.models import Client
from tests.factories import account_of, make_account, make_client, make_coach
from tests.operational_api.conftest import SignIn

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session)


@pytest.fixture
def client(session: Session, coach: Coach) -> Client:
    return make_client(session, coach=coach)


def say(session: Session, client: Client, body: str, *, by_coach: bool = True, at: datetime = NOW) -> None:
    """A message in the client's thread."""
    assert client.coach_id is not None
    sender, recipient = (client.coach_id, client.id) if by_coach else (client.id, client.coach_id)
    send_message(
        session, customer_id=client.id, sender_id=sender, recipient_id=recipient, kind="chat", body=body, now=at
    )


def event_types(session: Session) -> list[str]:
    return list(session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)))


class TestConversation:
    def test_goes_from_client_to_coach_and_back(self, session: Session, sign_in: SignIn, client: Client) -> None:
        mia, path = sign_in(account_of(session, client)), f"/api/engagement/threads/{client.id}/messages"
        cara = sign_in(account_of(session, session.get_one(Coach, client.coach_id)))
        assert mia.post(path, json={"body": " Knee is fine again. "}).status_code == 201
        assert cara.post(path, json={"body": "Great!"}).json()["recipient_id"] == str(client.id)
        items = mia.get(path).json()["items"]
        assert [(one["body"], one["sender_name"]) for one in items] == [
            ("Great!", "Coach"),
            ("Knee is fine again.", "Customer"),
        ]
        assert event_types(session) == ["engagement.message_sent"] * 2

    def test_is_read_once_and_announced(self, session: Session, sign_in: SignIn, client: Client) -> None:
        say(session, client, "one")
        say(session, client, "two")
        mia = sign_in(account_of(session, client))
        assert unread_count(session, client.id) == 2
        assert mia.post(f"/api/engagement/threads/{client.id}/read").json() == {"read": 2}
        assert mia.post(f"/api/engagement/threads/{client.id}/read").json() == {"read": 0}
        assert unread_count(session, client.id) == 0
        assert event_types(session).count("engagement.message_read") == 2

    def test_what_came_after_what_was_shown_stays_unread(
        self, session: Session, sign_in: SignIn, client: Client
    ) -> None:
        for n, body in enumerate(["one", "two", "three"]):
            say(session, client, body, at=NOW + timedelta(seconds=n // 2))  # "one" and "two" at once
        mia, path = sign_in(account_of(session, client)), f"/api/engagement/threads/{client.id}"
        newest_last = mia.get(f"{path}/messages").json()["items"][::-1]
        marked = []
        for shown in [newest_last[1], newest_last[0], newest_last[2]]:  # the second device shows an older page
            marked.append(mia.post(f"{path}/read", params={"up_to": shown["id"]}).json()["read"])
        assert marked == [2, 0, 1]
        assert mia.post(f"{path}/read", params={"up_to": str(new_id())}).json() == {"read": 0}
        assert mia.post(f"{path}/read", params={"up_to": "it"}).status_code == 422

    def test_pages_without_gaps(self, session: Session, sign_in: SignIn, client: Client) -> None:
        for n in range(5):
            say(session, client, str(n), at=NOW + timedelta(minutes=n // 2))
        mia, path = sign_in(account_of(session, client)), f"/api/engagement/threads/{client.id}/messages"
        seen: list[str] = []
        cursor = None
        while True:
            page = mia.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
            seen += [one["body"] for one in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert sorted(seen) == list("01234")
        assert mia.get(path, params={"cursor": "nonsense"}).status_code == 422

    @pytest.mark.parametrize("body", ["", "   ", "x" * 4001, "a\0b"])
    def test_refuses_what_is_no_message(self, session: Session, sign_in: SignIn, client: Client, body: str) -> None:
        answer = sign_in(account_of(session, client)).post(
            f"/api/engagement/threads/{client.id}/messages", json={"body": body}
        )
        assert answer.status_code == 422
        assert session.scalars(select(Message)).all() == []

    def test_says_so_when_there_is_no_coach(self, session: Session, sign_in: SignIn) -> None:
        alone = make_client(session)
        answer = sign_in(account_of(session, alone)).post(
            f"/api/engagement/threads/{alone.id}/messages", json={"body": "Hello?"}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "engagement.no_coach_yet")

    @pytest.mark.asvs("8.2.2")
    def test_is_closed_to_everybody_else(self, session: Session, sign_in: SignIn, client: Client) -> None:
        others = [account_of(session, make_client(session)), account_of(session, make_coach(session))]
        for path, method in (("messages", "get"), ("messages", "post"), ("read", "post")):
            for other in others:
                body = {"json": {"body": "Hi"}} if (path, method) == ("messages", "post") else {}
                answer = getattr(sign_in(other), method)(f"/api/engagement/threads/{client.id}/{path}", **body)
                assert answer.status_code == 404
                missing = getattr(sign_in(other), method)(f"/api/engagement/threads/{new_id()}/{path}", **body)
                assert missing.json() | {"trace_id": None} == answer.json() | {"trace_id": None}

    def test_admins_read_but_do_not_write(self, session: Session, sign_in: SignIn, client: Client) -> None:
        admin = sign_in(make_account(session, role="admin"))
        path = f"/api/engagement/threads/{client.id}/messages"
        assert admin.get(path).status_code == 200
        assert admin.post(path, json={"body": "Hi"}).status_code == 403


class TestThreads:
    def test_lists_own_clients_by_last_message(self, session: Session, sign_in: SignIn, coach: Coach) -> None:
        mia = make_client(session, coach=coach, display_name="Mia Maier")
        tom = make_client(session, coach=coach, display_name="Tom Thal")
        make_client(session, coach=coach)
        stranger = make_client(session, coach=make_coach(session))
        say(session, mia, "old", by_coach=False)
        say(session, mia, "older", by_coach=False, at=NOW - timedelta(days=1))
        say(session, tom, "new", at=NOW + timedelta(hours=1))
        say(session, stranger, "secret", at=NOW + timedelta(hours=2))
        cara = sign_in(account_of(session, coach))
        first = cara.get("/api/engagement/threads", params={"limit": 1}).json()
        rest = cara.get("/api/engagement/threads", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert rest["next_cursor"] is None
        told = [
            (one["customer_name"], one["last_message"], one["unread_count"], one["is_last_message_mine"])
            for one in first["items"] + rest["items"]
        ]
        assert told == [("Tom Thal", "new", 0, True), ("Mia Maier", "old", 2, False)]

    def test_is_for_coaches(self, session: Session, sign_in: SignIn, client: Client) -> None:
        assert sign_in(account_of(session, client)).get("/api/engagement/threads").status_code == 403
