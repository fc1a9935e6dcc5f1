"""What texts cost: what left is counted as its provider charges it, also where another channel had to say it again."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.channels.port import Price
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
    wired.state.channel_settings = channel_settings
    rows = []
    for body, price in ((LONG, 9790), (ACCENTS, 10250)):  # the provider's price changes between the two
        priced = channel_settings.model_copy(update={"sms_thousand_segments_minor": price, "sms_currency": "EUR"})
        sends = dispatcher(session, priced)
        rows.append(text(session, mia, sends, body, body))
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
    assert (said["messages"], said["segments"]) == (2, 6)
    assert [(one["segments"], one["thousand_segments_minor"], one["cost_minor"]) for one in said["prices"]] == [
        (3, 9790, 29), (3, 10250, 31),
    ]  # fmt: skip
    page = boss.get("/staff/announcements").text
    assert "2, charged as 6 segments, about €0.60." in page  # 29370 + 30750 thousandths of a cent
    assert "3 segments at €97.90 a thousand, €0.29" in page
    rows[1].sent_at = NOW - timedelta(days=31)
    session.flush()
    assert [one.cost_minor for one in sms_costs.lately(session, now=NOW).prices] == [29]


def test_a_text_that_leaves_again_is_charged_again_and_what_nobody_priced_costs_nobody_knows_what() -> None:
    row = OutgoingMessage()
    sms_costs.charge(row, 3, Price(9790, "EUR"))
    sms_costs.charge(row, 2, Price(10250, "EUR"))
    assert (row.segments, row.cost_thousandths, row.cost_currency) == (5, 3 * 9790 + 2 * 10250, "EUR")
    for other in (None, Price(9000, "USD")):  # not all of it in one currency
        row = OutgoingMessage(segments=3, cost_thousandths=29370, cost_currency="EUR")
        sms_costs.charge(row, 1, other)
        assert (row.segments, row.cost_thousandths, row.cost_currency) == (4, None, None)
    sms_costs.charge(row, 1, Price(9790, "EUR"))
    assert (row.segments, row.cost_thousandths, row.cost_currency) == (5, None, None)


def test_of_texts_from_before_prices_were_kept_only_the_segments_are_told(
    session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
) -> None:
    text(session, mia, dispatcher(session, channel_settings), "unpriced", LONG).sent_at = NOW
    session.flush()
    told = sms_costs.lately(session, now=NOW)
    assert (told.segments, told.totals) == (3, [])
    assert [(one.thousand_segments_minor, one.cost_minor, one.currency) for one in told.prices] == [(None, None, None)]
