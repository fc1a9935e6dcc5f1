"""What is said to an authorization server, how often, and what its answers are in our words. The trips there and back
are `test_pages`'s, and of workers that renew one token side by side too."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from operational_api.scheduling.calendars import oauth
from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarUnreachable
from operational_api.scheduling.settings import CalendarSettings

ODD = "1//0g-_.~+/=%26&é ü"
SECRET = "s3cret/+&"
ISSUED = {"access_token": "at", "token_type": "Bearer", "expires_in": "3599"}


@pytest.fixture
def asked(files: tuple[str, dict[str, Any]]) -> list[dict[str, str]]:
    """What the server was asked for."""
    files[1].update(content=json.dumps(ISSUED).encode(), headers={"Content-Type": "application/json"}, faults=[])
    files[1]["asked"] = []
    return files[1]["asked"]


@pytest.fixture
def google(files: tuple[str, dict[str, Any]]) -> oauth.OAuthClient:
    """We, at a server in the place of Google's."""
    settings = CalendarSettings(
        calendar_google_client_id="plyo", calendar_google_client_secret=SecretStr(SECRET),
        calendar_google_token_url=f"{files[0]}/token", calendar_google_revoke_url=f"{files[0]}/revoke",
    )  # fmt: skip
    return oauth.clients(settings)["google"]


def test_the_form_is_of_one_grant_and_nothing_in_it_is_changed(
    google: oauth.OAuthClient, asked: list[dict[str, str]]
) -> None:
    us = {"client_id": "plyo", "client_secret": SECRET}
    assert google.trade(ODD, "v" * 64) == oauth.Tokens("at", "", 3599)
    assert google.refresh(ODD) == oauth.Tokens("at", ODD, 3599)
    google.revoke(ODD)
    assert [one[":path"] for one in asked] == ["/token", "/token", "/revoke"]
    traded, refreshed, revoked = (dict(parse_qsl(one[":body"], strict_parsing=True)) for one in asked)
    assert traded == us | {
        "grant_type": "authorization_code", "code": ODD, "code_verifier": "v" * 64, "redirect_uri": google.redirect_uri,
    }  # fmt: skip
    assert refreshed == us | {"grant_type": "refresh_token", "refresh_token": ODD}
    assert revoked == us | {"token": ODD}
    assert [one for one in asked if "authorization" in one] == []


REFUSED, UNHEARD = CalendarRefused, CalendarUnreachable


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (400, b'{"error": "invalid_grant", "error_description": "Token has been revoked."}', REFUSED),
        (401, b'{"error": "interaction_required"}', REFUSED),
        (401, b'{"error": "invalid_client"}', UNHEARD),
        (400, b'{"error": {"code": 5}}', UNHEARD),
        (429, b'{"error": "slow_down"}', UNHEARD),
        (503, b'{"error": "invalid_grant"}', UNHEARD),
        (502, b"<html>", UNHEARD),
        (403, b"<html>", UNHEARD),
        (200, b"", UNHEARD),
        (200, b"[]", UNHEARD),
        (200, b"{}", UNHEARD),
        (200, b'{"access_token": "at", "expires_in": "soon"}', UNHEARD),
        (307, b"", UNHEARD),
        (302, b'{"access_token": "at"}', UNHEARD),
    ],
)
def test_a_refusal_is_told_from_no_answer_and_either_is_asked_for_once(
    google: oauth.OAuthClient, asked: list[dict[str, str]], files: tuple[str, dict[str, Any]],
    caplog: pytest.LogCaptureFixture, status: int, answer: bytes, outcome: type[Exception],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    asks: list[Callable[[], object]] = [lambda: google.trade("a-code", "v" * 64), lambda: google.refresh("a-token")]
    for number, ask in enumerate(asks, 1):
        headers = {"Location": "/elsewhere", "Retry-After": "60"}
        files[1]["faults"].append((status, headers, answer))
        with pytest.raises(outcome):
            ask()
        assert [one[":path"] for one in asked] == ["/token"] * number
    assert [one for one in caplog.messages if SECRET in one or "a-token" in one or "a-code" in one] == []


@pytest.mark.parametrize(("status", "is_heard"), [(200, True), (400, True), (302, False), (429, False), (503, False)])
def test_leave_is_given_back_once_it_was_heard(
    google: oauth.OAuthClient, asked: list[dict[str, str]], files: tuple[str, dict[str, Any]], status: int,
    is_heard: bool,
) -> None:  # fmt: skip
    files[1]["faults"].append((status, {"Location": "/elsewhere"}, b'{"error": "invalid_token"}'))
    if is_heard:
        google.revoke("a-token")
    else:
        with pytest.raises(CalendarUnreachable):
            google.revoke("a-token")
    assert [one[":path"] for one in asked] == ["/revoke"]


def test_a_server_that_is_not_there_is_not_heard(google: oauth.OAuthClient) -> None:
    nobody = replace(google, token_url="http://127.0.0.1:1/token", revoke_url="http://127.0.0.1:1/revoke")
    for ask in (nobody.refresh, nobody.revoke):
        with pytest.raises(CalendarUnreachable):
            ask("a-token")
