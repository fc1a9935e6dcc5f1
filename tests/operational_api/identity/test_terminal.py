"""Signing in from a terminal, over real HTTP: what it opens, what it does not, and how it ends."""

import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select, update
from typer.testing import CliRunner

from contracts.ids import new_id
from contracts.tokens import ANALYTICS, RemoteKeys, Verifier
from operational_api.analytics.app import create_app as create_analytics
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.models import AuditEntry
from operational_api.engagement.models import OutgoingEmail
from operational_api.identity.models import Account, AuthorizationCode, LoginSession, RefreshToken
from plyo import terminal
from plyo.cli import app
from plyo.postgres import PostgresServer, free_port
from tests.operational_api.identity.conftest import CHALLENGE, HASH, PASSWORD, VERIFIER
from tests.operational_api.identity.served import listening, serve

BACK = "http://127.0.0.1:49152/callback"


@dataclass
class Deployment:
    """The API and analytics, each on a port of its own."""

    app: FastAPI
    at: str
    analytics: str
    folder: Path

    def account(self, role: str) -> Account:
        account = Account(
            id=new_id(), email=f"{new_id().hex}@plyo.test", password_hash=HASH, display_name="Ines Duarte", role=role,
            time_zone="UTC", email_verified_at=datetime.now(UTC), created_at=datetime.now(UTC),
        )  # fmt: skip
        with self.app.state.sessions.begin() as session:
            session.add(account)
        return account

    def opens(self, token: str) -> tuple[int, int]:
        """How analytics and the API answer a token."""
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
            numbers = client.get(f"{self.analytics}/api/analytics/metrics")
            return numbers.status_code, client.get(f"{self.at}/api/identity/me").status_code

    def session_of(self, account: Account) -> LoginSession:
        """The newest of somebody."""
        with self.app.state.sessions() as session:
            of = select(LoginSession).where(LoginSession.account_id == account.id)
            return session.scalars(of.order_by(LoginSession.created_at.desc())).first()


@pytest.fixture(scope="module")
def deployment(
    postgres: PostgresServer, template_database: str, signing_key_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    with serve(postgres, template_database, signing_key_file) as app:
        settings, folder, port = app.state.settings, tmp_path_factory.mktemp("terminal"), free_port()
        analytics = create_analytics(
            AnalyticsSettings(
                lake_catalog_url=SecretStr("postgresql://nobody@127.0.0.1:1/nowhere"), lake_path=str(folder),
                public_url=settings.public_url, jwks_url=f"{settings.public_url}/oidc/jwks",
                dbt_manifest=folder / "manifest.json", audit_database_url=settings.database_url,
            )
        )  # fmt: skip
        with listening(analytics, port):
            yield Deployment(app, settings.public_url, f"http://localhost:{port}", folder)


def browser_of(deployment: Deployment) -> httpx.Client:
    return httpx.Client(base_url=deployment.at, headers={"Accept": "text/html"}, timeout=30)


def arrive(browser: httpx.Client, address: str, email: str) -> httpx.Response:
    """A person opens an address and signs in where they are asked to; what they see then."""
    page = browser.get(address, follow_redirects=True)
    if page.url.path == "/login":
        form = {name: html.unescape(told) for name, told in re.findall(r'name="(\w+)" value="([^"]*)"', page.text)}
        page = browser.post("/login", data=form | {"email": email, "password": PASSWORD}, follow_redirects=True)
    return page


def pressed(page: httpx.Response, label: str) -> str:
    """Where a button of a page leads."""
    found = re.search(rf'href="([^"]+)"[^>]*>\s*(?:<span>)?{label}', page.text)
    assert found, page.text
    return html.unescape(found[1])


def person(deployment: Deployment, account: Account, *, press: str = "Let it in") -> Callable[[str], object]:
    """Whoever sits at the browser that the terminal opens."""

    def act(address: str) -> None:
        with browser_of(deployment) as browser:
            answer = browser.get(pressed(arrive(browser, address, account.email), press))
            if answer.is_redirect:
                answer = browser.get(answer.headers["location"])
            assert answer.status_code == 200

    return lambda address: Thread(target=act, args=[address]).start()


def nobody(address: str) -> None:
    raise AssertionError(f"a sign-in was asked for: {address}")


def grow_old(file: Path) -> None:
    """What is kept is to be renewed."""
    kept = orjson.loads(file.read_bytes())
    file.write_bytes(orjson.dumps(kept | {"expires_at": int(time.time()) + terminal.RENEW_BEFORE_SECONDS}))


def asked(**other: str) -> str:
    """What a terminal sends the browser to."""
    return "/oidc/authorize?" + urlencode(
        {
            "response_type": "code", "client_id": terminal.CLIENT, "redirect_uri": BACK, "scope": terminal.SCOPE,
            "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        } | other
    )  # fmt: skip


def code_for(deployment: Deployment, account: Account) -> str:
    with browser_of(deployment) as browser:
        answer = browser.get(pressed(arrive(browser, asked(), account.email), "Let it in"))
    assert answer.headers["location"].startswith(f"{BACK}?")
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def trade(deployment: Deployment, code: str, **other: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code", "client_id": terminal.CLIENT, "code": code, "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }  # fmt: skip
    return httpx.post(f"{deployment.at}/oidc/token", data=form | other)


def test_a_terminal_reads_numbers_as_the_person_renews_itself_and_is_signed_out_on_their_account(
    deployment: Deployment,
) -> None:
    analyst = deployment.account("data")
    first = terminal.token(deployment.at, folder=deployment.folder, browse=person(deployment, analyst))
    assert deployment.opens(first) == (200, 401)  # the numbers, and nothing else
    [file] = deployment.folder.glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert terminal.token(deployment.at, folder=deployment.folder, browse=nobody) == first
    assert 0 < orjson.loads(file.read_bytes())["expires_at"] - time.time() <= 900
    grow_old(file)
    second = terminal.token(deployment.at, folder=deployment.folder, browse=nobody)
    assert (second != first, deployment.opens(second)) == (True, (200, 401))
    assert file.stat().st_mode & 0o777 == 0o600

    row = deployment.session_of(analyst)
    with deployment.app.state.sessions() as session:
        noted = session.execute(
            select(AuditEntry.action, AuditEntry.actor_id, AuditEntry.details["program"].astext).where(
                AuditEntry.object_id == str(row.id)
            )
        ).all()
        told = session.scalars(select(OutgoingEmail.context).where(OutgoingEmail.recipient == analyst.email)).all()
    assert noted == [("identity.sign_in", analyst.id, f"plyo-terminal ({terminal.SYSTEM})")]
    assert [one["what"] for one in told] == ["Plyo in a terminal was signed in"]

    with browser_of(deployment) as browser:
        page = arrive(browser, "/auth/login?return_to=/account", analyst.email)
        assert f"Plyo in a terminal on {terminal.SYSTEM.replace(' OS X', '')}" in page.text
        token = re.search(rf'sessions/{row.id}/end".*?name="(\w+)" value="([^"]+)"', page.text, re.DOTALL)
        assert token, page.text
        browser.post(f"/account/sessions/{row.id}/end", data={token[1]: token[2]})
    assert deployment.opens(second) == (401, 401)
    grow_old(file)
    third = terminal.token(deployment.at, folder=deployment.folder, browse=person(deployment, analyst))
    assert deployment.opens(third) == (200, 401)
    assert terminal.sign_out(deployment.at, folder=deployment.folder)
    assert deployment.opens(third) == (401, 401)
    assert deployment.session_of(analyst).revoked_at is not None
    assert not terminal.sign_out(deployment.at, folder=deployment.folder)


def test_a_terminal_gets_nothing_where_the_person_says_no_or_another_deployment_answers(deployment: Deployment) -> None:
    analyst = deployment.account("data")
    with pytest.raises(terminal.NotSignedIn, match="access_denied"):
        terminal.token(
            deployment.at, folder=deployment.folder / "no", browse=person(deployment, analyst, press="Keep it out")
        )
    with pytest.raises(terminal.NotSignedIn, match="says that it is"):  # the address is not what its tokens say
        terminal.token(deployment.at.replace("localhost", "127.0.0.1"), folder=deployment.folder / "no", browse=nobody)
    said = CliRunner().invoke(app, ["token", "--at", "http://plyo.example"])
    assert (said.exit_code, "begins with https://" in said.stderr, said.stdout) == (1, True, "")
    assert list((deployment.folder / "no").glob("*.json")) == []


def test_a_code_is_worth_something_once_soon_and_to_who_asked_for_it(deployment: Deployment) -> None:
    analyst = deployment.account("data")
    code = code_for(deployment, analyst)
    good = trade(deployment, code).json()
    assert deployment.opens(good["access_token"]) == (200, 401)
    again = trade(deployment, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert deployment.opens(good["access_token"]) == (401, 401)  # whoever used it twice ends what it gave
    assert deployment.session_of(analyst).revoked_at is not None
    for wrong in ({"code_verifier": "x" * 43}, {"redirect_uri": "http://127.0.0.1:49153/callback"}):
        refused = trade(deployment, code_for(deployment, analyst), **wrong)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    late = code_for(deployment, analyst)
    with deployment.app.state.sessions.begin() as session:
        of = update(AuthorizationCode).where(AuthorizationCode.account_id == analyst.id)
        session.execute(of.values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert trade(deployment, late).json()["error_description"] == "This code is too old."


def test_who_used_a_renewal_twice_or_signed_out_renews_no_more(deployment: Deployment) -> None:
    analyst = deployment.account("data")

    def renew(told: dict[str, str]) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": terminal.CLIENT, "refresh_token": told["refresh_token"]}
        return httpx.post(f"{deployment.at}/oidc/token", data=form)

    first = trade(deployment, code_for(deployment, analyst)).json()
    second = renew(first).json()
    assert renew(first).status_code == 400
    assert (deployment.opens(second["access_token"]), renew(second).status_code) == ((401, 401), 400)
    third = trade(deployment, code_for(deployment, analyst)).json()
    with deployment.app.state.sessions.begin() as session:
        of = update(RefreshToken).where(RefreshToken.session_id == deployment.session_of(analyst).id)
        session.execute(of.values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert renew(third).status_code == 400


def test_a_customer_is_let_into_no_terminal_and_a_coach_sees_no_more_than_a_coach(deployment: Deployment) -> None:
    with browser_of(deployment) as browser:
        page = arrive(browser, asked(), deployment.account("customer").email)
    assert (page.status_code, "is not for this account" in page.text) == (403, True)
    told = trade(deployment, code_for(deployment, deployment.account("coach"))).json()
    verifier = Verifier(RemoteKeys(f"{deployment.at}/oidc/jwks"), issuer=deployment.at, audience=ANALYTICS)
    claims = verifier.claims(told["access_token"])
    assert (claims["role"], claims["aud"], claims["exp"] - claims["iat"]) == ("coach", ANALYTICS, 900)


@pytest.mark.parametrize(
    "back",
    [
        "http://127.0.0.1:49152/other", "http://127.0.0.1:49152@plyo.example/callback", "https://127.0.0.1:1/callback",
        "http://127.0.0.1.plyo.example:1/callback", "http://127.0.0.1:49152/callback?more=1", "http://127.0.0.1/callback",
        "http://localhost:49152/callback", "http://127.0.0.1:1/callback#x", "",
    ],
)  # fmt: skip
def test_an_answer_goes_to_the_machine_of_who_asked_and_nowhere_else(deployment: Deployment, back: str) -> None:
    refused = httpx.get(deployment.at + asked(redirect_uri=back))
    expected = 303 if back == "http://127.0.0.1/callback" else 400  # without a port it is the one of HTTP
    assert refused.status_code == expected


def test_no_program_is_let_in_by_a_browser_that_nobody_looks_at(deployment: Deployment) -> None:
    analyst = deployment.account("data")
    with browser_of(deployment) as browser:
        page = arrive(browser, asked(), analyst.email)
        assert "Plyo in a terminal asks to come in" in page.text
        silent = browser.get(asked(prompt="none"))
        assert "error=consent_required" in silent.headers["location"]
        onward = urlsplit(pressed(page, "Let it in"))
        signed = dict(parse_qsl(onward.query))["let_in"]
        for other in ({"let_in": "made-up"}, {"let_in": signed, "code_challenge": "x" * 43}):
            answer = browser.get(asked(**other))
            assert (answer.status_code, "Plyo in a terminal asks to come in" in answer.text) == (200, True)
    with browser_of(deployment) as stranger:  # what one browser was told lets nobody in at another
        arrive(stranger, asked(), deployment.account("data").email)
        assert "Plyo in a terminal asks to come in" in stranger.get(asked(let_in=signed)).text
