"""Days off, special hours, closed days and terms by forms: looked at, then saved, each as the policy lets."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.models import OutboxEvent
from operational_api.scheduling import terms_form
from operational_api.scheduling.errors import InvalidAvailability
from operational_api.scheduling.models import (
    AvailabilityException,
    AvailabilityRule,
    BookingTerms,
    Coach,
    DeskLocation,
    PublicHoliday,
    Slot,
    TimeOff,
)
from operational_api.scheduling.service import openings
from operational_api.scheduling.terms_form import TermsSent
from tests.factories import (
    account_of,
    make_account,
    make_availability,
    make_booking,
    make_client,
    make_coach,
    make_slot,
)
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
SOON = NOW + timedelta(days=2)
BERLIN = ZoneInfo("Europe/Berlin")
DAY = (NOW + timedelta(days=10)).astimezone(BERLIN).date()
FORM: dict[str, Any] = {"what": "holiday", "first_on": str(DAY)}


@pytest.fixture
def coach(session: Session) -> Coach:
    """Works from nine to twelve on one weekday of each week."""
    found = make_coach(session)
    make_availability(
        session, coach=found, weekday=DAY.weekday(), starts_at=time(9), ends_at=time(12), valid_from=NOW.date()
    )
    openings.open_slots(session, NOW, coach_id=found.id)
    return found


@pytest.fixture
def desk(session: Session, coach: Coach, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, coach))


def free(session: Session, coach: Coach) -> int:
    """Free sessions of the day."""
    session.expire_all()
    starts = session.scalars(select(Slot.starts_at).where(Slot.coach_id == coach.id, Slot.status == "open"))
    return sum(one.astimezone(BERLIN).date() == DAY for one in starts)


class TestWeek:
    def test_hours_are_looked_at_saved_and_end_again(self, session: Session, desk: TestClient, coach: Coach) -> None:
        form: dict[str, Any] = {
            "weekday": [DAY.weekday(), (DAY.weekday() + 1) % 7], "starts_at": "13:00", "ends_at": "15:00",
            "valid_from": str(DAY), "session_minutes": 60,
        }  # fmt: skip
        names = [f"{DAY + n * timedelta(days=1):%A}" for n in range(2)]
        assert f"{names[0]}, 09:00–12:00" in desk.get("/availability").text
        looked = desk.post("/availability/hours", data=form).text
        assert "No free session goes" in looked
        assert f'value="{DAY.weekday()}" aria-label="{names[0]}" checked' in looked
        assert free(session, coach) == 3
        desk.post("/availability/hours", data=form | {"step": "save"})
        assert free(session, coach) == 5
        page = desk.get("/availability").text
        assert all(f"{name}, 13:00–15:00" in page for name in names)
        assert page.count(f"From {DAY:%-d %b %Y}") == 2
        assert session.scalars(select(OutboxEvent.type)).all().count("scheduling.hours_changed") == 1
        rules = {
            one.starts_at: one for one in session.scalars(select(AvailabilityRule)) if one.weekday == DAY.weekday()
        }
        for one in rules.values():
            desk.post(f"/availability/days/{one.id}/remove")
        assert free(session, coach) == 0
        assert f"{names[0]}, " not in desk.get("/availability").text

    def test_hours_that_were_worked_are_kept(self, session: Session, desk: TestClient, coach: Coach) -> None:
        """They end; what they were counts in how much of a coach's time was used."""
        rule = session.scalars(select(AvailabilityRule)).one()
        rule.valid_from = NOW.date() - timedelta(days=30)
        session.flush()
        desk.post(f"/availability/days/{rule.id}/remove")
        session.expire_all()
        assert rule.valid_to == NOW.astimezone(BERLIN).date() - timedelta(days=1)
        assert free(session, coach) == 0
        assert "No hours yet" in desk.get("/availability").text

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"weekday": []}, "Choose at least one day of the week."),
            ({"starts_at": "11:00"}, "overlap"),
            ({"ends_at": "12:00"}, "must come after the beginning"),
            ({"session_minutes": 200}, "does not fit"),
            ({"valid_to": str(DAY - timedelta(days=1))}, "must not come before the first"),
            ({"valid_from": "2020-01-01", "valid_to": "2020-02-01"}, "Those days are over."),
        ],
    )
    def test_what_cannot_be_is_said_with_nothing_lost(
        self, session: Session, desk: TestClient, coach: Coach, given: dict[str, Any], reason: str
    ) -> None:
        form = {
            "weekday": [DAY.weekday()], "starts_at": "13:00", "ends_at": "15:00", "valid_from": str(DAY),
            "session_minutes": 60, "step": "save",
        }  # fmt: skip
        answer = desk.post("/availability/hours", data=form | given)
        assert answer.status_code == 409
        assert reason in answer.text
        assert 'value="13:00"' in answer.text or "starts_at" in given
        assert len(session.scalars(select(AvailabilityRule)).all()) == 1
        session.refresh(coach)
        assert coach.session_minutes == 60

    def test_of_others_are_for_who_leads(
        self, session: Session, desk: TestClient, sign_in: SignIn, coach: Coach
    ) -> None:
        other = make_coach(session)
        form = {
            "weekday": [0], "starts_at": "13:00", "ends_at": "15:00", "valid_from": str(DAY), "session_minutes": 60,
            "step": "save", "coach": str(other.id),
        }  # fmt: skip
        assert desk.post("/availability/hours", data=form).status_code == 404
        sign_in(make_account(session, role="lead_coach")).post("/availability/hours", data=form)
        rule = session.scalars(select(AvailabilityRule).where(AvailabilityRule.coach_id == other.id)).one()
        assert desk.post(f"/availability/days/{rule.id}/remove").status_code == 404


class TestDaysOff:
    def test_is_looked_at_first_and_changes_nothing_until_it_is_saved(
        self, session: Session, desk: TestClient, coach: Coach
    ) -> None:
        mia = make_client(session, coach=coach, display_name="Mia Berg")
        first = session.scalars(select(Slot).where(Slot.coach_id == coach.id).order_by(Slot.starts_at)).all()
        booked = next(one for one in first if one.starts_at.astimezone(BERLIN).date() == DAY)
        make_booking(session, slot=booked, customer_id=mia.id)
        page = desk.post("/availability/days", data=FORM).text
        assert "Nothing is saved yet" in page
        assert "2 free sessions go" in page
        assert "<strong>Mia Berg</strong> stays booked" in page
        assert f'value="{DAY}"' in page
        assert (free(session, coach), session.scalars(select(TimeOff)).all()) == (3, [])
        desk.post("/availability/days", data=FORM | {"step": "save"})
        assert free(session, coach) == 1
        off = session.scalars(select(TimeOff)).one()
        assert "scheduling.hours_changed" in session.scalars(select(OutboxEvent.type)).all()
        assert "1 booked session falls on days off." in desk.get("/availability").text
        desk.post(f"/availability/days/{off.id}/remove")
        assert free(session, coach) == 3

    def test_special_hours_go_before_the_week_and_before_holidays(
        self, session: Session, desk: TestClient, coach: Coach
    ) -> None:
        session.add(PublicHoliday(location_id=coach.location_id, holiday_on=DAY, name="Unity"))
        session.flush()
        openings.renew_slots(session, NOW, coach_id=coach.id)
        assert free(session, coach) == 0
        hours = FORM | {"what": "hours", "opens": "14:00", "closes": "16:00"}
        assert "2 new" in desk.post("/availability/days", data=hours).text
        desk.post("/availability/days", data=hours | {"step": "save"})
        assert free(session, coach) == 2
        refused = desk.post("/availability/days", data=hours | {"opens": "15:00", "step": "save"})
        assert refused.status_code == 409
        assert "overlap" in refused.text
        assert 'value="15:00"' in refused.text

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"first_on": "2020-01-01"}, "Those days are over."),
            ({"last_on": str(DAY - timedelta(days=1))}, "must not come before the first"),
            ({"what": "hours"}, "have a beginning and an end"),
            ({"what": "closed", "first_on": "2020-01-01"}, "That day is over."),
            ({"last_on": str(DAY + timedelta(days=400))}, "more than a year"),
        ],
    )
    def test_what_cannot_be_is_said_with_nothing_lost(
        self, session: Session, desk: TestClient, given: dict[str, str], reason: str
    ) -> None:
        answer = desk.post("/availability/days", data=FORM | given | {"step": "save"})
        assert answer.status_code == 409
        assert reason in answer.text
        assert session.scalars(select(TimeOff.id)).all() + session.scalars(select(AvailabilityException.id)).all() == []

    def test_a_coach_reaches_no_other_calendar_and_an_admin_every(
        self, session: Session, desk: TestClient, sign_in: SignIn, coach: Coach
    ) -> None:
        other = make_coach(session, display_name="Olga Other")
        for path, form in (("days", FORM | {"step": "save"}), ("terms", {"late_fee": "9"})):
            assert desk.post(f"/availability/{path}", data=form | {"coach": str(other.id)}).status_code == 404
        assert desk.get("/availability", params={"coach": str(other.id)}).status_code == 404
        admin = sign_in(make_account(session, role="admin"))
        assert "Olga Other" in admin.get("/availability", params={"coach": str(other.id)}).text
        admin.post("/availability/days", data=FORM | {"step": "save", "coach": str(other.id)})
        off = session.scalars(select(TimeOff)).one()
        assert off.coach_id == other.id
        assert desk.post(f"/availability/days/{off.id}/remove").status_code == 404


class TestStudio:
    def test_closes_a_day_for_all_its_coaches_and_opens_it_again(
        self, session: Session, sign_in: SignIn, coach: Coach
    ) -> None:
        admin, place = sign_in(make_account(session, role="admin")), str(coach.location_id)
        form = {"place": place, "on": str(DAY), "name": "Unity"}
        assert "3 free sessions go" in admin.post("/studio/holidays", data=form).text
        assert free(session, coach) == 3
        admin.post("/studio/holidays", data=form | {"step": "save"})
        assert free(session, coach) == 0
        assert "Unity" in admin.get("/studio", params={"place": place}).text
        admin.post("/studio/holidays/remove", data={"place": place, "on": str(DAY)})
        assert free(session, coach) == 3

    def test_names_the_rooms_that_its_classes_may_use(
        self, session: Session, desk: TestClient, sign_in: SignIn, coach: Coach
    ) -> None:
        admin, place = sign_in(make_account(session, role="admin")), str(coach.location_id)
        form = {"place": place, "resource": " Small hall ", "kind": "room"}
        assert desk.post("/studio/resources", data=form).status_code == 403
        assert admin.post("/studio/resources", data=form | {"resource": " "}).status_code == 422
        admin.post("/studio/resources", data=form)
        assert "Small hall" in admin.get("/studio", params={"place": place}).text
        assert "Small hall" in desk.get("/classes").text
        admin.post("/studio/resources", data=form | {"is_active": "false"})
        assert "Small hall" not in desk.get("/classes").text

    def test_is_not_for_coaches(self, desk: TestClient) -> None:
        assert desk.get("/studio").status_code == 403
        assert 'href="/studio"' not in desk.get("/availability").text


class TestTerms:
    def test_empty_is_as_the_studio_has_it_and_what_the_form_does_not_show_stays(
        self, session: Session, desk: TestClient, sign_in: SignIn, coach: Coach
    ) -> None:
        session.add(BookingTerms(coach_id=coach.id, kind="one_to_one", needs_confirmation=True))
        session.flush()
        admin = sign_in(make_account(session, role="admin"))
        admin.post("/studio/terms", data={"place": str(coach.location_id), "kind": "one_to_one", "late_fee": "12.50"})
        assert 'placeholder="12.5"' in desk.get("/availability").text
        sent = {"kind": "one_to_one", "minimum_notice_minutes": "1.5", "buffer_after_minutes": "15"}
        desk.post("/availability/terms", data=sent)
        session.expire_all()
        row = session.scalars(select(BookingTerms).where(BookingTerms.coach_id == coach.id)).one()
        assert (row.minimum_notice_minutes, row.buffer_after_minutes) == (90, 15)
        assert (row.needs_confirmation, row.late_fee_minor) == (True, None)
        page = desk.get("/availability").text
        assert 'value="1.5"' in page
        assert free(session, coach) == 2  # the buffer takes one of three

    def test_what_is_no_number_is_said_with_nothing_lost(self, session: Session, desk: TestClient) -> None:
        answer = desk.post("/availability/terms", data={"late_fee": "ten", "booking_window_days": "7"})
        assert answer.status_code == 409
        assert "Late fee: that is no number." in answer.text
        assert 'value="ten"' in answer.text
        assert 'value="7"' in answer.text
        assert session.scalars(select(BookingTerms)).all() == []

    @pytest.mark.parametrize(("currency", "typed", "minor"), [("EUR", "9,90", 990), ("VND", "90000", 90000)])
    def test_money_is_in_the_studios_currency(self, currency: str, typed: str, minor: int) -> None:
        read = terms_form.read(TermsSent(late_fee=typed), currency)
        assert (read["late_fee_minor"], read["late_fee_currency"]) == (minor, currency)
        assert terms_form.shown(read)["late_fee"] == typed.replace(",", ".").removesuffix("0" if "," in typed else "-")

    @pytest.mark.parametrize("typed", ["0.001", "-1", "1e9", "NaN", "Infinity"])
    def test_money_finer_or_larger_than_money_is_refused(self, typed: str) -> None:
        with pytest.raises(InvalidAvailability):
            terms_form.read(TermsSent(late_fee=typed), "EUR")


class TestDesk:
    @pytest.fixture
    def front(self, session: Session, coach: Coach, sign_in: SignIn) -> TestClient:
        account = make_account(session, role="front_desk")
        session.add(
            DeskLocation(account_id=account.id, location_id=coach.location_id, given_by=account.id, given_at=NOW)
        )
        session.flush()
        return sign_in(account)

    def test_answers_requests_of_its_studio(self, session: Session, front: TestClient, coach: Coach) -> None:
        soon = {"status": "requested", "held_until": NOW + timedelta(hours=5)}
        here, near, there = (
            make_booking(
                session, slot=make_slot(session, coach=one, starts_at=NOW + timedelta(days=2, hours=n)), **soon
            )
            for n, one in enumerate((coach, coach, make_coach(session)))
        )
        page = front.get("/staff/today").text
        assert f"/staff/bookings/{here.id}/answer" in page
        assert str(there.id) not in page
        front.post(f"/staff/bookings/{here.id}/answer", data={"answer": "yes"})
        front.post(f"/staff/bookings/{near.id}/answer", data={"answer": "no"})
        assert front.post(f"/staff/bookings/{there.id}/answer", data={"answer": "yes"}).status_code == 404
        session.expire_all()
        assert (here.status, near.status, there.status) == ("booked", "released", "requested")
        front.post(f"/staff/bookings/{here.id}/answer", data={"answer": "no"})  # sent twice: said, not done
        session.expire_all()
        assert here.status == "booked"

    def test_waives_fees_of_its_studio_with_a_reason(self, session: Session, front: TestClient, coach: Coach) -> None:
        late: dict[str, Any] = {
            "status": "late_cancelled", "late_fee_minor": 990, "late_fee_currency": "EUR", "late_fee_due_at": NOW,
        }  # fmt: skip
        here, there = (
            make_booking(session, slot=make_slot(session, coach=one, starts_at=NOW + timedelta(days=2)), **late)
            for one in (coach, make_coach(session))
        )
        page = front.get("/staff/today").text
        assert "9.90" in page
        assert str(there.id) not in page
        for one, status in ((here, 303), (there, 404)):
            form = {"customer_id": str(one.customer_id), "reason": "Ill"}
            answer = front.post(f"/staff/bookings/{one.id}/fee-waiver", data=form, follow_redirects=False)
            assert answer.status_code == status
        other = {"customer_id": str(there.customer_id), "reason": "Ill"}
        assert front.post(f"/staff/bookings/{here.id}/fee-waiver", data=other).status_code == 404
        session.expire_all()
        assert here.late_fee_waived_at is not None
        assert there.late_fee_waived_at is None
