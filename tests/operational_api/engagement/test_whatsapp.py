"""WhatsApp's day of free text: where it ends, whatever the clocks on the wall do, and what is sent after it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from operational_api.core.database import session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.models import Phone
from operational_api.engagement.service import addresses
from operational_api.engagement.service.addresses import WHATSAPP_WINDOW
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.settings import ChannelSettings
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Cloud
from tests.operational_api.engagement.waiting import NOW, NUMBER, allow, only, queue

DAY, MARGIN, SECOND = timedelta(hours=24), timedelta(minutes=5), timedelta(seconds=1)
SPRING = datetime(2026, 3, 28, 18, tzinfo=UTC)
"""The night after has 23 hours on Berlin's walls."""
AUTUMN = datetime(2026, 10, 24, 18, tzinfo=UTC)
"""That one has 25."""


@pytest.fixture
def phone(session: Session) -> Phone:
    account = make_account(session, display_name="Mia Maier", time_zone="Europe/Berlin")
    row = Phone(customer_id=account.id, number=NUMBER, confirmed_at=NOW, asked_at=NOW)
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def mia(session: Session, phone: Phone) -> Contact:
    """Mia, whom WhatsApp reaches, and e-mail after it."""
    found = contact(session, phone.customer_id)
    assert found
    allow(session, found, "transactional", "whatsapp")
    return found


class TestEdges:
    @pytest.mark.parametrize("begins", [SPRING, AUTUMN, datetime(2026, 6, 1, 18, tzinfo=UTC)], ids=str)
    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
    def test_it_is_a_day_of_24_hours_less_what_words_need_to_arrive(
        self, session: Session, phone: Phone, begins: datetime, zone: str
    ) -> None:
        session.execute(text("select set_config('TimeZone', :zone, true)"), {"zone": zone})
        addresses.saw_whatsapp(session, number=NUMBER, now=begins)
        session.expire_all()
        is_open = {
            after: addresses.is_window_open(session, phone.customer_id, begins + after)
            for after in (
                timedelta(0), DAY - MARGIN - SECOND, DAY - MARGIN, DAY - SECOND, DAY, DAY + SECOND,
            )
        }  # fmt: skip
        assert list(is_open.values()) == [True, True, False, False, False, False]

    def test_who_never_wrote_has_none_and_who_writes_again_has_a_new_one(self, session: Session, phone: Phone) -> None:
        assert not addresses.is_window_open(session, phone.customer_id, NOW)
        addresses.saw_whatsapp(session, number=NUMBER, now=NOW - DAY)
        session.expire_all()
        assert not addresses.is_window_open(session, phone.customer_id, NOW)
        addresses.saw_whatsapp(session, number=NUMBER, now=NOW)
        session.expire_all()
        assert addresses.is_window_open(session, phone.customer_id, NOW)


class TestAfterIt:
    """What leaves a minute before its end, and a minute after."""

    APPROVED = {"new_message": "HX1"}

    @staticmethod
    def send(session: Session, mia: Contact, settings: ChannelSettings, *, left: timedelta) -> None:
        seen = datetime.now(UTC) - WHATSAPP_WINDOW + left
        session.get_one(Phone, mia.account_id).whatsapp_seen_at = seen
        queue(session, mia, "whatsapp", "email")
        sessions = session_factory(
            session.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint"
        )  # fmt: skip
        dispatcher = Dispatcher(sessions, settings)
        dispatcher.send_due("whatsapp")
        dispatcher.send_due("email")

    @pytest.mark.parametrize(("minutes", "is_free"), [(1, True), (-1, False)])
    def test_the_approved_template_takes_over(
        self, session: Session, mia: Contact, cloud: Cloud, post: Post, channel_settings: ChannelSettings,
        minutes: int, is_free: bool,
    ) -> None:  # fmt: skip
        settings = channel_settings.model_copy(update={"whatsapp_templates": self.APPROVED})
        self.send(session, mia, settings, left=timedelta(minutes=minutes))
        [form] = [one["form"] for one in cloud.texts]
        assert ("Body" in form, form.get("ContentSid")) == ((True, None) if is_free else (False, "HX1"))
        assert (only(session).status, only(session).channel, post.mails) == ("sent", "whatsapp", [])

    @pytest.mark.parametrize(("minutes", "channel"), [(1, "whatsapp"), (-1, "email")])
    def test_without_one_the_next_channel_does(
        self, session: Session, mia: Contact, cloud: Cloud, post: Post, channel_settings: ChannelSettings,
        minutes: int, channel: str,
    ) -> None:  # fmt: skip
        self.send(session, mia, channel_settings, left=timedelta(minutes=minutes))
        assert (only(session).status, only(session).channel) == ("sent", channel)
        assert len(cloud.texts) + len(post.mails) == 1
