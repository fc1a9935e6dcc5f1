"""Signing in with a second step: nothing is open before it, it cannot be skipped, guessed or replayed."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from contracts.ids import new_id
from operational_api.identity.models import Account
from operational_api.identity.pages.common import sealer_of
from operational_api.identity.service import risk, totp
from operational_api.identity.service.risk import Assessment, Reason
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.authenticator import Authenticator
from tests.operational_api.identity.conftest import PASSWORD, Mailbox, log_in, unasked
from tests.operational_api.identity.second_factors import begin_sign_in, code, give_app, give_codes, seed_on

MakeAccount = Callable[..., Account]


@pytest.fixture
def strict(app: FastAPI) -> Iterator[FastAPI]:
    """The app as it is deployed: staff must have a second factor."""
    usual = app.state.settings
    app.state.settings = usual.model_copy(update={"staff_mfa": "required"})
    yield app
    app.state.settings = usual


@pytest.fixture
def judge(app: FastAPI) -> Iterator[Callable[[str], None]]:
    """Has the next sign-ins judged like this."""

    def says(decision: str) -> None:
        why = Reason("device", "You have not signed in from this device before.", 1.0)
        app.state.assess_sign_in = lambda session, *, account, browser, now: Assessment(new_id(), decision, 1.0, (why,))

    yield says
    app.state.assess_sign_in = unasked


def amr_of(app: FastAPI, account: Account) -> list[list[str]]:
    with app.state.sessions() as session:
        rows = "select amr from identity.login_sessions where account_id = :id and revoked_at is null order by id"
        return list(session.scalars(text(rows), {"id": account.id}))


class TestCode:
    @pytest.mark.asvs("6.3.3")
    def test_completes_the_sign_in(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        seed, browser = give_app(app, account), Browser(app)
        asked = begin_sign_in(browser, account, PASSWORD)
        assert asked.url.path == "/two-step"
        assert "plyo_login" not in browser.cookies
        landed = browser.submit("/two-step", {"code": code(seed)})
        assert landed.url.path == "/account"
        assert "with password and code" in landed.text
        assert amr_of(app, account) == [["pwd", "otp", "mfa"]]
        assert "plyo_pending" not in browser.cookies

    @pytest.mark.asvs("6.5.1")
    def test_works_once(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        seed = give_app(app, account)
        first, second = Browser(app), Browser(app)
        for browser in (first, second):
            begin_sign_in(browser, account, PASSWORD)
        given = code(seed)
        assert first.submit("/two-step", {"code": given}).url.path == "/account"
        refused = second.submit("/two-step", {"code": given})
        assert (refused.status_code, "was used before" in refused.text) == (401, True)

    def test_works_once_for_many_at_once(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        given = code(give_app(app, account))

        def use(_: int) -> bool:
            now, sealer = datetime.now(UTC), sealer_of(SimpleNamespace(app=app))
            with app.state.sessions.begin() as session:
                return totp.verify(session, account_id=account.id, code=given, sealer=sealer, now=now)

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]

    @pytest.mark.asvs("6.3.1")
    @pytest.mark.asvs("6.6.3")
    def test_guessing_stops_and_the_right_one_does_not_help(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        seed, browser = give_app(app, account), Browser(app)
        begin_sign_in(browser, account, PASSWORD)
        statuses = [browser.submit("/two-step", {"code": f"{n:06}"}).status_code for n in range(11)]
        assert statuses == [401] * 10 + [429]
        refused = browser.submit("/two-step", {"code": code(seed)})
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        again = Browser(app)
        begin_sign_in(again, account, PASSWORD)
        assert again.submit("/two-step", {"code": code(seed)}).status_code == 429


class TestPending:
    @pytest.mark.asvs("7.2.1")
    @pytest.mark.asvs("2.3.1")
    def test_is_no_session(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        give_app(app, account)
        browser = Browser(app)
        begin_sign_in(browser, account, PASSWORD)
        half = browser.cookies["plyo_pending"]
        for path in ("/account", "/account/factors", "/two-step/set-up", "/two-step/codes", "/step-up"):
            assert browser.get(path).url.path in ("/login", "/two-step"), path
        assert browser.submit("/two-step/finish").url.path == "/two-step"
        assert browser.get("/api/identity/me").status_code == 401
        for cookie in ("plyo_login", "plyo_session"):
            thief = Browser(app)
            thief.cookies.set(cookie, half)
            assert thief.get("/account").url.path == "/login"

    def test_ends_after_a_while(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        seed, browser = give_app(app, account), Browser(app)
        begin_sign_in(browser, account, PASSWORD)
        with app.state.sessions.begin() as session:
            old = "update identity.pending_sign_ins set expires_at = now() where account_id = :id"
            session.execute(text(old), {"id": account.id})
        page = browser.submit("/two-step", {"code": code(seed)})
        assert page.url.path == "/login"
        assert "That took too long" in page.text

    def test_serves_once(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        seed, browser = give_app(app, account), Browser(app)
        begin_sign_in(browser, account, PASSWORD)
        half = browser.cookies["plyo_pending"]
        browser.submit("/two-step", {"code": code(seed)})
        thief = Browser(app)
        thief.get("/login")
        thief.cookies.set("plyo_pending", half)
        assert thief.submit("/two-step", {"code": code(seed, ahead=1)}).url.path == "/login"
        assert thief.submit("/two-step/finish").url.path == "/login"

    def test_does_not_outlive_the_password_it_began_with(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        seed, thief, owner = give_app(app, account), Browser(app), Browser(app)
        begin_sign_in(thief, account, PASSWORD)
        owner.get("/reset-password")
        owner.submit("/reset-password", {"email": account.email})
        token = mailbox.link(account.email).split("token=")[1]
        owner.submit("/reset-password", {"token": token, "password": "entirely new words"})
        assert thief.submit("/two-step", {"code": code(seed)}).url.path == "/login"

    @pytest.mark.asvs("6.4.3")
    def test_a_new_password_by_e_mail_does_not_go_round_it(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        give_app(app, account)
        browser = Browser(app)
        browser.get("/reset-password")
        browser.submit("/reset-password", {"email": account.email})
        token = mailbox.link(account.email).split("token=")[1]
        browser.submit("/reset-password", {"token": token, "password": "entirely new words"})
        assert begin_sign_in(browser, account, "entirely new words").url.path == "/two-step"


class TestRecoveryCode:
    @pytest.mark.asvs("6.5.1")
    def test_lets_in_once_and_its_owner_is_told(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        give_app(app, account)
        codes = give_codes(app, account)
        for expected in ("/account", "/two-step"):
            browser = Browser(app)
            begin_sign_in(browser, account, PASSWORD)
            assert "Recovery code" in browser.get("/two-step?is_recovery=true").text
            landed = browser.submit("/two-step", {"code": codes[0], "is_recovery": "yes"})
            assert landed.url.path == expected
        assert landed.status_code == 401
        (told,) = mailbox.sent(account.email)
        assert told.context["what"] == "A recovery code was used to sign in"


class TestPasskey:
    def test_completes_the_sign_in_and_counts_as_phishing_resistant(
        self, app: FastAPI, make_account: MakeAccount
    ) -> None:
        account, device = make_account(), Authenticator(origin=ISSUER, rp_id="testserver")
        browser = Browser(app)
        begin_sign_in(browser, account, PASSWORD)
        headers = {"X-CSRF-Token": browser.csrf_token}
        options = browser.post("/two-step/passkeys/options", headers=headers).json()
        made = browser.submit("/two-step/passkeys", {"answer": device.create(options), "name": "Key"})
        assert made.url.path == "/two-step/codes"
        again = Browser(app)
        asked = begin_sign_in(again, account, PASSWORD)
        assert asked.url.path == "/two-step"
        options = again.post("/two-step/passkey/options", headers={"X-CSRF-Token": again.csrf_token}).json()
        answer = device.get(options)
        assert again.submit("/two-step/passkey", {"answer": answer}).url.path == "/account"
        assert amr_of(app, account)[-1] == ["pwd", "hwk", "user", "mfa"]
        third = Browser(app)
        begin_sign_in(third, account, PASSWORD)
        refused = third.submit("/two-step/passkey", {"answer": answer})
        assert (refused.status_code, "Try again" in refused.text) == (422, True)


class TestStaff:
    @pytest.mark.asvs("6.3.3")
    @pytest.mark.parametrize("role", ["coach", "admin"])
    def test_are_led_through_set_up_before_anything_opens(
        self, strict: FastAPI, make_account: MakeAccount, mailbox: Mailbox, role: str
    ) -> None:
        account, browser = make_account(role=role), Browser(strict)
        asked = begin_sign_in(browser, account, PASSWORD)
        assert asked.url.path == "/two-step/set-up"
        assert browser.get("/api/identity/me").status_code == 401
        assert browser.submit("/two-step/finish").url.path == "/two-step/set-up"
        assert browser.submit("/two-step/codes").status_code == 409
        page = browser.submit("/two-step/app/new")
        assert page.text.count("<svg") > 1
        refused = browser.submit("/two-step/app", {"code": "000000"})
        assert (refused.status_code, seed_on(refused)) == (401, seed_on(page))
        assert amr_of(strict, account) == []
        done = browser.submit("/two-step/app", {"code": code(seed_on(page))})
        assert done.url.path == "/two-step/codes"
        shown = browser.submit("/two-step/codes")
        assert len(re.findall(r"<li><code>[0-9A-Z-]{29}</code>", shown.text)) == 10
        assert shown.headers["cache-control"] == "no-store"
        assert browser.submit("/two-step/finish").url.path == "/account"
        assert amr_of(strict, account) == [["pwd", "otp", "mfa"]]
        told = [mail.context["what"] for mail in mailbox.sent(account.email)]
        assert told == ["An authenticator app was added to your account", "New recovery codes were made"]

    def test_keep_their_last_factor(self, strict: FastAPI, make_account: MakeAccount) -> None:
        account = make_account(role="coach")
        seed, browser = give_app(strict, account), Browser(strict)
        begin_sign_in(browser, account, PASSWORD)
        browser.submit("/two-step", {"code": code(seed)})
        page = browser.submit("/account/factors/totp/remove", headers={"Referer": f"{ISSUER}/account/factors"})
        assert "Your role needs a second step" in page.text
        assert begin_sign_in(Browser(strict), account, PASSWORD).url.path == "/two-step"

    def test_customers_need_none(self, strict: FastAPI, make_account: MakeAccount) -> None:
        assert begin_sign_in(Browser(strict), make_account(), PASSWORD).url.path == "/account"


class TestUnusualSignIn:
    def test_is_one_by_another_browser_elsewhere(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox, judge: Callable[[str], None]
    ) -> None:
        account = make_account()
        assert begin_sign_in(Browser(app), account, PASSWORD).url.path == "/account"
        app.state.assess_sign_in = risk.assess
        page = begin_sign_in(stranger := Browser(app), account, PASSWORD)
        assert page.url.path == "/two-step/email"
        assert "A browser that has not signed in to your account before" in page.text
        landed = stranger.submit("/two-step/email", {"code": self.code(mailbox, account)})
        assert landed.url.path == "/account"
        told = stranger.get("/account/sign-ins").text
        assert "Signed in after a second proof" in told
        assert "Why we asked" in told

    def code(self, mailbox: Mailbox, account: Account) -> str:
        return str(mailbox.sent(account.email)[-1].context["code"])

    @pytest.mark.asvs("6.5.1")
    @pytest.mark.asvs("6.5.5")
    def test_asks_for_a_code_by_e_mail_and_says_why(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox, judge: Callable[[str], None]
    ) -> None:
        account, browser = make_account(), Browser(app)
        judge("step_up")
        page = begin_sign_in(browser, account, PASSWORD)
        assert page.url.path == "/two-step/email"
        assert "You have not signed in from this device before." in page.text
        given = self.code(mailbox, account)
        assert re.fullmatch(r"\d{6}", given)
        with app.state.sessions() as session:
            (lasts,) = session.scalars(
                text(
                    "select extract(epoch from email_code_expires_at - created_at) from identity.pending_sign_ins "
                    "where account_id = :id and email_code_hash like '$argon2id$%'"
                ),
                {"id": account.id},
            )
        assert lasts == 600
        assert browser.submit("/two-step/email", {"code": given}).url.path == "/account"
        assert amr_of(app, account) == [["pwd", "email"]]

    @pytest.mark.asvs("6.6.2")
    def test_its_code_serves_that_sign_in_only(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox, judge: Callable[[str], None]
    ) -> None:
        account, owner, attacker = make_account(), Browser(app), Browser(app)
        judge("step_up")
        begin_sign_in(attacker, account, PASSWORD)
        begin_sign_in(owner, account, PASSWORD)
        assert attacker.submit("/two-step/email", {"code": self.code(mailbox, account)}).status_code == 401

    @pytest.mark.asvs("6.6.3")
    def test_five_wrong_ones_void_it(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox, judge: Callable[[str], None]
    ) -> None:
        account, browser = make_account(), Browser(app)
        judge("step_up")
        begin_sign_in(browser, account, PASSWORD)
        right = self.code(mailbox, account)
        wrong = "111111" if right != "111111" else "222222"
        assert [browser.submit("/two-step/email", {"code": wrong}).status_code for _ in range(6)] == [401] * 5 + [410]
        assert browser.submit("/two-step/email", {"code": right}).status_code == 410
        browser.submit("/two-step/email/new")
        assert len(mailbox.sent(account.email)) == 1  # not again within a minute

    def test_with_a_factor_asks_for_that(
        self, app: FastAPI, make_account: MakeAccount, judge: Callable[[str], None]
    ) -> None:
        account = make_account()
        give_app(app, account)
        judge("step_up")
        page = begin_sign_in(Browser(app), account, PASSWORD)
        assert page.url.path == "/two-step"
        assert "You have not signed in from this device before." in page.text

    def test_of_staff_asks_for_both_in_turn(
        self, strict: FastAPI, make_account: MakeAccount, mailbox: Mailbox, judge: Callable[[str], None]
    ) -> None:
        account, browser = make_account(role="admin"), Browser(strict)
        judge("step_up")
        assert begin_sign_in(browser, account, PASSWORD).url.path == "/two-step/email"
        assert browser.get("/two-step/set-up").url.path == "/login"  # not before the code
        begin_sign_in(browser, account, PASSWORD)
        assert browser.submit("/two-step/email", {"code": self.code(mailbox, account)}).url.path == "/two-step/set-up"

    def test_may_be_refused_although_the_password_is_right(
        self, app: FastAPI, make_account: MakeAccount, judge: Callable[[str], None]
    ) -> None:
        account = make_account()
        give_app(app, account)
        judge("refuse")
        refused: Any = log_in(Browser(app), account.email)
        assert (refused.status_code, "does not look like you" in refused.text) == (403, True)
        assert amr_of(app, account) == []


class TestPagesOfNobody:
    def test_lead_to_sign_in(self, app: FastAPI) -> None:
        for path in ("/two-step", "/two-step/email", "/two-step/set-up", "/two-step/app", "/two-step/codes"):
            assert TestClient(app, base_url=ISSUER, headers={"Accept": "text/html"}).get(path).url.path == "/login"
