"""The web app as a client of the provider: cookies, sessions, silent renewal, signing out, one's own devices."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from operational_api.core.errors import Unauthenticated, Unavailable
from operational_api.identity.models import Account
from operational_api.web import sessions
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import PASSWORD, enter

MakeAccount = Callable[..., Account]


def request_of(browser: Browser) -> Any:
    """What a page of this browser has in hand."""
    return SimpleNamespace(app=browser.app, cookies=dict(browser.cookies))


def age_tokens(app: FastAPI, account: Account) -> None:
    with app.state.sessions.begin() as session:
        statement = "update platform.web_sessions set access_expires_at = now() where account_id = :id"
        session.execute(text(statement), {"id": account.id})


class TestSignIn:
    @pytest.mark.parametrize(("role", "path"), [("customer", "/home"), ("coach", "/coach/"), ("admin", "/admin/")])
    def test_each_role_lands_where_it_works(
        self, app: FastAPI, make_account: MakeAccount, role: str, path: str
    ) -> None:
        browser = enter(app, make_account(role=role))
        assert browser.get("/auth/login", follow_redirects=False).headers["location"] == path
        assert browser.get("/", follow_redirects=False).headers["location"] == path

    @pytest.mark.asvs("10.1.1")
    def test_the_cookie_says_nothing(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        cookie = browser.cookies["plyo_session"]
        with app.state.sessions() as session:
            rows = "".join(session.scalars(text("select w::text from platform.web_sessions w")))
        assert cookie not in rows
        assert "eyJ" not in rows
        assert len(cookie) >= 43

    def test_a_second_application_needs_no_second_password(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        del browser.cookies["plyo_session"]
        assert browser.get("/account").status_code == 200

    @pytest.mark.asvs("10.1.2", "10.2.1", "10.2.2")
    @pytest.mark.parametrize(
        "change", [{"state": "forged"}, {"iss": "https://evil.test"}, {"iss": ""}, {"code": "made-up"}]
    )
    def test_a_forged_answer_signs_nobody_in(
        self, app: FastAPI, make_account: MakeAccount, change: dict[str, str]
    ) -> None:
        browser = enter(app, make_account())
        del browser.cookies["plyo_session"]
        begun = browser.get("/auth/login", follow_redirects=False)
        back = httpx.URL(browser.get(begun.headers["location"], follow_redirects=False).headers["location"])
        answer = browser.get("/auth/callback", params=dict(back.params) | change)
        assert answer.status_code == 400
        assert "Please try again" in answer.text
        assert "plyo_session" not in browser.cookies

    @pytest.mark.asvs("10.1.2", "10.2.1")
    def test_an_answer_of_another_browser_signs_nobody_in(self, app: FastAPI, make_account: MakeAccount) -> None:
        attacker = enter(app, make_account())
        del attacker.cookies["plyo_session"]
        begun = attacker.get("/auth/login", follow_redirects=False)
        back = attacker.get(begun.headers["location"], follow_redirects=False).headers["location"]
        victim = Browser(app)
        assert victim.get(back).status_code == 400
        assert "plyo_session" not in victim.cookies

    @pytest.mark.asvs("10.1.2")
    def test_each_tab_signs_in_on_its_own(self, app: FastAPI, make_account: MakeAccount) -> None:
        """Two tabs begin side by side; each comes back to where it was going, whichever is first."""
        account, browser = make_account(), Browser(app)
        pages = [browser.get(f"/auth/login?return_to={to}").text for to in ("/account", "/account/factors")]
        onward = [page.split('name="return_to" value="')[1].split('"')[0].replace("&amp;", "&") for page in pages]
        for turn, path in ((1, "/account/factors"), (0, "/account")):
            form = {"email": account.email, "password": PASSWORD, "return_to": onward[turn]}
            assert browser.submit("/login", form).url.path == path
        assert not [name for name in browser.cookies if "flow" in name]

    def test_tabs_that_are_never_finished_do_not_pile_up(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = Browser(app)
        for _ in range(20):
            last = browser.get("/auth/login?return_to=/account")
        assert len([name for name in browser.cookies if "flow" in name]) == 6
        onward = last.text.split('name="return_to" value="')[1].split('"')[0].replace("&amp;", "&")
        form = {"email": make_account().email, "password": PASSWORD, "return_to": onward}
        assert browser.submit("/login", form).url.path == "/account"

    @pytest.mark.asvs("3.7.2")
    def test_never_leads_elsewhere(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        answer = browser.get("/auth/login?return_to=//evil.test", follow_redirects=False)
        assert answer.headers["location"] == "/home"

    @pytest.mark.asvs("7.2.4")
    def test_a_new_sign_in_changes_the_cookie_and_the_form_token(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        old, old_token = browser.cookies["plyo_session"], browser.csrf_token
        browser.submit("/auth/logout")
        page = browser.get("/auth/login?return_to=/account")
        onward = page.text.split('name="return_to" value="')[1].split('"')[0].replace("&amp;", "&")
        browser.submit("/login", {"email": account.email, "password": PASSWORD, "return_to": onward})
        assert browser.cookies["plyo_session"] != old
        assert browser.post("/account", data={"csrf_token": old_token}).status_code == 403


class TestAccessToken:
    def test_is_renewed_when_old_once_for_many_pages(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        first = sessions.access_token(request_of(browser))
        age_tokens(app, account)
        with ThreadPoolExecutor(4) as pool:
            renewed = set(pool.map(lambda _: sessions.access_token(request_of(browser)), range(4)))
        assert len(renewed) == 1
        assert first not in renewed
        answer = TestClient(app, base_url=ISSUER).get(
            "/api/identity/me", headers={"Authorization": f"Bearer {renewed.pop()}"}
        )
        assert answer.json()["id"] == str(account.id)

    def test_ends_the_session_when_the_provider_refuses(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        age_tokens(app, account)
        with app.state.sessions.begin() as session:
            session.execute(
                text("update identity.refresh_tokens set revoked_at = now() where account_id = :id"), {"id": account.id}
            )
        with pytest.raises(Unauthenticated):
            sessions.access_token(request_of(browser))
        with app.state.sessions() as session:
            left = text("select count(*) from platform.web_sessions where account_id = :id")
            assert session.scalar(left, {"id": account.id}) == 0

    def test_says_when_the_provider_does_not_answer(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        age_tokens(app, account)
        working, app.state.back_channel = app.state.back_channel, httpx.Client(base_url="http://127.0.0.1:9")
        try:
            with pytest.raises(Unavailable):
                sessions.access_token(request_of(browser))
        finally:
            app.state.back_channel = working
        assert sessions.access_token(request_of(browser))


class TestSignOut:
    @pytest.mark.asvs("7.4.1")
    def test_ends_everything_here_and_at_the_provider(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        cookie = browser.cookies["plyo_session"]
        page = browser.submit("/auth/logout")
        assert "You are signed out." in page.text
        assert browser.get("/account").url.path == "/login"
        browser.cookies.set("plyo_session", cookie)
        assert browser.get("/account").url.path == "/login"

    @pytest.mark.asvs("3.5.1")
    def test_needs_the_form_token(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        assert browser.post("/auth/logout").status_code == 403
        assert browser.get("/account").url.path == "/account"


class TestDevices:
    def test_signing_one_out_works_with_its_next_request(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        phone, laptop = enter(app, account), enter(app, account)
        page = laptop.get("/account")
        assert page.text.count("This device") == 1
        form = page.text.split('action="/account/sessions/')[1].split('"')[0]
        assert "That device is signed out." in laptop.submit(f"/account/sessions/{form}").text
        assert phone.get("/account").url.path == "/login"
        assert laptop.get("/account").url.path == "/account"

    def test_everywhere_else_spares_this_one(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        others, mine = [enter(app, account) for _ in range(2)], enter(app, account)
        assert "Signed out on 2 other devices." in mine.submit("/account/sessions/end").text
        assert {other.get("/account").url.path for other in others} == {"/login"}

    @pytest.mark.asvs("8.2.2")
    def test_nobody_ends_somebody_elses(self, app: FastAPI, make_account: MakeAccount) -> None:
        mine, theirs = enter(app, make_account()), enter(app, make_account())
        their_id = theirs.get("/api/identity/sessions").json()["items"][0]["id"]
        headers = {"X-CSRF-Token": mine.csrf_token, "Accept": "application/json"}
        assert mine.delete(f"/api/identity/sessions/{their_id}", headers=headers).status_code == 404
        assert theirs.get("/account").url.path == "/account"

    @pytest.mark.asvs("3.5.1")
    def test_the_api_with_a_cookie_needs_the_form_token(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        assert browser.delete("/api/identity/sessions").status_code == 403
        headers = {"X-CSRF-Token": browser.csrf_token}
        assert browser.delete("/api/identity/sessions", headers=headers).status_code == 204
        assert browser.get("/account").url.path == "/login"


class TestProfile:
    def test_a_change_shows_at_once(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        page = browser.submit("/account", {"display_name": "Mia S.", "time_zone": "America/New_York"})
        assert "Saved." in page.text
        assert "Mia S." in page.text
        assert browser.get("/api/identity/me").json()["time_zone"] == "America/New_York"

    def test_a_bad_one_comes_back_with_the_reason(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = enter(app, make_account())
        page = browser.submit(
            "/account", {"display_name": "Mia", "time_zone": "Nowhere"}, headers={"Referer": f"{ISSUER}/account"}
        )
        assert "We do not know that time zone." in page.text
