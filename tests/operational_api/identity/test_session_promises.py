"""What sessions and tokens promise by themselves: secrets, ends, and what the app believes of an id_token."""

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from sqlalchemy import text

from contracts.ids import new_id
from operational_api.identity.models import Account
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import Relying, enter
from tests.operational_api.world import routes_of

MakeAccount = Callable[..., Account]


def run(app: FastAPI, statement: str, account: Account) -> Any:
    with app.state.sessions.begin() as session:
        return session.execute(text(statement), {"id": account.id})


class TestSecrets:
    @pytest.mark.asvs("7.2.2", "7.2.3")
    def test_are_made_for_each_session_of_256_random_bits(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        cookies = [dict(enter(app, account).cookies) for _ in range(3)]
        for name in ("plyo_session", "plyo_login"):
            values = [one[name] for one in cookies]
            assert len(set(values)) == 3
            assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in values)
            # Nothing is shared between two of them beyond chance: no prefix, no counter, no account.
            assert all(sum(a == b for a, b in zip(values[0], other, strict=True)) < 12 for other in values[1:])


class TestUnused:
    @pytest.mark.asvs("7.3.1")
    def test_sessions_end_after_two_weeks(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account()
        browser = enter(app, account)
        almost = "update {} set last_seen_at = now() - interval '13 days 23 hours' where account_id = :id"
        over = almost.replace("13 days 23 hours", "14 days")
        for table in ("platform.web_sessions", "identity.login_sessions"):
            run(app, almost.format(table), account)
        assert browser.get("/account", follow_redirects=False).status_code == 200
        for table in ("platform.web_sessions", "identity.login_sessions"):
            run(app, over.format(table), account)
        assert browser.get("/account", follow_redirects=False).headers["location"].startswith("/auth/login")
        login = browser.get("/auth/login", follow_redirects=True)
        assert login.url.path == "/login", "the provider asks for the password, too"


class TestRefreshTokens:
    @pytest.mark.asvs("10.4.8")
    def test_end_at_a_fixed_time_however_often_they_are_renewed(self, app: FastAPI, admin_console: Relying) -> None:
        token = admin_console.trade(admin_console.answer()["code"]).json()["refresh_token"]
        for _ in range(3):
            token = admin_console.token(grant_type="refresh_token", refresh_token=token).json()["refresh_token"]
        ends = """select distinct r.expires_at = s.expires_at and r.expires_at <= s.created_at + interval '30 days'
                  from identity.refresh_tokens r join identity.login_sessions s on s.id = r.session_id"""
        with app.state.sessions() as session:
            assert session.scalars(text(ends)).all() == [True]
            session.execute(text("update identity.refresh_tokens set expires_at = now()"))
            session.commit()
        late = admin_console.token(grant_type="refresh_token", refresh_token=token)
        assert late.json()["error"] == "invalid_grant"


class TestWhoAsks:
    @pytest.mark.asvs("10.3.3")
    def test_is_known_by_what_never_changes_hands(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia, client = make_account(role="admin", email=f"{new_id().hex}@plyo.test"), Relying(app)
        client.sign_in(mia)
        tokens = client.trade(client.answer()["code"]).json()
        run(app, "update identity.accounts set email = 'mia.new@plyo.test' where id = :id", mia)
        other = make_account(role="admin", email=mia.email)  # the address is somebody else's now
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert UUID(TestClient(app, base_url=ISSUER).get("/api/identity/me", headers=bearer).json()["id"]) == mia.id
        assert other.id != mia.id


class TestIdTokens:
    """The web app believes one only if it is the answer to what it asked, of its provider, for itself."""

    @pytest.fixture
    def callback(
        self, app: FastAPI, make_account: MakeAccount
    ) -> Callable[..., tuple[Account, Browser, httpx.Response]]:
        def call(**changes: object) -> tuple[Account, Browser, httpx.Response]:
            account, browser = make_account(), Browser(app)
            sent = httpx.URL(browser.get("/auth/login", follow_redirects=False).headers["location"])
            now = int(time.time())
            told = {
                "iss": ISSUER, "aud": "plyo-app", "sub": str(account.id), "sid": str(new_id()), "role": "customer",
                "name": "Mia", "email": "somebody.else@plyo.test", "nonce": sent.params["nonce"], "iat": now,
                "exp": now + 60,
            } | changes  # fmt: skip
            key = app.state.keys.active()
            claims = {name: value for name, value in told.items() if value is not None}
            id_token = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])
            answer = {"id_token": id_token, "access_token": "a", "refresh_token": "r", "expires_in": 900}
            usual = app.state.back_channel
            app.state.back_channel = httpx.Client(
                base_url=ISSUER, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
            )
            try:
                back = {"state": sent.params["state"], "code": "c", "iss": ISSUER}
                return account, browser, browser.get("/auth/callback", params=back, follow_redirects=False)
            finally:
                app.state.back_channel = usual

        return call

    @pytest.mark.asvs("10.5.2")
    def test_name_people_by_sub_and_nothing_else(self, app: FastAPI, callback: Callable[..., Any]) -> None:
        account, browser, answer = callback()
        assert answer.status_code == 303
        assert "plyo_session" in browser.cookies
        kept = "select count(*) from platform.web_sessions where account_id = :id"
        assert run(app, kept, account).scalar() == 1

    @pytest.mark.asvs("10.5.1", "10.5.4")
    @pytest.mark.parametrize(
        "change",
        [
            {"nonce": "of-another-flow"}, {"nonce": None}, {"aud": "plyo-coach"}, {"aud": None},
            {"iss": "https://evil.test"}, {"iss": None}, {"exp": 1}, {"exp": None},
        ],
        ids=str,
    )  # fmt: skip
    def test_that_are_no_answer_to_this_question_sign_nobody_in(
        self, app: FastAPI, callback: Callable[..., Any], change: dict[str, object]
    ) -> None:
        account, browser, answer = callback(**change)
        assert answer.status_code == 400
        assert "plyo_session" not in browser.cookies
        kept = "select count(*) from platform.web_sessions where account_id = :id"
        assert run(app, kept, account).scalar() == 0


class TestSigningOut:
    @pytest.mark.asvs("7.4.4")
    def test_is_on_every_page_that_asks_who_one_is(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser, guest = enter(app, make_account()), Browser(app)
        found = []
        for route in routes_of(app):
            path = route.path
            if route.method != "GET" or "{" in path or path.startswith(("/api", "/auth", "/oidc")):
                continue
            page = browser.get(path, follow_redirects=False)
            is_page = page.status_code == 200 and page.text.lower().startswith("<!doctype html")  # and no part of one
            if is_page and guest.get(path, follow_redirects=False).status_code != 200:
                assert 'action="/auth/logout"' in page.text, path
                found.append(path)
        assert len(found) > 8
