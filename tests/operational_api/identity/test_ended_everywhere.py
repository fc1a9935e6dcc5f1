"""What ends a session ends it everywhere: in every process of the API, in analytics, for the app and both consoles.

Three apps on one database: two processes of the API and the analytics service. Nothing here waits: what was committed
is seen by the next request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from pydantic import SecretStr
from sqlalchemy import event, select, text

from contracts.ids import new_id
from contracts.tokens import ANALYTICS
from operational_api.analytics.app import create_app as create_analytics
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.app import create_app
from operational_api.core import revocations
from operational_api.core.errors import Unauthenticated
from operational_api.core.models import Revocation
from operational_api.core.principal import Credential, Principal
from operational_api.core.standing import holds
from operational_api.core.tokens import Delegation
from operational_api.core.viewer import attend
from operational_api.identity.models import Account
from operational_api.identity.service import sessions
from tests.browser import Browser
from tests.factories import make_login_session
from tests.operational_api.conftest import ISSUER, access_token, bearing
from tests.operational_api.identity.conftest import SECRETS, Relying, enter, log_in

MakeAccount = Callable[..., Account]


@dataclass
class Everywhere:
    """Every place that believes a token."""

    api: FastAPI
    other_api: FastAPI
    analytics: FastAPI

    def ask(self, token: str) -> list[int]:
        """What the token opens: here, in another process of the API, and in analytics."""
        asked = (
            (self.api, "/api/identity/me"), (self.other_api, "/api/gateway/screens?surface=coach"),
            (self.analytics, "/api/analytics/metrics"),
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        return [
            TestClient(app, base_url=ISSUER, raise_server_exceptions=False).get(path, headers=headers).status_code
            for app, path in asked
        ]


OPEN, CLOSED = [200, 200, 200], [401, 401, 401]


def analytics_on(app: FastAPI, folder: Path, url: SecretStr | None) -> FastAPI:
    key: RSAKey = app.state.keys.active()
    return create_analytics(
        AnalyticsSettings(
            lake_catalog_url="postgresql://nobody@127.0.0.1:1/nowhere", lake_path=str(folder), public_url=ISSUER,
            dbt_manifest=folder / "manifest.json", audit_database_url=url,
        ),
        keys=lambda _refresh: KeySet([RSAKey.import_key(key.as_dict(private=False))]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def everywhere(app: FastAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everywhere]:
    other = create_app(app.state.settings)
    other.state.back_channel = TestClient(other, base_url=ISSUER)
    analytics = analytics_on(app, tmp_path_factory.mktemp("lake"), app.state.settings.database_url)
    yield Everywhere(app, other, analytics)
    for one in (other, analytics):
        one.state.sessions.kw["bind"].dispose()


@pytest.fixture
def strict(app: FastAPI) -> Iterator[None]:
    """Staff must have a second factor, as deployed."""
    usual = app.state.settings
    app.state.settings = usual.model_copy(update={"staff_mfa": "required"})
    yield
    app.state.settings = usual


@pytest.fixture
def give_role(app: FastAPI, make_account: MakeAccount) -> Callable[[Account, str], None]:
    """Gives somebody a role as it is given: asked by one admin, approved by another."""

    def give(account: Account, role: str) -> None:
        with app.state.sessions.begin() as session:
            admins = [make_account(role="admin") for _ in range(2)]
            logins = [make_login_session(session, one).id for one in admins]
        asks, approves = (
            bearing(app, access_token(app, one, session_id=login)) for one, login in zip(admins, logins, strict=True)
        )
        body = {"account_id": str(account.id), "role": role, "reason": "Changes desk"}
        asked = asks.post("/api/identity/role-grants", json=body).json()
        assert approves.post(f"/api/identity/role-grants/{asked['id']}/approval").json()["status"] == "approved"

    return give


def coach_console(app: FastAPI, account: Account, browser: Browser | None = None) -> Relying:
    client = Relying(app, "plyo-coach", f"{ISSUER}/coach/oauth2callback", SECRETS["plyo-coach"])
    if browser is not None:
        client.browser = browser
    else:
        client.sign_in(account)
    return client


def tokens_of(client: Relying) -> dict[str, Any]:
    tokens: dict[str, Any] = client.trade(client.answer()["code"]).json()
    return tokens


def refreshed(client: Relying, tokens: dict[str, Any]) -> str:
    answer = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    return str(answer.json().get("error", "given"))


class TestChangeOfRole:
    @pytest.mark.asvs("7.4.1")
    @pytest.mark.parametrize(("before", "after"), [("coach", "admin"), ("lead_coach", "coach"), ("coach", "customer")])
    def test_ends_every_session_that_began_before(
        self, everywhere: Everywhere, make_account: MakeAccount, give_role: Callable[..., None], before: str, after: str
    ) -> None:
        person = make_account(role=before)
        browser = enter(everywhere.api, person)
        client = coach_console(everywhere.api, person)
        tokens = tokens_of(client)
        assert everywhere.ask(tokens["access_token"]) == OPEN
        give_role(person, after)
        assert everywhere.ask(tokens["access_token"]) == CLOSED
        assert refreshed(client, tokens) == "invalid_grant"
        assert browser.get("/account", follow_redirects=False).headers["location"].startswith("/auth/login")
        assert client.answer(prompt="none")["error"] == "login_required"

    @pytest.mark.asvs("6.3.3")
    def test_a_promoted_customer_works_with_the_new_role_only_after_a_second_factor(
        self, everywhere: Everywhere, strict: None, make_account: MakeAccount, give_role: Callable[..., None]
    ) -> None:
        person = make_account(role="customer")
        browser = enter(everywhere.api, person)
        give_role(person, "admin")
        assert browser.get("/account", follow_redirects=False).headers["location"].startswith("/auth/login")
        again = log_in(browser, person.email)
        assert again.headers["location"] == "/two-step/set-up"
        assert Relying(everywhere.api).answer(prompt="none")["error"] == "login_required"

    def test_a_sign_in_that_was_under_way_ends_too(
        self, app: FastAPI, strict: None, make_account: MakeAccount, give_role: Callable[..., None]
    ) -> None:
        person = make_account(role="coach")
        browser = Browser(app)
        assert log_in(browser, person.email).headers["location"] == "/two-step/set-up"
        give_role(person, "admin")
        assert browser.get("/two-step/set-up", follow_redirects=False).headers["location"].startswith("/auth/login")

    def test_a_session_that_slipped_in_without_a_factor_gets_no_token(
        self, app: FastAPI, strict: None, make_account: MakeAccount
    ) -> None:
        """Its password was checked while the account was a customer's; it was written a moment after the change."""
        person, client = make_account(role="customer"), Relying(app)
        client.sign_in(person)
        with app.state.sessions.begin() as session:
            session.execute(text("update identity.accounts set role = 'admin' where id = :id"), {"id": person.id})
        assert client.authorize().headers["location"].startswith("/login")
        with app.state.sessions() as session:
            assert sessions.listed(session, account_id=person.id, now=datetime.now(UTC)) == []

    def test_a_token_that_names_no_session_says_an_old_role_to_nobody(
        self, everywhere: Everywhere, make_account: MakeAccount, give_role: Callable[..., None]
    ) -> None:
        person = make_account(role="coach")
        token = Delegation(ISSUER, everywhere.api.state.keys.active).token(
            Principal(role="coach", client_id="plyo-coach", account_id=person.id), ANALYTICS
        )
        assert everywhere.ask(token)[2] == 200
        give_role(person, "customer")
        assert everywhere.ask(token)[2] == 401

    def test_how_many_sessions_ended_is_in_the_audit_log(
        self, app: FastAPI, make_account: MakeAccount, give_role: Callable[..., None]
    ) -> None:
        person = make_account(role="coach")
        for _ in range(2):
            coach_console(app, person)
        give_role(person, "customer")
        kept = "select details from platform.audit_entries where action = 'identity.change_role' and object_id = :id"
        with app.state.sessions() as session:
            assert session.scalar(text(kept), {"id": str(person.id)})["sessions_ended"] == 2


class TestSigningOut:
    @pytest.mark.asvs("7.4.1")
    def test_of_the_app_is_out_of_the_consoles(self, everywhere: Everywhere, make_account: MakeAccount) -> None:
        coach = make_account(role="coach")
        browser = enter(everywhere.api, coach)
        client = coach_console(everywhere.api, coach, browser)
        tokens = tokens_of(client)
        assert everywhere.ask(tokens["access_token"]) == OPEN
        assert browser.submit("/auth/logout").status_code == 200
        assert everywhere.ask(tokens["access_token"]) == CLOSED
        assert refreshed(client, tokens) == "invalid_grant"

    @pytest.mark.asvs("7.4.1")
    @pytest.mark.parametrize(("role", "path"), [("coach", "/coach/oauth2callback"), ("admin", "/admin/")])
    def test_of_a_console_is_out_of_the_app_and_of_its_other_windows(
        self, everywhere: Everywhere, make_account: MakeAccount, role: str, path: str
    ) -> None:
        person = make_account(role=role)
        browser = enter(everywhere.api, person)
        console = coach_console(everywhere.api, person, browser) if role == "coach" else Relying(everywhere.api)
        console.browser = browser
        tokens, other_window = tokens_of(console), tokens_of(console)
        assert everywhere.ask(tokens["access_token"]) == OPEN
        out = {
            "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": ISSUER + path,
            "client_id": console.client_id,
        }  # fmt: skip
        gone = browser.get("/oidc/logout", params=out, follow_redirects=False)
        assert gone.headers["location"] == ISSUER + path
        for held in (tokens, other_window):
            assert everywhere.ask(held["access_token"]) == CLOSED
            assert refreshed(console, held) == "invalid_grant"
        assert browser.get("/account", follow_redirects=False).headers["location"].startswith("/auth/login")

    @pytest.mark.asvs("7.4.5")
    def test_by_an_admin_ends_every_session_of_a_colleague(
        self, everywhere: Everywhere, make_account: MakeAccount
    ) -> None:
        app, coach = everywhere.api, make_account(role="coach")
        browser = enter(app, coach)
        client = coach_console(app, coach)
        tokens = tokens_of(client)
        assert everywhere.ask(tokens["access_token"]) == OPEN
        path, why = f"/api/identity/accounts/{coach.id}/sign-outs", {"reason": "Left the studio in anger"}
        support, admin = (bearing(app, access_token(app, make_account(role=role))) for role in ("support", "admin"))
        assert support.post(path, json=why).status_code == 404, "colleagues are signed out by admins alone"
        assert everywhere.ask(tokens["access_token"]) == OPEN
        ended = admin.post(path, json=why)
        assert (ended.status_code, ended.json()) == (201, {"sessions_ended": 2})
        assert everywhere.ask(tokens["access_token"]) == CLOSED
        assert refreshed(client, tokens) == "invalid_grant"
        assert browser.get("/account", follow_redirects=False).headers["location"].startswith("/auth/login")
        kept = """select details from platform.audit_entries
            where action = 'identity.end_sessions' and outcome = 'done' and subject_id = :id"""
        with app.state.sessions() as session:
            assert session.scalar(text(kept), {"id": coach.id}) == {"reason": why["reason"], "sessions_ended": 2}

    @pytest.mark.asvs("10.4.9")
    def test_of_one_device_leaves_the_others(self, everywhere: Everywhere, make_account: MakeAccount) -> None:
        coach = make_account(role="coach")
        phone, desk = (tokens_of(coach_console(everywhere.api, coach)) for _ in range(2))
        sid = jwt.decode(phone["access_token"], everywhere.api.state.keys.active(), algorithms=["RS256"]).claims["sid"]
        mine = TestClient(everywhere.api, headers={"Authorization": f"Bearer {desk['access_token']}"})
        assert mine.delete(f"/api/identity/sessions/{sid}").status_code == 204
        assert (everywhere.ask(phone["access_token"]), everywhere.ask(desk["access_token"])) == (CLOSED, OPEN)
        assert mine.delete("/api/identity/sessions").status_code == 204
        assert everywhere.ask(desk["access_token"]) == CLOSED


class TestRevocation:
    def revoke(self, client: Relying, token: str, **form: str) -> int:
        auth = (client.client_id, client.secret) if client.secret else None
        body = {"token": token} | form
        return TestClient(client.app, base_url=ISSUER).post("/oidc/revoke", data=body, auth=auth).status_code

    @pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
    def test_of_either_token_ends_both_at_once_and_leaves_the_session(
        self, everywhere: Everywhere, make_account: MakeAccount, kind: str
    ) -> None:
        client = coach_console(everywhere.api, make_account(role="coach"))
        tokens, others = tokens_of(client), tokens_of(client)
        assert self.revoke(client, tokens[kind]) == 200
        assert everywhere.ask(tokens["access_token"]) == CLOSED
        assert refreshed(client, tokens) == "invalid_grant"
        assert everywhere.ask(others["access_token"]) == OPEN

    def test_by_another_client_does_nothing(self, everywhere: Everywhere, make_account: MakeAccount) -> None:
        client = coach_console(everywhere.api, make_account(role="coach"))
        tokens, stranger = tokens_of(client), Relying(everywhere.api, "plyo-app", "", SECRETS["plyo-app"])
        for token in (tokens["access_token"], tokens["refresh_token"], "nonsense"):
            assert self.revoke(stranger, token) == 200
        assert everywhere.ask(tokens["access_token"]) == OPEN

    @pytest.mark.asvs("10.4.2", "10.4.5")
    @pytest.mark.parametrize("replayed", ["code", "refresh_token"])
    def test_a_replay_ends_the_access_tokens_it_gave(
        self, everywhere: Everywhere, make_account: MakeAccount, replayed: str
    ) -> None:
        client = coach_console(everywhere.api, make_account(role="coach"))
        code = client.answer()["code"]
        tokens = client.trade(code).json()
        if replayed == "code":
            assert client.trade(code).json()["error"] == "invalid_grant"
        else:
            assert [refreshed(client, tokens) for _ in range(2)] == ["given", "invalid_grant"]
        assert everywhere.ask(tokens["access_token"]) == CLOSED


class TestIntrospection:
    def ask(self, client: Relying, token: str) -> Any:
        auth = (client.client_id, client.secret) if client.secret else None
        form = {"token": token} if auth else {"token": token, "client_id": client.client_id}
        return TestClient(client.app, base_url=ISSUER).post("/oidc/introspect", data=form, auth=auth)

    def test_tells_a_service_what_holds(self, everywhere: Everywhere, make_account: MakeAccount) -> None:
        coach = make_account(role="coach")
        client = coach_console(everywhere.api, coach)
        tokens = tokens_of(client)
        told = self.ask(client, tokens["access_token"]).json()
        assert (told["active"], told["sub"], told["role"]) == (True, str(coach.id), "coach")
        service = Relying(everywhere.api, "plyo-supervisor", "", SECRETS["plyo-supervisor"])
        assert self.ask(service, tokens["access_token"]).json() == {"active": False}, "it is for no service of theirs"
        with everywhere.api.state.sessions.begin() as session:
            sessions.revoke_all(session, account_id=coach.id, now=datetime.now(UTC))
        for token in (tokens["access_token"], tokens["id_token"], tokens["refresh_token"], "nonsense"):
            assert self.ask(client, token).json() == {"active": False}

    def test_is_for_clients_that_prove_who_they_are(self, app: FastAPI) -> None:
        assert self.ask(Relying(app), "x").status_code == 401
        assert self.ask(Relying(app, "plyo-coach", "", "wrong"), "x").status_code == 401


class TestWithoutTheDatabase:
    @pytest.mark.asvs("16.5.3")
    @pytest.mark.parametrize("url", [None, SecretStr("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")])
    def test_nobody_is_let_in(
        self, app: FastAPI, make_account: MakeAccount, tmp_path: Path, url: SecretStr | None
    ) -> None:
        tokens = tokens_of(coach_console(app, make_account(role="coach")))
        alone = TestClient(analytics_on(app, tmp_path, url), base_url=ISSUER, raise_server_exceptions=False)
        asked = alone.get("/api/analytics/metrics", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert asked.status_code == 503


class TestTheQuestion:
    """Asked by the first statement of the request's own transaction."""

    @pytest.mark.parametrize("path", ["/api/identity/sessions", "/api/gateway/screens?surface=coach"])
    def test_takes_no_connection_of_its_own(self, app: FastAPI, make_account: MakeAccount, path: str) -> None:
        tokens = tokens_of(coach_console(app, make_account(role="coach")))
        taken: list[object] = []
        pool = app.state.sessions.kw["bind"].pool
        event.listen(pool, "checkout", lambda *about: taken.append(about))
        try:
            client = TestClient(app, base_url=ISSUER, headers={"Authorization": f"Bearer {tokens['access_token']}"})
            assert client.get(path).status_code == 200
        finally:
            pool.dispatch.checkout.clear()
        assert len(taken) == 1

    def test_fails_the_transaction_of_code_that_goes_on(self, app: FastAPI) -> None:
        ended = new_id()
        viewer = Principal(
            role="coach", client_id="tests", account_id=new_id(), credential=Credential(names=(ended,), issued_at=0)
        )
        with app.state.sessions.begin() as session:
            assert holds(session, viewer)
            revocations.end(session, [ended], now=datetime.now(UTC))
            assert not holds(session, viewer)
            assert session.scalar(text("select 1")) == 1, "asking about somebody else harms nothing"
        own = type(app.state.sessions)(app.state.sessions.kw["bind"])
        attend(own, lambda: viewer)
        with own() as session:
            with pytest.raises(Unauthenticated):
                session.scalar(text("select count(*) from identity.accounts"))
            with pytest.raises(Exception, match="current transaction is aborted"):
                session.scalar(text("select count(*) from identity.accounts"))

    def test_is_forgotten_when_nothing_can_name_it(self, app: FastAPI) -> None:
        old, young = new_id(), new_id()
        now = datetime.now(UTC)
        with app.state.sessions.begin() as session:
            revocations.end(session, [old], now=now - revocations.KEPT - timedelta(seconds=1))
            revocations.end(session, [young], now=now)
            revocations.forget(session, now)
            left = select(Revocation.id).where(Revocation.id.in_([old, young]))
            assert session.scalars(left).all() == [young]
