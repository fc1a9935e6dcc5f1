"""What somebody needs who analyses this copy's numbers: where its lake is, and a token for the API of numbers.

The token is got as the admin console gets one, by signing in with a demo login: code and PKCE, no back door. Not for a
deployment: its people have passwords of their own, and its lake a role for each analyst.
"""

import base64
import hashlib
import html
import re
import secrets
import shlex
from urllib.parse import parse_qs, urlsplit

import httpx

from plyo.home import Home

CLIENT = "plyo-admin"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class SignInFailed(RuntimeError):
    """The demo login was not let in; the message says where it ended."""


def lake_environment(home: Home) -> dict[str, str]:
    """What `contracts.notebook` and DuckDB need to read the lake of a copy that runs, as `lake_reader`."""
    address = f"127.0.0.1:{home.ports_in_use()['postgres']}"
    return {
        "PLYO_LAKE_CATALOG_URL": f"postgresql://lake_reader:{home.secrets()['lake_reader']}@{address}/lake",
        "PLYO_LAKE_PATH": str(home.lake),
    }


def exports(variables: dict[str, str]) -> str:
    """Lines that a shell takes by `eval`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def token(gateway: str, *, email: str, password: str) -> str:
    """An access token for the API and analytics, good for an hour.

    Raises:
        SignInFailed: wrong password, or not somebody whom the admin console lets in.
    """
    verifier, back = secrets.token_urlsafe(48), f"{gateway}/admin/login"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": back, "scope": "openid profile email",
        "state": secrets.token_urlsafe(12), "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    with httpx.Client(base_url=gateway, timeout=30, headers={"Accept": "text/html"}) as browser:
        answer = browser.get("/oidc/authorize", params=asked)
        while answer.is_redirect and not answer.headers["location"].startswith(back):
            answer = browser.get(answer.headers["location"])
            if "/login" in str(answer.url.path) and answer.is_success:
                filled = {name: html.unescape(value) for name, value in _HIDDEN.findall(answer.text)}
                answer = browser.post("/login", data=filled | {"email": email, "password": password})
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if not code:
            raise SignInFailed(f"{email} was not let in: {answer.status_code} at {answer.url.path}")
        told = browser.post(
            "/oidc/token",
            data={
                "grant_type": "authorization_code", "code": code[0], "redirect_uri": back, "client_id": CLIENT,
                "code_verifier": verifier,
            },
        )  # fmt: skip
    return str(told.raise_for_status().json()["access_token"])
