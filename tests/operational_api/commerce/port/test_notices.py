"""What providers tell us by themselves: kept once, and only theirs."""

import hmac
import json
from hashlib import sha256

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from operational_api.core.models import InboxMessage
from tests.fakes.momo.testing import LocalMomo
from tests.operational_api.commerce.port.tills import Desk


class TestNotices:
    @pytest.fixture
    def hook(self, app: FastAPI, api: TestClient, momo_server: LocalMomo) -> TestClient:
        app.state.settings.stripe_webhook_secrets = SecretStr("whsec_port")
        app.state.momo_settings = momo_server.settings()
        return api

    def test_is_stored_once_however_often_it_comes(self, desk: Desk, hook: TestClient) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        answers = [hook.post(path, content=body, headers=headers) for _ in range(5)]
        assert {one.status_code for one in answers} <= {200, 204}
        [stored] = desk.session.scalars(select(InboxMessage).where(InboxMessage.source == desk.till.provider.name))
        assert stored.payload == json.loads(body)

    def test_a_forged_one_is_refused(self, desk: Desk, hook: TestClient) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        forged = body.replace(b"450000", b"450001")
        assert forged != body
        assert hook.post(path, content=forged, headers=headers).status_code == 401
        assert desk.session.scalars(select(InboxMessage)).all() == []

    @pytest.mark.parametrize("body", [
        b"", b"[]", b'{"id": 1}', b'{"orderId": "a\\u0000"}', b"[" * 100_000, b'{"a": "\\ud83c"}', b'{"a": NaN}',
    ])  # fmt: skip
    def test_no_notice_at_all_is_refused(self, desk: Desk, hook: TestClient, body: bytes) -> None:
        path = f"/webhooks/{desk.till.provider.name}"
        assert hook.post(path, content=body).status_code in (400, 401)

    @pytest.mark.parametrize("more", [b'"x": "\\ud83c"', b'"x": "\\u0000"', b'"x": NaN', b'"x": ' + b"[" * 5000])
    def test_nor_is_one_with_what_cannot_be_kept(self, desk: Desk, hook: TestClient, more: bytes) -> None:
        page = desk.open()
        desk.till.pay(page)
        path, body, headers = desk.till.notice(page)
        spoiled = body[:-1] + b", " + more + b"]" * more.count(b"[") + b"}"
        if signature := headers.get("Stripe-Signature"):
            moment = signature.partition(",")[0]
            signed = hmac.new(b"whsec_port", f"{moment[2:]}.".encode() + spoiled, sha256).hexdigest()
            headers = {"Stripe-Signature": f"{moment},v1={signed}"}
        assert hook.post(path, content=spoiled, headers=headers).status_code == 400
        assert desk.session.scalars(select(InboxMessage)).all() == []
