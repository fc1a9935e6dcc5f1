"""Signing in by another provider: whose answers are believed, and that no account is taken over by it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import select, text

from contracts.ids import new_id
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account, LinkedLogin, LoginSession
from operational_api.settings import ApiSettings
from plyo.postgres import PostgresServer, free_port
from tests.browser import Browser
from tests.conftest import sqlalchemy_url
from tests.operational_api.conftest import ISSUER, app_with
from tests.operational_api.identity.conftest import PASSWORD, SECRETS, Mailbox, enter, unasked
from tests.operational_api.identity.second_factors import code, give_app
from tests.operational_api.identity.upstreams import TENANT, Upstream, honest, liar, now, query

SECRET = "of-plyo-at-the-provider"
MakeAccount = Callable[..., Account]


@pytest.fixture(scope="module")
def google() -> Iterator[Upstream]:
    with honest() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def tenants() -> Iterator[Upstream]:
    with liar(is_tenanted=True) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def app(
    postgres: PostgresServer, template_database: str, signing_key_file: Path, google: Upstream, tenants: Upstream
) -> Iterator[FastAPI]:
    """The API with both providers set up; but for the address all is as it is with the real ones."""
    name = f"upstream_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    app = app_with(
        ApiSettings(
            public_url=ISSUER, database_url=SecretStr(sqlalchemy_url(postgres.url(name))),
            signing_key_file=signing_key_file, session_secret=SecretStr("test-session-secret-of-32-characters!"),
            staff_mfa="required", app_client_secret=SecretStr(SECRETS["plyo-app"]),
            upstream_google_issuer=google.origin, upstream_google_client_id="plyo-at-google",
            upstream_google_client_secret=SecretStr(SECRET), upstream_microsoft_client_id="plyo-at-microsoft",
            upstream_microsoft_client_secret=SecretStr(SECRET),
            upstream_microsoft_issuer=f"{tenants.origin}/common/v2.0",
        )
    )  # fmt: skip
    app.state.back_channel = TestClient(app, base_url=ISSUER)
    app.state.assess_sign_in = unasked
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=ISSUER, secrets=SECRETS)
    yield app
    app.state.sessions.kw["bind"].dispose()


@pytest.fixture(autouse=True)
def is_honest_again(tenants: Upstream) -> Iterator[None]:
    yield
    tenants.change, tenants.metadata = None, {}


def go(browser: Browser, name: str = "google", at: str = "/login", path: str = "/login/with/") -> Any:
    """Press the provider's button; returns where it leads."""
    browser.get(at)
    return browser.submit(f"{path}{name}", {"return_to": "/auth/login?return_to=/account"}, follow_redirects=False)


def there_and_back(browser: Browser, upstream: Upstream, subject: str, name: str = "google", **at: str) -> Any:
    """Press the button, sign in there, and come back; the answer is followed."""
    asked = go(browser, name, **at)
    assert asked.status_code == 303, asked.text
    return browser.get(upstream.consent(asked.headers["location"], subject))


def linked(app: FastAPI) -> list[LinkedLogin]:
    with app.state.sessions() as session:
        return list(session.scalars(select(LinkedLogin)))


def is_in(browser: Browser) -> bool:
    return browser.get("/account").url.path == "/account"


def mail() -> str:
    return f"{new_id().hex[-8:]}@plyo.test"


class TestButtons:
    def test_are_there_only_where_set_up(self, app: FastAPI, serve_app: Callable[[str], FastAPI]) -> None:
        for path in ("/login", "/signup"):
            page = Browser(app).get(path)
            assert page.text.count("Continue with ") == 2, path
            form_action = page.headers["content-security-policy"].split("form-action")[1].split(";")[0]
            assert app.state.settings.upstream_google_issuer in form_action
        bare = Browser(serve_app("postgresql://nobody@localhost:1/none"))
        assert "Continue with" not in bare.get("/login").text

    @pytest.mark.asvs("3.5.1")
    def test_no_other_site_presses_them(self, app: FastAPI) -> None:
        assert TestClient(app, base_url=ISSUER).post("/login/with/google", follow_redirects=False).status_code == 403
        assert go(Browser(app), "yahoo").status_code == 303

    @pytest.mark.asvs("10.1.2", "10.2.1")
    def test_ask_with_state_nonce_and_pkce(self, app: FastAPI) -> None:
        told = query(go(Browser(app)).headers["location"])
        again = query(go(Browser(app)).headers["location"])
        assert told["redirect_uri"] == f"{ISSUER}/login/with/google/callback"
        assert (told["response_type"], told["code_challenge_method"], told["scope"]) == (
            "code", "S256", "openid email profile",
        )  # fmt: skip
        assert all(told[name] != again[name] for name in ("state", "nonce", "code_challenge"))


class TestSigningUp:
    def test_makes_a_customer_without_a_password(self, app: FastAPI, google: Upstream) -> None:
        email = mail()
        google.has(f"g-{email}", email=email, email_verified=True, name="Mia Santos")
        browser = Browser(app)
        assert there_and_back(browser, google, f"g-{email}").url.path == "/account"
        with app.state.sessions() as session:
            account = session.scalars(select(Account).where(Account.email == email)).one()
            login = session.scalars(select(LoginSession).where(LoginSession.account_id == account.id)).one()
            row = session.scalars(select(LinkedLogin).where(LinkedLogin.account_id == account.id)).one()
        assert (account.role, account.display_name, account.password_hash) == ("customer", "Mia Santos", None)
        assert account.email_verified_at is not None
        assert login.amr == ["fed"]
        assert (row.issuer, row.subject) == (google.origin, f"g-{email}")
        # The second time it is (issuer, subject) that counts: the address may have changed there.
        google.has(f"g-{email}", email="attacker@plyo.test", email_verified=False, name="Someone Else")
        again = Browser(app)
        assert email in there_and_back(again, google, f"g-{email}").text

    @pytest.mark.parametrize("claims", [{"email_verified": False}, {}, {"email_verified": "true"}, {"email": None}])
    def test_an_address_that_nobody_vouches_for_makes_no_account(
        self, app: FastAPI, google: Upstream, claims: dict[str, Any]
    ) -> None:
        email = mail()
        google.has(f"g-{email}", **({"email": email, "name": "Mia"} | claims))
        browser = Browser(app)
        page = there_and_back(browser, google, f"g-{email}")
        assert "do not vouch for your e-mail address" in page.text
        assert not is_in(browser)
        with app.state.sessions() as session:
            assert session.scalar(select(Account).where(Account.email == email)) is None

    def test_the_first_password_needs_a_code_and_then_works(
        self, app: FastAPI, google: Upstream, mailbox: Mailbox
    ) -> None:
        email = mail()
        google.has(f"g-{email}", email=email, email_verified=True, name="Mia")
        browser = Browser(app)
        there_and_back(browser, google, f"g-{email}")
        with app.state.sessions.begin() as session:
            session.execute(text("update identity.login_sessions set authenticated_at = now() - interval '1 hour'"))
        asked = browser.get("/account/password")
        assert "we send a code" in asked.text
        browser.submit("/step-up", {"return_to": "/account/password"})
        sent = mailbox.sent(email)[-1].context["code"]
        page = browser.submit("/two-step/email", {"code": sent})
        assert "Set a password" in page.text
        assert browser.submit("/account/password", {"password": PASSWORD}).url.path == "/account"
        assert enter(app, type("Known", (), {"email": email})())  # type: ignore[arg-type]


class TestTakingOver:
    def test_an_account_with_a_password_is_linked_after_signing_in_once(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account, browser = make_account(), Browser(app)
        google.has("g-owner", email=account.email.upper(), email_verified=True, name="Mia")
        page = there_and_back(browser, google, "g-owner")
        assert (page.url.path, "You have an account already" in page.text) == ("/login", True)
        assert not is_in(browser)
        assert [row for row in linked(app) if row.account_id == account.id] == []
        browser.get("/login")
        browser.submit("/login", {"email": account.email, "password": PASSWORD})
        assert [row.subject for row in linked(app) if row.account_id == account.id] == ["g-owner"]
        assert "You can sign in with Google" in str(mailbox.sent(account.email)[-1].context)
        assert there_and_back(Browser(app), google, "g-owner").url.path == "/account"

    def test_signing_in_to_another_account_links_nothing(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount
    ) -> None:
        victim, other, browser = make_account(), make_account(), Browser(app)
        google.has("g-other", email=victim.email, email_verified=True)
        there_and_back(browser, google, "g-other")
        browser.get("/login")
        browser.submit("/login", {"email": other.email, "password": PASSWORD})
        assert not {row.account_id for row in linked(app)} & {victim.id, other.id}
        assert "plyo_link" not in browser.cookies

    def test_an_offer_cannot_be_forged_or_carried_to_another_browser_with_profit(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount
    ) -> None:
        victim, browser = make_account(), Browser(app)
        browser.get("/login")
        browser.cookies.set("plyo_link", "W3sicHJvdmlkZXIiOiJnb29nbGUifV0.forged.forged", domain="testserver.local")
        assert browser.submit("/login", {"email": victim.email, "password": PASSWORD}).status_code == 200
        assert victim.id not in {row.account_id for row in linked(app)}

    @pytest.mark.asvs("6.3.4")
    def test_an_account_made_before_its_owner_came_is_emptied(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount
    ) -> None:
        """Somebody signs up with another's address and waits for them to sign in with Google."""
        email = mail()
        planted = make_account(email=email, email_verified_at=None, display_name="Planted")
        google.has(f"g-{email}", email=email, email_verified=True, name="The Owner")
        browser = Browser(app)
        assert "The Owner" in there_and_back(browser, google, f"g-{email}").text
        with app.state.sessions() as session:
            account = session.get_one(Account, planted.id)
            assert (account.password_hash, account.display_name) == (None, "The Owner")
        attacker = Browser(app)
        attacker.get("/login")
        assert attacker.submit("/login", {"email": email, "password": PASSWORD}).status_code == 401

    def test_a_closed_account_stays_closed(self, app: FastAPI, google: Upstream, make_account: MakeAccount) -> None:
        account, browser = make_account(), Browser(app)
        with app.state.sessions.begin() as session:
            session.add(
                LinkedLogin(
                    id=new_id(), account_id=account.id, provider="google", issuer=google.origin, subject="g-closed",
                    email=account.email,
                )
            )  # fmt: skip
            session.get_one(Account, account.id).disabled_at = datetime.now(UTC)
        google.has("g-closed", email=account.email, email_verified=True)
        assert "This account is closed" in there_and_back(browser, google, "g-closed").text
        assert not is_in(browser)

    @pytest.mark.asvs("6.8.1")
    def test_the_same_subject_elsewhere_is_somebody_else(
        self, app: FastAPI, google: Upstream, tenants: Upstream, make_account: MakeAccount
    ) -> None:
        account, browser = make_account(), enter(app, make_account())
        email = mail()
        google.has("same", email=email, email_verified=True)
        there_and_back(Browser(app), google, "same")
        tenants.has("same", email=account.email, email_verified=True)
        stranger = Browser(app)
        there_and_back(stranger, tenants, "same", "microsoft")
        assert not is_in(stranger)
        assert is_in(browser)


class TestSecondFactor:
    @pytest.mark.asvs("6.3.3", "6.8.4")
    def test_is_asked_for_whatever_they_showed_elsewhere(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount
    ) -> None:
        account, browser = make_account(role="coach"), Browser(app)
        with app.state.sessions.begin() as session:
            session.add(
                LinkedLogin(
                    id=new_id(), account_id=account.id, provider="google", issuer=google.origin, subject="g-coach",
                    email=account.email,
                )
            )  # fmt: skip
        google.has("g-coach", email=account.email, email_verified=True, amr=["mfa", "hwk"], acr="phr")
        assert there_and_back(browser, google, "g-coach").url.path == "/two-step/set-up"
        assert not is_in(browser)
        seed = give_app(app, account)
        browser = Browser(app)
        assert there_and_back(browser, google, "g-coach").url.path == "/two-step"
        browser.submit("/two-step", {"code": code(seed)})
        assert is_in(browser)
        with app.state.sessions() as session:
            login = session.scalars(select(LoginSession).where(LoginSession.account_id == account.id)).one()
        assert login.amr == ["fed", "otp", "mfa"]


class TestLinking:
    def test_from_the_account_page_and_back(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        account = make_account()
        browser = enter(app, account)
        google.has("g-link", email="other@elsewhere.test", email_verified=False)
        page = there_and_back(browser, google, "g-link", at="/account/logins", path="/account/logins/")
        assert (page.url.path, "other@elsewhere.test" in page.text) == ("/account/logins", True)
        assert "You can sign in with Google" in str(mailbox.sent(account.email)[-1].context)
        assert there_and_back(Browser(app), google, "g-link").url.path == "/account"
        (row,) = (row for row in linked(app) if row.account_id == account.id)
        assert "Google is disconnected." in browser.submit(f"/account/logins/{row.id}/remove").text
        assert not is_in_after(app, google, "g-link")

    def test_needs_a_fresh_proof_and_the_same_session(
        self, app: FastAPI, google: Upstream, make_account: MakeAccount
    ) -> None:
        account = make_account()
        browser = enter(app, account)
        google.has("g-fresh", email=account.email, email_verified=True)
        asked = go(browser, at="/account/logins", path="/account/logins/")
        back = google.consent(asked.headers["location"], "g-fresh")
        browser.submit("/auth/logout")
        page = browser.get(back)
        assert account.id not in {row.account_id for row in linked(app)}, page.text
        browser = enter(app, account)
        with app.state.sessions.begin() as session:
            session.execute(text("update identity.login_sessions set authenticated_at = now() - interval '1 hour'"))
        assert go(browser, at="/account/logins", path="/account/logins/").headers["location"].startswith("/step-up")

    def test_what_is_anothers_stays_theirs(self, app: FastAPI, google: Upstream, make_account: MakeAccount) -> None:
        mia, tom = make_account(), make_account()
        google.has("g-mia", email=mia.email, email_verified=True)
        there_and_back(enter(app, mia), google, "g-mia", at="/account/logins", path="/account/logins/")
        page = there_and_back(enter(app, tom), google, "g-mia", at="/account/logins", path="/account/logins/")
        assert "connected to another account already" in page.text
        assert tom.id not in {row.account_id for row in linked(app)}
        theirs = next(row.id for row in linked(app) if row.account_id == mia.id)
        toms = enter(app, tom)
        toms.submit(f"/account/logins/{theirs}/remove")
        assert theirs in {row.id for row in linked(app)}

    def test_the_last_way_in_stays(self, app: FastAPI, google: Upstream) -> None:
        email = mail()
        google.has(f"g-{email}", email=email, email_verified=True)
        browser = Browser(app)
        there_and_back(browser, google, f"g-{email}")
        row = next(row for row in linked(app) if row.email == email)
        assert "Your only way in" in browser.get("/account/logins").text
        refused = browser.submit(f"/account/logins/{row.id}/remove", headers={"Referer": f"{ISSUER}/account/logins"})
        assert "This is the only way into your account" in refused.text
        assert row.id in {row.id for row in linked(app)}


def is_in_after(app: FastAPI, upstream: Upstream, subject: str, name: str = "google") -> bool:
    browser = Browser(app)
    there_and_back(browser, upstream, subject, name)
    return is_in(browser)


class TestMicrosoft:
    """Tenants name themselves, and write addresses that nobody checks."""

    def test_an_address_counts_only_where_microsoft_vouches_for_it(self, app: FastAPI, tenants: Upstream) -> None:
        email = mail()
        tenants.has(f"m-{email}", email=email, email_verified=True, name="Mia")
        assert not is_in_after(app, tenants, f"m-{email}", "microsoft")
        tenants.change = lambda _, claims: claims | {"xms_edov": True}
        assert is_in_after(app, tenants, f"m-{email}", "microsoft")
        row = next(row for row in linked(app) if row.email == email)
        assert row.issuer == f"{tenants.origin}/{TENANT}/v2.0"

    @pytest.mark.asvs("10.5.3", "10.2.2")
    def test_a_token_of_another_tenant_than_it_names_is_refused(self, app: FastAPI, tenants: Upstream) -> None:
        tenants.has("m-tenant", email=mail(), name="Mia")
        for change in (
            {"tid": "99999999-2222-4333-8444-555555555555"}, {"tid": None}, {"tid": "{tenantid}"}, {"tid": "../x"},
            {"iss": f"{tenants.origin}/{{tenantid}}/v2.0"}, {"iss": "https://evil.test/v2.0"},
        ):  # fmt: skip
            tenants.change = lambda _, claims, change=change: claims | {"xms_edov": True} | change
            assert not is_in_after(app, tenants, "m-tenant", "microsoft"), change


OTHER = RSAKey.generate_key(2048, {"kid": "first"})
STRANGE = RSAKey.generate_key(2048, {"kid": "strange"})


def drop(name: str) -> Any:
    return lambda _, claims: {key: value for key, value in claims.items() if key != name}


def put(**changes: Any) -> Any:
    return lambda _, claims: claims | changes


def head(**changes: Any) -> Any:
    return lambda header, _: header.update(changes)


MUTATIONS: dict[str, Any] = {
    "iss": put(iss="https://evil.test"), "no iss": drop("iss"), "aud": put(aud="another-client"),
    "aud empty": put(aud=[]), "no aud": drop("aud"), "two audiences without azp": put(aud=["plyo-at-microsoft", "x"]),
    "azp": put(aud=["plyo-at-microsoft", "x"], azp="x"), "azp alone": put(azp="x"), "nonce": put(nonce="another"),
    "no nonce": drop("nonce"), "expired": put(exp=now() - 120), "no exp": drop("exp"), "exp a word": put(exp="soon"),
    "not yet": put(nbf=now() + 86400), "issued long ago": put(iat=now() - 7200),
    "issued tomorrow": put(iat=now() + 86400), "no iat": drop("iat"), "no sub": drop("sub"), "empty sub": put(sub=""),
    "sub a number": put(sub=7),
    "at_hash": put(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "alg none": head(alg="none"), "another key of the same name": head(key=OTHER),
    "a key not published": head(key=STRANGE, kid="strange"), "another key without a name": head(key=OTHER, kid=None),
    "hs256 with the client's secret": head(alg="HS256", key=SECRET.encode()),
    "hs256 with their public key": None,
}  # fmt: skip


class TestMutations:
    @pytest.mark.asvs("6.8.2", "10.5.1", "10.5.4", "9.1.1", "9.1.2", "9.2.1")
    @pytest.mark.parametrize("name", MUTATIONS)
    def test_of_id_tokens_are_never_accepted(self, app: FastAPI, tenants: Upstream, name: str) -> None:
        subject = f"m-{name.replace(' ', '-')}"
        tenants.has(subject, email=mail(), name="Mia")
        change = MUTATIONS[name] or head(alg="HS256", key=tenants.key.as_pem(private=False))

        def wrong(header: dict[str, Any], claims: dict[str, Any]) -> Any:
            good = claims | {"xms_edov": True}
            return change(header, good) or good

        tenants.change, browser = wrong, Browser(app)
        assert "could not be confirmed" in there_and_back(browser, tenants, subject, "microsoft").text
        assert "plyo_login" not in browser.cookies
        assert subject not in {row.subject for row in linked(app)}

    def test_the_same_without_a_lie_is(self, app: FastAPI, tenants: Upstream) -> None:
        tenants.has("m-good", email=mail(), name="Mia")
        tenants.change = lambda _, claims: claims | {"xms_edov": True, "aud": ["plyo-at-microsoft"]}
        assert is_in_after(app, tenants, "m-good", "microsoft")

    @pytest.mark.asvs("10.1.2", "10.2.1", "10.2.2")
    @pytest.mark.parametrize(
        "change",
        [{"state": "forged"}, {"state": ""}, {"code": "made-up"}, {"code": ""}, {"iss": "https://evil.test"},
         {"error": "server_error"}, {"error": "access_denied"}],
    )  # fmt: skip
    def test_of_the_answer_sign_nobody_in(self, app: FastAPI, google: Upstream, change: dict[str, str]) -> None:
        google.has("g-answer", email=mail(), email_verified=True)
        browser = Browser(app)
        back = google.consent(go(browser).headers["location"], "g-answer")
        browser.get("/login/with/google/callback", params=query(back) | change)
        assert not is_in(browser)

    @pytest.mark.asvs("10.5.1")
    def test_an_answer_counts_once_and_in_its_own_browser(self, app: FastAPI, google: Upstream) -> None:
        google.has("g-replay", email=mail(), email_verified=True)
        browser, thief = Browser(app), Browser(app)
        back = google.consent(go(browser).headers["location"], "g-replay")
        assert thief.get(back).status_code == 400
        kept = dict(browser.cookies)
        assert browser.get(back).url.path == "/account"
        browser.submit("/auth/logout")
        assert browser.get(back).status_code == 400
        for name, value in kept.items():
            thief.cookies.set(name, value, domain="testserver.local")
        thief.get(back)
        assert not is_in(thief)

    @pytest.mark.asvs("10.2.2")
    def test_an_answer_of_one_provider_is_none_of_the_others(self, app: FastAPI, google: Upstream) -> None:
        google.has("g-mixed", email=mail(), email_verified=True)
        browser = Browser(app)
        back = google.consent(go(browser).headers["location"], "g-mixed").replace("/google/", "/microsoft/")
        assert browser.get(back).status_code == 400
        assert not is_in(browser)

    def test_two_tabs_come_back_in_any_order(self, app: FastAPI, google: Upstream) -> None:
        email = mail()
        google.has("g-tabs", email=email, email_verified=True)
        browser = Browser(app)
        first, second = (google.consent(go(browser).headers["location"], "g-tabs") for _ in range(2))
        assert browser.get(second).url.path == "/account"
        assert browser.get(first).url.path == "/account"


class TestTheirKeys:
    def test_a_key_they_rotated_to_is_asked_for(self, app: FastAPI, tenants: Upstream) -> None:
        tenants.has("m-rotated", email=mail(), name="Mia")
        tenants.change = lambda _, claims: claims | {"xms_edov": True}
        assert is_in_after(app, tenants, "m-rotated", "microsoft")
        fresh = RSAKey.generate_key(2048, {"kid": "second"})
        old, tenants.key, tenants.published = tenants.key, fresh, [fresh]
        keys = app.state.upstreams["microsoft"]._keys
        keys._tried_at -= 60  # a minute ago
        try:
            assert is_in_after(app, tenants, "m-rotated", "microsoft")
        finally:
            tenants.key, tenants.published = old, [old]
            keys._tried_at -= 60

    @pytest.mark.asvs("10.5.3")
    def test_a_discovery_document_of_another_is_refused(self, app: FastAPI, tenants: Upstream) -> None:
        from operational_api.identity.upstream.errors import ProviderDown
        from operational_api.identity.upstream.providers import Provider

        made = Provider("google", "Google", tenants.origin, "x", "s", f"{ISSUER}/x")  # tells of tenants, not of itself
        with pytest.raises(ProviderDown):
            made.metadata()
        with pytest.raises(ProviderDown):
            Provider("google", "Google", f"http://localhost:{free_port()}", "x", "s", f"{ISSUER}/x").metadata()
