"""Providers to sign in by, over real HTTP: `oidc-provider-mock` as it is, and one that can be made to lie.

The liar passes everything on to another mock, but signs each id_token anew with a key of its own, changed as told. It
can also call itself what Microsoft calls itself: a template of issuers, one for each tenant.
"""

import base64
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")  # the mock's: it serves http here
TENANT = "11111111-2222-4333-8444-555555555555"
Change = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None]


@dataclass
class Upstream:
    """A provider on a port. `calls` are the token endpoint's forms."""

    origin: str
    change: Change | None = None
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))
    published: list[RSAKey] = field(default_factory=list)
    is_tenanted: bool = False
    issuer: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    calls: list[dict[str, str]] = field(default_factory=list)
    http: httpx.Client = field(default_factory=httpx.Client)

    def has(self, subject: str, **claims: Any) -> None:
        """Give it a person."""
        self.http.put(f"{self.origin}/users/{subject}", json=claims).raise_for_status()

    def consent(self, address: str, subject: str) -> str:
        """The person signs in there; returns where they are sent back to."""
        answer = self.http.post(address, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


@contextmanager
def honest() -> Iterator[Upstream]:
    """The mock as it was installed."""
    with oidc_provider_mock.run_server_in_thread() as server:
        yield Upstream(f"http://localhost:{server.server_port}")


@contextmanager
def liar(*, is_tenanted: bool = False) -> Iterator[Upstream]:
    """The mock behind one that lies on demand."""
    behind = Client(oidc_provider_mock.app())
    told = Upstream("", is_tenanted=is_tenanted)
    told.published = [told.key]

    def application(environ: Any, start_response: Any) -> Any:
        return _answer(told, behind, Request(environ))(environ, start_response)

    server = make_server("localhost", 0, application, threaded=True)
    told.origin = f"http://localhost:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield told
    server.shutdown()
    thread.join(5)
    server.server_close()


def _answer(told: Upstream, behind: Client, request: Request) -> Response:
    path = request.path.removeprefix("/common/v2.0") if told.is_tenanted else request.path
    if path == "/jwks":
        return _json(KeySet(told.published).as_dict(private=False))
    form = request.get_data()
    answer = behind.open(
        path, method=request.method, query_string=request.query_string.decode(), data=form, base_url=told.origin,
        headers={name: value for name, value in request.headers if name.lower() in ("content-type", "authorization")},
    )  # fmt: skip
    if path.endswith("/openid-configuration"):
        document = json.loads(answer.text) | told.metadata
        if told.is_tenanted:
            document["issuer"] = f"{told.origin}/{{tenantid}}/v2.0"
        return _json(document)
    if path == "/oauth2/token":
        told.calls.append({name: values[0] for name, values in parse_qs(form.decode()).items()})
        if answer.status_code == 200:
            return _json(_signed_anew(told, json.loads(answer.text)))
    return Response(answer.data, answer.status_code, answer.headers)


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), 200, content_type="application/json")


def _signed_anew(told: Upstream, tokens: dict[str, Any]) -> dict[str, Any]:
    middle = tokens["id_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    if told.is_tenanted:
        claims |= {"tid": TENANT, "iss": f"{told.origin}/{TENANT}/v2.0"}
    header: dict[str, Any] = {"alg": "RS256", "kid": told.key.kid}
    if told.change is not None:
        replaced = told.change(header, claims)
        claims = claims if replaced is None else replaced
    key = header.pop("key", told.key)
    if header["kid"] is None:
        del header["kid"]
    if header["alg"] in ("none", "HS256"):  # by hand: libraries refuse to
        signed = b".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        signature = hmac.digest(key, signed, "sha256") if header["alg"] == "HS256" else b""
        return tokens | {"id_token": (signed + b"." + _b64(signature)).decode()}
    return tokens | {"id_token": jwt.encode(header, claims, key, algorithms=[header["alg"]])}


def _b64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def query(address: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def now() -> int:
    """Unix seconds."""
    return int(time.time())
