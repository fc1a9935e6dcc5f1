"""What tokens say of how a person proved themselves, what clients may ask of it, and that revoking counts at once."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from sqlalchemy import text

from operational_api.app import create_app
from operational_api.identity.models import Account
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import PASSWORD, Relying, enter
from tests.operational_api.identity.second_factors import age_sessions, code, give_app, hidden, seed_on

MakeAccount = Callable[..., Account]


def told(client: Relying, **changes: str | None) -> list[dict[str, Any]]:
    """Claims of the id_token and of the access token."""
    tokens = client.trade(client.answer(**changes)["code"]).json()
    key = client.app.state.keys.active()
    return [jwt.decode(tokens[name], key, algorithms=["RS256"]).claims for name in ("id_token", "access_token")]


def follow(client: Relying, response: Any, account: Account, seed: str | None = None) -> Any:
    """Sign in where the provider sent us; returns what it answers to the client in the end."""
    assert response.headers["location"].startswith("/login?")
    page = client.browser.get(response.headers["location"])
    form = {"email": account.email, "password": PASSWORD, "return_to": hidden(page, "return_to")}
    if 'name="acr"' in page.text:
        form["acr"] = hidden(page, "acr")
    after = client.browser.submit("/login", form, follow_redirects=False)
    if after.headers["location"] == "/two-step" and seed is not None:
        client.browser.get("/two-step")
        after = client.browser.submit("/two-step", {"code": code(seed)}, follow_redirects=False)
    if after.headers["location"].startswith("/oidc/authorize"):
        after = client.browser.get(after.headers["location"], follow_redirects=False)
    return after


def query(response: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


class TestClaims:
    def test_say_when_and_how(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        for claims in told(client):
            assert (claims["acr"], claims["amr"]) == ("urn:plyo:acr:1", ["pwd"])
            assert abs(claims["auth_time"] - time.time()) < 60
        seed = give_app(app, account)
        assert "code=" in follow(client, client.authorize(prompt="login"), account, seed).headers["location"]
        for claims in told(client):
            assert (claims["acr"], claims["amr"]) == ("urn:plyo:acr:2", ["pwd", "otp", "mfa"])

    def test_a_refreshed_token_does_not_make_the_sign_in_younger(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        age_sessions(app, account, minutes=30)
        tokens = client.trade(client.answer()["code"]).json()
        fresh = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
        claims = jwt.decode(fresh["id_token"], app.state.keys.active(), algorithms=["RS256"]).claims
        assert abs(time.time() - 1800 - claims["auth_time"]) < 60


class TestPromptAndMaxAge:
    @pytest.mark.asvs("7.6.1")
    @pytest.mark.parametrize("demand", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "600"}])
    def test_are_met_by_signing_in_again_and_by_nothing_else(
        self, app: FastAPI, make_account: MakeAccount, demand: dict[str, str]
    ) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        age_sessions(app, account)
        asked = client.authorize(**demand)
        back = query(asked)["return_to"]
        for path in (back, back.replace("&asked=", "&x="), back.split("&asked=")[0]):
            unmet = client.browser.get(path, follow_redirects=False)
            assert unmet.headers["location"].startswith("/login?"), path
        assert "code" in query(follow(client, asked, account))

    def test_a_young_session_is_enough_for_max_age(self, app: FastAPI, make_account: MakeAccount) -> None:
        client = Relying(app)
        client.sign_in(make_account(role="admin"))
        assert "code" in client.answer(max_age="600")


class TestAcrValues:
    def test_a_second_factor_is_asked_for_where_there_is_one(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        seed = give_app(app, account)
        assert "code" in client.answer(acr_values="urn:plyo:acr:1")
        asked = client.authorize(acr_values="urn:plyo:acr:2")
        assert "code" in query(follow(client, asked, account, seed))
        assert "code" in client.answer(acr_values="urn:plyo:acr:2 phr")  # either will do

    def test_and_set_up_where_there_is_none(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        after = follow(client, client.authorize(acr_values="urn:plyo:acr:2"), account)
        assert after.headers["location"] == "/two-step/set-up"
        browser = client.browser
        browser.get("/two-step/set-up")
        browser.submit("/two-step/app", {"code": code(seed_on(browser.submit("/two-step/app/new")))})
        done = browser.submit("/two-step/finish", follow_redirects=False)
        assert "code=" in browser.get(done.headers["location"], follow_redirects=False).headers["location"]

    def test_what_cannot_be_met_is_said_once(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        seed = give_app(app, account)
        assert client.answer(acr_values="phr", prompt="none")["error"] == "unmet_authentication_requirements"
        answer = query(follow(client, client.authorize(acr_values="phr"), account, seed))
        assert answer["error"] == "unmet_authentication_requirements"


class TestRevoking:
    @pytest.fixture
    def other_worker(self, app: FastAPI) -> Iterator[FastAPI]:
        """A second process of the API on the same database."""
        other = create_app(app.state.settings)
        other.state.back_channel = TestClient(other, base_url=ISSUER)
        yield other
        other.state.sessions.kw["bind"].dispose()

    @pytest.mark.asvs("7.4.1")
    def test_is_seen_by_every_worker_at_once(
        self, app: FastAPI, other_worker: FastAPI, make_account: MakeAccount
    ) -> None:
        account = make_account(role="admin")
        here, client = enter(app, account), Relying(app)
        client.sign_in(account)
        bearer = {"Authorization": f"Bearer {client.trade(client.answer()['code']).json()['access_token']}"}
        there = TestClient(other_worker, base_url=ISSUER, follow_redirects=False, headers={"Accept": "text/html"})
        there.cookies.update(dict(here.cookies))
        assert there.get("/account").status_code == 200
        assert there.get("/api/identity/me", headers=bearer).status_code == 200
        here.submit("/account/sessions/end")
        refused = there.get("/api/identity/me", headers=bearer)
        assert (refused.status_code, refused.json()["detail"]) == (401, "You have signed out. Sign in again.")
        here.submit("/auth/logout")
        assert there.get("/account").headers["location"].startswith("/auth/login")

    @pytest.mark.asvs("7.3.2")
    def test_a_token_never_outlives_the_session_it_came_from(self, app: FastAPI, make_account: MakeAccount) -> None:
        account, client = make_account(role="admin"), Relying(app)
        client.sign_in(account)
        with app.state.sessions.begin() as session:
            soon = "update identity.login_sessions set expires_at = now() + interval '90 s' where account_id = :id"
            session.execute(text(soon), {"id": account.id})
        [_, claims] = told(client)
        assert 80 <= claims["exp"] - time.time() <= 90
