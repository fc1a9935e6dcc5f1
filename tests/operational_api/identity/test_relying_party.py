"""Our provider as a client library sees it that nobody here wrote (idpyoidc), against the served app over real HTTP."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from idpyoidc.client.exception import OidcServiceError
from idpyoidc.client.rp_handler import RPHandler
from joserfc import jwt

from contracts.ids import new_id
from contracts.tokens import ANALYTICS, API
from operational_api.identity.keys import ring, service
from operational_api.identity.models import Account
from plyo import analyst
from plyo.postgres import PostgresServer
from tests.operational_api.identity.conftest import HASH, PASSWORD, SECRETS
from tests.operational_api.identity.served import serve

SERVICES = {
    name: {"class": f"idpyoidc.client.oidc.{module}"}
    for name, module in {
        "discovery": "provider_info_discovery.ProviderInfoDiscovery", "registration": "registration.Registration",
        "authorization": "authorization.Authorization", "accesstoken": "access_token.AccessToken",
        "refresh": "refresh_access_token.RefreshAccessToken", "userinfo": "userinfo.UserInfo",
        "end_session": "end_session.EndSession",
    }.items()
}  # fmt: skip
PKCE = {
    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
}


@pytest.fixture(scope="module")
def provider(postgres: PostgresServer, template_database: str, signing_key_file: Path) -> Iterator[FastAPI]:
    with serve(postgres, template_database, signing_key_file) as app:
        yield app


def relying_party(issuer: str, client_id: str, path: str, secret: str, home: str) -> RPHandler:
    """The library set up as its documentation says."""
    client: dict[str, Any] = {
        "client_id": client_id, "client_secret": secret, "redirect_uris": [f"{issuer}{path}"], "issuer": issuer,
        "client_type": "oidc", "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "post_logout_redirect_uris": [f"{issuer}{home}"],
        "client_authn_methods": ["client_secret_basic"],
        "add_ons": {"pkce": PKCE},
    }  # fmt: skip
    keys = {"key_defs": [{"type": "RSA", "use": ["sig"]}]}
    return RPHandler(base_url=issuer, client_configs={issuer: client}, services=SERVICES, key_conf=keys)


def sign_in(browser: httpx.Client, address: str, email: str) -> dict[str, str]:
    """A person at the library's address; returns what their browser brings back to the client."""
    answer = browser.get(address)
    while "/login" in answer.headers.get("location", ""):
        page = browser.get(answer.headers["location"]).text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        form = {name: value.replace("&amp;", "&") for name, value in hidden.items()}
        inside = browser.post("/login", data=form | {"email": email, "password": PASSWORD})
        answer = browser.get(inside.headers["location"])
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.mark.parametrize(
    ("client_id", "path", "home", "role"),
    [("plyo-coach", "/coach/oauth2callback", "/coach/", "coach"), ("plyo-app", "/auth/callback", "/", "customer")],
)
def test_completes_discovery_login_refresh_userinfo_and_logout(
    provider: FastAPI, client_id: str, path: str, home: str, role: str
) -> None:
    issuer = provider.state.settings.public_url
    account = Account(
        id=new_id(), email=f"{role}@plyo.test", role=role, display_name="Ana Ruiz", password_hash=HASH,
        email_verified_at=datetime.now(UTC), time_zone="Europe/Madrid",
    )  # fmt: skip
    with provider.state.sessions.begin() as session:
        session.add(account)
    library = relying_party(issuer, client_id, path, SECRETS[client_id], home)
    begun = library.begin(issuer)
    asked = parse_qs(urlsplit(begun).query)
    assert asked["code_challenge_method"] == ["S256"]
    with httpx.Client(base_url=issuer, headers={"Accept": "text/html"}) as browser:
        back = sign_in(browser, begun, account.email)
        done = library.finalize(issuer, back)
        assert "error" not in done, done
        state = done["state"]
        assert (done["userinfo"]["sub"], done["userinfo"]["email"]) == (str(account.id), account.email)
        assert done["userinfo"]["email_verified"] is True
        assert done["id_token"]["iss"] == issuer
        assert library.has_active_authentication(state)
        assert library.get_user_info(state)["zoneinfo"] == "Europe/Madrid"
        # The key changes; the library hears of it by the unknown kid alone.
        settings = provider.state.settings
        with provider.state.sessions.begin() as session:
            service.rotate(
                session, seed=ring.seed_of(settings), sealer=ring.sealer_of(settings), now=datetime.now(UTC),
                at_once=True,
            )  # fmt: skip
        provider.state.keys.reread()
        fresh = library.refresh_access_token(state)
        assert "error" not in fresh, fresh
        assert fresh["refresh_token"]
        assert library.get_user_info(state)["name"] == "Ana Ruiz"
        leaving = library.logout(state)
        gone = browser.get(leaving["url"])
        assert gone.status_code == 303, gone.text
        assert gone.headers["location"].startswith(f"{issuer}{home}?state=")
        silent = browser.get(library.begin(issuer, req_args={"prompt": "none"}))
        assert "login_required" in silent.headers["location"]
        with pytest.raises(OidcServiceError, match="invalid_token"):
            library.get_user_info(state)


def test_a_shell_gets_a_token_of_an_analyst_by_signing_in_and_none_of_whom_the_console_keeps_out(
    provider: FastAPI,
) -> None:
    gateway, people = provider.state.settings.public_url, {}
    with provider.state.sessions.begin() as session:
        for role in ("data", "coach"):
            people[role] = f"{new_id().hex}@plyo.test"
            session.add(
                Account(
                    id=new_id(), email=people[role], password_hash=HASH, display_name="Ines Duarte", role=role,
                    time_zone="UTC", email_verified_at=datetime.now(UTC), created_at=datetime.now(UTC),
                )
            )  # fmt: skip
    token = analyst.token(gateway, email=people["data"], password=PASSWORD)
    told = jwt.decode(token, provider.state.keys.active(), algorithms=["RS256"]).claims
    assert (told["role"], set(told["aud"])) == ("data", {API, ANALYTICS})
    for email, password in ((people["coach"], PASSWORD), (people["data"], "wrong horse battery")):
        with pytest.raises(analyst.SignInFailed, match="was not let in"):
            analyst.token(gateway, email=email, password=password)
