"""What people are told by e-mail when something happens, once for each reason."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events import commerce, engagement, scheduling
from contracts.events.envelope import Event
from contracts.ids import new_id
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import OutgoingEmail
from operational_api.engagement.public import send_message
from operational_api.scheduling.models import Booking
from operational_api.training.models import Client
from tests.factories import account_of, make_booking, make_client, make_coach, make_location, make_slot

NOW = datetime.now(UTC)


def told(session: Session, *events: Event) -> list[OutgoingEmail]:
    """The messages but reminders after these events, each handled twice as after a crash."""
    for event in events:
        for handler in HANDLERS[event.type] * 2:
            handler(session, event)
    session.flush()
    found = select(OutgoingEmail).where(OutgoingEmail.template != "session_reminder")
    return list(session.scalars(found.order_by(OutgoingEmail.id)))


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def booking(session: Session, mia: Client) -> Booking:
    hanoi = make_location(session, name="Plyo Thao Dien", time_zone="Asia/Ho_Chi_Minh", currency="VND")
    coach = make_coach(session, location=hanoi, display_name="Linh Tran")
    starts_at = datetime(2026, 12, 1, 2, tzinfo=UTC)
    return make_booking(session, slot=make_slot(session, coach=coach, starts_at=starts_at), customer_id=mia.id)


def about(booking: Booking) -> dict[str, Any]:
    return {
        "occurred_at": NOW, "booking_id": booking.id, "slot_id": booking.slot_id, "customer_id": booking.customer_id,
        "coach_id": booking.coach_id,
    }  # fmt: skip


def _again(session: Session, booking: Booking) -> UUID:
    """Another booking of the same hour, by somebody else and with the same words."""
    slot = make_slot(session, starts_at=booking.starts_at)
    return make_booking(session, slot=slot, customer_id=booking.customer_id, status="attended",
                        ends_at=booking.starts_at, free_until=booking.free_until).id  # fmt: skip


class TestSessions:
    def test_a_booking_is_confirmed_in_the_studios_time(self, session: Session, mia: Client, booking: Booking) -> None:
        [email] = told(session, scheduling.SessionBooked(**about(booking)))
        assert (email.template, email.recipient) == ("booking_confirmed", account_of(session, mia).email)
        mail = render(email.template, email.context, public_url="http://plyo")
        assert mail.subject == "Booked: Personal training, Tuesday 1 December, 09:00 (Ho Chi Minh time)"
        assert "Plyo Thao Dien" in mail.text
        assert mail.attachments

    @pytest.mark.parametrize(
        ("language", "says"), [("en", "cancel it for nothing until Monday 30 November"), ("vi", "hủy miễn phí đến")]
    )
    def test_what_the_desk_booked_is_said_with_how_long_it_is_free_to_cancel(
        self, session: Session, booking: Booking, language: str, says: str
    ) -> None:
        booking.free_until = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)
        [email] = told(session, scheduling.SessionBooked(**about(booking), booked_by=new_id()))
        mail = render(email.template, email.context, public_url="http://plyo", language=language)
        assert says in mail.text
        assert "19:15" in mail.text
        booking.free_until = NOW - timedelta(minutes=1)
        [_, late] = told(session, scheduling.SessionBooked(**about(booking) | {"booking_id": _again(session, booking)},
                                                           booked_by=new_id()))  # fmt: skip
        assert "19:15" not in render(late.template, late.context, public_url="http://plyo", language=language).text

    def test_what_the_desk_took_back_was_a_mistake(self, session: Session, booking: Booking) -> None:
        [email] = told(session, scheduling.SessionCancelled(**about(booking), is_undone=True))
        assert "by mistake" in render(email.template, email.context, public_url="http://plyo").text

    @pytest.mark.parametrize("language", ["en", "vi"])
    def test_for_whom_the_desk_keeps_a_seat_reads_until_when(
        self, session: Session, booking: Booking, language: str
    ) -> None:
        until = {"starts_at": booking.starts_at, "held_until": datetime(2026, 11, 30, 12, tzinfo=UTC)}
        assert told(session, scheduling.SeatHeld(**about(booking) | until)) == [], "who keeps one themselves sees it"
        [email] = told(session, scheduling.SeatHeld(**about(booking) | until, booked_by=new_id()))
        mail = render(email.template, email.context, public_url="http://plyo", language=language)
        assert "09:00" in mail.subject
        assert "19:00" in mail.text
        assert "http://plyo/plans" in mail.text

    def test_the_waitlist_moves(self, session: Session, booking: Booking) -> None:
        [email] = told(session, scheduling.SessionBooked(**about(booking), is_from_waitlist=True))
        assert email.template == "waitlist_promoted"

    def test_who_is_offered_a_seat_reads_until_when(self, session: Session, booking: Booking) -> None:
        offer = scheduling.WaitlistOffered(
            occurred_at=NOW, waitlist_entry_id=new_id(), slot_id=booking.slot_id, customer_id=booking.customer_id,
            booking_id=booking.id, offer_expires_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        )  # fmt: skip
        [email] = told(session, offer)
        mail = render(email.template, email.context, public_url="http://plyo")
        assert mail.subject == "A place is free: Personal training, Tuesday 1 December, 09:00 (Ho Chi Minh time)"
        assert "Monday 30 November, 19:00" in mail.text

    def test_each_move_of_a_class_is_told_once(self, session: Session, booking: Booking) -> None:
        for hour in (3, 4):
            to = booking.starts_at + timedelta(hours=hour)
            move = scheduling.SessionMoved(**about(booking), from_starts_at=booking.starts_at, to_starts_at=to)
            assert [email.template for email in told(session, move)][-1] == "booking_confirmed"
        confirmed = select(OutgoingEmail).where(OutgoingEmail.template == "booking_confirmed")
        assert len(session.scalars(confirmed).all()) == 2

    @pytest.mark.parametrize(
        ("how", "words"),
        [({}, "cancelled in time"), ({"is_late": True}, "late cancellation"), ({"is_by_coach": True}, "coach had to")],
    )
    def test_a_cancellation_says_what_became_of_the_credit(
        self, session: Session, booking: Booking, how: dict[str, bool], words: str
    ) -> None:
        [email] = told(session, scheduling.SessionCancelled(**about(booking), **how))
        assert words in render(email.template, email.context, public_url="http://plyo").text

    def test_old_news_is_not_written_about(self, session: Session, booking: Booking) -> None:
        late = about(booking) | {"occurred_at": NOW - timedelta(days=2)}
        assert told(session, scheduling.SessionBooked(**late)) == []


class TestMoney:
    def test_each_fact_is_one_e_mail(self, session: Session, mia: Client) -> None:
        money = {"occurred_at": NOW, "customer_id": mia.id, "amount_minor": 9900, "currency": "EUR"}
        plan = {"occurred_at": NOW, "customer_id": mia.id, "subscription_id": new_id()}
        emails = told(
            session,
            commerce.PaymentCaptured(payment_id=new_id(), **money),
            commerce.PaymentFailed(payment_id=new_id(), **money),
            commerce.PaymentRefunded(payment_id=new_id(), refund_id=new_id(), **money),
            commerce.SubscriptionStarted(plan_id=new_id(), amount_minor=9900, currency="EUR", **plan),
            commerce.SubscriptionCancelled(**plan),
            commerce.SubscriptionCancelled(**plan | {"subscription_id": new_id()}, is_voluntary=False),
        )
        assert [email.template for email in emails] == [
            "payment_receipt", "payment_failed", "payment_refunded", "subscription_started", "subscription_cancelled",
        ]  # fmt: skip
        for email in emails:
            assert render(email.template, email.context, public_url="http://plyo").subject

    def test_nobody_is_told_about_an_unknown_account(self, session: Session) -> None:
        event = commerce.PaymentCaptured(
            occurred_at=NOW, payment_id=new_id(), customer_id=new_id(), amount_minor=1, currency="EUR"
        )
        assert told(session, event) == []


class TestMessages:
    def sent(self, session: Session, mia: Client, *, to_coach: bool = False) -> engagement.MessageSent:
        assert mia.coach_id
        ends = (mia.id, mia.coach_id) if to_coach else (mia.coach_id, mia.id)
        message_id = send_message(
            session, customer_id=mia.id, sender_id=ends[0], recipient_id=ends[1], kind="chat", body="Hello", now=NOW
        )
        return engagement.MessageSent(
            occurred_at=NOW, message_id=message_id, customer_id=mia.id, sender_id=ends[0], recipient_id=ends[1],
            kind="chat",
        )  # fmt: skip

    def test_one_e_mail_an_hour(self, session: Session, mia: Client) -> None:
        [email] = told(session, self.sent(session, mia), self.sent(session, mia))
        assert (email.template, email.context["path"]) == ("new_message", "/messages")

    def test_a_night_of_messages_is_one_word_in_the_morning_and_the_next_comes_an_hour_later(
        self, session: Session, mia: Client
    ) -> None:
        [email] = told(session, *(self.sent(session, mia) for _ in range(9)))
        left = NOW - timedelta(minutes=20)
        email.status, email.sent_at = "sent", left
        session.flush()
        [_, second] = told(session, self.sent(session, mia), self.sent(session, mia))
        assert second.next_attempt_at == left + timedelta(hours=1)

    def test_the_coachs_leads_to_the_console(self, session: Session, mia: Client) -> None:
        [email] = told(session, self.sent(session, mia, to_coach=True))
        assert email.context["path"].startswith("/coach/")
