"""What is shown of a message before it leaves is what arrives: every template, in every language, by every channel."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.engagement.channels.dispatch import gateways
from operational_api.engagement.channels.email import compose
from operational_api.engagement.channels.port import Ready
from operational_api.engagement.channels.push import payload_of
from operational_api.engagement.channels.sms import text_of
from operational_api.engagement.models import OutgoingMessage, Phone, PushSubscription
from operational_api.engagement.sending import Channel, Purpose
from operational_api.engagement.service import outgoing
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import TEMPLATES, queue_message
from operational_api.engagement.settings import ChannelSettings
from operational_api.web.language import LANGUAGES
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Browser, Cloud
from tests.operational_api.engagement.test_emails import VALUES
from tests.operational_api.engagement.waiting import NOW, NUMBER

BROWSER = Browser()
APPROVED = dict.fromkeys(TEMPLATES, "HX1")


@dataclass(frozen=True)
class Way:
    """One way out: what is shown of a message, and what its receivers read."""

    channel: Channel
    shown: Callable[[Ready, ChannelSettings], Any]
    read: Callable[[Cloud, Post], list[Any]]
    device: str = "web"
    is_window_open: bool = True


WAYS = {
    "smtp": Way(
        "email", lambda one, settings: compose(one, settings.mail_from).as_bytes(), lambda _, post: post.bodies
    ),
    "sms": Way("sms", lambda one, _: text_of(one), lambda cloud, _: [text["form"]["Body"] for text in cloud.texts]),
    "whatsapp": Way(
        "whatsapp", lambda one, _: one.rendered.short, lambda cloud, _: [text["form"]["Body"] for text in cloud.texts]
    ),
    "approved template": Way(
        "whatsapp", lambda one, _: {"1": one.first_name, "2": one.rendered.short},
        lambda cloud, _: [json.loads(text["form"]["ContentVariables"]) for text in cloud.texts], is_window_open=False,
    ),
    "web push": Way(
        "push", lambda one, _: payload_of(one), lambda cloud, _: [BROWSER.read(body) for _, _, body in cloud.pushes]
    ),
    "fcm": Way(
        "push", lambda one, _: (payload_of(one), {"title": one.rendered.subject, "body": one.rendered.short}),
        lambda cloud, _: [(app["data"], app["notification"]) for app in cloud.apps], device="fcm",
    ),
}  # fmt: skip


@pytest.fixture
def mia(session: Session, cloud: Cloud) -> Contact:
    """Mia, whom every channel reaches."""
    account = make_account(session, display_name="Mia Maier", time_zone="UTC")
    session.add(Phone(customer_id=account.id, number=NUMBER, confirmed_at=NOW, asked_at=NOW))
    session.add(
        PushSubscription(
            customer_id=account.id, kind="web", endpoint=f"{cloud.url}/push/1", p256dh=BROWSER.p256dh,
            auth=BROWSER.auth, created_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    found = contact(session, account.id)
    assert found
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", WAYS)
def test_what_is_shown_is_what_is_read(
    session: Session, mia: Contact, cloud: Cloud, post: Post, channel_settings: ChannelSettings, name: str,
    language: str,
) -> None:  # fmt: skip
    way = WAYS[name]
    settings = channel_settings.model_copy(update={"whatsapp_templates": APPROVED})
    phone = session.get_one(Phone, mia.account_id)
    phone.whatsapp_seen_at = datetime.now(UTC) - (timedelta(0) if way.is_window_open else timedelta(days=2))
    device = session.scalars(select(PushSubscription)).one()
    device.kind, device.endpoint = way.device, device.endpoint if way.device == "web" else "app-token"
    shown = []
    with gateways(settings)[way.channel].opened() as sender:
        for template in sorted(TEMPLATES):
            needed = {key: VALUES[key] for key in TEMPLATES[template] if key != "name"}
            purpose: Purpose = "marketing" if template == "announcement" else "transactional"
            queue_message(
                session, dedupe_key=template, person=mia, template=template, context=needed, purpose=purpose,
                channels=[way.channel], now=NOW,
            )  # fmt: skip
            row = session.scalars(select(OutgoingMessage).where(OutgoingMessage.dedupe_key == template)).one()
            row.language, row.recipient = language, mia.email if way.channel == "email" else NUMBER
            session.flush()
            shown.append(way.shown(outgoing.ready(session, row, settings, NOW), settings))
            sender.send(outgoing.ready(session, row, settings, datetime.now(UTC) + timedelta(minutes=1)))
    assert way.read(cloud, post) == shown
    assert len(shown) == len(TEMPLATES)
