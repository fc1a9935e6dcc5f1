"""Dagster's port opens to admins whom the gateway let in and to services, and to nobody else."""

import time
from collections.abc import Callable

import httpx
import pytest
from dagster_webserver import cli
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from contracts.tokens import ANALYTICS, API, DAGSTER, Verifier
from operational_api.core.policy import roles_that_may
from orchestration import webserver
from orchestration.webserver import Guard

ISSUER, KEY = "http://plyo.test", RSAKey.generate_key(2048)
KEY.ensure_kid()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("runs")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def guarded(keys: Callable[[bool], KeySet]) -> TestClient:
    routes = [Route("/dagster/{path:path}", page, methods=["GET", "POST"]), WebSocketRoute("/dagster/graphql", socket)]
    verifier = Verifier(keys, issuer=ISSUER, audience=DAGSTER)
    return TestClient(Guard(Starlette(routes=routes), verifier, open_path="/dagster/server_info"))


@pytest.fixture
def dagster() -> TestClient:
    return guarded(lambda _: KeySet([KEY]))


def bearer(audience: str = DAGSTER, role: str = "admin", seconds: int = 3600) -> dict[str, str]:
    claims = {"iss": ISSUER, "aud": audience, "sub": "x", "role": role, "exp": int(time.time()) + seconds}
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": KEY.kid}, claims, KEY)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.asvs("9.2.3")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (bearer(), 200), (bearer(role="data"), 200), (bearer(role="service"), 200), ({}, 401), (bearer(API), 401),
        (bearer(ANALYTICS), 401), (bearer(role="coach"), 401), (bearer(seconds=-60), 401),
        ({"Authorization": "Bearer nonsense"}, 401), ({"X-Plyo-Role": "admin"}, 401),
    ],
    ids=["admin", "data", "service", "nobody", "api", "analytics", "coach", "expired", "nonsense", "claimed"],
)  # fmt: skip
def test_asks_for_its_own_token(dagster: TestClient, headers: dict[str, str], status: int) -> None:
    assert dagster.get("/dagster/runs", headers=headers).status_code == status
    assert dagster.post("/dagster/graphql", headers=headers).status_code == status


def test_roles_are_the_ones_that_the_policy_lets_in() -> None:
    assert set(webserver.ROLES) == {*roles_that_may("gateway.open_pipelines"), "service"}


def test_sockets_are_asked_too(dagster: TestClient) -> None:
    with dagster.websocket_connect("/dagster/graphql", headers=bearer()) as connection:
        assert connection.receive_text() == "hello"
    with pytest.raises(WebSocketDisconnect), dagster.websocket_connect("/dagster/graphql"):
        pass


def test_tells_its_versions_to_everybody(dagster: TestClient) -> None:
    assert dagster.get("/dagster/server_info").status_code == 200


def test_lets_nobody_in_while_the_issuer_is_down() -> None:
    def gone(_refresh: bool) -> KeySet:
        raise httpx.ConnectError("refused")

    assert guarded(gone).get("/dagster/runs", headers=bearer()).status_code == 401


def test_dagsters_command_makes_its_app_where_the_guard_is_put() -> None:
    names = cli.host_dagster_ui_with_workspace_process_context.__code__.co_names
    assert webserver._MAKES_APP in names
    assert callable(vars(cli)[webserver._MAKES_APP])
