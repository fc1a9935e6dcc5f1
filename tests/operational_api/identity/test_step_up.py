"""Changing how one signs in asks anew who one is, with the second factor, and loses nothing on the way."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from operational_api.core.models import OutboxEvent
from operational_api.identity.models import Account, DeletionRequest
from operational_api.identity.service import deletion
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER, access_token
from tests.operational_api.identity.conftest import HASH, PASSWORD, Mailbox, enter, log_in
from tests.operational_api.identity.second_factors import age_sessions, begin_sign_in, code, give_app, hidden

MakeAccount = Callable[..., Account]
NEW = "entirely new words"


def events(app: FastAPI, account: Account) -> list[str]:
    with app.state.sessions() as session:
        rows = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == account.id).order_by(OutboxEvent.position)
        return list(session.scalars(rows))


def fresh(app: FastAPI, account: Account) -> Account:
    with app.state.sessions() as session:
        return session.get_one(Account, account.id)


@pytest.fixture(scope="module")
def old_session(app: FastAPI) -> Browser:
    """Signed in, and too long ago."""
    account = Account(email="old@plyo.test", role="customer", display_name="Mia", password_hash=HASH)
    account.email_verified_at = datetime.now(UTC)
    with app.state.sessions.begin() as session:
        session.add(account)
    browser = enter(app, account)
    age_sessions(app, account)
    return browser


class TestDemand:
    @pytest.mark.asvs("7.5.1")
    @pytest.mark.parametrize(
        "path", ["/account/password", "/account/email", "/account/deletion", "/two-step/set-up", "/two-step/codes"]
    )
    def test_pages_ask_after_ten_minutes_and_lead_back(
        self, app: FastAPI, make_account: MakeAccount, path: str
    ) -> None:
        account = make_account()
        browser = enter(app, account)
        assert browser.get(path).url.path == path
        age_sessions(app, account)
        asked = browser.get(path)
        assert (asked.url.path, hidden(asked, "return_to")) == ("/step-up", path)
        assert browser.submit("/step-up", {"password": "wrong words here", "return_to": path}).status_code == 401
        assert browser.submit("/step-up", {"password": PASSWORD, "return_to": path}).url.path == path

    @pytest.mark.asvs("7.5.1")
    @pytest.mark.asvs("7.5.2")
    @pytest.mark.parametrize(
        "path",
        [
            "/account/password", "/account/email", "/account/deletion", "/account/factors/totp/remove",
            "/account/factors/passkeys/0198a000-0000-7000-8000-706c796f0001/remove", "/two-step/app/new",
            "/two-step/app", "/two-step/passkeys", "/two-step/passkeys/options", "/two-step/codes",
            "/account/sessions/end", "/account/sessions/0198a000-0000-7000-8000-706c796f0001/end",
        ],
    )  # fmt: skip
    def test_so_does_every_form(self, app: FastAPI, old_session: Browser, path: str) -> None:
        old_session.get("/account")
        assert old_session.submit(path, {"email": "new@plyo.test", "code": "123456"}).url.path == "/step-up"

    @pytest.mark.asvs("7.5.1", "10.3.4")
    def test_the_api_says_what_is_missing(self, app: FastAPI, make_account: MakeAccount) -> None:
        client = TestClient(app, base_url=ISSUER)
        bearer = {"Authorization": f"Bearer {access_token(app, make_account())}"}
        for method, path, body in (
            ("POST", "me/email", {"email": "new@plyo.test"}), ("POST", "me/deletion", {}), ("DELETE", "sessions", None),
        ):  # fmt: skip
            answer = client.request(method, f"/api/identity/{path}", headers=bearer, json=body)
            assert (answer.status_code, answer.json()["code"]) == (401, "identity.step_up_required")
            assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]

    def test_nobody_is_sent_elsewhere(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        assert hidden(browser.get("/step-up?return_to=https://evil.test"), "return_to") == "/account"
        landed = browser.submit("/step-up", {"password": PASSWORD, "return_to": "//evil.test"})
        assert landed.url.path == "/account"

    def test_wants_the_second_factor_too(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        seed = give_app(app, account)  # set up elsewhere: this session has not proved it
        asked = browser.get("/account/email")
        assert asked.url.path == "/step-up"
        halfway = browser.submit("/step-up", {"password": PASSWORD, "return_to": "/account/email"})
        assert halfway.url.path == "/two-step"
        assert browser.get("/account/email").url.path == "/step-up"
        assert browser.submit("/two-step", {"code": code(seed)}).url.path == "/account/email"
        assert events(app, account)[-1] == "identity.stepped_up"

    @pytest.mark.asvs("7.2.4")
    def test_renews_the_cookies_of_the_session(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        before = {name: browser.cookies[name] for name in ("plyo_login", "plyo_session")}
        browser.get("/step-up")
        browser.submit("/step-up", {"password": PASSWORD, "return_to": "/account"})
        for name, value in before.items():
            assert browser.cookies[name] != value
            thief = Browser(app)
            thief.cookies.set(name, value)
            assert thief.get("/account").url.path == "/login"
        assert browser.get("/account").url.path == "/account"


class TestPassword:
    @pytest.mark.asvs("6.2.2")
    @pytest.mark.asvs("6.2.3")
    @pytest.mark.asvs("7.4.3")
    def test_changes_with_the_current_one_and_ends_other_sessions(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        phone, laptop = enter(app, account), enter(app, account)
        laptop.get("/account/password")
        refused = laptop.submit("/account/password", {"current": "not the one", "password": NEW})
        assert (refused.status_code, 'id="current-error"' in refused.text) == (422, True)
        weak = laptop.submit("/account/password", {"current": PASSWORD, "password": "password1"})
        assert (weak.status_code, 'id="password-error"' in weak.text) == (422, True)
        laptop.submit("/account/password", {"current": PASSWORD, "password": NEW})
        assert laptop.get("/account").url.path == "/account"
        assert phone.get("/account").url.path == "/login"
        assert log_in(Browser(app), account.email, NEW).status_code == 303
        assert mailbox.sent(account.email)[-1].template == "password_changed"
        assert "identity.password_changed" in events(app, account)

    @pytest.mark.asvs("6.3.1")
    def test_guessing_the_current_one_is_counted(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        browser.get("/account/password")
        form = {"password": NEW}
        statuses = [
            browser.submit("/account/password", form | {"current": f"guess {n}"}).status_code for n in range(11)
        ]
        assert statuses == [422] * 10 + [429]


class TestEmail:
    def ask(self, browser: Browser, email: str) -> str:
        browser.get("/account/email")
        return browser.submit("/account/email", {"email": email}).text

    def test_changes_by_a_link_to_the_new_address_and_the_old_one_is_told(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account, new = make_account(), f"new-{datetime.now(UTC).timestamp()}@plyo.test"
        browser = enter(app, account)
        assert "Open the link" in self.ask(browser, new)
        assert fresh(app, account).email == account.email
        link, guest = mailbox.link(new), Browser(app)
        assert new in guest.get(link).text
        assert fresh(app, account).email == account.email  # opening it changes nothing
        token = link.split("token=")[1]
        assert "We write to this address from now on" in guest.submit("/confirm-email", {"token": token}).text
        assert fresh(app, account).email == new
        assert browser.get("/account").url.path == "/login"
        assert log_in(Browser(app), account.email).status_code == 401
        assert log_in(Browser(app), new).status_code == 303
        told = [mail.context["what"] for mail in mailbox.sent(account.email)]
        assert told == ["Somebody asked to change your e-mail address", "Your e-mail address was changed"]
        assert guest.submit("/confirm-email", {"token": token}).status_code == 410

    def test_says_the_same_for_an_address_that_somebody_has(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account, other = make_account(), make_account()
        page = self.ask(enter(app, account), other.email)
        assert f"the link that we have sent to {other.email}" in page
        assert [mail.template for mail in mailbox.sent(other.email)] == ["account_exists"]
        assert fresh(app, account).email == account.email

    def test_a_new_password_ends_the_link(self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox) -> None:
        account, new = make_account(), f"thief-{datetime.now(UTC).timestamp()}@plyo.test"
        browser = enter(app, account)
        self.ask(browser, new)
        browser.get("/account/password")
        browser.submit("/account/password", {"current": PASSWORD, "password": NEW})
        assert Browser(app).get(mailbox.link(new)).status_code == 410

    def test_what_was_filled_in_is_not_lost(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        browser.get("/account/email")
        age_sessions(app, account)
        asked = browser.submit("/account/email", {"email": "mia+new@plyo.test"})
        assert asked.url.path == "/step-up"
        back = browser.submit("/step-up", {"password": PASSWORD, "return_to": hidden(asked, "return_to")})
        assert back.url.path == "/account/email"
        assert re.search(r'name="email"[^>]*value="mia\+new@plyo.test"', back.text)

    @pytest.mark.parametrize("email", ["nonsense", "own"])
    def test_refuses_what_is_no_new_address(self, app: FastAPI, make_account: MakeAccount, email: str) -> None:
        account = make_account()
        page = self.ask(enter(app, account), account.email if email == "own" else email)
        assert 'id="email-error"' in page


class TestDeletion:
    def test_can_be_withdrawn_for_two_weeks(self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox) -> None:
        account = make_account()
        browser = enter(app, account)
        browser.get("/account/deletion")
        page = browser.submit("/account/deletion", {"reason": "Moving  away"})
        assert "Keep my account" in page.text
        browser.submit("/account/deletion", {"reason": "again"})
        with app.state.sessions() as session:
            (row,) = session.scalars(select(DeletionRequest).where(DeletionRequest.account_id == account.id))
        assert (row.reason, row.due_at - row.requested_at) == ("Moving away", timedelta(days=14))
        assert begin_sign_in(Browser(app), account, PASSWORD).url.path == "/account"
        assert "Nothing will be deleted" in browser.submit("/account/deletion/withdraw").text
        assert events(app, account)[-1] == "identity.deletion_withdrawn"
        assert mailbox.sent(account.email)[0].context["what"] == "Your account will be deleted"
        with app.state.sessions.begin() as session:
            deletion.close_due(session, datetime.now(UTC) + timedelta(days=15))
        assert fresh(app, account).disabled_at is None

    @pytest.mark.asvs("7.4.2")
    def test_then_nothing_opens_any_more(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        browser.get("/account/deletion")
        browser.submit("/account/deletion")
        with app.state.sessions.begin() as session:
            late = "update identity.deletion_requests set due_at = now() - interval '1 second' where account_id = :id"
            session.execute(text(late), {"id": account.id})
        assert log_in(Browser(app), account.email).status_code == 403  # before any worker looked
        with app.state.sessions.begin() as session:
            deletion.close_due(session, datetime.now(UTC))
        assert browser.get("/account").url.path == "/login"
        assert log_in(Browser(app), account.email).status_code == 403
        assert events(app, account)[-1] == "identity.account_closed"


class TestFactors:
    def test_can_be_added_and_taken_away(self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox) -> None:
        account = make_account()
        browser = enter(app, account)
        page = browser.submit("/two-step/app/new")
        key = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page.text)
        browser.submit("/two-step/app", {"code": code(key[1].replace(" ", ""))})
        browser.submit("/two-step/codes")
        assert "10 of 10 still work" in browser.get("/account/factors").text
        assert browser.get("/api/identity/me/factors").json() == {
            "has_totp": True, "passkeys": [], "recovery_codes_left": 10,
        }  # fmt: skip
        removed = browser.submit("/account/factors/totp/remove")  # this session proved it when it was added
        assert "Only a password protects this account" in removed.text
        assert begin_sign_in(Browser(app), account, PASSWORD).url.path == "/account"
        assert mailbox.sent(account.email)[-1].context["what"] == "An authenticator app was removed from your account"
