"""What providers tell us, signed and once; and the ways out: one click, the page that asks, every choice."""

import base64
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from contracts.ids import new_id
from operational_api.core.models import InboxMessage, OutboxEvent
from operational_api.core.principal import Principal
from operational_api.engagement import links
from operational_api.engagement.errors import ForgedMessageEvent
from operational_api.engagement.models import (
    ChannelChoice,
    ContactPreference,
    Message,
    OutgoingMessage,
    Phone,
    PushSubscription,
    Suppression,
)
from operational_api.engagement.service import preferences
from operational_api.engagement.service.addresses import e164
from operational_api.engagement.service.provider_events import check_sendgrid
from operational_api.engagement.settings import ChannelSettings
from operational_api.training.models import Client
from tests.factories import account_of, make_client, make_coach
from tests.operational_api.conftest import ISSUER, SignIn
from tests.operational_api.engagement.providers import Browser, Cloud

NOW = datetime.now(UTC)
NUMBER = "+84912345678"
TWILIO = "twilio-token"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def mia(session: Session) -> Client:
    client = make_client(session, coach=make_coach(session))
    session.add(Phone(customer_id=client.id, number=NUMBER, asked_at=NOW))
    session.flush()
    return client


@pytest.fixture
def hooked(wired: FastAPI, api: TestClient, channel_settings: ChannelSettings) -> TestClient:
    public = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = base64.b64encode(public).decode()
    wired.state.channel_settings = channel_settings.model_copy(update={"sendgrid_webhook_key": key})
    return api


def sendgrid(api: TestClient, *events: dict[str, Any], at: float | None = None, key: Any = KEY) -> Response:
    body, stamp = json.dumps(events).encode(), str(int(at or time.time()))
    signature = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature, "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }  # fmt: skip
    return api.post("/webhooks/sendgrid", content=body, headers=headers)


def twilio(api: TestClient, path: str = "", signed_with: str = TWILIO, **form: str) -> Response:
    signature = RequestValidator(signed_with).compute_signature(f"{ISSUER}/webhooks/twilio{path}", form)
    return api.post(f"/webhooks/twilio{path}", data=form, headers={"X-Twilio-Signature": signature})


def make_outgoing(session: Session, **given: Any) -> OutgoingMessage:
    values = {
        "dedupe_key": new_id().hex, "recipient": "mia@plyo.test", "template": "new_message", "context": {},
        "next_attempt_at": NOW, "status": "sent", "sent_at": NOW,
    }  # fmt: skip
    row = OutgoingMessage(**values | given)
    session.add(row)
    session.flush()
    return row


def suppressed(session: Session) -> list[tuple[str, str, str]]:
    rows = session.scalars(select(Suppression).execution_options(populate_existing=True))
    return [(row.channel, row.address, row.reason) for row in rows]


class TestSendGrid:
    def test_a_bounce_ends_the_address_once(self, session: Session, hooked: TestClient, mia: Client) -> None:
        row = make_outgoing(session, customer_id=mia.id)
        event = {
            "email": "Mia@plyo.test", "event": "bounce", "type": "bounce", "sg_event_id": "e1",
            "plyo_message_id": str(row.id), "timestamp": int(time.time()), "reason": "550 no such user",
        }  # fmt: skip
        assert sendgrid(hooked, event).status_code == 200
        assert sendgrid(hooked, event, event).status_code == 200
        assert suppressed(session) == [("email", "mia@plyo.test", "bounce")]
        session.refresh(row)
        assert (row.status, row.reason) == ("failed", "bounce")
        assert len(session.scalars(select(InboxMessage).where(InboxMessage.source == "sendgrid")).all()) == 1

    def test_a_blocked_message_leaves_the_address_alive(self, session: Session, hooked: TestClient) -> None:
        sendgrid(hooked, {"email": "a@b.test", "event": "bounce", "type": "blocked", "sg_event_id": "e2"})
        sendgrid(hooked, {"email": "a@b.test", "event": "deferred", "sg_event_id": "e3"})
        assert suppressed(session) == []

    @pytest.mark.parametrize(
        ("told", "ends"),
        [
            ({"status": "5.1.1", "reason": "550 5.1.1 user unknown"}, True), ({"reason": "550 no such user"}, True),
            ({"status": "5.7.1", "reason": "550 5.7.1 refused by policy"}, False), ({}, True),
            ({"status": "5.2.2", "reason": "552 5.2.2 mailbox full"}, False), ({"reason": "550 by policy"}, False),
        ],
    )  # fmt: skip
    def test_only_an_address_that_is_wrong_for_good_ends(
        self, session: Session, hooked: TestClient, told: dict[str, str], ends: bool
    ) -> None:
        bounce = {"email": "a@b.test", "event": "bounce", "type": "bounce", "sg_event_id": "e40"}
        sendgrid(hooked, bounce | told)
        assert suppressed(session) == ([("email", "a@b.test", "bounce")] if ends else [])

    def test_an_odd_event_holds_up_none_of_its_batch(self, session: Session, hooked: TestClient) -> None:
        odd = {"email": "a@b.test", "event": "open", "sg_event_id": "e30", "timestamp": "tomorrow"}
        complaint = {"email": "a@b.test", "event": "spamreport", "sg_event_id": "e31", "timestamp": 10**30}
        assert sendgrid(hooked, odd, complaint).status_code == 200
        assert suppressed(session) == [("email", "a@b.test", "complaint")]

    @pytest.mark.parametrize("kinds", [("bounce", "spamreport"), ("spamreport", "bounce")])
    def test_of_a_complaint_and_a_bounce_the_bounce_counts_in_whatever_order(
        self, session: Session, hooked: TestClient, kinds: tuple[str, str]
    ) -> None:
        for number, kind in enumerate(kinds):
            sendgrid(hooked, {"event": kind, "email": "mia@plyo.test", "sg_event_id": f"o{number}"})
        assert suppressed(session) == [("email", "mia@plyo.test", "bounce")]

    def test_a_complaint_is_heard(self, session: Session, hooked: TestClient) -> None:
        sendgrid(hooked, {"email": "a@b.test", "event": "spamreport", "sg_event_id": "e4"})
        assert suppressed(session) == [("email", "a@b.test", "complaint")]

    def test_delivery_is_believed_and_an_open_is_not(self, session: Session, hooked: TestClient, mia: Client) -> None:
        row = make_outgoing(session, customer_id=mia.id)
        about = {"email": "a@b.test", "plyo_message_id": str(row.id), "timestamp": int(time.time())}
        sendgrid(hooked, about | {"event": "open", "sg_event_id": "e5"})
        session.refresh(row)
        assert row.delivered_at is None
        sendgrid(hooked, about | {"event": "delivered", "sg_event_id": "e6"})
        sendgrid(hooked, about | {"event": "delivered", "sg_event_id": "e7"})
        session.refresh(row)
        assert row.delivered_at is not None
        told = select(OutboxEvent).where(OutboxEvent.type == "engagement.message_delivered")
        assert len(session.scalars(told).all()) == 1

    @pytest.mark.parametrize("how", [{"at": time.time() - 3600}, {"key": ec.generate_private_key(ec.SECP256R1())}])
    def test_a_forged_or_old_event_is_refused(self, session: Session, hooked: TestClient, how: dict[str, Any]) -> None:
        answer = sendgrid(hooked, {"email": "a@b.test", "event": "bounce", "sg_event_id": "e8"}, **how)
        assert (answer.status_code, answer.json()["code"]) == (401, "engagement.forged_message_event")
        assert suppressed(session) == []

    def test_one_that_sendgrid_signed_itself_is_believed_then_and_not_where_a_byte_differs(
        self, channel_settings: ChannelSettings
    ) -> None:
        """What SendGrid publishes to check a receiver by: sendgrid/sendgrid-python, test/unit/test_eventwebhook.py."""
        body = (
            b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
            b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
            b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
            b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
        )
        key = (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNN"
            "RaINXvVpiglSI8eNEc6wEA3F+g=="
        )
        signed: dict[str, Any] = {
            "signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+l"
            "uQAbPIqHh89M15TluLtEZtM=",
            "timestamp": "1600112502",
            "now": datetime.fromtimestamp(1600112510, UTC),
        }
        theirs = channel_settings.model_copy(update={"sendgrid_webhook_key": key})
        check_sendgrid(body, **signed, settings=theirs)
        for changed in ({"timestamp": "1600112503"}, {"now": datetime.fromtimestamp(1600112502 + 601, UTC)}):
            with pytest.raises(ForgedMessageEvent):
                check_sendgrid(body, **(signed | changed), settings=theirs)
        for other in (body.strip(), body.replace(b"hello@", b"hallo@")):
            with pytest.raises(ForgedMessageEvent):
                check_sendgrid(other, **signed, settings=theirs)

    def test_nothing_is_believed_without_a_key(self, wired: FastAPI, api: TestClient) -> None:
        assert sendgrid(api, {"event": "bounce"}).status_code == 401
        assert api.post("/webhooks/sendgrid", content=b"[]").status_code == 401


class TestTwilio:
    def test_stop_counts_at_once_and_start_lifts_it(self, session: Session, hooked: TestClient, mia: Client) -> None:
        assert twilio(hooked, From=NUMBER, Body=" stop. ", MessageSid="SM1").text == "<Response/>"
        assert suppressed(session) == [("sms", NUMBER, "stop")]
        twilio(hooked, From=NUMBER, Body="START", MessageSid="SM2")
        assert suppressed(session) == []
        assert session.get_one(Phone, mia.id, populate_existing=True).confirmed_at
        twilio(hooked, From=NUMBER, Body=" stop. ", MessageSid="SM1")  # told again, late
        assert suppressed(session) == []

    def test_stop_and_start_are_facts_of_what_a_person_allows(
        self, session: Session, hooked: TestClient, mia: Client
    ) -> None:
        twilio(hooked, From=NUMBER, Body="START", MessageSid="SM20")
        preferences.choose(session, customer_id=mia.id, choices={("sms", "reminders"): True}, now=datetime.now(UTC))
        session.flush()
        for sid, body in (("SM21", "STOP"), ("SM22", "STOP"), ("SM23", "START")):
            twilio(hooked, From=NUMBER, Body=body, MessageSid=sid)
        told = session.scalars(
            select(OutboxEvent)
            .where(OutboxEvent.type == "engagement.contact_choice_made")
            .order_by(OutboxEvent.position)
        ).all()
        said = [
            (one.payload["source"], one.payload["is_allowed"])
            for one in told if one.payload["purpose"] == "reminders"
        ]  # fmt: skip
        assert said == [("preferences", True), ("stop", False), ("stop", True)]

    def test_whatsapp_opens_its_window(self, session: Session, hooked: TestClient, mia: Client) -> None:
        twilio(hooked, From=f"whatsapp:{NUMBER}", Body="Hi", MessageSid="SM3")
        seen = session.get_one(Phone, mia.id, populate_existing=True).whatsapp_seen_at
        assert seen
        assert datetime.now(UTC) - seen < timedelta(minutes=1)

    def test_what_a_client_answers_reaches_their_coach(self, session: Session, hooked: TestClient, mia: Client) -> None:
        twilio(hooked, From=NUMBER, Body="From a stranger's hand", MessageSid="SM4")
        twilio(hooked, From=NUMBER, Body="YES", MessageSid="SM5")
        twilio(hooked, From=NUMBER, Body="See you at 9", MessageSid="SM6")
        twilio(hooked, From=NUMBER, Body="See you at 9", MessageSid="SM6")
        [message] = session.scalars(select(Message)).all()
        assert (message.body, message.sender_id, message.recipient_id) == ("See you at 9", mia.id, mia.coach_id)

    @pytest.mark.parametrize(
        "word", ["hủy", "huỷ", "Huy!", "hu\u0309y", "HU\u1ef6", "Dừng", "ngừng.", "Từ chối", "optout", "Revoke"]
    )
    def test_stop_is_understood_however_a_phone_writes_it(
        self, session: Session, hooked: TestClient, mia: Client, word: str
    ) -> None:
        twilio(hooked, From=NUMBER, Body=word, MessageSid="SM30")
        assert suppressed(session) == [("sms", NUMBER, "stop")]
        twilio(hooked, From=NUMBER, Body="Bắt đầu", MessageSid="SM31")
        assert suppressed(session) == []

    def test_a_word_of_the_studios_own_counts_as_twilio_says(self, session: Session, hooked: TestClient) -> None:
        twilio(hooked, From=NUMBER, Body="Basta", OptOutType="STOP", MessageSid="SM32")
        assert suppressed(session) == [("sms", NUMBER, "stop")]

    def test_a_cry_for_help_is_answered_by_twilio_and_a_yes_reaches_the_coach(
        self, session: Session, hooked: TestClient, mia: Client
    ) -> None:
        for sid, body in (("SM33", "Yes"), ("SM34", "HELP"), ("SM35", "Trợ giúp"), ("SM36", "Yes"), ("SM37", "đồng ý")):
            twilio(hooked, From=NUMBER, Body=body, MessageSid=sid)
        said = session.scalars(select(Message.body).order_by(Message.id)).all()
        assert said == ["Yes", "đồng ý"], "the first yes confirmed the number, the others answer somebody"

    def test_a_forged_stop_is_refused(self, session: Session, hooked: TestClient) -> None:
        assert twilio(hooked, signed_with="another", From=NUMBER, Body="STOP", MessageSid="SM7").status_code == 401
        form = {"From": NUMBER, "Body": "STOP", "MessageSid": "SM7"}
        assert hooked.post("/webhooks/twilio", data=form).status_code == 401
        assert suppressed(session) == []

    def test_a_carriers_no_is_kept(self, session: Session, hooked: TestClient, mia: Client) -> None:
        row = make_outgoing(
            session, customer_id=mia.id, channel="sms", recipient=NUMBER, provider_message_id="SM8"
        )  # fmt: skip
        failed = {"MessageSid": "SM8", "MessageStatus": "undelivered", "ErrorCode": "21614"}
        assert twilio(hooked, "/status", **failed).status_code == 204
        session.refresh(row)
        assert (row.status, row.reason) == ("failed", "carrier:21614")
        assert suppressed(session) == [("sms", NUMBER, "bounce")]

    def test_who_writes_from_a_number_that_seemed_dead_is_there(
        self, session: Session, hooked: TestClient, mia: Client
    ) -> None:
        session.add(Suppression(channel="sms", address=NUMBER, reason="bounce", created_at=NOW))
        session.flush()
        twilio(hooked, From=NUMBER, Body="hello", MessageSid="SM50")
        assert suppressed(session) == []

    @pytest.mark.parametrize(("told", "ends"), [("delivered", "sent"), ("undelivered", "failed")])
    def test_an_answer_before_we_wrote_down_that_it_left_is_not_lost(
        self, session: Session, hooked: TestClient, mia: Client, told: str, ends: str
    ) -> None:
        row = make_outgoing(
            session, customer_id=mia.id, channel="sms", recipient=NUMBER, status="queued", sent_at=None,
            in_doubt_since=NOW,
        )  # fmt: skip
        path = f"/status?message={row.id}"
        assert twilio(hooked, path, MessageSid="SM9", MessageStatus=told, ErrorCode="30005").status_code == 204
        session.refresh(row)
        assert (row.status, row.provider_message_id, row.delivered_at is not None) == (ends, "SM9", ends == "sent")
        other = make_outgoing(session, customer_id=mia.id, channel="sms", recipient=NUMBER, provider_message_id="SM10")
        twilio(hooked, f"/status?message={other.id}", MessageSid="SM11", MessageStatus="failed")
        session.refresh(other)
        assert other.status == "sent", "the answer was about another message"

    def test_an_answer_for_another_message_is_not_signed(self, session: Session, hooked: TestClient) -> None:
        row = make_outgoing(session, channel="sms", recipient=NUMBER, provider_message_id="SM12")
        form = {"MessageSid": "SM12", "MessageStatus": "failed"}
        signature = RequestValidator(TWILIO).compute_signature(f"{ISSUER}/webhooks/twilio/status?message=x", form)
        moved = f"/webhooks/twilio/status?message={row.id}"
        assert hooked.post(moved, data=form, headers={"X-Twilio-Signature": signature}).status_code == 401


class TestPhones:
    @pytest.mark.parametrize("told", ["+84 912 345 678", "0084 (912) 345-678", "+84.912.345.678"])
    def test_are_kept_as_e164(self, told: str) -> None:
        assert e164(told) == NUMBER

    @pytest.mark.parametrize("told", ["0912 345 678", "+0912345678", "+84", "+84 91234567890123", "+84 9x", "STOP"])
    def test_need_their_country(self, told: str) -> None:
        with pytest.raises(Exception, match="with its country"):
            e164(told)


class TestUnsubscribe:
    def path(self, settings: ChannelSettings, mia: Client, purpose: str = "marketing") -> str:
        return links.unsubscribe_path(settings.link_key, links.Subscription(mia.id, "email", purpose))

    def choices(self, session: Session) -> list[tuple[str, str, bool]]:
        return [(row.channel, row.purpose, row.is_allowed) for row in session.scalars(select(ChannelChoice))]

    def test_looking_asks_and_one_click_does(
        self, session: Session, hooked: TestClient, mia: Client, channel_settings: ChannelSettings
    ) -> None:
        path = self.path(channel_settings, mia, "coaching")
        page = hooked.get(path)
        assert "Unsubscribe?" in page.text
        assert self.choices(session) == []
        for _ in range(2):  # as a mailbox does it: no cookie, no token of a form
            done = hooked.post(path, data={"List-Unsubscribe": "One-Click"})
            assert (done.status_code, "You are unsubscribed" in done.text) == (200, True)
        assert self.choices(session) == [("email", "coaching", False)]
        told = select(OutboxEvent).where(OutboxEvent.type == "engagement.contact_choice_made")
        assert [event.payload["source"] for event in session.scalars(told)] == ["unsubscribe"]

    def test_speaks_their_language(
        self, session: Session, hooked: TestClient, mia: Client, channel_settings: ChannelSettings
    ) -> None:
        session.add(ContactPreference(customer_id=mia.id, language="vi"))
        session.flush()
        assert "Hủy đăng ký?" in hooked.get(self.path(channel_settings, mia)).text

    @pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: p.replace("email", "sms"), lambda p: p + "x"])
    def test_a_link_that_was_changed_opens_nothing(
        self, session: Session, hooked: TestClient, mia: Client, channel_settings: ChannelSettings, change: Any
    ) -> None:
        assert hooked.post(change(self.path(channel_settings, mia))).status_code == 404
        assert self.choices(session) == []


class TestPreferencesPage:
    @pytest.fixture
    def browser(self, wired: FastAPI, mia: Client, api: TestClient) -> TestClient:
        wired.state.authenticators = [lambda _: Principal("customer", "app", mia.id, display_name="Mia Maier")]
        api.headers.update({"Accept": "text/html"})
        return api

    def test_keeps_every_choice_and_asks_a_new_number(self, session: Session, browser: TestClient, mia: Client) -> None:
        page = browser.get("/messages/preferences").text
        assert 'value="email:transactional"' not in page
        assert 'value="email:coaching" checked' in page
        token = re.search(r'name="csrf_token" value="(\w+)"', page)
        assert token
        form = {
            "csrf_token": token[1], "choice": ["push:marketing", "sms:reminders"], "language": "vi",
            "phone": "+49 151 23456789", "quiet_from": "22:00", "quiet_until": "07:00",
        }  # fmt: skip
        assert browser.post("/messages/preferences", data=form).status_code == 303
        said = {(row.channel, row.purpose): row.is_allowed for row in session.scalars(select(ChannelChoice))}
        assert said[("push", "marketing")] is True
        assert said[("email", "coaching")] is False
        assert ("email", "transactional") not in said
        page = browser.get("/messages/preferences").text
        assert "Những gì bạn nhận" in page
        assert 'value="sms:reminders" checked' in page
        [asked] = session.scalars(select(OutgoingMessage)).all()
        assert (asked.template, asked.channel, asked.language) == ("confirm_phone", "sms", "vi")
        assert session.get_one(Phone, mia.id, populate_existing=True).number == "+4915123456789"


class TestDevices:
    def test_come_and_go_with_whoever_signs_in_on_them(
        self, session: Session, wired: FastAPI, sign_in: SignIn, mia: Client, cloud: Cloud
    ) -> None:
        client, one = sign_in(account_of(session, mia)), Browser()
        told = {"endpoint": f"{cloud.url}/push/1", "keys": {"p256dh": one.p256dh, "auth": one.auth}}
        for _ in range(2):
            assert client.post("/api/engagement/devices/browsers", json=told).status_code == 201
        kept = session.scalars(select(PushSubscription)).one()
        assert (kept.customer_id, kept.kind) == (mia.id, "web")
        tom = sign_in(account_of(session, make_client(session)))
        assert tom.post("/api/engagement/devices/removals", json={"endpoint": told["endpoint"]}).status_code == 200
        assert len(session.scalars(select(PushSubscription)).all()) == 1
        assert client.post("/api/engagement/devices/removals", json={"endpoint": told["endpoint"]}).status_code == 200
        assert session.scalars(select(PushSubscription)).all() == []

    def test_elsewhere_are_refused(self, session: Session, wired: FastAPI, sign_in: SignIn, mia: Client) -> None:
        client, one = sign_in(account_of(session, mia)), Browser()
        told = {"endpoint": "http://169.254.169.254/x", "keys": {"p256dh": one.p256dh, "auth": one.auth}}
        answer = client.post("/api/engagement/devices/browsers", json=told)
        assert (answer.status_code, answer.json()["code"]) == (422, "engagement.unknown_device")
