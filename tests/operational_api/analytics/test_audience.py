"""Analytics believes only tokens made for it, on loopback like anywhere."""

import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt

from contracts.ids import new_id
from contracts.tokens import ANALYTICS, API, DAGSTER
from operational_api.core.principal import Principal
from operational_api.core.tokens import Delegation
from tests.operational_api.analytics.conftest import ISSUER, KEY


def ask(app: FastAPI, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return TestClient(app, base_url=ISSUER).get("/api/analytics/metrics", headers=headers).status_code


def token(audience: str | list[str], *, seconds: int = 60, type_: str = "at+jwt") -> str:
    claims = {
        "iss": ISSUER, "aud": audience, "sub": str(new_id()), "role": "admin", "client_id": "tests",
        "exp": int(time.time()) + seconds,
    }  # fmt: skip
    return jwt.encode({"alg": "RS256", "typ": type_, "kid": KEY.kid}, claims, KEY)


@pytest.mark.asvs("9.2.3")
@pytest.mark.parametrize(
    ("audience", "status"),
    [
        (ANALYTICS, 200),
        ([API, ANALYTICS], 200),
        (API, 401),
        (DAGSTER, 401),
        ([API, DAGSTER], 401),
        ("", 401),
        ([], 401),
    ],
)
def test_believes_only_its_own(app: FastAPI, audience: str | list[str], status: int) -> None:
    assert ask(app, token(audience)) == status


@pytest.mark.asvs("9.1.1")
@pytest.mark.asvs("9.2.1")
def test_believes_nothing_else(app: FastAPI) -> None:
    assert ask(app, None) == 401
    assert ask(app, token(ANALYTICS, seconds=-60)) == 401
    assert ask(app, token(ANALYTICS, type_="JWT")) == 401
    assert ask(app, token(ANALYTICS)[:-4] + "AAAA") == 401


def test_believes_the_api_that_asks_for_a_person(app: FastAPI) -> None:
    delegation = Delegation(ISSUER, lambda: KEY)
    coach = Principal(role="coach", client_id="plyo-coach", account_id=new_id(), session_id=new_id())
    assert ask(app, delegation.token(coach, ANALYTICS)) == 200
    assert ask(app, delegation.token(coach, DAGSTER)) == 401
