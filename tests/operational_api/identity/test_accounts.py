"""Signing up, links from e-mails and passwords, by API and by page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.service import addresses
from operational_api.identity import passwords
from operational_api.identity.errors import BadPassword
from operational_api.identity.models import Account
from operational_api.identity.service import accounts, links
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import PASSWORD, Mailbox, enter, log_in

MakeAccount = Callable[..., Account]


def address() -> str:
    return f"{new_id().hex[-10:]}@plyo.test"


def register(app: FastAPI, email: str, **given: str) -> object:
    body = {"email": email, "password": PASSWORD, "display_name": "Mia", "time_zone": "Asia/Ho_Chi_Minh"} | given
    return TestClient(app, base_url=ISSUER).post("/api/identity/accounts", json=body)


def account_of(app: FastAPI, email: str) -> Account:
    with app.state.sessions() as session:
        found = accounts.by_email(session, email)
        assert found is not None
        return found


def events_of(app: FastAPI, account: Account) -> list[str]:
    with app.state.sessions() as session:
        rows = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == account.id).order_by(OutboxEvent.position)
        return list(session.scalars(rows))


class TestRegister:
    @pytest.mark.asvs("11.4.2")
    def test_makes_a_customer_who_must_confirm(self, app: FastAPI, mailbox: Mailbox) -> None:
        email = address()
        assert register(app, email.upper()).status_code == 202
        account = account_of(app, email)
        assert (account.role, account.time_zone, account.email_verified_at) == ("customer", "Asia/Ho_Chi_Minh", None)
        assert account.password_hash.startswith("$argon2id$")
        assert events_of(app, account) == ["identity.account_registered"]
        assert log_in(Browser(app), email).status_code == 403
        assert [mail.template for mail in mailbox.sent(email)] == ["verify_email"]

    @pytest.mark.parametrize(("header", "locale", "subject"), [
        ("vi-VN,vi;q=0.9,en;q=0.5", "vi", "Xác nhận"), ("de,en;q=0.8", "en", "Confirm"), ("", "en", "Confirm"),
    ])  # fmt: skip
    def test_keeps_the_language_the_form_was_read_in_and_writes_in_it(
        self, app: FastAPI, mailbox: Mailbox, header: str, locale: str, subject: str
    ) -> None:
        email, given = address(), {"display_name": "Mia", "password": PASSWORD, "time_zone": "UTC"}
        page = Browser(app)
        page.headers["Accept-Language"] = header
        page.get("/signup")
        page.submit("/signup", given | {"email": email})
        assert account_of(app, email).locale == locale
        with app.state.sessions() as session:
            row = session.scalars(select(OutgoingMessage).where(OutgoingMessage.recipient == email)).one()
        assert row.language == locale
        assert render(row.template, row.context, public_url="", language=row.language).subject.startswith(subject)

    def test_by_api_too_and_the_second_try_of_an_unconfirmed_one_counts(self, app: FastAPI) -> None:
        email = address()
        for language in ("en", "vi"):
            body = {"email": email, "password": PASSWORD, "display_name": "Mia", "time_zone": "UTC"}
            headers = {"Accept-Language": language}
            TestClient(app, base_url=ISSUER, headers=headers).post("/api/identity/accounts", json=body)
            assert account_of(app, email).locale == language

    def test_announces_the_zone_the_customer_lives_in(self, app: FastAPI) -> None:
        email = address()
        register(app, email)
        with app.state.sessions() as session:
            [told] = session.scalars(
                select(OutboxEvent.payload).where(OutboxEvent.aggregate_id == account_of(app, email).id)
            )
        assert told["time_zone"] == "Asia/Ho_Chi_Minh"

    def test_answers_the_same_for_a_known_address(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        known, unknown = make_account(), address()
        one, two = register(app, known.email, password="another password"), register(app, unknown)
        assert (one.status_code, one.json()) == (two.status_code, two.json())
        assert [mail.template for mail in mailbox.sent(known.email)] == ["account_exists"]
        assert log_in(Browser(app), known.email).status_code == 303  # nothing changed for its owner

    def test_again_before_confirming_takes_the_new_password_and_voids_the_old_link(
        self, app: FastAPI, mailbox: Mailbox
    ) -> None:
        email = address()
        register(app, email, password="first choice of words")
        old = mailbox.link(email)
        register(app, email, password="second choice of words")
        assert mailbox.link(email) != old
        assert "too old" in Browser(app).get(old).text
        browser = Browser(app)
        browser.get(mailbox.link(email))
        browser.submit("/verify-email", {"token": mailbox.link(email).split("token=")[1]})
        assert log_in(Browser(app), email, "first choice of words").status_code == 401
        assert log_in(Browser(app), email, "second choice of words").status_code == 303

    @pytest.mark.asvs("1.3.11", "2.2.1", "2.2.2", "6.2.1", "6.2.4")
    @pytest.mark.parametrize(
        "given",
        [
            {"email": "no-address"}, {"email": "a@b"}, {"email": "a b@c.de"}, {"email": "a@b.de\nBcc: x@y.de"},
            {"display_name": " "}, {"display_name": "x" * 81}, {"display_name": "Win! https://evil.test"},
            {"display_name": "<b>Mia</b>"}, {"password": "short"}, {"password": "password123"},
            {"password": "x" * 129}, {"password": "aaaaaaaaaa"},
        ],
    )  # fmt: skip
    def test_refuses_bad_input_and_keeps_nothing(self, app: FastAPI, given: dict[str, str]) -> None:
        email = address()
        refused = register(app, **{"email": email} | given)
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        with app.state.sessions() as session:
            assert session.scalar(select(func.count()).where(Account.email == email)) == 0

    def test_an_unknown_time_zone_is_no_obstacle(self, app: FastAPI) -> None:
        email = address()
        register(app, email, time_zone="Mars/Olympus")
        assert account_of(app, email).time_zone == "UTC"

    def test_a_mailbox_is_not_flooded(self, app: FastAPI, mailbox: Mailbox) -> None:
        email = address()
        for _ in range(8):
            register(app, email)
        assert len(mailbox.sent(email)) == 5

    def test_a_repeat_with_the_same_key_is_one_account(self, app: FastAPI, mailbox: Mailbox) -> None:
        email, client = address(), TestClient(app, base_url=ISSUER)
        body = {"email": email, "password": PASSWORD, "display_name": "Mia"}
        for _ in range(2):
            client.post("/api/identity/accounts", json=body, headers={"Idempotency-Key": email})
        assert len(mailbox.sent(email)) == 1


class TestSignUpPage:
    def test_leads_from_form_to_signed_in_and_on(self, app: FastAPI, mailbox: Mailbox) -> None:
        browser, email = Browser(app), address()
        browser.get("/signup?next=/account")
        form = {"email": email, "password": PASSWORD, "display_name": "Mia", "time_zone": "Europe/Berlin"}
        assert "Check your mailbox" in browser.submit("/signup", form | {"next": "/account"}).text
        page = browser.get(mailbox.link(email))
        assert "Confirm my address" in page.text
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        login_page = browser.submit("/verify-email", {"token": token[1], "then": "/account"})
        assert "Your address is confirmed" in login_page.text
        onward = re.search(r'name="return_to" value="([^"]+)"', login_page.text)[1].replace("&amp;", "&")
        landed = browser.submit("/login", {"email": email, "password": PASSWORD, "return_to": onward})
        assert landed.url.path == "/account"
        assert events_of(app, account_of(app, email)) == [
            "identity.account_registered", "identity.email_verified", "identity.session_started",
        ]  # fmt: skip

    def test_says_at_the_field_what_is_wrong_and_keeps_what_was_typed(self, app: FastAPI) -> None:
        browser = Browser(app)
        browser.get("/signup")
        page = browser.submit("/signup", {"email": "mia@plyo.test", "password": "12345678", "display_name": "Mia"})
        assert page.status_code == 422
        assert 'id="password-error"' in page.text
        assert 'value="mia@plyo.test"' in page.text
        assert "12345678" not in page.text


class TestLinks:
    @pytest.mark.asvs("6.4.1")
    def test_a_used_one_says_so(self, app: FastAPI, mailbox: Mailbox) -> None:
        email, browser = address(), Browser(app)
        register(app, email)
        link = mailbox.link(email)
        token = link.split("token=")[1]
        client = TestClient(app, base_url=ISSUER)
        assert client.post("/api/identity/email-verifications", json={"token": token}).status_code == 200
        again = client.post("/api/identity/email-verifications", json={"token": token})
        assert (again.status_code, again.json()["code"]) == (410, "identity.link_used")
        page = browser.get(link)
        assert (page.status_code, "Already confirmed" in page.text) == (410, True)

    @pytest.mark.asvs("6.4.1")
    def test_an_old_one_offers_a_new_one(self, app: FastAPI, mailbox: Mailbox) -> None:
        email, browser = address(), Browser(app)
        register(app, email)
        account = account_of(app, email)
        with app.state.sessions.begin() as session:
            session.execute(
                text(
                    "update identity.email_tokens set expires_at = now() - interval '1 minute' where account_id = :id"
                ),
                {"id": account.id},
            )
        page = browser.get(mailbox.link(email))
        assert (page.status_code, "Send a new one" in page.text) == (410, True)
        token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
        browser.submit("/verify-email/new", {"token": token})
        assert len(mailbox.sent(email)) == 2
        assert "Confirm my address" in browser.get(mailbox.link(email)).text

    def test_a_made_up_one_offers_a_new_one_too(self, app: FastAPI) -> None:
        page = Browser(app).get("/verify-email?token=made-up")
        assert (page.status_code, "Send a new one" in page.text) == (404, True)
        assert Browser(app).get("/reset-password?token=made-up").status_code == 404

    def test_opening_one_changes_nothing(self, app: FastAPI, mailbox: Mailbox) -> None:
        email = address()
        register(app, email)
        for _ in range(2):
            Browser(app).get(mailbox.link(email))
        assert account_of(app, email).email_verified_at is None

    def test_one_purpose_does_not_serve_another(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account(email_verified_at=None)
        Browser(app).get("/")
        client = TestClient(app, base_url=ISSUER)
        client.post("/api/identity/email-verifications/requests", json={"email": account.email})
        token = mailbox.link(account.email).split("token=")[1]
        refused = client.post(f"/api/identity/password-resets/{token}", json={"password": "some new words"})
        assert refused.status_code == 404


class TestMailThatCameBack:
    """A mail server once said that nobody is there; whoever reads the mailbox shows that it was wrong."""

    def is_dead(self, app: FastAPI, email: str) -> bool:
        with app.state.sessions() as session:
            return addresses.mail_comes_back(session, email)

    def bounce(self, app: FastAPI, email: str) -> None:
        with app.state.sessions.begin() as session:
            addresses.suppress(session, channel="email", address=email, reason="bounce", now=datetime.now(UTC))

    def test_is_confirmed_at_the_same_address_and_nobody_is_signed_out(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        browser = Browser(app)
        log_in(browser, account.email)
        assert "come back" not in browser.get("/account").text
        taken = browser.submit("/account/email", {"email": account.email})
        assert "your address already" in taken.text
        self.bounce(app, account.email)
        assert "come back" in browser.get("/account").text
        browser.submit("/account/email", {"email": account.email})
        token = mailbox.link(account.email).rpartition("token=")[2]
        assert self.is_dead(app, account.email), "asking proves nothing"
        browser.submit("/confirm-email", {"token": token})
        assert not self.is_dead(app, account.email)
        assert browser.get("/account").status_code == 200

    @pytest.mark.parametrize("purpose", ["verify", "reset"])
    def test_any_link_that_was_followed_shows_it(self, app: FastAPI, make_account: MakeAccount, purpose: str) -> None:
        account = make_account()
        self.bounce(app, account.email)
        now = datetime.now(UTC)
        with app.state.sessions.begin() as session:
            token = links.issue(session, account_id=account.id, purpose=purpose, now=now)
            assert token
            if purpose == "verify":
                accounts.verify_email(session, token=token, now=now)
            else:
                accounts.reset_password(session, token=token, password=PASSWORD + "2", now=now)
        assert not self.is_dead(app, account.email)


class TestPasswordReset:
    @pytest.mark.asvs("6.2.2", "7.4.3")
    def test_sets_the_password_and_ends_every_session(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        signed_in = enter(app, account)
        browser = Browser(app)
        browser.get("/reset-password")
        assert "Check your mailbox" in browser.submit("/reset-password", {"email": account.email}).text
        page = browser.get(mailbox.link(account.email))
        token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
        refused = browser.submit("/reset-password", {"token": token, "password": "password"})
        assert (refused.status_code, 'id="password-error"' in refused.text) == (422, True)
        done = browser.submit("/reset-password", {"token": token, "password": "entirely new words"})
        assert "Your new password works" in done.text
        assert signed_in.get("/account").url.path == "/login"
        assert log_in(Browser(app), account.email).status_code == 401
        assert log_in(Browser(app), account.email, "entirely new words").status_code == 303
        assert [mail.template for mail in mailbox.sent(account.email)] == ["reset_password", "password_changed"]

    def test_answers_the_same_for_an_unknown_address(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        client, unknown = TestClient(app, base_url=ISSUER), address()
        answers = [
            client.post("/api/identity/password-resets", json={"email": email})
            for email in (make_account().email, unknown)
        ]
        assert {answer.status_code for answer in answers} == {202}
        assert answers[0].json() == answers[1].json()
        assert mailbox.sent(unknown) == []


class TestGuessing:
    @pytest.mark.asvs("6.3.1")
    def test_an_attacker_is_stopped_and_a_known_browser_is_not(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        owner = enter(app, account)
        attacker = Browser(app)
        statuses = [log_in(attacker, account.email, f"guess number {n}").status_code for n in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        refused = log_in(attacker, account.email)
        assert refused.status_code == 429  # even with the right password
        assert 0 < int(refused.headers["retry-after"]) <= 15 * 60 + 1
        assert log_in(owner, account.email).status_code == 303

    def test_is_forgotten_after_a_while(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, browser = make_account(), Browser(app)
        for n in range(11):
            log_in(browser, account.email, f"guess number {n}")
        with app.state.sessions.begin() as session:
            session.execute(text("update identity.failed_attempts set attempted_at = now() - interval '16 minutes'"))
        assert log_in(browser, account.email).status_code == 303

    def test_a_wrong_address_looks_like_a_wrong_password(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        pages = [log_in(Browser(app), email, "wrong words here") for email in (account.email, address())]
        assert {page.status_code for page in pages} == {401}
        one, two = (re.sub(r'value="[^"]*"|content="\w+"', "", page.text) for page in pages)
        assert one == two

    def test_a_closed_account_stays_closed(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account(disabled_at=datetime.now(UTC) - timedelta(days=1))
        assert log_in(Browser(app), account.email).status_code == 403


class TestPasswords:
    @pytest.mark.asvs("6.2.5")
    def test_no_composition_rules(self) -> None:
        passwords.check("only lower case letters", email="mia@plyo.test")

    @pytest.mark.asvs("6.2.4")
    @pytest.mark.parametrize("password", ["mia@plyo.test", "qwertyuiop", "abababababab", "1234567"])
    def test_refuses_what_is_guessed_first(self, password: str) -> None:
        with pytest.raises(BadPassword):
            passwords.check(password, email="mia@plyo.test")

    def test_nobody_has_no_password(self) -> None:
        assert passwords.verify("nobody has this password", None)[0] is False
