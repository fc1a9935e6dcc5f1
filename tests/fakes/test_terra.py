"""The local Terra answers, refuses and sends events as Terra's documents say."""

import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from tests.fakes.stripe.testing import free_listener, served
from tests.fakes.terra.testing import LocalTerra, local_terra

NIGHT = {"metadata": {"summary_id": "n1", "start_time": "2026-06-30T23:12:00+01:00", "upload_type": 2}}


@dataclass
class Receiver:
    """A destination of events that answers with the statuses it was given, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    app, kept = FastAPI(), Receiver()

    @app.post("/terra")
    async def take(request: Request) -> Response:
        kept.received.append((dict(request.headers), await request.body()))
        return Response(status_code=kept.statuses.pop(0) if kept.statuses else 200)

    with served(app) as running:
        kept.url = f"{running.url}/terra"
        yield kept


@pytest.fixture
def terra(receiver: Receiver) -> Iterator[LocalTerra]:
    with local_terra(webhook_url=receiver.url, chunk_items=2) as running:
        yield running


def settled(terra: LocalTerra) -> None:
    assert terra.deliverer.settle()


class TestAdmission:
    def test_refuses_who_sends_no_key_and_who_sends_another(self, terra: LocalTerra) -> None:
        answer = httpx.get(f"{terra.base_url}/activity?user_id=u")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.json() == {
            "type": "about:blank",
            "title": "unauthorized",
            "instance": "/v2/activity?user_id=u",
            "detail": "dev-id or x-api-key headers are missing",
        }
        assert terra.client(**{"x-api-key": "wrong"}).get("/subscriptions").status_code == 401

    def test_a_user_nobody_knows_and_a_date_that_is_none(self, terra: LocalTerra) -> None:
        unknown = terra.client().get("/sleep", params={"user_id": "nobody", "start_date": "2026-07-01"})
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "user not found")
        bad = terra.client().get("/sleep", params={"user_id": terra.connect(), "start_date": "yesterday"})
        assert (bad.status_code, bad.json()["detail"]) == (400, "invalid start_date")

    def test_limits_when_told_to(self, terra: LocalTerra) -> None:
        terra.fail(429, retry_after=7)
        answer = terra.client().get("/subscriptions")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert terra.client().get("/subscriptions").status_code == 200


class TestUsers:
    def test_the_widget_connects_and_leads_back(self, terra: LocalTerra, receiver: Receiver) -> None:
        order = {
            "reference_id": "customer-1",
            "providers": "GARMIN,OURA",
            "auth_success_redirect_url": "https://plyo.test/ok",
        }
        session = terra.client().post("/auth/generateWidgetSession", json=order).json()
        assert "Garmin" in httpx.get(session["url"]).text
        back = httpx.post(session["url"], data={"provider": "OURA"})
        told = parse_qs(urlsplit(back.headers["location"]).query)
        (user,) = terra.client().get("/userInfo", params={"reference_id": "customer-1"}).json()
        assert told == {"user_id": [user["user_id"]], "reference_id": ["customer-1"], "resource": ["OURA"]}
        settled(terra)
        event = json.loads(receiver.received[0][1])
        assert (event["type"], event["status"], event["user"]["user_id"]) == ("auth", "success", user["user_id"])
        assert httpx.get(session["url"]).status_code == 404

    def test_a_person_who_cancels(self, terra: LocalTerra, receiver: Receiver) -> None:
        order = {"reference_id": "customer-1", "auth_failure_redirect_url": "https://plyo.test/no"}
        session = terra.client().post("/auth/generateWidgetSession", json=order).json()
        assert httpx.post(session["url"]).headers["location"].startswith("https://plyo.test/no?")
        settled(terra)
        assert receiver.types() == ["auth_cancelled"]
        assert terra.client().get("/subscriptions").json() == {"users": []}

    def test_deauthentication_forgets(self, terra: LocalTerra, receiver: Receiver) -> None:
        user = terra.connect()
        answer = terra.client().delete("/auth/deauthenticateUser", params={"user_id": user})
        assert answer.json() == {"status": "success"}
        assert terra.client().get("/userInfo", params={"user_id": user}).status_code == 404
        settled(terra)
        assert receiver.types() == ["auth", "deauth"]

    def test_a_new_connection_takes_the_place_of_the_old(self, terra: LocalTerra, receiver: Receiver) -> None:
        user = terra.connect(reference_id="customer-1")
        terra.measure(user, "sleep", NIGHT, is_announced=False)
        new = httpx.post(f"{terra.url}/_fake/users/{user}/reauth").json()["user_id"]
        asked = {"user_id": new, "start_date": "2026-06-30", "to_webhook": "false"}
        assert terra.client().get("/sleep", params=asked).json()["data"] == [NIGHT]
        settled(terra)
        event = json.loads(receiver.received[-1][1])
        assert (event["old_user"]["user_id"], event["new_user"]["user_id"]) == (user, new)

    def test_pages_of_users(self, terra: LocalTerra) -> None:
        users = [terra.connect() for _ in range(3)]
        first = terra.client().get("/subscriptions", params={"page": 0, "per_page": 2}).json()["data"]
        assert ([one["user_id"] for one in first["results"]], first["next"]) == (users[:2], 1)


class TestData:
    def test_is_sent_as_an_event_unless_asked_otherwise(self, terra: LocalTerra, receiver: Receiver) -> None:
        user = terra.connect()
        terra.measure(user, "sleep", NIGHT, is_announced=False)
        asked = {"user_id": user, "start_date": "2026-06-30", "end_date": "2026-07-01"}
        now = terra.client().get("/sleep", params=asked | {"to_webhook": "false"}).json()
        assert (now["type"], now["data"], now["user"]["user_id"]) == ("sleep", [NIGHT], user)
        later = terra.client().get("/sleep", params=asked).json()
        assert later["reference"] == later["trace_id"]
        settled(terra)
        headers, body = receiver.received[-1]
        assert json.loads(body)["data"] == [NIGHT]
        assert headers["terra-reference"] == later["reference"]

    def test_a_large_request_comes_in_chunks_that_share_a_reference(
        self, terra: LocalTerra, receiver: Receiver
    ) -> None:
        user = terra.connect()
        days = [{"metadata": {"start_time": f"2026-05-0{n}T00:00:00+01:00"}} for n in range(1, 6)]
        terra.measure(user, "daily", *days, is_announced=False)
        asked = {"user_id": user, "start_date": "2026-05-01", "end_date": "2026-07-01", "to_webhook": "false"}
        assert "data" not in terra.client().get("/daily", params=asked).json()
        settled(terra)
        assert receiver.types() == ["auth", "large_request_processing", "large_request_sending", *["daily"] * 3]
        chunks = [headers for headers, _ in receiver.received[3:]]
        assert len({one["terra-reference"] for one in chunks}) == 1
        assert len({one["x-terra-trace-id"] for one in chunks}) == 3


class TestEvents:
    def test_are_signed_over_the_raw_body(self, terra: LocalTerra, receiver: Receiver) -> None:
        terra.measure(terra.connect(), "sleep", NIGHT)
        settled(terra)
        headers, body = receiver.received[-1]
        parts = dict(part.split("=") for part in headers["terra-signature"].split(","))
        signed = parts["t"].encode() + b"." + body
        assert hmac.new(terra.settings.signing_secret.encode(), signed, sha256).hexdigest() == parts["v1"]
        assert abs(int(parts["t"]) - time.time()) < 60
        assert abs(int(headers["x-terra-ordering-timestamp"]) / 1_000 - time.time()) < 60

    def test_are_sent_again_until_they_are_taken(self, terra: LocalTerra, receiver: Receiver) -> None:
        receiver.statuses = [500, 503]
        terra.connect()
        deadline = time.monotonic() + 10
        while len(receiver.received) < 3 and time.monotonic() < deadline:
            terra.deliverer.settle(0.1)
        stable = ("x-terra-trace-id", "x-terra-ordering-timestamp")
        assert len({tuple(headers[name] for name in stable) for headers, _ in receiver.received}) == 1
        assert [one["status"] for one in terra.deliverer.log] == [500, 503, 200]

    def test_come_twice_and_in_another_order_on_demand(self, terra: LocalTerra, receiver: Receiver) -> None:
        user = terra.connect()
        settled(terra)
        httpx.post(f"{terra.url}/_fake/webhooks/hold")
        terra.measure(user, "sleep", NIGHT, copies=2)
        terra.measure(user, "sleep", NIGHT | {"scores": {"sleep": 80}})
        assert httpx.post(f"{terra.url}/_fake/webhooks/release", json={"order": "reversed"}).json() == {"released": 3}
        settled(terra)
        orders = [int(headers["x-terra-ordering-timestamp"]) for headers, _ in receiver.received[1:]]
        assert orders == sorted(orders, reverse=True)
        assert len({headers["x-terra-trace-id"] for headers, _ in receiver.received[1:]}) == 2

    def test_any_event_can_be_sent(self, terra: LocalTerra, receiver: Receiver) -> None:
        body: dict[str, Any] = {"body": {"type": "s3_payload", "url": "https://x.test"}, "ordering_ms": 5}
        httpx.post(f"{terra.url}/_fake/webhooks", json=body)
        settled(terra)
        assert receiver.types() == ["s3_payload"]
        assert receiver.received[0][0]["x-terra-ordering-timestamp"] == "5"


def test_runs_as_a_process_of_its_own() -> None:
    with free_listener() as listener:
        port = listener.getsockname()[1]
    environment = os.environ | {"TERRA_FAKE_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "tests.fakes.terra"], env=environment)
    try:
        ready = httpx.HTTPTransport(retries=0)
        deadline = time.monotonic() + 30
        status = 0
        with httpx.Client(transport=ready) as client:
            while status != 200 and time.monotonic() < deadline:
                try:
                    status = client.get(f"http://127.0.0.1:{port}/ready").status_code
                except httpx.TransportError:
                    time.sleep(0.1)
        assert status == 200
    finally:
        process.terminate()
        process.wait(15)
