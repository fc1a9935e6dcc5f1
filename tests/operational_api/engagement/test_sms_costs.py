"""What texts cost: what left is counted as its provider charges it, also where another channel had to say it again."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.service import outgoing, sms_costs
from operational_api.engagement.service.contacts import Contact
from operational_api.engagement.service.emails import queue_message
from operational_api.engagement.settings import ChannelSettings
from tests.factories import make_account
from tests.operational_api.conftest import SignIn
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Cloud
from tests.operational_api.engagement.test_dispatch import dispatcher
from tests.operational_api.engagement.waiting import NOW, allow, with_number

LONG = "x" * 400
ACCENTS = "ệ" * 100


@pytest.fixture
def mia(session: Session) -> Contact:
    found = with_number(session)
    allow(session, found, "reminders", "sms")
    return found


def text(session: Session, mia: Contact, sends: Dispatcher, key: str, body: str) -> OutgoingMessage:
    about = {
        "title": "Mobility", "coach": "Ana", "author": "Ana", "body": body, "location": "Plyo", "time_zone": "UTC",
        "starts_at": NOW.isoformat(), "path": "/bookings",
    }  # fmt: skip
    queue_message(
        session, dedupe_key=key, person=mia, template="class_notice", context=about, purpose="reminders",
        channels=("sms", "email"), now=NOW,
    )  # fmt: skip
    session.flush()
    sends.send_due("sms")
    which = select(OutgoingMessage).where(OutgoingMessage.dedupe_key == key)
    return session.scalars(which.execution_options(populate_existing=True)).one()


def test_segments_of_texts_are_kept_told_and_priced(
    session: Session, mia: Contact, cloud: Cloud, post: Post, wired: FastAPI, channel_settings: ChannelSettings,
    sign_in: SignIn,
) -> None:  # fmt: skip
    wired.state.channel_settings = settings = channel_settings.model_copy(
        update={"sms_thousand_segments_minor": 9790, "sms_currency": "EUR"}
    )
    sends = dispatcher(session, settings)
    rows = [text(session, mia, sends, body, body) for body in (LONG, ACCENTS)]
    assert [len(one["body"]) > size for one, size in zip(cloud.texts, (306, 67), strict=True)] == [True, True]
    assert [one.segments for one in rows] == [3, 3]  # 400 and some of GSM-7, 100 and some of UCS-2
    told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.message_left")).all()
    assert [one.payload["segments"] for one in told] == [3, 3]
    outgoing.note_undelivered(session, rows[0], "30005", NOW)  # the carrier charges all the same
    session.flush()
    sends.send_due("email")
    session.refresh(rows[0])
    assert (rows[0].channel, rows[0].segments, len(post.mails)) == ("email", 3, 1)
    rows[1].sent_at = NOW - timedelta(days=29)
    session.flush()
    boss = sign_in(make_account(session, role="admin"))
    said = boss.get("/api/engagement/sms-costs").json()
    assert (said["messages"], said["segments"], said["cost_minor"], said["currency"]) == (2, 6, 59, "EUR")
    assert "2, charged as 6 segments, about €0.59." in boss.get("/staff/announcements").text
    rows[1].sent_at = NOW - timedelta(days=31)
    session.flush()
    unpriced = sms_costs.lately(session, channel_settings, now=NOW)
    assert (unpriced.messages, unpriced.segments, unpriced.cost_minor) == (1, 3, None)
