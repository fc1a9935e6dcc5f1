"""Conformance of the OpenID Connect provider: what it issues, and every way in which it must not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import text

from operational_api.identity.models import Account
from tests.operational_api.conftest import ISSUER
from tests.operational_api.identity.conftest import CHALLENGE, PASSWORD, SECRETS, VERIFIER, Relying, log_in

MakeAccount = Callable[..., Account]


class TestDiscovery:
    def test_names_endpoints_that_exist(self, app: FastAPI) -> None:
        client = TestClient(app, base_url=ISSUER)
        told = client.get("/.well-known/openid-configuration").json()
        assert told["issuer"] == ISSUER
        assert told["code_challenge_methods_supported"] == ["S256"]
        for name, address in told.items():
            if name.endswith(("_endpoint", "_uri")):
                assert client.get(address, follow_redirects=False).status_code not in (404, 500), name

    def test_publishes_only_public_keys(self, app: FastAPI) -> None:
        (key,) = TestClient(app, base_url=ISSUER).get("/oidc/jwks").json()["keys"]
        assert key.keys() <= {"kty", "n", "e", "kid", "use", "alg"}


class TestTokens:
    @pytest.mark.asvs("9.2.4")
    def test_id_token_carries_what_clients_check(self, admin_console: Relying) -> None:
        answer = admin_console.answer()
        assert (answer["state"], answer["iss"]) == ("s-1", ISSUER)
        tokens = admin_console.trade(answer["code"]).json()
        keys = KeySet.import_key_set(TestClient(admin_console.app).get("/oidc/jwks").json())
        id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        assert id_token["iss"] == ISSUER
        assert id_token["aud"] == "plyo-admin"
        assert id_token["nonce"] == "n-1"
        assert (id_token["role"], id_token["roles"]) == ("admin", ["admin"])
        assert id_token["name"] == "Ada Admin"
        assert id_token["zoneinfo"] == "Europe/Berlin"
        assert abs(id_token["auth_time"] - time.time()) < 60
        half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        assert id_token["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()

    def test_access_token_opens_our_api_and_userinfo(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        assert tokens["expires_in"] == 3600
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        client = TestClient(admin_console.app, base_url=ISSUER)
        assert client.get("/api/identity/me", headers=bearer).json()["role"] == "admin"
        assert client.get("/oidc/userinfo", headers=bearer).json()["roles"] == ["admin"]

    def test_scopes_decide_what_is_told(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer(scope="openid")["code"]).json()
        assert "refresh_token" not in tokens
        told = jwt.decode(tokens["id_token"], admin_console.app.state.keys.active(), algorithms=["RS256"]).claims
        assert not {"email", "zoneinfo"} & told.keys()
        assert told["role"] == "admin"

    @pytest.mark.asvs("9.2.2")
    def test_an_id_token_is_no_access_token(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        bearer = {"Authorization": f"Bearer {tokens['id_token']}"}
        assert TestClient(admin_console.app, base_url=ISSUER).get("/api/identity/me", headers=bearer).status_code == 401


def b64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def mutated(app: FastAPI, good: dict[str, Any], change: str) -> str:
    """A token that is wrong in one way."""
    key: RSAKey = app.state.keys.active()
    header: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
    if change in BY_HAND:
        return by_hand(key, good, header | BY_HAND[change])
    if change in ("another key", "another key with its own kid"):
        header["kid"] = "other" if "own" in change else key.kid
        return jwt.encode(header, good, RSAKey.generate_key(2048), algorithms=["RS256"])
    if change == "its own key in the header":
        other = RSAKey.generate_key(2048)
        return by_hand(other, good, header | {"jwk": other.as_dict(private=False), "kid": key.kid})
    if change in ("signature of another token", "no signature", "half a signature"):
        head, body, signature = jwt.encode(header, good, key).split(".")
        stranger = jwt.encode(header, good | {"sub": "x"}, key).split(".")[2]
        cut = {"no signature": "", "half a signature": signature[:-20]}.get(change, stranger)
        return f"{head}.{body}.{cut}"
    claims = {name: value for name, value in (good | CLAIMS.get(change, {})).items() if value is not None}
    header |= HEADERS.get(change, {})
    if change == "no kid":
        del header["kid"]
    return jwt.encode({name: value for name, value in header.items() if value is not None}, claims, key,
                      algorithms=[header["alg"]])  # fmt: skip


def by_hand(key: RSAKey, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """What libraries refuse to make: signed as the header's `alg` says, if it says anything that we can do."""
    signed = b".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    if header["alg"] == "HS256":
        signature = hmac.digest(key.as_pem(private=False), signed, "sha256")
    elif header["alg"] == "RS256":
        signature = key.private_key.sign(signed, PKCS1v15(), SHA256())
    else:
        signature = b""
    return (signed + b"." + b64(signature)).decode()


NOW = int(time.time())
BY_HAND: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"}, "alg None": {"alg": "None"}, "alg empty": {"alg": ""},
    "hs256 with the public key": {"alg": "HS256"}, "critical header": {"crit": ["b64"], "b64": False},
    "kid a path": {"kid": "../../../dev/null"}, "kid a list": {"kid": ["x"]}, "kid sql": {"kid": "x' or 1=1 --"},
}  # fmt: skip
CLAIMS: dict[str, dict[str, Any]] = {
    "aud": {"aud": "plyo-app"}, "aud of others": {"aud": ["plyo-analytics", "plyo-dagster"]}, "aud empty": {"aud": []},
    "aud upper case": {"aud": "PLYO-API"}, "iss": {"iss": "https://evil.test"}, "iss a list": {"iss": [ISSUER]},
    "iss with a slash": {"iss": f"{ISSUER}/"}, "exp": {"exp": NOW - 60}, "exp a word": {"exp": "never"},
    "nbf": {"nbf": NOW + 3600},
    "iat": {"iat": NOW + 86400}, "role": {"role": "root"}, "role a list": {"role": ["admin"]}, "sub": {"sub": "admin"},
    "sid": {"sid": "all"}, "no aud": {"aud": None}, "no iss": {"iss": None}, "no exp": {"exp": None},
    "no sub": {"sub": None}, "no role": {"role": None}, "no client": {"client_id": None},
}  # fmt: skip
HEADERS: dict[str, dict[str, Any]] = {
    "typ": {"typ": "JWT"},
    "no typ": {"typ": None},
    "rs512": {"alg": "RS512"},
    "ps256": {"alg": "PS256"},
}
MUTATIONS = [
    *BY_HAND, *CLAIMS, *HEADERS, "another key", "another key with its own kid", "its own key in the header", "no kid",
    "signature of another token", "no signature", "half a signature",
]  # fmt: skip


class TestAccessTokenMutations:
    @pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "10.3.1")
    def test_none_is_accepted(self, admin_console: Relying) -> None:
        app = admin_console.app
        token = admin_console.trade(admin_console.answer()["code"]).json()["access_token"]
        good = jwt.decode(token, app.state.keys.active(), algorithms=["RS256"]).claims
        client = TestClient(app, base_url=ISSUER, raise_server_exceptions=False)

        def answer(bearer: str) -> int:
            return client.get("/api/identity/me", headers={"Authorization": f"Bearer {bearer}"}).status_code

        assert answer(token) == answer(mutated(app, good, "not at all")) == 200
        assert {change: answer(mutated(app, good, change)) for change in MUTATIONS} == dict.fromkeys(MUTATIONS, 401)


class TestAuthorize:
    @pytest.mark.asvs("3.7.2", "10.4.1")
    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "nobody"},
            {"client_id": "plyo-activation"},
            {"redirect_uri": "https://evil.test/admin/login"},
            {"redirect_uri": f"{ISSUER}/admin/login/"},
            {"redirect_uri": f"{ISSUER}/admin/login?x=1"},
            {"redirect_uri": f"{ISSUER}/admin/LOGIN"},
            {"redirect_uri": f"{ISSUER}/admin/../admin/login"},
            {"redirect_uri": f"{ISSUER}/admin%2Flogin"},
            {"redirect_uri": f"{ISSUER}/admin/login#"},
            {"redirect_uri": f"{ISSUER}/admin/login "},
            {"redirect_uri": f"{ISSUER}:80/admin/login"},
            {"redirect_uri": f"{ISSUER.upper()}/admin/login"},
            {"redirect_uri": f"{ISSUER}.evil.test/admin/login"},
            {"redirect_uri": f"{ISSUER}@evil.test/admin/login"},
            {"redirect_uri": "https://testserver/admin/login"},
            {"redirect_uri": "//testserver/admin/login"},
            {"redirect_uri": "/admin/login"},
            {"redirect_uri": "javascript:alert(1)"},
            {"redirect_uri": f"{ISSUER}/coach/oauth2callback"},
            {"redirect_uri": None},
        ],
    )
    def test_never_redirects_to_an_address_that_is_not_registered(self, admin_console: Relying, changes: Any) -> None:
        response = admin_console.authorize(**changes)
        assert response.status_code == 400
        assert "location" not in response.headers
        assert "not registered" in response.text

    @pytest.mark.asvs("10.6.1")
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": "code id_token"}, "unsupported_response_type"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"scope": "everything"}, "invalid_scope"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"max_age": "soon"}, "invalid_request"),
            ({"request": "eyJ"}, "request_not_supported"),
            ({"request_uri": "https://evil.test/r"}, "request_uri_not_supported"),
        ],
    )
    def test_tells_the_client_what_is_wrong(self, admin_console: Relying, changes: Any, error: str) -> None:
        answer = admin_console.answer(**changes)
        assert answer["error"] == error
        assert "code" not in answer
        assert (answer["state"], answer["iss"]) == ("s-1", ISSUER)

    @pytest.mark.asvs("15.3.7")
    def test_refuses_a_parameter_sent_twice(self, admin_console: Relying) -> None:
        url = admin_console.authorize().request.url
        again = admin_console.browser.get(f"{url}&scope=openid", follow_redirects=False)
        assert "error=invalid_request" in again.headers["location"]

    def test_asks_a_guest_to_sign_in_and_comes_back(self, app: FastAPI, make_account: MakeAccount) -> None:
        client, account = Relying(app), make_account(role="admin")
        to_login = client.authorize().headers["location"]
        assert to_login.startswith("/login?return_to=%2Foidc%2Fauthorize")
        onward = client.browser.get(to_login).text.split('name="return_to" value="')[1].split('"')[0]
        data = {"email": account.email, "password": PASSWORD, "return_to": onward.replace("&amp;", "&")}
        back = client.browser.submit("/login", data, follow_redirects=False)
        assert back.headers["location"].startswith("/oidc/authorize?")
        done = client.browser.get(back.headers["location"], follow_redirects=False)
        assert done.headers["location"].startswith(f"{ISSUER}/admin/login?code=")

    def test_prompt_none_asks_nothing(self, app: FastAPI, admin_console: Relying) -> None:
        assert "code" in admin_console.answer(prompt="none")
        assert Relying(app).answer(prompt="none")["error"] == "login_required"

    def test_select_account_shows_who_one_would_be(self, admin_console: Relying) -> None:
        assert "code" in admin_console.answer(prompt="select_account")  # chosen a moment ago, by signing in
        with admin_console.app.state.sessions.begin() as session:
            session.execute(text("update identity.login_sessions set authenticated_at = now() - interval '5 minutes'"))
        page = admin_console.authorize(prompt="select_account")
        assert page.status_code == 200
        assert "Continue as Ada Admin" in page.text
        onward = page.text.split('href="/oidc/authorize')[1].split('"')[0].replace("&amp;", "&")
        done = admin_console.browser.get(f"/oidc/authorize{onward}", follow_redirects=False)
        assert "code=" in done.headers["location"]

    @pytest.mark.asvs("7.6.1")
    def test_prompt_login_and_max_age_ask_again(self, admin_console: Relying) -> None:
        assert admin_console.authorize(prompt="login").headers["location"].startswith("/login")
        assert "code" in admin_console.answer(max_age="3600")
        with admin_console.app.state.sessions.begin() as session:
            session.execute(text("update identity.login_sessions set authenticated_at = now() - interval '2 hours'"))
        again = admin_console.authorize(max_age="3600").headers["location"]
        assert again.startswith("/login")
        assert admin_console.answer(max_age="3600", prompt="none")["error"] == "login_required"

    def test_a_wrong_role_reads_why(self, app: FastAPI, make_account: MakeAccount) -> None:
        client = Relying(app)
        client.sign_in(make_account(role="customer"))
        page = client.authorize()
        assert page.status_code == 403
        assert "Plyo for admins is not for this account" in page.text


class TestCodes:
    @pytest.mark.parametrize(
        "changes",
        [
            {"code_verifier": "wrong-verifier-that-is-long-enough-for-the-rfc"},
            {"code_verifier": None},
            {"code_verifier": CHALLENGE},
            {"redirect_uri": f"{ISSUER}/admin/"},
            {"redirect_uri": None},
            {"code": "made-up"},
        ],
    )
    def test_a_wrong_trade_gives_nothing_and_burns_the_code(self, admin_console: Relying, changes: Any) -> None:
        code = admin_console.answer()["code"]
        refused = admin_console.trade(**{"code": code} | changes)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        if "code" not in changes:
            assert admin_console.trade(code).status_code == 400

    @pytest.mark.asvs("10.4.2")
    def test_a_replay_revokes_what_the_code_gave(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        tokens = admin_console.trade(code).json()
        assert admin_console.trade(code).json()["error"] == "invalid_grant"
        refreshed = admin_console.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert refreshed.json()["error"] == "invalid_grant"

    def test_of_many_at_once_one_succeeds(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(lambda _: admin_console.trade(code).status_code, range(4)))
        assert statuses == [200, 400, 400, 400]

    @pytest.mark.asvs("10.4.3")
    def test_a_code_lasts_a_minute(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        with admin_console.app.state.sessions.begin() as session:
            session.execute(text("update identity.authorization_codes set expires_at = now() - interval '1 second'"))
        assert admin_console.trade(code).json()["error"] == "invalid_grant"

    def test_a_code_is_for_the_client_it_was_given_to(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        other = Relying(admin_console.app, client_id="plyo-app", secret=SECRETS["plyo-app"])
        assert other.trade(code).json()["error"] == "invalid_grant"
        assert admin_console.trade(code).status_code == 200

    @pytest.mark.asvs("10.4.6")
    def test_a_secret_does_not_replace_pkce(self, app: FastAPI, make_account: MakeAccount) -> None:
        client = Relying(app, "plyo-coach", f"{ISSUER}/coach/oauth2callback", SECRETS["plyo-coach"])
        client.sign_in(make_account(role="coach"))
        refused = client.answer(code_challenge=None, code_challenge_method=None)
        assert (refused["error"], "code" in refused) == ("invalid_request", False)
        assert client.trade(client.answer()["code"], code_verifier=None).status_code == 400
        assert client.trade(client.answer()["code"]).status_code == 200

    @pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "", " " + VERIFIER, VERIFIER.upper(), VERIFIER + "\0"])
    def test_no_other_verifier_will_do(self, admin_console: Relying, verifier: str) -> None:
        code = admin_console.answer()["code"]
        assert admin_console.trade(code, code_verifier=verifier).json()["error"] == "invalid_grant"

    def test_one_kind_of_secret_is_not_taken_for_another(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        for value in (code, tokens["access_token"], tokens["id_token"]):
            refused = admin_console.token(grant_type="refresh_token", refresh_token=value)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        for value in (tokens["refresh_token"], tokens["access_token"], tokens["id_token"]):
            assert admin_console.trade(value).json()["error"] == "invalid_grant"
        assert admin_console.trade(code).status_code == 200

    def test_a_code_of_somebody_who_signed_out_or_was_closed_gives_nothing(self, admin_console: Relying) -> None:
        for statement in (
            "update identity.login_sessions set revoked_at = now() where revoked_at is null",
            "update identity.accounts set disabled_at = now() where display_name = 'Ada Admin'",
        ):
            code = admin_console.answer()["code"]
            with admin_console.app.state.sessions.begin() as session:
                session.execute(text(statement))
            assert admin_console.trade(code).json()["error"] == "invalid_grant"
            with admin_console.app.state.sessions.begin() as session:
                session.execute(text("update identity.login_sessions set revoked_at = null"))
                session.execute(text("update identity.accounts set disabled_at = null"))

    def test_parameters_twice_and_in_the_address_are_refused(self, admin_console: Relying) -> None:
        client = TestClient(admin_console.app, base_url=ISSUER)
        code = admin_console.answer()["code"]
        form = {
            "grant_type": "authorization_code", "client_id": "plyo-admin", "code": code,
            "redirect_uri": admin_console.redirect_uri, "code_verifier": VERIFIER,
        }  # fmt: skip
        twice = client.post("/oidc/token", data=form | {"code": [code, code]})
        assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
        assert client.post("/oidc/token", params=form).status_code == 401
        assert client.get("/oidc/token", params=form).status_code == 405
        assert admin_console.trade(code).status_code == 200


class TestClientAuthentication:
    @pytest.mark.asvs("10.4.10")
    @pytest.mark.parametrize("secret", ["wrong", ""])
    def test_a_confidential_client_needs_its_secret(self, app: FastAPI, secret: str) -> None:
        client = TestClient(app, base_url=ISSUER)
        refused = client.post("/oidc/token", data={"grant_type": "client_credentials"}, auth=("plyo-app", secret))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.headers["www-authenticate"].startswith("Basic")
        form = {"grant_type": "authorization_code", "client_id": "plyo-app", "code": "x"}
        assert client.post("/oidc/token", data=form).json()["error"] == "invalid_client"

    @pytest.mark.parametrize("header", ["Basic !!!", "Basic YQ==", "Bearer x", "Basic " + "A" * 9])
    def test_a_malformed_header_is_refused(self, app: FastAPI, header: str) -> None:
        client = TestClient(app, base_url=ISSUER)
        data = {"grant_type": "client_credentials"}
        assert client.post("/oidc/token", data=data, headers={"Authorization": header}).status_code == 401

    @pytest.mark.asvs("10.4.4")
    def test_a_service_gets_a_token_for_itself_only(self, app: FastAPI) -> None:
        service = Relying(app, client_id="plyo-activation", secret=SECRETS["plyo-activation"])
        answer = service.token(grant_type="client_credentials").json()
        claims = jwt.decode(answer["access_token"], app.state.keys.active(), algorithms=["RS256"]).claims
        assert (claims["role"], claims["sub"], claims["client_id"]) == ("service", "plyo-activation", "plyo-activation")
        assert "refresh_token" not in answer
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        assert TestClient(app, base_url=ISSUER).get("/api/identity/me", headers=bearer).status_code == 403
        assert service.token(grant_type="authorization_code", code="x").json()["error"] == "unauthorized_client"

    @pytest.mark.asvs("10.4.4")
    def test_people_clients_get_none_for_themselves(self, app: FastAPI) -> None:
        client = Relying(app, client_id="plyo-app", secret=SECRETS["plyo-app"])
        assert client.token(grant_type="client_credentials").json()["error"] == "unauthorized_client"
        assert client.token(grant_type="password").json()["error"] == "unsupported_grant_type"


class TestRefresh:
    def refresh(self, client: Relying, token: str, **form: str) -> Any:
        return client.token(grant_type="refresh_token", refresh_token=token, **form)

    def test_rotates(self, admin_console: Relying) -> None:
        first = admin_console.trade(admin_console.answer()["code"]).json()["refresh_token"]
        second = self.refresh(admin_console, first).json()
        assert second["refresh_token"] != first
        assert self.refresh(admin_console, second["refresh_token"]).status_code == 200

    @pytest.mark.asvs("10.4.5")
    def test_reuse_kills_the_family(self, admin_console: Relying) -> None:
        first = admin_console.trade(admin_console.answer()["code"]).json()["refresh_token"]
        second = self.refresh(admin_console, first).json()["refresh_token"]
        assert self.refresh(admin_console, first).json()["error"] == "invalid_grant"
        assert self.refresh(admin_console, second).json()["error"] == "invalid_grant"

    def test_of_many_at_once_one_succeeds(self, admin_console: Relying) -> None:
        first = admin_console.trade(admin_console.answer()["code"]).json()["refresh_token"]
        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(lambda _: self.refresh(admin_console, first).status_code, range(4)))
        assert statuses == [200, 400, 400, 400]

    def test_cannot_widen_the_scope(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer(scope="openid offline_access")["code"]).json()
        assert self.refresh(admin_console, tokens["refresh_token"], scope="openid email").json()["error"] == (
            "invalid_scope"
        )

    @pytest.mark.asvs("7.4.1")
    def test_ends_with_the_session(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        admin_console.browser.get("/oidc/logout", params={"id_token_hint": tokens["id_token"]})
        assert self.refresh(admin_console, tokens["refresh_token"]).json()["error"] == "invalid_grant"

    def test_revocation_ends_the_family_and_never_complains(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        client = TestClient(admin_console.app, base_url=ISSUER)
        for token in ("unknown", tokens["refresh_token"], tokens["refresh_token"]):
            assert client.post("/oidc/revoke", data={"client_id": "plyo-admin", "token": token}).status_code == 200
        assert self.refresh(admin_console, tokens["refresh_token"]).json()["error"] == "invalid_grant"

    def test_tokens_are_stored_as_hashes(self, admin_console: Relying) -> None:
        code = admin_console.answer()["code"]
        tokens = admin_console.trade(code).json()
        with admin_console.app.state.sessions() as session:
            stored = session.execute(text("select r::text from identity.refresh_tokens r")).scalars().all()
            stored += session.execute(text("select c::text from identity.authorization_codes c")).scalars().all()
        assert not any(secret in "".join(stored) for secret in (code, tokens["refresh_token"], VERIFIER))


class TestUserinfo:
    @pytest.mark.asvs("7.4.1")
    def test_stops_with_the_session(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        client = TestClient(admin_console.app, base_url=ISSUER)
        admin_console.browser.get("/oidc/logout", params={"id_token_hint": tokens["id_token"]})
        refused = client.get("/oidc/userinfo", headers=bearer)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
        assert client.get("/oidc/userinfo").status_code == 401


class TestLogout:
    def test_with_a_hint_it_goes_where_the_client_may_send(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{ISSUER}/admin/", "state": "z"}
        done = admin_console.browser.get("/oidc/logout", params=parameters, follow_redirects=False)
        assert done.headers["location"] == f"{ISSUER}/admin/?state=z"
        assert admin_console.answer(prompt="none")["error"] == "login_required"

    @pytest.mark.asvs("3.7.2")
    def test_never_leads_elsewhere(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.test/"}
        done = admin_console.browser.get("/oidc/logout", params=parameters, follow_redirects=False)
        assert done.headers["location"] == "/"

    @pytest.mark.asvs("10.6.2")
    def test_without_a_hint_the_person_is_asked(self, admin_console: Relying) -> None:
        page = admin_console.browser.get("/oidc/logout")
        assert "Sign out of Plyo?" in page.text
        assert "code" in admin_console.answer(prompt="none")
        admin_console.browser.submit("/oidc/logout")
        assert admin_console.answer(prompt="none")["error"] == "login_required"

    @pytest.mark.asvs("10.6.2")
    def test_no_other_hint_signs_anybody_out(self, admin_console: Relying) -> None:
        tokens = admin_console.trade(admin_console.answer()["code"]).json()
        key = admin_console.app.state.keys.active()
        told = jwt.decode(tokens["id_token"], key, algorithms=["RS256"]).claims
        header = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
        hints = [
            tokens["access_token"], "x", by_hand(key, told, header | {"alg": "none"}),
            by_hand(key, told, header | {"alg": "HS256"}), jwt.encode(header, told, RSAKey.generate_key(2048)),
            jwt.encode(header, told | {"iss": "https://evil.test"}, key),
        ]  # fmt: skip
        for hint in hints:
            page = admin_console.browser.get("/oidc/logout", params={"id_token_hint": hint}, follow_redirects=False)
            assert "Sign out of Plyo?" in page.text
        assert "code" in admin_console.answer(prompt="none")


@pytest.mark.asvs("3.7.2")
def test_login_page_never_leads_elsewhere(app: FastAPI, make_account: MakeAccount) -> None:
    client, account = Relying(app), make_account()
    answer = log_in(client.browser, account.email, return_to="https://evil.test/")
    assert answer.headers["location"] == "/auth/login"
