"""The local Terra's answers and events are what Terra's published OpenAPI document says."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.terra.testing import LocalTerra, local_terra

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

_FOLDERS = [Path(os.environ["PLYO_SHARED_DATA"])] if "PLYO_SHARED_DATA" in os.environ else []
_FOLDERS += [folder / "shared/data" for folder in Path(__file__).resolve().parents]
_DOCUMENT = next((file for folder in _FOLDERS if (file := folder / "terra/v2-bundled.yaml").exists()), None)
pytestmark = pytest.mark.skipif(_DOCUMENT is None, reason="Terra's v2-bundled.yaml is not beside this checkout")

TIMES = {"start_time": "2026-07-01T07:04:11.000000+01:00", "end_time": "2026-07-01T07:52:48.000000+01:00"}
ITEMS = {
    "activity": {"metadata": TIMES | {"summary_id": "a1", "type": 8, "upload_type": 1}},
    "sleep": {"metadata": TIMES | {"upload_type": 2}},
    "daily": {"metadata": TIMES | {"upload_type": 1}},
    "body": {"metadata": TIMES},
}


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    assert _DOCUMENT is not None
    loaded: dict[str, Any] = yaml.load(_DOCUMENT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {"components": loaded["components"]}


@pytest.fixture(scope="module")
def terra() -> Iterator[LocalTerra]:
    with local_terra(webhook_url="http://127.0.0.1:9/nobody", retry_seconds=()) as running:
        yield running


def valid(components: dict[str, Any], name: str, body: Any) -> None:
    schema = components | {"$ref": f"#/components/schemas/{name}"}
    jsonschema.Draft202012Validator(schema).validate(body)


def last_event(terra: LocalTerra) -> Any:
    return json.loads(terra.deliverer.sent[-1].body)


@pytest.mark.parametrize("kind", sorted(ITEMS))
def test_data(terra: LocalTerra, components: dict[str, Any], kind: str) -> None:
    user = terra.connect()
    terra.measure(user, kind, ITEMS[kind])
    valid(components, f"{kind.capitalize()}Event", last_event(terra))
    asked = {"user_id": user, "start_date": "2026-07-01", "to_webhook": "false"}
    answer = terra.client().get(f"/{kind}", params=asked).json()
    valid(components, "TerraUser", answer["user"])
    valid(components, kind.capitalize(), answer["data"][0])
    valid(components, "DataSentToWebhook", terra.client().get(f"/{kind}", params=asked | {"to_webhook": "true"}).json())


def test_events_of_users(terra: LocalTerra, components: dict[str, Any]) -> None:
    user = terra.connect(reference_id="customer-1")
    valid(components, "AuthSuccessEvent", last_event(terra))
    new = httpx.post(f"{terra.url}/_fake/users/{user}/reauth").json()["user_id"]
    valid(components, "UserReauthEvent", last_event(terra))
    httpx.post(f"{terra.url}/_fake/users/{new}/revoke").raise_for_status()
    valid(components, "AccessRevokedEvent", last_event(terra))
    terra.client().delete("/auth/deauthenticateUser", params={"user_id": terra.connect()}).raise_for_status()
    valid(components, "DeauthEvent", last_event(terra))
    session = terra.client().post("/auth/generateWidgetSession", json={"reference_id": "customer-1"}).json()
    httpx.post(session["url"])
    valid(components, "AuthErrorEvent", last_event(terra))


def test_events_of_a_large_request(terra: LocalTerra, components: dict[str, Any]) -> None:
    asked = {"user_id": terra.connect(), "start_date": "2026-05-01", "end_date": "2026-07-01"}
    valid(components, "DataSentToWebhook", terra.client().get("/sleep", params=asked).json())
    processing, sending = (json.loads(one.body) for one in list(terra.deliverer.sent)[-2:])
    valid(components, "LargeRequestProcessingEvent", processing)
    valid(components, "LargeRequestSendingEvent", sending)


def test_refusals(terra: LocalTerra, components: dict[str, Any]) -> None:
    answers = [
        httpx.get(f"{terra.base_url}/activity"),
        terra.client().get("/activity", params={"user_id": "nobody", "start_date": "2026-07-01"}),
        terra.client().get("/activity", params={"user_id": terra.connect(), "start_date": "x"}),
        terra.client().get("/userInfo"),
    ]
    assert [one.status_code for one in answers] == [401, 404, 400, 400]
    for answer in answers:
        valid(components, "Problem", answer.json())
        assert answer.headers["content-type"] == "application/problem+json"
