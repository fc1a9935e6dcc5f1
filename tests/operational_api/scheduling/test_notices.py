"""Notices of a class: everybody who comes is told once, as they allow; who books later reads them; and nobody else."""

from datetime import UTC, datetime, time, timedelta
from html import unescape

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events import registry, scheduling
from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import ContactPreference, InboxMessage, OutgoingMessage
from operational_api.engagement.service import do_not_disturb
from operational_api.scheduling.errors import ClassNotFound, InvalidNotice, SlotClosed
from operational_api.scheduling.models import Booking, ClassNotice, Coach, Location, Slot
from operational_api.scheduling.recurrence import Recurrence
from operational_api.scheduling.service import bookings, classes, notices
from operational_api.scheduling.service.classes import ClassPlan, Scope
from operational_api.training.models import Client
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_location,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC)
PARK = "We meet in the park.\nBring a mat."


@pytest.fixture
def ana(session: Session) -> Coach:
    return make_coach(session, location=make_location(session), display_name="Ana")


@pytest.fixture
def slot(session: Session, ana: Coach) -> Slot:
    return make_slot(session, coach=ana, starts_at=NOW + timedelta(days=2), capacity=8, title="Mobility")


def comes(
    session: Session,
    slot: Slot,
    name: str = "Mia Maier",
    zone: str = "UTC",
    coach: Coach | None = None,
    **given: object,
) -> Client:
    client = make_client(session, display_name=name, coach=coach)
    account_of(session, client).time_zone = zone
    taken = session.scalars(select(Booking.seat).where(Booking.slot_id == slot.id)).all()
    make_booking(session, slot=slot, customer_id=client.id, seat=len(taken) + 1, **given)
    return client


def write(session: Session, slot: Slot, author: Coach, body: str = PARK, scope: Scope = "one") -> ClassNotice:
    return notices.write_notice(session, slot_id=slot.id, author_id=author.id, body=body, scope=scope, now=NOW)


def make_weeks(session: Session, coach: Coach) -> list[Slot]:
    """Three classes of a series, of which the first is written about least."""
    tomorrow = NOW.date() + timedelta(days=1)
    plan = ClassPlan("Mobility", time(18), 60, 8)
    weekly = Recurrence(1, count=3)
    return classes.create_classes(session, coach_id=coach.id, plan=plan, first_on=tomorrow, repeats=weekly, now=NOW)


def hear(session: Session, *types: str) -> dict[str, OutgoingMessage]:
    """What engagement makes of these events, each handled twice as after a crash: messages by whom they are to."""
    rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type.in_(types)).order_by(OutboxEvent.position))
    for row in rows.all():
        event = registry.parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handler in HANDLERS[row.type] * 2:
            handler(session, event)
    session.flush()
    session.expire_all()
    found = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "class_notice"))
    return {str(one.customer_id): one for one in found}


WRITTEN = scheduling.ClassNoticeWritten.type


class TestWriteNotice:
    def test_is_for_a_class_that_is_to_come_and_has_words(self, session: Session, ana: Coach, slot: Slot) -> None:
        for body in ("", " \n", "x" * 1001, "a\0b"):
            with pytest.raises(InvalidNotice):
                write(session, slot, ana, body)
        begun = make_slot(session, coach=ana, starts_at=NOW - timedelta(minutes=1), capacity=8)
        off = make_slot(session, coach=ana, starts_at=NOW + timedelta(days=3), capacity=8, status="cancelled")
        for closed in (begun, off):
            with pytest.raises(SlotClosed):
                write(session, closed, ana)
        with pytest.raises(ClassNotFound):
            write(session, make_slot(session, coach=ana, starts_at=NOW + timedelta(days=4)), ana)
        assert notices.of_slots(session, [slot.id, begun.id, off.id]) == {}


class TestHearing:
    def test_all_who_are_booked_are_told_once_on_their_own_clock_and_nobody_else(
        self, session: Session, ana: Coach, slot: Slot
    ) -> None:
        mia, ken = comes(session, slot), comes(session, slot, "Ken Abe", "Asia/Tokyo")
        comes(session, slot, "Off Again", status="cancelled")
        comes(session, slot, "Keeps One", status="held", held_until=NOW + timedelta(minutes=10))
        write(session, slot, ana)
        told = hear(session, WRITTEN)
        assert told.keys() == {str(mia.id), str(ken.id)}
        assert told[str(ken.id)].context["time_zone"] == "Asia/Tokyo"
        for one in told.values():
            assert (one.purpose, one.channel, one.expires_at) == ("reminders", "push", slot.starts_at)
            assert one.fallbacks == ["whatsapp", "sms", "email"]
        inbox = session.scalars(select(InboxMessage.person_id).where(InboxMessage.template == "class_notice")).all()
        assert set(inbox) == {mia.id, ken.id}
        for language, word in (("en", "Ana writes to everybody"), ("vi", "Ana nhắn tất cả")):
            mail = render("class_notice", told[str(ken.id)].context, public_url="http://plyo", language=language)
            assert word in mail.text
            assert "> We meet in the park.\n> Bring a mat." in mail.text

    def test_whose_quiet_lasts_until_it_begins_has_it_as_a_proof_and_others_by_their_wishes(
        self, session: Session, ana: Coach
    ) -> None:
        now = datetime.now(UTC)
        slot = make_slot(session, coach=ana, starts_at=now + timedelta(hours=3), capacity=8)
        asleep, wakes_before, away, away_then_asleep = (comes(session, slot, name) for name in "ABCD")
        first, soon, last = ((now + timedelta(hours=hours)).time() for hours in (-1, 1, 4))
        for who, begins, until in ((asleep, first, last), (wakes_before, first, soon), (away_then_asleep, soon, last)):
            session.add(ContactPreference(customer_id=who.id, quiet_from=begins, quiet_until=until, updated_at=now))
        do_not_disturb.set_until(session, away.id, until=now + timedelta(days=1), now=now)
        do_not_disturb.set_until(session, away_then_asleep.id, until=now + timedelta(hours=2), now=now)
        write(session, slot, ana)
        told = {who: (one.purpose, one.channel, one.fallbacks) for who, one in hear(session, WRITTEN).items()}
        proof, reminder = ("transactional", "email", []), ("reminders", "push", ["whatsapp", "sms", "email"])
        assert told == {
            str(asleep.id): proof, str(away.id): proof, str(away_then_asleep.id): proof, str(wakes_before.id): reminder,
        }  # fmt: skip

    def test_who_cancels_before_it_leaves_is_not_told_and_who_books_later_reads_it_with_the_confirmation(
        self, session: Session, ana: Coach, slot: Slot
    ) -> None:
        mia = make_client(session)
        booking = make_booking(session, slot=slot, customer_id=mia.id)
        write(session, slot, ana)
        hear(session, WRITTEN)
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        assert hear(session, "scheduling.session_cancelled")[str(mia.id)].status == "withheld"
        ken = make_client(session, display_name="Ken Abe")
        make_subscription(session, customer_id=ken.id)
        bookings.book_session(session, customer_id=ken.id, slot_id=slot.id, now=NOW)
        assert str(ken.id) not in hear(session, "scheduling.session_booked")
        (mail,) = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "booking_confirmed"))
        assert mail.context["notices"] == [PARK]
        assert "> Bring a mat." in render("booking_confirmed", mail.context, public_url="http://plyo").text

    def test_of_a_class_that_was_called_off_meanwhile_nothing_is_said(
        self, session: Session, ana: Coach, slot: Slot
    ) -> None:
        comes(session, slot)
        write(session, slot, ana)
        session.execute(update(Slot).where(Slot.id == slot.id).values(status="cancelled"))
        assert hear(session, WRITTEN) == {}


class TestSeries:
    def test_who_comes_to_several_is_told_once_of_their_first_and_later_classes_keep_it(
        self, session: Session, ana: Coach
    ) -> None:
        first, second, third = make_weeks(session, ana)
        mia, ken, old = comes(session, second), comes(session, third, "Ken Abe"), comes(session, first, "Old Hand")
        again = make_booking(session, slot=third, customer_id=mia.id, seat=2)
        row = write(session, second, ana, scope="following")
        assert row.recipients == 2
        told = hear(session, WRITTEN)
        assert {who: one.expires_at for who, one in told.items()} == {
            str(mia.id): second.starts_at, str(ken.id): third.starts_at,
        }  # fmt: skip
        for language, words in (("en", "and all that follow"), ("vi", "và các buổi sau")):
            mail = render("class_notice", told[str(mia.id)].context, public_url="http://plyo", language=language)
            assert words in mail.text
        found = notices.of_slots(session, [first.id, second.id, third.id])
        assert {id_: [one.body for one in views] for id_, views in found.items()} == {
            second.id: [PARK], third.id: [PARK],
        }  # fmt: skip
        bookings.cancel_booking(session, booking_id=again.id, now=NOW)
        assert hear(session, "scheduling.session_cancelled")[str(mia.id)].status == "queued"  # comes to the second
        gone = session.scalars(select(Booking).where(Booking.customer_id == mia.id, Booking.slot_id == second.id)).one()
        bookings.cancel_booking(session, booking_id=gone.id, now=NOW)
        said = hear(session, "scheduling.session_cancelled")
        assert (said[str(mia.id)].status, said[str(ken.id)].status) == ("withheld", "queued")
        assert str(old.id) not in said

    def test_is_told_of_those_that_are_held_where_the_one_it_was_written_on_is_not(
        self, session: Session, ana: Coach
    ) -> None:
        _, second, third = make_weeks(session, ana)
        mia = comes(session, third)
        comes(session, second, "Off With It")
        write(session, second, ana, scope="following")
        session.execute(update(Slot).where(Slot.id == second.id).values(status="cancelled"))
        assert hear(session, WRITTEN).keys() == {str(mia.id)}
        assert [one.body for one in notices.of_slots(session, [third.id])[third.id]] == [PARK]

    def test_who_assists_writes_to_the_classes_that_they_assist_and_to_no_others(
        self, session: Session, sign_in: SignIn, ana: Coach
    ) -> None:
        first, second, third = make_weeks(session, ana)
        ben = make_coach(session, location=session.get_one(Location, ana.location_id), display_name="Ben")
        helps = {"coach_ids": [ben.id], "now": NOW}
        classes.assign_assistants(session, slot_id=second.id, scope="one", **helps)
        page, path = sign_in(account_of(session, ben)), f"/classes/{second.id}/notices"
        sent = page.post(path, data={"body": PARK}, follow_redirects=True).text
        assert "Kept. Whoever books reads it with the confirmation." in sent
        assert [one.author_name for one in notices.of_slots(session, [second.id])[second.id]] == ["Ben"]
        assert page.post(f"/classes/{first.id}/notices", data={"body": PARK}).status_code == 404
        refused = page.post(path, data={"body": "All weeks", "scope": "following"})
        assert (refused.status_code, "Not all classes that follow are yours" in refused.text) == (409, True)
        assert "All weeks</textarea>" in refused.text
        api = f"/api/scheduling/classes/{second.id}/notices"
        said = page.post(api, json={"body": "All weeks", "scope": "following"})
        assert (said.status_code, said.json()["code"]) == (404, "scheduling.series_not_yours")
        classes.assign_assistants(session, slot_id=third.id, scope="one", **helps)
        assert page.post(api, json={"body": "All weeks", "scope": "following"}).status_code == 201
        assert [one.body for one in notices.of_slots(session, [third.id])[third.id]] == ["All weeks"]


class TestAnswer:
    def test_who_comes_answers_their_own_coach_with_what_they_answer_and_nobody_reads_it_thus_otherwise(
        self, session: Session, sign_in: SignIn, ana: Coach, slot: Slot
    ) -> None:
        mia, ken = comes(session, slot, coach=ana), make_client(session, display_name="Ken Abe", coach=ana)
        row = write(session, slot, ana)
        answer = f"/messages?notice={row.id}"
        page = sign_in(account_of(session, mia))
        assert f'href="{answer}#write"' in page.get("/bookings").text
        asked = page.get(answer).text
        assert f"Your answer goes to {account_of(session, ana).display_name}, your coach." in asked
        assert "> We meet in the park.\n> Bring a mat.\n" in unescape(asked)
        other = sign_in(account_of(session, ken)).get(answer).text
        assert "We meet in the park" not in other


class TestPages:
    def test_who_leads_and_the_desk_write_who_comes_reads_and_nobody_else_does(
        self, session: Session, sign_in: SignIn, ana: Coach, slot: Slot
    ) -> None:
        mia = comes(session, slot)
        path, api = f"/classes/{slot.id}/notices", f"/api/scheduling/classes/{slot.id}/notices"
        other = sign_in(account_of(session, make_coach(session)))
        refused = [other.post(path, data={"body": PARK}), other.post(api, json={"body": PARK})]
        assert [one.status_code for one in refused] == [404, 404]
        lead = sign_in(account_of(session, ana))
        page = lead.post(path, data={"body": " "})
        assert (page.status_code, "Nothing was sent" in page.text) == (409, True)
        sent = lead.post(path, data={"body": PARK + "<b>"}, follow_redirects=True).text
        assert "On its way to one person." in sent
        assert "Bring a mat.&lt;b&gt;" in sent
        desk = sign_in(make_account(session, role="front_desk"))
        said = desk.post(api, json={"body": "Water is there."}).json()["notices"]
        assert [(one["author_name"], one["recipients"]) for one in said] == [("Ana", 1), (None, 1)]
        page = sign_in(account_of(session, mia)).get("/bookings").text
        assert "Water is there." in page
        assert "The studio" in page
        stranger = sign_in(make_account(session))
        assert "Water is there." not in stranger.get(f"/book/{slot.id}").text + stranger.get("/bookings").text
