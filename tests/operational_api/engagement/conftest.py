"""The providers' local servers and the settings that lead there; a mail server that keeps what it takes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from threading import Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from operational_api.engagement.settings import ChannelSettings
from plyo.postgres import free_port
from tests.operational_api.conftest import ISSUER
from tests.operational_api.engagement.providers import SID, Cloud, b64, served

SECRET = "test-session-secret-of-32-characters!"


@dataclass
class Post:
    """A mail server: `answer` is what it says to each message; with `silence` it takes it and hangs up."""

    port: int = 0
    answer: str = "250 taken"
    bodies: list[bytes] = field(default_factory=list)

    @property
    def mails(self) -> list[Mail]:
        return [message_from_bytes(body) for body in self.bodies]

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        if self.answer.startswith("250") or self.answer == "silence":
            assert isinstance(envelope.content, bytes)
            self.bodies.append(envelope.content)
        if self.answer == "silence":
            assert server.transport is not None
            server.transport.close()
        return self.answer


@pytest.fixture(scope="session")
def _providers() -> Iterator[tuple[Cloud, Post, ChannelSettings]]:
    server, cloud = served()
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    post = Post(port=free_port())
    controller = Controller(post, hostname="127.0.0.1", port=post.port)
    controller.start()
    vapid = ec.generate_private_key(ec.SECP256R1())
    cloud.vapid_public = vapid.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    service = RSAKey.generate_key(2048)
    cloud.fcm_public = service
    account = {
        "project_id": "plyo-app", "client_email": "push@plyo-app.test", "private_key_id": "k1",
        "private_key": service.as_pem(private=True).decode(), "token_uri": f"{cloud.url}/token",
    }  # fmt: skip
    settings = ChannelSettings(
        public_url=ISSUER, session_secret=SecretStr(SECRET), smtp_port=post.port, sendgrid_base_url=cloud.url,
        sendgrid_api_key=SecretStr("SG.test"), twilio_base_url=cloud.url, twilio_account_sid=SID,
        twilio_auth_token=SecretStr("twilio-token"), sms_from="+4915550000", whatsapp_from="+4915550001",
        vapid_private_key=SecretStr(b64(vapid.private_numbers().private_value.to_bytes(32, "big"))),
        push_origins=cloud.url, fcm_base_url=cloud.url, fcm_service_account=SecretStr(json.dumps(account)),
        fallback_after_seconds=0,
    )  # fmt: skip
    yield cloud, post, settings
    controller.stop()
    server.shutdown()


@pytest.fixture
def channel_settings(_providers: tuple[Cloud, Post, ChannelSettings]) -> ChannelSettings:
    """Every channel at a local server."""
    return _providers[2]


@pytest.fixture
def cloud(_providers: tuple[Cloud, Post, ChannelSettings]) -> Cloud:
    """What the providers took in this test."""
    found = _providers[0]
    found.mishap, found.tokens = "", 0
    for taken in (found.emails, found.texts, found.pushes, found.apps, found.asked):
        taken.clear()
    return found


@pytest.fixture
def post(_providers: tuple[Cloud, Post, ChannelSettings]) -> Post:
    """What the mail server took in this test."""
    found = _providers[1]
    found.answer = "250 taken"
    found.bodies.clear()
    return found


@pytest.fixture
def wired(app: FastAPI, channel_settings: ChannelSettings) -> FastAPI:
    """The API with these providers' keys."""
    app.state.channel_settings = channel_settings
    return app
