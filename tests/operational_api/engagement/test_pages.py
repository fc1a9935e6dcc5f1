"""The pages /messages and /staff/announcements, as a browser without JavaScript sees them."""

import re
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.principal import Principal
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.models import Announcement, ContactPreference, Message, OutgoingMessage
from operational_api.engagement.public import send_message, unread_count
from operational_api.engagement.sending import Rhythm
from operational_api.engagement.service import announcements, digests, preferences
from operational_api.training.models import Client
from tests.factories import make_account, make_client, make_coach
from tests.operational_api.conftest import SignIn

HTML = {"Accept": "text/html"}


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def browser(app: FastAPI, mia: Client, api: TestClient) -> TestClient:
    """Mia's browser: signed in, without a bearer token, so that forms need their CSRF token."""
    app.state.authenticators = [lambda _: Principal("customer", "app", mia.id, display_name="Mia Maier")]
    api.headers.update(HTML)
    return api


def csrf(browser: TestClient, page: str = "/messages") -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', browser.get(page).text)
    assert found
    return found[1]


class TestMessagesPage:
    def test_shows_a_check_in_and_reads_it(self, session: Session, browser: TestClient, mia: Client) -> None:
        assert mia.coach_id
        send_message(
            session, customer_id=mia.id, sender_id=mia.coach_id, recipient_id=mia.id, kind="nudge",
            body="Hi <i>Mia</i>", now=datetime.now(UTC),
        )  # fmt: skip
        page = browser.get("/messages").text
        assert "is checking in" in page
        assert "Hi &lt;i&gt;Mia&lt;/i&gt;" in page
        assert "<style nonce=" in page
        assert unread_count(session, mia.id) == 0

    def test_sends_by_a_plain_form(self, session: Session, browser: TestClient, mia: Client) -> None:
        answer = browser.post("/messages", data={"body": "Thank you", "csrf_token": csrf(browser)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/messages")
        assert session.scalars(select(Message.body)).all() == ["Thank you"]
        assert "Thank you" in browser.get("/messages").text
        assert browser.post("/messages", data={"body": "forged"}).status_code == 403

    def test_brings_an_empty_message_back_with_the_reason(self, browser: TestClient) -> None:
        data = {"body": "  ", "csrf_token": csrf(browser)}
        answer = browser.post("/messages", data=data, headers={"Referer": "http://testserver/messages"})
        assert answer.status_code == 303
        assert "1 to 4000 characters" in browser.get("/messages").text

    def test_keeps_preferences(self, session: Session, browser: TestClient, mia: Client) -> None:
        token = csrf(browser)
        browser.post("/messages/preferences", data={"csrf_token": token, "quiet_from": "22:00", "quiet_until": "07:00"})
        kept = session.get_one(ContactPreference, mia.id, populate_existing=True)
        assert (kept.allows_nudges, str(kept.quiet_from), str(kept.quiet_until)) == (False, "22:00:00", "07:00:00")
        half = {"csrf_token": token, "quiet_from": "9 pm", "allows_nudges": "on"}
        assert browser.post("/messages/preferences", data=half).status_code == 422

    def test_keeps_a_coachs_too(self, session: Session, sign_in: SignIn) -> None:
        coach = make_account(session, role="coach")
        at_desk = sign_in(coach)
        assert 'href="/messages/preferences"' in at_desk.get("/inbox").text
        page = at_desk.get("/messages/preferences").text
        assert "Messages from people" in page
        assert "News and offers" not in page
        assert "check in on me" not in page
        chosen = {"quiet_from": "21:00", "quiet_until": "06:30", "choice": "email:reminders"}
        token = csrf(at_desk, "/inbox")
        assert at_desk.post("/messages/preferences", data=chosen | {"csrf_token": token}).status_code == 303
        kept = session.get_one(ContactPreference, coach.id)
        assert (kept.allows_nudges, str(kept.quiet_from)) == (True, "21:00:00")
        said = preferences.choices_of(session, coach.id)
        assert (said["email", "reminders"], said["email", "coaching"]) == (True, False)
        assert not [one for one in said if one[1] == "marketing"]

    def test_keeps_when_lists_come(self, session: Session, browser: TestClient, mia: Client) -> None:
        form = {"csrf_token": csrf(browser), "rhythm_coaching": "daily", "hour_coaching": "19"}
        browser.post("/messages/preferences", data=form | {"rhythm_marketing": "weekly", "hour_marketing": "7"})
        kept = {"coaching": Rhythm(19), "marketing": Rhythm(7, is_weekly=True)}
        assert digests.rhythms_of(session, mia.id) == kept
        page = browser.get("/messages/preferences").text
        assert re.search(r'id="hour_coaching".*<option value="19" selected', page)
        browser.post("/messages/preferences", data={"csrf_token": form["csrf_token"]})
        assert digests.rhythms_of(session, mia.id) == kept, "a page of before says nothing of it"
        browser.post("/messages/preferences", data=form | {"rhythm_coaching": "at_once"})
        assert list(digests.rhythms_of(session, mia.id)) == ["marketing"]
        assert browser.post("/messages/preferences", data=form | {"hour_coaching": "24"}).status_code == 422

    def test_says_what_to_do_without_a_coach(self, session: Session, browser: TestClient, mia: Client) -> None:
        mia.coach_id = None
        session.flush()
        assert "No coach yet" in browser.get("/messages").text

    def test_pages_back(self, session: Session, browser: TestClient, mia: Client) -> None:
        assert mia.coach_id
        for n in range(45):
            send_message(
                session, customer_id=mia.id, sender_id=mia.id, recipient_id=mia.coach_id, kind="chat",
                body=f"message {n:02}", now=datetime.now(UTC),
            )  # fmt: skip
        page = browser.get("/messages").text
        assert "message 44" in page
        assert "message 04" not in page
        older = re.search(r'href="(/messages\?before=[^"]+)"', page)
        assert older
        assert "message 04" in browser.get(older[1]).text

    def test_answers_the_script_with_the_list_alone(self, browser: TestClient) -> None:
        fragment = browser.get("/messages/latest").text
        assert 'id="bubbles"' in fragment
        assert "<html" not in fragment


class TestAnnouncements:
    NEWS = {"segment": "everybody", "subject": "We open at six", "body": "From Monday on.\n\nSee you!"}

    def test_shows_what_would_leave_and_sends_it_only_then(
        self, session: Session, sign_in: SignIn, mia: Client
    ) -> None:
        admin = sign_in(make_account(session, role="admin"))
        page = admin.post("/staff/announcements", data=self.NEWS | {"step": "look"})
        assert page.status_code == 200
        assert "Nothing was sent yet." in page.text
        assert all(
            one in page.text for one in ("We open at six: From Monday on.", 'value="everybody" required checked')
        )
        assert session.scalars(select(Announcement)).all() == []
        assert admin.post("/staff/announcements", data=self.NEWS | {"step": "send"}).status_code == 303
        row = session.scalars(select(OutgoingMessage).where(OutgoingMessage.customer_id == mia.id)).one()
        left = render(row.template, row.context, public_url="http://plyo.test")
        seen = announcements.look(**self.NEWS, public_url="http://plyo.test")
        assert (left.subject, left.text, left.html, left.short) == (seen.subject, seen.text, seen.html, seen.short)

    def test_what_still_waits_is_told_and_can_be_taken_back(
        self, session: Session, sign_in: SignIn, mia: Client
    ) -> None:
        admin = sign_in(make_account(session, role="admin"))
        admin.post("/staff/announcements", data=self.NEWS | {"step": "send"})
        row = session.scalars(select(Announcement)).one()
        way = f"/staff/announcements/{row.id}/cancellation"
        assert all(one in admin.get("/staff/announcements").text for one in (way, f"{row.recipients} still wait"))
        assert admin.post(way).status_code == 303
        page = admin.get("/staff/announcements").text
        assert f"before it left to {row.recipients}" in page
        assert way not in page

    @pytest.mark.parametrize("step", ["look", "send"])
    def test_what_is_refused_loses_nothing(self, session: Session, sign_in: SignIn, step: str) -> None:
        admin = sign_in(make_account(session, role="admin"))
        answer = admin.post("/staff/announcements", data=self.NEWS | {"subject": " ", "step": step})
        assert (answer.status_code, "See you!" in answer.text, "Nothing was sent." in answer.text) == (422, True, True)
        assert session.scalars(select(Announcement)).all() == []
