"""Signing in to a deployment from a terminal or a notebook, to ask for numbers as oneself.

The browser opens the deployment's own sign-in, second factor and all, and brings a code back to this machine (RFC 8252:
code and PKCE, a port of the loopback address). What is kept lies in a file that only its owner may read: a token for
minutes, and what renews it. It opens the numbers and nothing else of the deployment. The demo's own logins are
`plyo.analyst`'s.
"""

import os
import platform
import secrets
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from filelock import FileLock
from requests import RequestException

CLIENT, SCOPE, PATH = "plyo-terminal", "openid offline_access", "/callback"
PATIENCE_SECONDS = 300
RENEW_BEFORE_SECONDS = 60
"""A token is renewed so long before its end, so that whoever is given it can ask with it."""
SYSTEM = {"Darwin": "Mac OS X"}.get(platform.system(), platform.system())
_DONE = b"<!doctype html><title>Plyo</title><p>Plyo has an answer. Close this page and go back to the terminal.</p>"


class NotSignedIn(RuntimeError):
    """Nobody came back from the sign-in, or what came back does not hold; the message says what to do."""


def token(at: str, *, folder: Path | None = None, browse: Callable[[str], object] | None = None) -> str:
    """A token for the numbers of a deployment that holds for a minute at least. Asks for a sign-in where there is none.

    Args:
        at: Its address, such as https://plyo.example.
        folder: Where sign-ins are kept, by default `plyo` among the user's configuration.
        browse: Shows an address to the person. By default their browser does, and it is printed.

    Raises:
        NotSignedIn.
    """
    at = _address(at)
    with _kept(at, folder) as file, _client() as client:
        known = _read(file)
        if known and known["expires_at"] > time.time() + RENEW_BEFORE_SECONDS:
            return str(known["access_token"])
        endpoints = _endpoints(client, at)
        told = _renewed(client, endpoints, known) or _signed_in(client, endpoints, browse or _show)
        _write(file, told)
    return str(told["access_token"])


def headers(at: str) -> dict[str, str]:
    """What a request for numbers carries, for pandas' `storage_options` and the like."""
    return {"Authorization": f"Bearer {token(at)}"}


def sign_out(at: str, *, folder: Path | None = None) -> bool:
    """End the sign-in there and here. Returns whether there was one.

    Raises:
        NotSignedIn: the deployment cannot be told; it stays in the account's list of devices until it is ended there.
    """
    at = _address(at)
    with _kept(at, folder) as file, _client() as client:
        known = _read(file)
        file.unlink(missing_ok=True)
        if known:
            address = _endpoints(client, at)["revocation_endpoint"]
            _spoken(lambda: client.revoke_token(address, known["refresh_token"]).raise_for_status())
    return known is not None


def _address(at: str) -> str:
    parts = urlsplit(at)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("https", "http" if is_here else "https") or not parts.hostname or "@" in parts.netloc:
        raise NotSignedIn(f"{at} is no address of a deployment: it begins with https://.")
    return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def _kept(at: str, folder: Path | None) -> Iterator[Path]:
    """The file of a sign-in, for one process at a time: what renews it may be used once."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folder = folder or Path(home).expanduser() / "plyo"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{quote(at, safe='')}.json"
    with FileLock(file.with_suffix(".lock"), timeout=PATIENCE_SECONDS):
        yield file


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(file.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return found


def _write(file: Path, told: dict[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    kept = {name: told[name] for name in ("access_token", "refresh_token", "expires_at")}
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(orjson.dumps(kept))
    fresh.replace(file)


def _client() -> OAuth2Session:
    client = OAuth2Session(
        CLIENT, scope=SCOPE, token_endpoint_auth_method="none", code_challenge_method="S256",  # noqa: S106
        default_timeout=30,
    )  # fmt: skip
    client.headers["User-Agent"] = f"{CLIENT} ({SYSTEM})"
    return client


def _spoken(say: Callable[[], Any]) -> Any:
    try:
        return say()
    except (RequestException, AuthlibBaseError, ValueError) as error:
        raise NotSignedIn(f"The sign-in did not come to its end: {error}. Try again.") from error


def _endpoints(client: OAuth2Session, at: str) -> dict[str, str]:
    def ask() -> dict[str, str]:
        answer = client.get(f"{at}/.well-known/openid-configuration", withhold_token=True)
        answer.raise_for_status()
        told: dict[str, str] = answer.json()
        return told

    told: dict[str, str] = _spoken(ask)
    if told.get("issuer") != at:
        raise NotSignedIn(f"{at} says that it is {told.get('issuer')}: give the address that people open Plyo at.")
    return told


def _renewed(client: OAuth2Session, endpoints: dict[str, str], known: dict[str, Any] | None) -> dict[str, Any] | None:
    """New tokens without asking anybody; None where somebody has to sign in."""
    if known is None:
        return None
    try:
        told: dict[str, Any] = client.refresh_token(endpoints["token_endpoint"], known["refresh_token"])
    except AuthlibBaseError:  # signed out, or too old
        return None
    except RequestException as error:
        raise NotSignedIn(f"The deployment does not answer: {error}.") from error
    return told


def _signed_in(
    client: OAuth2Session, endpoints: dict[str, str], browse: Callable[[str], object]
) -> dict[str, Any]:  # fmt: skip
    verifier = secrets.token_urlsafe(48)
    with _Ear() as ear:
        client.redirect_uri = f"http://127.0.0.1:{ear.server_port}{PATH}"
        address, ear.state = client.create_authorization_url(
            endpoints["authorization_endpoint"], code_verifier=verifier
        )
        browse(address)
        answer = ear.heard()
    if answer.get("iss") != endpoints["issuer"] or "code" not in answer:
        raise NotSignedIn(f"Nobody was signed in: {answer.get('error', 'the answer is not the deployment’s')}.")
    told: dict[str, Any] = _spoken(
        lambda: client.fetch_token(
            endpoints["token_endpoint"], grant_type="authorization_code", code=answer["code"], code_verifier=verifier
        )
    )
    return told


class _Ear(HTTPServer):
    """Hears the one answer to our question, on a port of this machine that nobody knew before."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.state = ""
        self.answer: dict[str, str] = {}

    def heard(self) -> dict[str, str]:
        """What the browser brought.

        Raises:
            NotSignedIn: it brought nothing for minutes.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.answer and (left := until - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        if not self.answer:
            raise NotSignedIn(f"Nobody came back from the sign-in for {PATIENCE_SECONDS // 60} minutes.")
        return self.answer


class _Answers(BaseHTTPRequestHandler):
    server: _Ear
    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        told = {name: values[0] for name, values in parse_qs(parts.query).items()}
        is_ours = parts.path == PATH and secrets.compare_digest(told.get("state", ""), self.server.state)
        self.send_response(200 if is_ours else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if is_ours:
            self.wfile.write(_DONE)
            self.server.answer = told

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Says nothing: its address has the code in it."""


def _show(address: str) -> None:
    sys.stderr.write(f"Sign in at\n  {address}\n")
    webbrowser.open(address)
