"""Headers of every route there is, and what becomes of browsers' reports."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.rate_limit import Limiter
from operational_api.core.rate_policy import POLICY
from tests.factories import account_of, make_client
from tests.operational_api.conftest import SignIn


def paths_of(routes: Any) -> Iterator[str]:
    """Every path that answers GET, with ids for its parameters."""
    for route in routes:
        if "GET" in (getattr(route, "methods", None) or ()):
            yield re.sub(r"{\w+(:path)?}", str(new_id()), route.path)
        inner = getattr(route, "original_router", None) or route
        if inner_routes := getattr(inner, "routes", None):
            prefix = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from (prefix + path for path in paths_of(inner_routes))


@pytest.mark.asvs("3.4.3")
@pytest.mark.asvs("3.4.4")
@pytest.mark.asvs("3.4.5")
@pytest.mark.asvs("3.4.6")
def test_every_route_has_its_headers(app: FastAPI, session: Session, sign_in: SignIn) -> None:
    browser = sign_in(account_of(session, make_client(session)))
    browser.headers["accept"] = "text/html"
    paths = sorted(set(paths_of(app.routes)))
    assert {"/home", "/api/identity/me", "/login", "/sw.js"} <= set(paths)
    nonces: dict[str, str] = {}
    for path in paths:
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy or path == "/sw.js", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer"), path
        assert answer.status_code != 500, path
        if answer.headers.get("content-type", "").startswith("text/html"):
            told = re.search(r"script-src 'self' 'nonce-([\w-]{20,})'", policy)
            assert told, path
            nonces[path] = told[1]
            assert set(re.findall(r'nonce="([^"]*)"', answer.text)) <= {told[1]}, path
            assert policy.endswith("; report-uri /gateway/csp-reports")
            assert not re.search(
                r"\son\w+=|\sstyle=|<style(?![^>]*nonce=)|<script(?![^>]*(src|nonce)=)", answer.text
            ), path
    assert len(set(nonces.values())) == len(nonces) > 20


@pytest.mark.asvs("3.4.1")
def test_strict_transport_is_said_by_https_alone(app: FastAPI) -> None:
    assert "strict-transport-security" not in TestClient(app).get("/live").headers
    app.state.settings.public_url = "https://plyo.test"
    answer = TestClient(app, base_url="https://plyo.test").get("/offline")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    # Browsers know reporting endpoints by https alone, and then leave report-uri out.
    assert answer.headers["content-security-policy"].endswith("; report-uri /gateway/csp-reports; report-to csp")
    assert answer.headers["reporting-endpoints"] == 'csp="/gateway/csp-reports"'


OLD = {"csp-report": {"document-uri": "http://testserver/reset-password?token=abc", "blocked-uri": "inline",
                      "violated-directive": "script-src", "line-number": 3, "original-policy": "x" * 900}}  # fmt: skip
_SEEN = {"documentURL": "http://testserver/home#x", "blockedURL": "https://evil.test/a?b"}
NEW = [
    {"type": "csp-violation", "body": _SEEN | {"effectiveDirective": "img-src"}},
    {"type": "deprecation", "body": {}},
]


class TestReports:
    def send(self, client: TestClient, body: Any, kind: str = "application/csp-report") -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post("/gateway/csp-reports", content=content, headers={"Content-Type": kind}).status_code

    def test_both_kinds_are_logged_without_what_is_secret(self, api: TestClient) -> None:
        # As a browser sends it: with the session's cookie and without a token against forgery.
        api.cookies.set("plyo_session", "x")
        with structlog.testing.capture_logs() as lines:
            assert self.send(api, OLD) == 204
            assert self.send(api, NEW, "application/reports+json") == 204
        told = [line for line in lines if line["event"] == "csp_violation"]
        assert [line["document"] for line in told] == ["http://testserver/reset-password", "http://testserver/home"]
        assert told[0]["directive"] == "script-src"
        assert told[1]["blocked"] == "https://evil.test/a"
        assert "abc" not in str(told)

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b"3", b"{}", b'{"csp-report": 3}', b'[{"type": "csp-violation"}]', b"[" * 5000,
         b'{"csp-report": {"document-uri": "' + b"x" * 20_000 + b'"}}'],
    )  # fmt: skip
    def test_what_is_no_report_is_refused(self, api: TestClient, body: bytes) -> None:
        assert self.send(api, body) == 422

    @pytest.mark.asvs("16.4.1")
    def test_nobody_writes_lines_into_the_log(self, api: TestClient) -> None:
        forged = {"csp-report": {"document-uri": 'x\n{"event": "login"}\r\x1b[2J', "blocked-uri": "y" * 5000}}
        with structlog.testing.capture_logs() as lines:
            assert self.send(api, forged) == 204
        [line] = [line for line in lines if line["event"] == "csp_violation"]
        assert line["document"] == 'x{"event": "login"}[2J'
        assert len(line["blocked"]) == 200

    def test_an_address_reports_so_often_and_no_more(self, app: FastAPI, api: TestClient) -> None:
        limit = next(one for one in POLICY if one.name == "csp_report")
        app.state.limiter = Limiter(factor=2 / limit.amount, clock=lambda: 1_800_000_030.0)
        assert [self.send(api, OLD) for _ in range(3)] == [204, 204, 429]
