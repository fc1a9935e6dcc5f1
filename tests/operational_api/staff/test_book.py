"""Booking at the desk as a browser without JavaScript does it: who, when, how it is paid, and taken back."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.models import Invoice
from operational_api.core.models import AuditEntry
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, Coach, DeskLocation, Location, WaitlistEntry
from operational_api.training.models import Client
from tests.browser import Browser
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_location,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.staff.conftest import As, words

SOON = (datetime.now(UTC) + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(
        session, location=make_location(session, name="Plyo Mitte", time_zone="UTC"), display_name="Cara Coach"
    )


@pytest.fixture
def desk(session: Session, coach: Coach, signed_in: As) -> Browser:
    """Of a clerk who works at the studio of the coach and nowhere else."""
    clerk = make_account(session, role="front_desk")
    session.add(DeskLocation(account_id=clerk.id, location_id=coach.location_id, given_by=coach.id, given_at=SOON))
    session.flush()
    return signed_in(clerk)


@pytest.fixture
def mia(session: Session, coach: Coach) -> Account:
    client = make_client(session, coach=coach, time_zone="Asia/Ho_Chi_Minh")
    account = session.get_one(Account, client.id)
    account.display_name, account.time_zone = f"Mia Oberhauser {new_id().hex[:6]}", "Asia/Ho_Chi_Minh"
    session.flush()
    return account


class TestWho:
    @pytest.mark.parametrize(
        "typed", ["Mia Oberhauser", "oberh", "Oberhausr", "mia obrehauser", "Miah Oberhauser", "Mia Oberhäuser"]
    )
    def test_is_found_however_the_name_is_spelt(self, mia: Account, desk: Browser, typed: str) -> None:
        assert f"/staff/book/{mia.id}" in desk.get("/staff/book", params={"q": typed}).text

    def test_is_nobody_of_quite_another_name_and_no_colleague(
        self, session: Session, mia: Account, desk: Browser
    ) -> None:
        colleague = make_account(session, role="coach", display_name="Mia Oberhauser")
        found = desk.get("/staff/book", params={"q": "Mia Oberhauser"}).text
        assert str(mia.id) in found
        assert str(colleague.id) not in found
        assert str(mia.id) not in desk.get("/staff/book", params={"q": "Thanh Nguyen"}).text
        assert desk.get(f"/staff/book/{colleague.id}").status_code == 404

    def test_who_has_the_name_as_it_is_typed_comes_first(self, session: Session, desk: Browser) -> None:
        for name in ("Ana Obermayer", "Zoe Obermaier"):
            make_account(session, display_name=name)
        page = words(desk.get("/staff/book", params={"q": "Obermaier"}).text)
        assert page.index("Zoe Obermaier") < page.index("Ana Obermayer")
        assert "Nobody has just" not in page

    def test_is_told_where_names_are_only_alike(self, session: Session, desk: Browser) -> None:
        make_account(session, display_name="Ana Obermayer")
        page = words(desk.get("/staff/book", params={"q": "Obermaier"}).text)
        assert "Nobody has just “Obermaier” in their name" in page
        assert "Ana Obermayer" in page


class TestWhen:
    def test_shows_what_is_free_at_the_clerks_studios_in_the_studios_time(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        free, full = (make_slot(session, coach=coach, starts_at=SOON + n * timedelta(hours=2)) for n in range(2))
        make_booking(session, slot=full)
        elsewhere = make_coach(session, location=make_location(session, name="Elsewhere"))
        other = make_slot(session, coach=elsewhere, starts_at=SOON)
        page = desk.get(f"/staff/book/{mia.id}?day={SOON:%Y-%m-%d}&studio={elsewhere.location_id}").text
        assert f"/staff/book/{mia.id}/{free.id}" in page
        assert f"/staff/book/{mia.id}/{full.id}" not in page
        assert "Cara Coach, their coach" in words(page)
        assert "Elsewhere" not in page
        assert desk.get(f"/staff/book/{mia.id}/{other.id}").status_code == 404
        assert desk.submit(f"/staff/book/{mia.id}/{other.id}", {"paid": "later"}).status_code == 404

    def test_shows_what_begins_now_and_what_has_just_begun(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        now = datetime.now(UTC)
        begun = make_slot(session, coach=coach, starts_at=now - timedelta(minutes=10))
        soon = make_slot(session, coach=coach, starts_at=now + timedelta(minutes=50))
        days = (now, now + timedelta(days=1))
        pages = "".join(desk.get(f"/staff/book/{mia.id}?day={one:%Y-%m-%d}").text for one in days)
        assert f"/staff/book/{mia.id}/{soon.id}" in pages
        assert desk.get(f"/staff/book/{mia.id}/{begun.id}").status_code == 200


class TestHow:
    def test_books_by_membership_and_is_undone(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        here = f"/staff/book/{mia.id}/{slot.id}"
        asked = words(desk.get(here).text)
        assert "Unlimited" in asked
        assert "Sell" not in asked
        assert "check them in" not in asked
        done = desk.submit(here, {"paid": "means", "times": "1"})
        assert "They are told" in words(done.text)
        (booking,) = session.scalars(select(Booking).where(Booking.customer_id == mia.id))
        assert booking.status == "booked"
        undo = f"/staff/bookings/{booking.id}/undo"
        assert undo in done.text
        assert "Taken back" in words(desk.submit(undo).text)
        session.refresh(booking)
        assert booking.status == "cancelled"
        assert "only what was booked" not in words(desk.submit(undo).text).lower(), "closed, not refused"

    def test_repeats_for_weeks(self, session: Session, coach: Coach, mia: Account, desk: Browser) -> None:
        make_pack(session, customer_id=mia.id)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * timedelta(weeks=1)).id for n in range(3)]
        done = words(desk.submit(f"/staff/book/{mia.id}/{ids[0]}", {"paid": "means", "times": "4"}).text)
        assert re.search(r"\d weeks booked for Mia", done)
        assert len(session.scalars(select(Booking).where(Booking.customer_id == mia.id)).all()) >= 2

    def test_sells_a_pack_on_an_invoice_and_checks_in_who_walked_in(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        plan = make_plan(session, price=2500, kind="drop_in", sessions_included=1, name="One session")
        slot = make_slot(session, coach=coach, starts_at=datetime.now(UTC) - timedelta(minutes=5))
        asked = words(desk.get(f"/staff/book/{mia.id}/{slot.id}").text)
        assert "Sell One session" in asked
        assert "check them in" in asked
        form = {"paid": f"sell:{plan.code}", "comes_in": "true"}
        done = words(desk.submit(f"/staff/book/{mia.id}/{slot.id}", form).text)
        assert "Booked and checked in" in done
        (booking,) = session.scalars(select(Booking).where(Booking.customer_id == mia.id))
        assert booking.status == "attended"
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id))
        assert (invoice.status, invoice.total_minor) == ("open", 2500)

    def test_sells_a_pack_that_pays_for_weeks(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        plan = make_plan(session, price=9000, kind="pack", sessions_included=3, name="3 sessions")
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * timedelta(weeks=1)).id for n in range(3)]
        here = f"/staff/book/{mia.id}/{ids[0]}"
        assert "4 weeks" in words(desk.get(here).text)
        done = words(desk.submit(here, {"paid": f"sell:{plan.code}", "times": "4"}).text)
        assert re.search(r"\d weeks booked for Mia.*The invoice is on its way", done)
        booked = session.scalars(select(Booking).where(Booking.customer_id == mia.id)).all()
        assert len(booked) >= 2
        assert len({one.session_pack_id for one in booked}) == 1
        (invoice,) = session.scalars(select(Invoice).where(Invoice.customer_id == mia.id))
        assert (invoice.status, invoice.total_minor) == ("open", 9000)

    def test_says_that_an_account_is_closed(self, session: Session, coach: Coach, mia: Account, desk: Browser) -> None:
        make_subscription(session, customer_id=mia.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        mia.disabled_at = datetime.now(UTC)
        session.flush()
        answer = words(desk.submit(f"/staff/book/{mia.id}/{slot.id}", {"paid": "means"}).text)
        assert "Their account is closed" in answer
        assert session.scalars(select(Booking).where(Booking.customer_id == mia.id)).all() == []

    def test_keeps_a_seat_for_who_pays_later(self, session: Session, coach: Coach, mia: Account, desk: Browser) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        done = words(desk.submit(f"/staff/book/{mia.id}/{slot.id}", {"paid": "later"}).text)
        assert "Kept for Mia" in done
        assert "kept until it is paid" in done

    def test_says_why_not_where_it_was_asked(self, session: Session, coach: Coach, mia: Account, desk: Browser) -> None:
        make_subscription(session, customer_id=mia.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        make_booking(session, slot=slot)
        answer = desk.submit(f"/staff/book/{mia.id}/{slot.id}", {"paid": "means"})
        assert "Someone else booked the last seat first" in words(answer.text)
        assert answer.url.path == f"/staff/book/{mia.id}/{slot.id}"
        assert session.scalars(select(WaitlistEntry).where(WaitlistEntry.slot_id == slot.id)).all() == []


class TestAnyCoach:
    """A time with whoever is free, as the customer has it in the app."""

    def test_is_offered_says_who_it_is_and_books_their_own_coach_or_the_next(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        dan = make_coach(session, location=session.get_one(Location, coach.location_id), display_name="Dan Coach")
        slots = [make_slot(session, coach=one, starts_at=SOON) for one in (coach, dan)]
        there = f"/staff/book/{mia.id}?day={SOON:%Y-%m-%d}"
        link = re.search(rf'href="(/staff/book/{mia.id}/any\?[^"]+)"', desk.get(there).text)
        assert link is not None
        here = unescape(link[1])
        assert "with Cara Coach, their own coach" in words(desk.get(here).text)
        make_booking(session, slot=slots[0])
        assert "with Dan Coach, whose turn it is" in words(desk.get(here).text)
        asked = {"place": str(coach.location_id), "at": SOON.isoformat(), "minutes": "60", "paid": "means"}
        done = words(desk.submit(f"/staff/book/{mia.id}/any", asked).text)
        assert re.search(r"Booked for Mia .* They are told\. The session is with Dan Coach", done)
        (booking,) = session.scalars(select(Booking).where(Booking.customer_id == mia.id))
        assert (booking.slot_id, booking.assignment) == (slots[1].id, "turn")
        assert "No coach is free at that time any more" in words(desk.get(here).text)
        assert "Any coach" not in desk.get(there).text, "nobody else is free on that day"

    def test_is_paid_by_what_has_something_left_on_the_page_and_by_api(
        self, session: Session, coach: Coach, mia: Account, desk: Browser
    ) -> None:
        once = make_plan(session, price=None, name="Once a month", sessions_included=1)
        make_subscription(session, customer_id=mia.id, plan=once)
        pack = make_plan(session, price=25_00, kind="pack", name="Ten")
        slot = make_slot(session, coach=coach, starts_at=SOON)
        asked = {"place": str(coach.location_id), "at": SOON.isoformat(), "minutes": "60"}
        pages = (f"/staff/book/{mia.id}/any", f"/staff/book/{mia.id}/{slot.id}")
        there = f"/api/scheduling/clients/{mia.id}/means"
        ways: list[dict[str, str]] = [
            {"slot_id": str(slot.id)},
            {"location_id": str(coach.location_id), "starts_at": SOON.isoformat(), "minutes": "60"},
        ]
        assert [desk.get(there, params=way).json() for way in ways] == [
            {"plan_name": "Once a month", "credits": 0, "sold": []}
        ] * 2
        assert all("Once a month" in words(desk.get(page, params=asked).text) for page in pages)
        make_booking(session, customer_id=mia.id, slot=make_slot(session, starts_at=SOON + timedelta(hours=2)))
        for page in pages:
            assert "Once a month" not in words(desk.get(page, params=asked).text)
            assert "Sell Ten" in words(desk.get(page, params=asked).text)
        for way in ways:
            told = desk.get(there, params=way).json()
            assert (told["plan_name"], told["credits"], [one["code"] for one in told["sold"]]) == (None, 0, [pack.code])
        for wrong in ({}, ways[0] | ways[1], {"location_id": str(coach.location_id)}):
            assert desk.get(there, params=wrong).status_code == 422
        elsewhere = ways[1] | {"location_id": str(make_location(session).id)}
        assert desk.get(there, params=elsewhere).status_code == 404

    def test_is_not_for_who_books_in_one_calendar_or_at_another_studio(
        self, session: Session, coach: Coach, mia: Account, desk: Browser, signed_in: As
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        elsewhere = make_location(session, name="Elsewhere")
        for place in (session.get_one(Location, coach.location_id), elsewhere):
            for _ in range(2):
                make_slot(session, coach=make_coach(session, location=place), starts_at=SOON)
        asked = {"place": str(elsewhere.id), "at": SOON.isoformat(), "minutes": "60"}
        here = f"/staff/book/{mia.id}/any"
        assert desk.get(here, params=asked).status_code == 404
        assert desk.submit(here, asked | {"paid": "means"}).status_code == 404
        asked["place"] = str(coach.location_id)
        assert desk.get(here, params=asked).status_code == 200
        cara = signed_in(account_of(session, coach))
        assert "Any coach" not in cara.get(f"/staff/book/{mia.id}?day={SOON:%Y-%m-%d}").text
        assert cara.get(here, params=asked).status_code == 404
        assert cara.submit(here, asked | {"paid": "means"}).status_code == 404
        assert session.scalars(select(Booking).where(Booking.customer_id == mia.id)).all() == []


class TestCoach:
    """A coach books for their own clients, in their own calendar."""

    @pytest.fixture
    def cara(self, session: Session, coach: Coach, signed_in: As) -> Browser:
        return signed_in(account_of(session, coach))

    def test_finds_their_own_clients_and_nobody_elses(
        self, session: Session, coach: Coach, mia: Account, cara: Browser
    ) -> None:
        other = make_client(session, coach=make_coach(session))
        session.get_one(Client, mia.id).display_name = "Mia Oberhauser"
        session.flush()
        page = cara.get("/staff/book").text
        assert f"/staff/book/{mia.id}" in page
        assert "Mia Oberhauser" in words(page)
        assert str(other.id) not in page
        assert str(other.id) not in cara.get("/staff/book", params={"q": "Mia"}).text
        assert f"/staff/book/{mia.id}" in cara.get(f"/coaching/clients/{mia.id}").text
        assert 'href="/staff/book"' in cara.get("/staff/today").text

    def test_books_and_takes_it_back_and_it_is_said_whose_work_it_was(
        self, session: Session, coach: Coach, mia: Account, cara: Browser
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        shown = cara.get(f"/staff/book/{mia.id}?day={SOON:%Y-%m-%d}").text
        assert f"/staff/book/{mia.id}/{slot.id}" in shown
        done = cara.submit(f"/staff/book/{mia.id}/{slot.id}", {"paid": "means"})
        assert "They are told" in words(done.text)
        (booking,) = session.scalars(select(Booking).where(Booking.customer_id == mia.id))
        assert (booking.status, booking.booked_by) == ("booked", coach.id)
        noted = session.scalar(select(AuditEntry).where(AuditEntry.object_id == str(booking.id)))
        assert noted is not None
        assert (noted.action, noted.actor_id, noted.subject_id) == ("scheduling.book_for", coach.id, mia.id)
        assert "Taken back" in words(cara.submit(f"/staff/bookings/{booking.id}/undo").text)
        session.refresh(booking)
        assert booking.status == "cancelled"

    def test_books_weeks(self, session: Session, coach: Coach, mia: Account, cara: Browser) -> None:
        make_pack(session, customer_id=mia.id)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * timedelta(weeks=1)).id for n in range(3)]
        done = words(cara.submit(f"/staff/book/{mia.id}/{ids[0]}", {"paid": "means", "times": "4"}).text)
        assert re.search(r"\d weeks booked for Mia", done)

    def test_reaches_no_calendar_but_their_own(
        self, session: Session, coach: Coach, mia: Account, cara: Browser
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        dan = make_coach(session, location=session.get_one(Location, coach.location_id))
        slot = make_slot(session, coach=dan, starts_at=SOON)
        here = f"/staff/book/{mia.id}/{slot.id}"
        assert here not in cara.get(f"/staff/book/{mia.id}?day={SOON:%Y-%m-%d}").text
        assert cara.get(here).status_code == 404
        assert cara.submit(here, {"paid": "means"}).status_code == 404
        assert session.scalars(select(Booking).where(Booking.customer_id == mia.id)).all() == []

    def test_books_for_no_client_but_their_own(self, session: Session, coach: Coach, cara: Browser) -> None:
        other = make_client(session, coach=make_coach(session))
        make_subscription(session, customer_id=other.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        for here in (f"/staff/book/{other.id}", f"/staff/book/{other.id}/{slot.id}"):
            assert cara.get(here).status_code == 404
        assert cara.submit(f"/staff/book/{other.id}/{slot.id}", {"paid": "means"}).status_code == 404
        clerk = make_account(session, role="front_desk")
        booked = make_booking(
            session, slot=slot, customer_id=other.id, booked_by=clerk.id, booked_at=datetime.now(UTC)
        )  # fmt: skip
        assert cara.submit(f"/staff/bookings/{booked.id}/undo").status_code == 404
        session.refresh(booked)
        assert booked.status == "booked"
