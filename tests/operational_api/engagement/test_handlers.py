"""What people are told by e-mail when something happens, once for each reason."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events import commerce, engagement, registry, scheduling
from contracts.events.envelope import Event
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.rendering import Rendered, render
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import OutgoingEmail
from operational_api.engagement.public import send_message
from operational_api.scheduling.models import Booking
from operational_api.scheduling.recurrence import Recurrence
from operational_api.scheduling.service import assistants, classes
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


class TestAssistance:
    @pytest.mark.parametrize("language", ["en", "vi"])
    def test_who_assists_and_whose_class_it_is_are_told_once_for_a_series(
        self, session: Session, language: str
    ) -> None:
        here = make_location(session)
        ana, ben = (make_coach(session, location=here, display_name=name) for name in ("Ana", "Ben"))
        plan = classes.ClassPlan("Mobility", time(18), 60, 8)
        on, weekly = (NOW + timedelta(days=9)).date(), Recurrence(count=3)
        made = classes.create_classes(session, coach_id=ana.id, plan=plan, first_on=on, repeats=weekly, now=NOW)
        classes.assign_assistants(session, slot_id=made[0].id, coach_ids=[ben.id], scope="following", now=NOW)
        assistants.leave_all(session, ben.id, now=NOW)
        rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type.like("scheduling.assistant%")))
        events = [
            registry.parse(event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=NOW,
                           payload=row.payload)
            for row in rows.all()
        ]  # fmt: skip
        mails = told(session, *events)
        assert [(one.recipient, one.context["what"]) for one in mails] == [
            (account_of(session, ben).email, "assigned"), (account_of(session, ana).email, "left"),
        ]  # fmt: skip
        for one, said in zip(mails, {"en": ("assist", "help"), "vi": ("trợ giảng",) * 2}[language], strict=True):
            text = render(one.template, one.context, public_url="http://plyo", language=language).text
            assert said in text
            assert "Ana" in text
        for what in ("moved", "removed", "called_off", "absent"):
            shown = render("class_assisted", mails[0].context | {"what": what}, public_url="http://plyo")
            assert "Mobility" in shown.subject


class TestSessions:
    def test_a_booking_is_confirmed_in_its_customers_time_and_the_studios_beside_it(
        self, session: Session, mia: Client, booking: Booking
    ) -> None:
        [email] = told(session, scheduling.SessionBooked(**about(booking)))
        assert (email.template, email.recipient) == ("booking_confirmed", account_of(session, mia).email)
        mail = render(email.template, email.context, public_url="http://plyo")
        assert mail.subject == "Booked: Personal training, Tuesday 1 December, 03:00 (Berlin time)"
        assert "At studio Tuesday 1 December, 09:00 (Ho Chi Minh time)" in mail.text
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
        assert "13:15" in mail.text
        booking.free_until = NOW - timedelta(minutes=1)
        [_, late] = told(session, scheduling.SessionBooked(**about(booking) | {"booking_id": _again(session, booking)},
                                                           booked_by=new_id()))  # fmt: skip
        assert "13:15" not in render(late.template, late.context, public_url="http://plyo", language=language).text

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
        assert "03:00" in mail.subject
        assert "13:00" in mail.text
        assert "http://plyo/plans" in mail.text

    @pytest.mark.parametrize(("language", "by_desk", "by_coach"), [
        ("en", "at the front desk", "Your coach booked this"), ("vi", "tại quầy lễ tân", "Huấn luyện viên đã đặt"),
    ])  # fmt: skip
    def test_who_booked_for_them_is_said(
        self, session: Session, booking: Booking, language: str, by_desk: str, by_coach: str
    ) -> None:
        booking.free_until = NOW + timedelta(hours=1)
        for booked_by, says, never in ((booking.coach_id, by_coach, by_desk), (new_id(), by_desk, by_coach)):
            booking.booked_by = booked_by
            event = scheduling.SessionBooked(**about(booking), booked_by=booked_by)
            [email] = told(session, event)
            text = " ".join(
                render(email.template, email.context, public_url="http://plyo", language=language).text.split()
            )
            assert says in text
            assert never not in text
            session.delete(email)
            session.flush()

    @pytest.mark.parametrize("language", ["en", "vi"])
    def test_a_seat_that_nobody_paid_for_is_off_and_it_is_said_why(
        self, session: Session, booking: Booking, language: str
    ) -> None:
        [email] = told(session, scheduling.SessionCancelled(**about(booking), is_unpaid=True))
        text = render(email.template, email.context, public_url="http://plyo", language=language).text
        assert ("was not paid" if language == "en" else "chưa được thanh toán") in " ".join(text.split())

    @pytest.mark.parametrize("language", ["en", "vi"])
    def test_who_is_given_another_coach_is_told_once_who_it_is(
        self, session: Session, mia: Client, booking: Booking, language: str
    ) -> None:
        slot = make_slot(session, coach=make_coach(session, display_name="Ben Vogt"), starts_at=booking.starts_at)
        booking.status = "cancelled"
        new = make_booking(session, slot=slot, customer_id=mia.id, assignment="desk")
        off = scheduling.SessionCancelled(**about(booking), is_by_coach=True, is_reassigned=True)
        given = scheduling.SessionBooked(**about(new), moved_from_id=booking.id, assignment="desk")
        [email] = told(session, off, given)
        mail = render(email.template, email.context, public_url="http://plyo", language=language)
        text = " ".join(mail.text.split())
        assert mail.subject.startswith("Another coach" if language == "en" else "Đổi huấn luyện viên")
        assert "Linh Tran" in text
        assert ("Ben Vogt holds the session" if language == "en" else "Ben Vogt sẽ hướng dẫn") in text

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
        assert mail.subject == "A place is free: Personal training, Tuesday 1 December, 03:00 (Berlin time)"
        assert "Monday 30 November, 13:00" in mail.text

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


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class TestZones:
    """Everybody is told on their own clock; subject, words and calendar file say the same moment."""

    def mail(self, session: Session, starts_at: datetime, *, own: str, studio: str, language: str = "en") -> Rendered:
        coach = make_coach(session, location=make_location(session, time_zone=studio))
        client = make_client(session, coach=coach)
        account_of(session, client).time_zone = own
        slot = make_slot(session, coach=coach, starts_at=starts_at)
        booking = make_booking(session, slot=slot, customer_id=client.id)
        [email] = told(session, scheduling.SessionBooked(**about(booking)))
        return render(email.template, email.context, public_url="http://plyo", language=language)

    @pytest.mark.parametrize(("starts_at", "own", "studio", "en", "vi"), [
        # the second of two hours that Berlin's clocks show alike, and the first
        ("2027-10-31T01:30Z", "Europe/Berlin", "Asia/Ho_Chi_Minh", "Sunday 31 October, 02:30 UTC+1 (Berlin time)",
         "Chủ Nhật 31/10/2027, 02:30 UTC+1 (giờ Berlin)"),
        ("2027-10-31T00:30Z", "Europe/Berlin", "Asia/Ho_Chi_Minh", "Sunday 31 October, 02:30 UTC+2 (Berlin time)",
         "Chủ Nhật 31/10/2027, 02:30 UTC+2 (giờ Berlin)"),
        # the hour that Berlin skips is none elsewhere
        ("2028-03-26T01:30Z", "Asia/Ho_Chi_Minh", "Europe/Berlin", "Sunday 26 March, 08:30 (Ho Chi Minh time)",
         "Chủ Nhật 26/3/2028, 08:30 (giờ Ho Chi Minh)"),
        # in the weeks in which only one of two places has changed its clocks
        ("2028-03-20T17:00Z", "America/New_York", "Europe/Berlin", "Monday 20 March, 13:00 (New York time)",
         "Thứ Hai 20/3/2028, 13:00 (giờ New York)"),
        ("2028-03-27T16:00Z", "America/New_York", "Europe/Berlin", "Monday 27 March, 12:00 (New York time)",
         "Thứ Hai 27/3/2028, 12:00 (giờ New York)"),
    ])  # fmt: skip
    @pytest.mark.parametrize("language", ["en", "vi"])
    def test_across_changes_of_the_clock(
        self, session: Session, starts_at: str, own: str, studio: str, en: str, vi: str, language: str
    ) -> None:
        at = moment(starts_at)
        mail = self.mail(session, at, own=own, studio=studio, language=language)
        assert mail.subject.endswith(en if language == "en" else vi)
        assert (en if language == "en" else vi) in mail.text
        there = f"{at.astimezone(ZoneInfo(studio)):%H:%M}"
        row = next(line for line in mail.text.splitlines() if line.startswith(("At studio", "Giờ phòng")))
        assert there in row
        event = Calendar.from_ical(mail.attachments[0][2]).walk("VEVENT")[0]
        assert (event.start, event.end - event.start) == (at, timedelta(hours=1))

    def test_one_clock_is_told_once(self, session: Session) -> None:
        for own, studio in (("Europe/Berlin", "Europe/Berlin"), ("Europe/Paris", "Europe/Berlin")):
            mail = self.mail(session, moment("2027-07-01T16:00Z"), own=own, studio=studio)
            session.execute(delete(OutgoingEmail))
            assert "18:00" in mail.subject
            assert "At studio" not in mail.text

    @pytest.mark.parametrize("own", ["UTC", "Mars/Olympus"])
    def test_of_who_said_no_zone_or_an_odd_one_the_studios_counts(self, session: Session, own: str) -> None:
        mail = self.mail(session, moment("2027-07-01T16:00Z"), own=own, studio="Asia/Ho_Chi_Minh")
        assert mail.subject.endswith("Thursday 1 July, 23:00 (Ho Chi Minh time)")
        assert "At studio" not in mail.text

    def test_a_text_tells_the_same(self, session: Session) -> None:
        at = moment("2027-10-31T01:30Z")
        coach = make_coach(session, location=make_location(session, time_zone="Asia/Ho_Chi_Minh"))
        client = make_client(session, coach=coach)
        booking = make_booking(session, slot=make_slot(session, coach=coach, starts_at=at), customer_id=client.id)
        told(session, scheduling.SessionBooked(**about(booking)))
        [reminder] = session.scalars(select(OutgoingEmail).where(OutgoingEmail.template == "session_reminder"))
        assert reminder.next_attempt_at == at - timedelta(hours=24)
        said = render(reminder.template, reminder.context, public_url="http://plyo")
        assert "Sunday 31 October, 02:30 UTC+1 (Berlin time)" in said.short


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
        left = datetime.now(UTC) - timedelta(minutes=20)
        email.status, email.sent_at = "sent", left
        session.flush()
        [_, second] = told(session, self.sent(session, mia), self.sent(session, mia))
        assert second.next_attempt_at == left + timedelta(hours=1)

    def test_the_coachs_leads_to_the_console(self, session: Session, mia: Client) -> None:
        [email] = told(session, self.sent(session, mia, to_coach=True))
        assert email.context["path"].startswith("/coach/")
