"""Whom each client's tokens are for, and that the API believes no other: every hop of docs/operations.md that starts
at the provider."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt

from contracts.tokens import ANALYTICS, API, DAGSTER
from operational_api.core.principal import Principal
from operational_api.core.tokens import DELEGATED_SECONDS
from operational_api.identity.models import Account
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import SECRETS, Relying, log_in

MakeAccount = Callable[..., Account]


def claims_of(app: FastAPI, token: str) -> dict[str, Any]:
    return jwt.decode(token, app.state.keys.active(), algorithms=["RS256"]).claims


def ask(app: FastAPI, token: str, path: str = "/api/integrations/wearable-links") -> int:
    return TestClient(app, base_url=ISSUER).get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def service_token(app: FastAPI, client_id: str) -> str:
    answer = Relying(app, client_id=client_id, secret=SECRETS[client_id]).token(grant_type="client_credentials")
    token: str = answer.json()["access_token"]
    return token


@pytest.mark.asvs("9.2.3")
def test_a_services_token_is_for_one_service_and_five_minutes(app: FastAPI) -> None:
    told = claims_of(app, service_token(app, "plyo-activation"))
    assert told["aud"] == API
    assert told["exp"] - told["iat"] == 300
    assert claims_of(app, service_token(app, "plyo-supervisor"))["aud"] == DAGSTER


@pytest.mark.asvs("9.2.3")
def test_the_api_believes_only_what_was_made_for_it(app: FastAPI) -> None:
    assert ask(app, service_token(app, "plyo-activation")) == 200
    assert ask(app, service_token(app, "plyo-supervisor")) == 401
    assert ask(app, "") == 401


def test_a_consoles_token_opens_both_services_that_it_asks(admin_console: Relying) -> None:
    answer = admin_console.trade(admin_console.answer()["code"]).json()
    assert claims_of(admin_console.app, answer["access_token"])["aud"] == [API, ANALYTICS]
    assert ask(admin_console.app, answer["access_token"], "/api/identity/me") == 200
    renewed = admin_console.token(grant_type="refresh_token", refresh_token=answer["refresh_token"]).json()
    assert claims_of(admin_console.app, renewed["access_token"])["aud"] == [API, ANALYTICS]


def test_the_web_apps_token_opens_the_api_alone(app: FastAPI, make_account: MakeAccount) -> None:
    web = Relying(app, "plyo-app", f"{ISSUER}/auth/callback", SECRETS["plyo-app"])
    web.sign_in(make_account())
    token = web.trade(web.answer()["code"]).json()["access_token"]
    assert claims_of(app, token)["aud"] == API


class TestForwardAuthentication:
    def test_hands_on_a_token_for_the_tool_behind_it(self, app: FastAPI, make_account: MakeAccount) -> None:
        admin, browser = make_account(role="admin"), Browser(app)
        log_in(browser, admin.email)
        browser.get("/auth/login")
        answer = browser.get("/gateway/authorize?action=gateway.open_pipelines", follow_redirects=False)
        assert answer.status_code == 204
        token = answer.headers["authorization"].removeprefix("Bearer ")
        told = claims_of(app, token)
        assert (told["aud"], told["sub"], told["role"]) == (DAGSTER, str(admin.id), "admin")
        assert told["act"] == {"sub": API}
        assert told["exp"] - told["iat"] == DELEGATED_SECONDS
        assert ask(app, token, "/api/identity/me") == 401

    def test_hands_nothing_on_for_a_coach(self, app: FastAPI, make_account: MakeAccount) -> None:
        browser = Browser(app)
        log_in(browser, make_account(role="coach").email)
        browser.get("/auth/login")
        answer = browser.get("/gateway/authorize?action=gateway.open_pipelines", follow_redirects=False)
        assert answer.status_code == 403
        assert "authorization" not in answer.headers


class TestDelegation:
    def test_is_kept_for_one_person_session_and_audience(self, app: FastAPI) -> None:
        from contracts.ids import new_id

        delegation = app.state.delegation
        mia = Principal(role="customer", client_id="plyo-app", account_id=new_id(), session_id=new_id())
        tom = Principal(role="customer", client_id="plyo-app", account_id=new_id(), session_id=new_id())
        one = delegation.token(mia, ANALYTICS)
        assert delegation.token(mia, ANALYTICS) == one
        assert claims_of(app, one)["sub"] == str(mia.account_id)
        assert delegation.token(mia, DAGSTER) != one
        assert claims_of(app, delegation.token(tom, ANALYTICS))["sub"] == str(tom.account_id)
