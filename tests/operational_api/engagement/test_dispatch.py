"""From the queue to the provider: what is weighed, what falls back, what a crash leaves, and that each leaves once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher, gateways
from operational_api.engagement.channels.port import Gateway, Unavailable
from operational_api.engagement.models import (
    ContactPreference,
    OutgoingMessage,
    PushSubscription,
    Suppression,
)
from operational_api.engagement.sending import CHANNELS, WAYS, Channel
from operational_api.engagement.service import addresses, provider_events
from operational_api.engagement.service.contacts import Contact
from operational_api.engagement.service.emails import call_off, queue_email, queue_message
from operational_api.engagement.service.messages import send_message
from operational_api.engagement.settings import ChannelSettings
from plyo.postgres import free_port
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.providers import Browser, Cloud
from tests.operational_api.engagement.waiting import NOW, NUMBER, allow, only, queue, with_number


@pytest.fixture
def mia(session: Session) -> Contact:
    return with_number(session)


def dispatcher(session: Session, settings: ChannelSettings, ways: dict[Channel, Gateway] | None = None) -> Dispatcher:
    sessions = session_factory(
        session.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint"
    )  # fmt: skip
    return Dispatcher(sessions, settings, ways)


class TestWeighing:
    def test_sends_what_may_go_and_tells_of_it(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        queue(session, mia, "email", purpose="coaching")
        dispatcher(session, channel_settings).send_due("email")
        row = only(session)
        assert (row.status, row.reason, row.recipient) == ("sent", None, mia.email)
        assert "path" not in row.context
        assert post.mails[0]["List-Unsubscribe"].startswith("<http://testserver/unsubscribe/")
        [told] = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.message_left"))
        assert told.payload["channel"] == "email"

    def test_quiet_hours_postpone_and_drop_nothing(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        ends = (NOW + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
        starts = (NOW - timedelta(hours=2)).time().replace(second=0, microsecond=0)
        session.add(ContactPreference(customer_id=mia.account_id, quiet_from=starts, quiet_until=ends.time()))
        queue(session, mia, "email", purpose="coaching")
        queue(session, mia, "email", key="proof")
        dispatcher(session, channel_settings).send_due("email")
        rows = {row.dedupe_key: row for row in session.scalars(select(OutgoingMessage))}
        session.refresh(rows["k"])
        assert (rows["k"].status, rows["k"].next_attempt_at, rows["k"].attempts) == ("queued", ends, 0)
        assert len(post.mails) == 1

    @pytest.mark.parametrize("channel", ["email", "sms"])
    def test_caps_count_over_all_channels(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings,
        channel: Channel,
    ) -> None:  # fmt: skip
        allow(session, mia, "marketing", *CHANNELS)
        queue(session, mia, "email", key="first", purpose="marketing")
        sends = dispatcher(session, channel_settings)
        sends.send_due("email")
        queue(session, mia, channel, key="second", purpose="marketing")
        sends.send_due(channel)
        second = session.scalars(select(OutgoingMessage).where(OutgoingMessage.dedupe_key == "second")).one()
        session.refresh(second)
        assert (second.status, second.reason) == ("withheld", "daily_cap")
        assert (len(post.mails), len(cloud.texts)) == (1, 0)

    def test_a_no_takes_the_next_channel_and_the_last_no_is_kept(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "coaching", "push", "email", is_allowed=False)
        queue(session, mia, "push", "email", purpose="coaching")
        sends = dispatcher(session, channel_settings)
        sends.send_due("push")
        assert (only(session).channel, only(session).status) == ("email", "queued")
        sends.send_due("email")
        assert (only(session).status, only(session).reason, post.mails) == ("withheld", "not_allowed", [])
        [told] = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.message_failed"))
        assert told.payload["reason"] == "not_allowed"

    @pytest.mark.parametrize(("said_yes_to", "taken_by"), [([], "email"), (["sms"], "sms"), (["whatsapp"], "whatsapp")])
    def test_who_said_yes_to_their_phone_is_reached_there(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings,
        said_yes_to: list[Channel], taken_by: str,
    ) -> None:  # fmt: skip
        allow(session, mia, "reminders", *said_yes_to)
        addresses.saw_whatsapp(session, number=NUMBER, now=NOW)
        queue(session, mia, *WAYS, purpose="reminders")
        sends = dispatcher(session, channel_settings)
        for channel in WAYS:
            sends.send_due(channel)
        assert (only(session).status, only(session).channel) == ("sent", taken_by)
        assert len(post.mails) + len(cloud.texts) == 1

    def test_word_of_a_message_that_was_read_meanwhile_stays(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        coach = make_account(session, role="coach")
        message = send_message(
            session, customer_id=mia.account_id, sender_id=coach.id, recipient_id=mia.account_id, kind="chat",
            body="Hi", now=NOW,
        )  # fmt: skip
        for key in ("unread", "read"):
            context = {"sender": "Ana", "body": "Hi", "path": "/messages", "message_id": str(message.id)}
            queue_message(
                session, dedupe_key=key, person=mia, template="new_message", context=context, purpose="coaching",
                now=NOW,
            )  # fmt: skip
            dispatcher(session, channel_settings).send_due("email")
            message.read_at = NOW
            session.flush()
        ends = dict(session.execute(select(OutgoingMessage.dedupe_key, OutgoingMessage.reason)).tuples().all())
        assert ends == {"unread": None, "read": "read_already"}
        assert len(post.mails) == 1

    def test_nothing_goes_to_a_dead_address(
        self, session: Session, post: Post, channel_settings: ChannelSettings
    ) -> None:
        addresses.suppress(session, channel="email", address="Mia@Plyo.test", reason="bounce", now=NOW)
        queue_email(
            session, dedupe_key="k", recipient="mia@plyo.test", template="password_changed", context={"name": "Mia"},
            now=NOW,
        )  # fmt: skip
        dispatcher(session, channel_settings).send_due("email")
        assert (only(session).reason, post.mails) == ("suppressed:bounce", [])

    def test_but_a_link_that_shows_whether_it_is(
        self, session: Session, post: Post, channel_settings: ChannelSettings
    ) -> None:
        for reason, address in (("bounce", "mia@plyo.test"), ("complaint", "tom@plyo.test"), ("stop", "x@plyo.test")):
            addresses.suppress(session, channel="email", address=address, reason=reason, now=NOW)
            queue_email(
                session, dedupe_key=reason, recipient=address, template="confirm_email",
                context={"name": "Mia", "path": "/confirm-email?token=x"}, now=NOW,
            )  # fmt: skip
        dispatcher(session, channel_settings).send_due("email")
        assert sorted(one["To"] for one in post.mails) == ["mia@plyo.test", "tom@plyo.test"]

    def test_what_was_called_off_stays(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        queue(session, mia, "email")
        call_off(session, "k", reason="cancelled")
        dispatcher(session, channel_settings).send_due("email")
        assert (only(session).reason, post.mails) == ("cancelled", [])


class TestFallback:
    def test_no_device_means_e_mail_and_a_gone_one_is_forgotten(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        gone = Browser()
        session.add(
            PushSubscription(
                customer_id=mia.account_id, kind="web", endpoint=f"{cloud.url}/push/gone", p256dh=gone.p256dh,
                auth=gone.auth, created_at=NOW,
            )
        )  # fmt: skip
        queue(session, mia, "push", "email")
        allow(session, mia, "transactional", "push")
        sends = dispatcher(session, channel_settings)
        for channel in ("push", "email", "push", "email"):
            sends.send_due(channel)
        assert (only(session).status, len(post.mails)) == ("sent", 1)
        assert session.scalars(select(PushSubscription)).all() == []

    def test_a_gone_one_is_forgotten_though_the_other_has_to_wait(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        for path in ("/push/gone", "/push/away"):
            browser, away = Browser(), f"http://127.0.0.1:{free_port()}"
            endpoint = f"{cloud.url if path == '/push/gone' else away}{path}"
            session.add(
                PushSubscription(
                    customer_id=mia.account_id, kind="web", endpoint=endpoint, p256dh=browser.p256dh,
                    auth=browser.auth, created_at=NOW,
                )
            )  # fmt: skip
        queue(session, mia, "push")
        allow(session, mia, "transactional", "push")
        origins = f"{channel_settings.push_origins},http://127.0.0.1:*"
        dispatcher(session, channel_settings.model_copy(update={"push_origins": origins})).send_due("push")
        assert only(session).status == "queued"
        [left] = session.scalars(select(PushSubscription))
        assert left.endpoint.endswith("/push/away")

    def test_a_provider_that_is_down_loses_it_to_the_next_once(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "transactional", "sms")
        queue(session, mia, "sms", "email")
        nowhere = channel_settings.model_copy(update={"twilio_base_url": f"http://127.0.0.1:{free_port()}"})
        with pytest.raises(Unavailable):
            dispatcher(session, nowhere).send_due("sms")
        row = only(session)
        assert (row.channel, row.attempts, row.in_doubt_since) == ("email", 0, None)
        sends = dispatcher(session, channel_settings)  # it is back, too late
        sends.send_due("sms")
        sends.send_due("email")
        assert (len(post.mails), len(cloud.texts)) == (1, 0)

    def test_without_another_way_it_waits(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "transactional", "sms")
        queue(session, mia, "sms")
        nowhere = channel_settings.model_copy(update={"twilio_base_url": f"http://127.0.0.1:{free_port()}"})
        with pytest.raises(Unavailable):
            dispatcher(session, nowhere).send_due("sms")
        assert (only(session).status, only(session).attempts) == ("queued", 0)
        dispatcher(session, channel_settings).send_due("sms")
        assert (only(session).status, len(cloud.texts)) == ("sent", 1)

    def test_a_channel_that_is_not_set_up_is_passed_over(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        bare = ChannelSettings(session_secret=channel_settings.session_secret, smtp_port=post.port)
        assert gateways(bare).keys() == {"email"}
        queue(session, mia, "whatsapp", "email")
        sends = dispatcher(session, bare)
        sends.send_due("whatsapp")
        sends.send_due("email")
        assert (only(session).status, len(post.mails)) == ("sent", 1)

    def test_what_may_have_left_by_a_channel_that_is_gone_takes_no_other(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        queue(session, mia, "whatsapp", "email")
        only(session).in_doubt_since = NOW
        session.flush()
        sends = dispatcher(
            session, ChannelSettings(session_secret=channel_settings.session_secret, smtp_port=post.port)
        )
        sends.send_due("whatsapp")
        sends.send_due("email")
        assert (only(session).status, only(session).reason, post.mails) == ("withheld", "no_such_channel", [])

    def test_a_stopped_number_is_remembered(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "transactional", "sms")
        queue(session, mia, "sms")
        cloud.mishap = "stopped"
        dispatcher(session, channel_settings).send_due("sms")
        assert (only(session).status, only(session).reason) == ("failed", "stopped")
        assert session.get_one(Suppression, ("sms", NUMBER)).reason == "stop"


class TestPushes:
    """A push service knows a copy by its topic, and nothing of our other channels."""

    @pytest.fixture
    def phone(self, session: Session, mia: Contact, cloud: Cloud) -> PushSubscription:
        allow(session, mia, "transactional", "push")
        browser = Browser()
        found = PushSubscription(
            customer_id=mia.account_id, kind="web", endpoint=f"{cloud.url}/push/1", p256dh=browser.p256dh,
            auth=browser.auth, created_at=NOW,
        )  # fmt: skip
        session.add(found)
        session.flush()
        return found

    def tried(self, session: Session, sends: Dispatcher, *, times: int) -> OutgoingMessage:
        for _ in range(times):
            sends.send_due("push")
            only(session).next_attempt_at = NOW
            session.flush()
        sends.send_due("email")
        return only(session)

    def test_one_that_was_not_taken_goes_by_mail(
        self, session: Session, mia: Contact, phone: PushSubscription, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        queue(session, mia, "push", "email")
        cloud.mishap = "busy"
        row = self.tried(session, dispatcher(session, channel_settings), times=3)
        assert (row.status, row.in_doubt_since, row.topic) == ("sent", None, None)
        assert (len(post.mails), cloud.pushes) == (1, [])

    @pytest.mark.parametrize("mishaps", [("silent",) * 4, ("silent", "busy", "busy", "busy")])
    def test_one_that_may_have_arrived_is_pushed_again_in_its_place_and_not_mailed(
        self, session: Session, mia: Contact, phone: PushSubscription, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings, mishaps: tuple[str, ...],
    ) -> None:  # fmt: skip
        queue(session, mia, "push", "email")
        sends = dispatcher(session, channel_settings)
        for mishap in mishaps:
            cloud.mishap = mishap
            row = self.tried(session, sends, times=1)
            assert (row.channel, row.status, row.in_doubt_since is not None) == ("push", "queued", True)
        cloud.mishap = ""
        sends.send_due("push")
        row = only(session)
        assert (row.status, row.in_doubt_since, row.topic, post.mails) == ("sent", None, None, [])
        assert {headers["topic"] for _, headers, _ in cloud.pushes} == {row.id.hex}

    def test_one_that_may_have_arrived_is_not_mailed_though_the_phone_is_gone(
        self, session: Session, mia: Contact, phone: PushSubscription, post: Post, cloud: Cloud,
        channel_settings: ChannelSettings,
    ) -> None:  # fmt: skip
        queue(session, mia, "push", "email")
        sends = dispatcher(session, channel_settings)
        cloud.mishap = "silent"
        self.tried(session, sends, times=1)
        cloud.mishap = "refuse"
        sends.send_due("push")
        sends.send_due("email")
        assert (only(session).status, only(session).reason) == ("failed", "no_device")
        assert (session.scalars(select(PushSubscription)).all(), post.mails) == ([], [])

    def test_one_that_takes_every_worker_with_it_holds_up_nobody_for_ever(
        self, session: Session, mia: Contact, phone: PushSubscription, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        queue(session, mia, "push", key="deadly")
        only(session).attempts, only(session).in_doubt_since, only(session).topic = 20, NOW, only(session).id
        queue(session, mia, "push", key="next")
        dispatcher(session, channel_settings).send_due("push")
        session.expire_all()
        ends = {row.dedupe_key: (row.status, row.reason) for row in session.scalars(select(OutgoingMessage))}
        assert ends == {"deadly": ("failed", "undecided"), "next": ("sent", None)}
        assert len(cloud.pushes) == 1

    def test_a_list_without_its_first_takes_the_place_of_the_list(
        self, session: Session, mia: Contact, phone: PushSubscription, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "coaching", "push")
        for key in "abc":
            queue(session, mia, "push", key=key, purpose="coaching")
        rows = session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.created_at, OutgoingMessage.id)).all()
        for row in rows:
            row.digest_at, row.digest_id = NOW, rows[0].id
        session.flush()
        sends = dispatcher(session, channel_settings)
        cloud.mishap = "silent"
        sends.send_due("push")
        session.expire_all()
        assert [row.topic for row in rows] == [rows[0].id, None, None]
        call_off(session, rows[0].dedupe_key, reason="called_off")
        assert [row.topic for row in rows[1:]] == [rows[0].id, None]
        cloud.mishap, rows[1].next_attempt_at = "", NOW
        session.flush()
        sends.send_due("push")
        session.expire_all()
        assert [row.status for row in rows] == ["withheld", "sent", "sent"]
        assert [headers["topic"] for _, headers, _ in cloud.pushes] == [rows[0].id.hex] * 2


class TestUndelivered:
    """Taken by the provider, and hours later it says that it never arrived."""

    def sent_by_sms(self, session: Session, mia: Contact, settings: ChannelSettings, **given: Any) -> OutgoingMessage:
        allow(session, mia, "coaching", "sms")
        queue(session, mia, "sms", "email", purpose="coaching", **given)
        dispatcher(session, settings).send_due("sms")
        assert only(session).status == "sent"
        return only(session)

    def say(self, session: Session, sid: str, status: str, **how: Any) -> None:
        form = {"MessageSid": sid, "MessageStatus": status, "ErrorCode": "30005"}
        provider_events.take_status(session, form, now=NOW + timedelta(hours=5), **how)
        session.flush()

    def test_the_next_channel_carries_it_once(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        row = self.sent_by_sms(session, mia, channel_settings)
        sid, sends = str(row.provider_message_id), dispatcher(session, channel_settings)
        for status in ("undelivered", "undelivered", "failed"):
            self.say(session, sid, status, row_id=row.id, channel="sms")
        row.next_attempt_at = NOW
        session.flush()
        for channel in (*CHANNELS, *CHANNELS):
            sends.send_due(channel)
        assert (only(session).status, only(session).channel) == ("sent", "email")
        assert (len(cloud.texts), len(post.mails)) == (1, 1)
        assert "/messages" in str(post.mails[0].get_payload(0)), "the link was kept until it had arrived"
        self.say(session, sid, "delivered", row_id=row.id, channel="sms")
        assert only(session).delivered_at is None, "that of the SMS is no news of the e-mail"

    def test_not_after_it_was_read(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        coach = make_account(session, role="coach")
        message = send_message(
            session, customer_id=mia.account_id, sender_id=coach.id, recipient_id=mia.account_id, kind="chat",
            body="Hi", now=NOW,
        )  # fmt: skip
        row = self.sent_by_sms(session, mia, channel_settings)
        row.context = row.context | {"message_id": str(message.id)}
        message.read_at = NOW
        self.say(session, str(row.provider_message_id), "undelivered")
        row.next_attempt_at = NOW
        session.flush()
        dispatcher(session, channel_settings).send_due("email")
        assert (only(session).status, only(session).reason, post.mails) == ("withheld", "read_already", [])

    @pytest.mark.parametrize("first", ["delivered", "read"])
    def test_not_after_it_arrived(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings, first: str
    ) -> None:
        sid = str(self.sent_by_sms(session, mia, channel_settings).provider_message_id)
        for status in (first, "undelivered"):
            self.say(session, sid, status)
        assert (only(session).status, only(session).channel) == ("sent", "sms")

    def test_a_late_no_of_the_first_does_not_decide_about_the_second(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "coaching", "sms", "whatsapp")
        addresses.saw_whatsapp(session, number=NUMBER, now=NOW)
        queue(session, mia, "whatsapp", "sms", purpose="coaching")
        dispatcher(session, channel_settings).send_due("whatsapp")
        row = only(session)
        sid = str(row.provider_message_id)
        self.say(session, sid, "undelivered", row_id=row.id, channel="whatsapp")
        row.in_doubt_since = NOW  # it is being handed over as an SMS
        session.flush()
        self.say(session, sid, "failed", row_id=row.id, channel="whatsapp")
        assert (only(session).status, only(session).channel) == ("queued", "sms")

    def test_without_another_channel_it_has_failed_and_that_is_told(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        row = self.sent_by_sms(session, mia, channel_settings)
        row.fallbacks = []
        self.say(session, str(row.provider_message_id), "undelivered")
        assert (only(session).status, only(session).reason) == ("failed", "carrier:30005")
        assert "path" not in only(session).context
        [told] = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.message_failed"))
        assert told.payload["reason"] == "carrier:30005"


class TestOnce:
    def test_two_in_the_same_words_that_nobody_knows_of_both_leave_once(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "transactional", "sms")
        for key in ("one", "two"):
            queue(session, mia, "sms", key=key)
        sends = dispatcher(session, channel_settings)
        cloud.mishap = "silent"
        for _ in range(2):
            sends.send_due("sms")
        rows = session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id)).all()
        assert [row.in_doubt_since is not None for row in rows] == [True, True]
        cloud.mishap = ""
        for row in rows:
            row.next_attempt_at = NOW
        session.flush()
        sends.send_due("sms")
        session.expire_all()
        assert [row.status for row in rows] == ["sent", "sent"]
        assert {row.provider_message_id for row in rows} == {text["sid"] for text in cloud.texts}
        assert len(cloud.texts) == 2

    def test_a_text_of_which_nobody_knows_whether_it_left_leaves_once(
        self, session: Session, mia: Contact, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "transactional", "sms")
        queue(session, mia, "sms", "email")
        sends = dispatcher(session, channel_settings)
        cloud.mishap = "silent"
        sends.send_due("sms")
        row = only(session)
        assert (row.channel, row.status, row.in_doubt_since is not None) == ("sms", "queued", True)
        cloud.mishap, row.next_attempt_at = "", NOW
        session.flush()
        sends.send_due("sms")
        assert (only(session).status, len(cloud.texts)) == ("sent", 1)
        assert only(session).provider_message_id == cloud.texts[0]["sid"]

    def test_what_may_have_left_counts_towards_the_cap(
        self, session: Session, mia: Contact, post: Post, cloud: Cloud, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "marketing", *CHANNELS)
        queue(session, mia, "sms", key="first", purpose="marketing")
        sends = dispatcher(session, channel_settings)
        cloud.mishap = "silent"
        sends.send_due("sms")
        queue(session, mia, "email", key="second", purpose="marketing")
        sends.send_due("email")
        second = session.scalars(select(OutgoingMessage).where(OutgoingMessage.dedupe_key == "second")).one()
        session.refresh(second)
        assert (second.reason, len(cloud.texts), post.mails) == ("daily_cap", 1, [])

    def test_one_that_cannot_be_made_holds_up_nobody(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        queue(session, mia, "email", key="broken")
        only(session).context = {}
        queue(session, mia, "email", key="whole", now=NOW + timedelta(milliseconds=1))
        dispatcher(session, channel_settings).send_due("email")
        assert len(post.mails) == 1


class TestPlans:
    @pytest.mark.parametrize(
        "query",
        [
            "select * from engagement.outgoing_emails where channel = 'email' and status = 'queued'"
            " and next_attempt_at <= now() order by next_attempt_at limit 1",
            "select sent_at from engagement.outgoing_emails where customer_id = '00000000-0000-7000-8000-000000000001'"
            " and purpose = 'coaching' and purpose <> 'transactional' and sent_at > now() - interval '7 days'"
            " and sent_at is not null",
            "select * from engagement.outgoing_emails where provider_message_id = 'SM1'",
            "select id from engagement.outgoing_emails where customer_id = '00000000-0000-7000-8000-000000000001'"
            " and template = 'new_message' and status = 'queued' limit 1",
            "select * from engagement.outgoing_emails where status = 'undecided' order by in_doubt_since, id",
            "select in_doubt_since from engagement.outgoing_emails where status = 'undecided' and purpose = 'coaching'"
            " and customer_id = '00000000-0000-7000-8000-000000000001' and in_doubt_since is not null",
        ],
    )
    def test_no_query_of_the_worker_reads_the_whole_table(self, session: Session, query: str) -> None:
        session.execute(
            text(
                "insert into engagement.outgoing_emails (id, dedupe_key, recipient, template, context, status,"
                " next_attempt_at, sent_at, customer_id, purpose, provider_message_id)"
                " select gen_random_uuid(), 'plan' || n, 'x', 'x', '{}', 'sent', now(), now(), gen_random_uuid(),"
                " 'coaching', 'SM' || n from generate_series(1, 5000) n"
            )
        )
        session.execute(text("analyze engagement.outgoing_emails"))
        plan = "\n".join(session.scalars(text(f"explain {query}")))
        assert "Seq Scan" not in plan, plan
