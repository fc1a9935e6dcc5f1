"""Every provider's webhook, given what no provider should send, signed as the provider signs: refused with a reason."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from operational_api.engagement.models import Suppression
from operational_api.engagement.settings import ChannelSettings
from operational_api.integrations.models import WearablePayload
from operational_api.integrations.settings import IntegrationSettings
from tests.fakes.hubspot.testing import CLIENT_SECRET
from tests.operational_api.conftest import ISSUER

KEY = ec.generate_private_key(ec.SECP256R1())
TERRA, TWILIO = "terra-signing-secret", "twilio-token"
Post = Callable[[bytes], Response]
UNREADABLE = {
    "nothing": b"", "half": b'[{"a": ', "no_utf8": b'[{"a": "\xff"}]', "utf16": "[{}]".encode("utf-16"),
    "nul_byte": b'[{"a": "\x00"}]', "nan": b'[{"a": NaN}]', "infinity": b'[{"a": -Infinity}]',
    "digits": b'[{"a": ' + b"9" * 5_000 + b"}]", "deep": b"[" * 100_000, "deep_object": b'[{"a": ' * 50_000,
    "text": b'"\\ud83c"', "null": b"null", "number": b"1e400", "list_of_lists": b"[[]]", "list_of_null": b"[null]",
}  # fmt: skip


@pytest.fixture
def posts(app: FastAPI, api: TestClient) -> dict[str, Post]:
    """By provider, its hand: signs a body and sends it."""
    public = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    app.state.channel_settings = ChannelSettings(
        public_url=ISSUER, session_secret=SecretStr("s" * 40), twilio_account_sid="AC1",
        twilio_auth_token=SecretStr(TWILIO), sendgrid_webhook_key=base64.b64encode(public).decode(),
    )  # fmt: skip
    app.state.integration_settings = IntegrationSettings(
        public_url=ISSUER, health_data_keys=SecretStr("k" * 48), terra_signing_secrets=SecretStr(TERRA),
        hubspot_client_secret=SecretStr(CLIENT_SECRET),
    )  # fmt: skip

    def sendgrid(body: bytes) -> Response:
        stamp = str(int(time.time()))
        signature = base64.b64encode(KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = {
            "X-Twilio-Email-Event-Webhook-Signature": signature, "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        }  # fmt: skip
        return api.post("/webhooks/sendgrid", content=body, headers=headers)

    def terra(body: bytes) -> Response:
        now = int(time.time())
        digest = hmac.new(TERRA.encode(), f"{now}.".encode() + body, sha256).hexdigest()
        return api.post("/webhooks/terra", content=body, headers={"terra-signature": f"t={now},v1={digest}"})

    def hubspot(body: bytes) -> Response:
        stamp = str(int(time.time() * 1000))
        signed = f"POST{ISSUER}/webhooks/hubspot".encode() + body + stamp.encode()
        signature = base64.b64encode(hmac.new(CLIENT_SECRET.encode(), signed, sha256).digest()).decode()
        headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
        return api.post("/webhooks/hubspot", content=body, headers=headers)

    return {"sendgrid": sendgrid, "terra": terra, "hubspot": hubspot}


@pytest.mark.parametrize("provider", ["sendgrid", "terra", "hubspot"])
@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_a_reason(posts: dict[str, Post], provider: str, what: str) -> None:
    answer = posts[provider](UNREADABLE[what])
    if provider == "hubspot" and what in ("no_utf8", "utf16"):  # its signature is over text
        assert answer.status_code == 401
        return
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"].split(".")[1].startswith("malformed_")


@pytest.mark.parametrize("odd", [
    {"sg_event_id": "\0", "objectId": "\0"}, {"sg_event_id": "\ud83c", "objectId": "\ud83c"},
    {"sg_event_id": [[]], "email": {"a": 1}, "event": None, "objectId": [], "subscriptionType": 7},
    {"sg_event_id": "x" * 100_000, "email": "x" * 100_000, "event": "bounce", "objectId": "x" * 100_000},
    {"sg_event_id": 10**300, "objectId": 10**300, "timestamp": -(10**30), "event": "delivered", "propertyName": {}},
    {"event": "bounce", "status": {"a": []}, "reason": 7, "sg_event_id": "b1", "mergedObjectIds": "501"},
])  # fmt: skip
def test_one_odd_event_of_a_batch_holds_up_no_other(
    posts: dict[str, Post], session: Session, odd: dict[str, Any]
) -> None:
    about = {"subscriptionType": "contact.propertyChange", "propertyName": "email", "propertyValue": "a@b.test"}
    whole = {"event": "spamreport", "email": "a@b.test", "sg_event_id": "whole", "objectId": 501}
    for provider in ("sendgrid", "hubspot"):
        assert posts[provider](json.dumps([about | odd, about | whole]).encode()).status_code == 200
    assert ("a@b.test", "complaint") in session.execute(select(Suppression.address, Suppression.reason)).tuples().all()


@pytest.mark.parametrize("odd", [
    {"user": []}, {"user": {"user_id": 7, "reference_id": {"a": 1}, "scopes": []}}, {"user": "x"}, {"data": None},
    {"user": {"user_id": "x" * 10_000, "reference_id": "x" * 10_000, "provider": "x" * 10_000}},
    {"type": "auth", "status": [], "user": None}, {"type": "user_reauth", "old_user": 7, "new_user": []},
    {"type": "x" * 10_000}, {"type": ""},
])  # fmt: skip
def test_of_odd_data_of_a_wearable_only_that_it_came_is_kept(
    posts: dict[str, Post], session: Session, odd: dict[str, Any]
) -> None:
    answer = posts["terra"](json.dumps({"type": "sleep", "user": {"user_id": "u1"}} | odd).encode())
    assert answer.status_code == 200
    [row] = session.scalars(select(WearablePayload)).all()
    assert (row.is_kept, row.body) == (False, None)


@pytest.mark.parametrize("text", ['{"type": "sleep", "n": "\\u0000"}', '{"type": "sleep", "n": "\\ud800"}'])
def test_a_text_of_a_wearable_that_no_database_holds_is_refused(posts: dict[str, Post], text: str) -> None:
    assert posts["terra"](text.encode()).status_code == 400


@pytest.mark.parametrize("path", ["", "/status"])
@pytest.mark.parametrize("odd", [
    {"MessageSid": "SM\0"}, {"From": "+49\0"}, {"Body": "\0"}, {"From": "x" * 5_000}, {"MessageSid": "x" * 5_000},
    {"MessageStatus": "x" * 5_000}, {"ErrorCode": "²"}, {"ErrorCode": "9" * 5_000}, {"ErrorCode": "21614\0"},
    {"From": "whatsapp:"}, {"From": ""}, {"Body": "x" * 100_000}, {"OptOutType": "\0"}, {"MessageStatus": "failed\0"},
])  # fmt: skip
def test_odd_forms_of_twilio_are_no_fault_of_ours(
    posts: dict[str, Post], api: TestClient, path: str, odd: dict[str, str]
) -> None:
    form = {"MessageSid": "SM1", "From": "+84912345678", "Body": "STOP", "MessageStatus": "failed"} | odd
    signature = RequestValidator(TWILIO).compute_signature(f"{ISSUER}/webhooks/twilio{path}", form)
    answer = api.post(f"/webhooks/twilio{path}", data=form, headers={"X-Twilio-Signature": signature})
    taken = 204 if path else 200
    assert answer.status_code in ((taken, 422) if any("\0" in value for value in odd.values()) else (taken,))


@pytest.mark.parametrize(("kind", "body"), [
    ("multipart/form-data; boundary=x", b"--x\r\nnonsense"), ("multipart/form-data", b"--x"),
    ("application/x-www-form-urlencoded", b"%ff%fe=%00&&&=;" * 100), ("application/json", b"{}"), ("", b"\xff\xfe"),
])  # fmt: skip
def test_what_is_no_form_is_not_believed(posts: dict[str, Post], api: TestClient, kind: str, body: bytes) -> None:
    headers = {"Content-Type": kind, "X-Twilio-Signature": "é".encode("latin-1").decode("latin-1").encode()}
    assert api.post("/webhooks/twilio", content=body, headers=headers).status_code in (400, 401)
