"""A second coach of a class: in two places never, with the class wherever it goes, and seeing who comes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.scheduling import AssistantMoved, AssistantReleased
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection
from operational_api.scheduling.errors import (
    AssistantNotFree,
    CoachNotFound,
    InvalidClass,
    SlotClosed,
    SlotNotFound,
)
from operational_api.scheduling.models import AvailabilityException, Coach, Location, Slot, TimeOff
from operational_api.scheduling.recurrence import parse
from operational_api.scheduling.service import (
    agenda,
    assistants,
    bookings,
    busy_times,
    classes,
    days_off,
    entries,
    openings,
    slots,
    waitlist,
)
from operational_api.scheduling.service.classes import ClassPlan
from operational_api.scheduling.service.moves import Mover
from operational_api.scheduling.service.slots import SlotFilter
from operational_api.scheduling.service.studio import colleagues
from tests.factories import (
    account_of,
    make_account,
    make_availability,
    make_booking,
    make_client,
    make_coach,
    make_location,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.scheduling.calendars.steps import hear

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
MONDAY = date(2026, 3, 23)  # the week before the clocks change
EIGHT = ClassPlan("Mobility", time(18), 60, 8)
AT_SIX = datetime(2026, 3, 23, 17, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def studio(session: Session) -> Location:
    return make_location(session)


@pytest.fixture
def ana(session: Session, studio: Location) -> Coach:
    return make_coach(session, location=studio, display_name="Ana")


@pytest.fixture
def ben(session: Session, studio: Location) -> Coach:
    return make_coach(session, location=studio, display_name="Ben")


def series(session: Session, lead: Coach, count: int = 3, plan: ClassPlan = EIGHT) -> list[Slot]:
    rule = parse(f"FREQ=WEEKLY;COUNT={count}")
    return classes.create_classes(session, coach_id=lead.id, plan=plan, first_on=MONDAY, repeats=rule, now=NOW)


def assign(session: Session, slot: Slot, *coaches: Coach, scope: classes.Scope = "following") -> list[Slot]:
    ids = [one.id for one in coaches]
    return classes.assign_assistants(session, slot_id=slot.id, coach_ids=ids, scope=scope, now=NOW)


def change(session: Session, slot: Slot, plan: ClassPlan, scope: classes.Scope = "following") -> list[Slot]:
    return classes.change_classes(session, slot_id=slot.id, plan=plan, scope=scope, now=NOW, by=Mover(None, "coach"))


def places(session: Session, coach: Coach) -> list[tuple[datetime, str, str]]:
    session.expire_all()
    query = select(Slot.starts_at, Slot.title, Slot.status).where(Slot.coach_id == coach.id, Slot.kind == "assist")
    return [row._tuple() for row in session.execute(query.order_by(Slot.starts_at, Slot.id))]


def told(session: Session, type_: str) -> list[dict[str, object]]:
    rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type == type_).order_by(OutboxEvent.position))
    return [row.payload for row in rows]


class TestAssignAssistants:
    def test_the_whole_series_or_nothing_with_who_is_not_free_named(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        made = series(session, ana)
        make_booking(session, slot=make_slot(session, coach=ben, starts_at=AT_SIX + WEEK - timedelta(hours=1)))
        empty = make_slot(session, coach=ben, starts_at=AT_SIX + timedelta(minutes=30)).id
        with pytest.raises(AssistantNotFree) as refusal, session.begin_nested():
            assign(session, made[0], ben)
        assert refusal.value.detail.startswith("Ben has another session on 30 March, 18:00.")
        assert (places(session, ben), told(session, "scheduling.assistant_assigned")) == ([], [])
        assert session.scalar(select(Slot.id).where(Slot.id == empty)) is not None
        assign(session, made[0], ben, scope="one")
        assert places(session, ben) == [(AT_SIX, "Mobility", "open")]
        assert session.scalar(select(Slot.id).where(Slot.id == empty)) is None  # an empty hour makes room
        assign(session, made[0], ben, scope="one")
        assert len(told(session, "scheduling.assistant_assigned")) == 1  # the same again is no news

    def test_who_works_there_on_its_day_can_be_chosen_and_whoever_can_be_is_taken(
        self, session: Session, studio: Location, ana: Coach
    ) -> None:
        (only,) = series(session, ana, 1)
        for name, hired, left in (
            ("Leaves later", -900, 0), ("Left", -900, -1), ("Comes", 0, None), ("Comes later", 1, None),
        ):  # fmt: skip
            one = make_coach(session, location=studio, display_name=name, hired_on=MONDAY + timedelta(days=hired))
            one.left_on = None if left is None else MONDAY + timedelta(days=left)
        make_coach(session, display_name="Elsewhere")
        session.flush()
        offered = colleagues(session, only)
        assert [one.display_name for one in offered] == ["Comes", "Leaves later"]
        ids = [one.coach_id for one in offered]
        classes.assign_assistants(session, slot_id=only.id, coach_ids=ids, scope="one", now=NOW)
        assert assistants.of_classes(session, [only.id]) == {only.id: offered}

    def test_another_takes_the_place_and_the_first_is_free_again(
        self, session: Session, studio: Location, ana: Coach, ben: Coach
    ) -> None:
        first, second, _ = series(session, ana)
        cem = make_coach(session, location=studio, display_name="Cem")
        assign(session, first, ben)
        assign(session, second, cem, ben, scope="one")
        assign(session, first, cem)
        assert [one[2] for one in places(session, ben)] == ["cancelled"] * 3
        helpers = assistants.of_classes(session, [first.id, second.id])
        assert [one.display_name for one in helpers[first.id]] == ["Cem"]
        assert {one["reason"] for one in told(session, "scheduling.assistant_released")} == {"removed"}
        make_availability(session, coach=ben, weekday=0, starts_at=time(18), ends_at=time(19), valid_from=NOW.date())
        openings.open_slots(session, NOW, coach_id=ben.id)
        free = select(Slot.starts_at).where(Slot.coach_id == ben.id, Slot.kind == "one_to_one")
        assert AT_SIX in set(session.scalars(free))

    def test_refuses_who_leads_who_works_elsewhere_and_what_is_over(
        self, session: Session, studio: Location, ana: Coach, ben: Coach
    ) -> None:
        first, _, last = series(session, ana)
        gone = make_coach(session, location=studio, left_on=date(2026, 1, 1))
        for stranger in (make_coach(session), gone):
            with pytest.raises(CoachNotFound):
                assign(session, first, stranger)
        with pytest.raises(InvalidClass):
            assign(session, first, ana)
        bookings.cancel_slot(session, slot_id=last.id, now=NOW)
        with pytest.raises(SlotClosed):
            assign(session, last, ben)

    @pytest.mark.parametrize(("why", "words"), [("off", "away"), ("hours", "away"), ("busy", "busy elsewhere")])
    def test_refuses_who_is_away_or_busy_elsewhere(
        self, session: Session, ana: Coach, ben: Coach, why: str, words: str
    ) -> None:
        (only,) = series(session, ana, 1)
        if why == "off":
            session.add(TimeOff(coach_id=ben.id, starts_on=MONDAY, ends_on=MONDAY, kind="holiday"))
        elif why == "hours":
            hours = {"starts_at": time(9), "ends_at": time(18, 30)}
            session.add(AvailabilityException(coach_id=ben.id, exception_on=MONDAY, **hours))
        else:
            _busy(session, ben, AT_SIX + timedelta(minutes=59))
        session.flush()
        with pytest.raises(AssistantNotFree, match=words):
            assign(session, only, ben)

    def test_the_database_knows_no_assistant_in_two_places_and_no_seat_of_theirs(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        (only,) = series(session, ana, 1)
        assign(session, only, ben)
        place = session.scalars(select(Slot).where(Slot.kind == "assist")).one()
        copy = {"coach_id": ben.id, "location_id": place.location_id, "title": "", "starts_at": place.starts_at,
                "ends_at": place.ends_at}  # fmt: skip
        for kind, capacity, assists_id in (
            ("group", 2, None), ("assist", 0, only.id), ("assist", 1, only.id), ("assist", 0, None),
        ):  # fmt: skip
            values = {"kind": kind, "capacity": capacity, "assists_id": assists_id, "status": "open"}
            with pytest.raises(IntegrityError), session.begin_nested():
                session.execute(insert(Slot).values(**values, **copy))

    def test_nobody_books_waits_for_moves_to_or_sees_an_assistants_place(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        (only,) = series(session, ana, 1)
        assign(session, only, ben)
        place = session.scalars(select(Slot).where(Slot.kind == "assist")).one()
        mia = make_subscription(session, customer_id=new_id(), now=NOW).customer_id
        for act in (bookings.book_session, waitlist.join_waitlist):
            with pytest.raises(SlotNotFound):
                act(session, customer_id=mia, slot_id=place.id, now=NOW)
        with pytest.raises(SlotNotFound):
            bookings.cancel_slot(session, slot_id=place.id, now=NOW)
        with pytest.raises(SlotNotFound):
            slots.get_slot(session, place.id, viewer_id=mia, now=NOW)
        shown, _ = slots.list_slots(session, SlotFilter(), viewer_id=mia, now=NOW, limit=50)
        assert [(one.coach_name, list(one.assistants), one.seats_left) for one in shown] == [("Ana", ["Ben"], 8)]
        booked = bookings.book_session(session, customer_id=mia, slot_id=only.id, now=NOW)
        assert (booked.coach_id, agenda.view_of(session, booked).assistants) == (ana.id, ["Ben"])


def _busy(session: Session, coach: Coach, starts_at: datetime) -> None:
    connection = CalendarConnection(
        account_id=coach.id, provider="feed", calendar_id="x", label="x", time_zone="UTC", is_read=True,
        is_written=False, next_sync_at=NOW, connected_at=NOW,
    )  # fmt: skip
    session.add(connection)
    session.flush()
    span = {"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=1)}
    session.add(BusyTime(connection_id=connection.id, coach_id=coach.id, external_id="x", **span))
    session.flush()


class TestFollow:
    def test_an_assistant_moves_with_the_class_and_is_called_off_with_it(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        first, *_ = series(session, ana)
        assign(session, first, ben)
        change(session, first, ClassPlan("Strength", time(19), 45, 8))
        at_seven = datetime(2026, 3, 23, 18, tzinfo=UTC)
        moved = [at_seven, *(at_seven + n * WEEK - timedelta(hours=1) for n in (1, 2))]  # the clocks changed
        assert places(session, ben) == [(at, "Strength", "open") for at in moved]
        assert len(told(session, AssistantMoved.type)) == 3
        change(session, first, ClassPlan("Power", time(19), 45, 9))
        assert len(told(session, AssistantMoved.type)) == 3  # another title is no other time
        classes.cancel_classes(session, slot_id=first.id, scope="following", now=NOW)
        assert places(session, ben) == [(at, "Power", "cancelled") for at in moved]
        assert [one["reason"] for one in told(session, AssistantReleased.type)] == ["called_off"] * 3

    def test_a_class_does_not_move_to_where_its_assistant_cannot_come(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        first, *_ = made = series(session, ana)
        assign(session, first, ben)
        make_booking(session, slot=make_slot(session, coach=ben, starts_at=AT_SIX + WEEK))  # 19:00 in summer
        with (
            pytest.raises(AssistantNotFree, match=r"Ben has another session on 30 March, 19:00"),
            session.begin_nested(),
        ):
            change(session, first, ClassPlan("Mobility", time(19), 60, 8))
        assert [one[0] for one in places(session, ben)] == [one.starts_at for one in made]
        assert {one.starts_at.astimezone(ZoneInfo("Europe/Berlin")).hour for one in made} == {18}
        _busy(session, ben, AT_SIX)
        change(session, first, ClassPlan("Mobility", time(18), 60, 20))  # what stays where it is asks nobody
        assert [one.kind for one in busy_times.clashes(session, ben.id, now=NOW)] == ["assist"]

    def test_who_is_away_or_has_left_is_taken_off_and_it_is_told(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        first, second, third = series(session, ana)
        assign(session, first, ben)
        days_off.add_time_off(
            session, coach_id=ben.id, starts_on=MONDAY, ends_on=MONDAY + timedelta(days=6), kind="sick", now=NOW
        )
        wide = {"starts_at": time(8), "ends_at": time(20)}
        days_off.add_other_hours(session, coach_id=ben.id, on=second.starts_at.date(), now=NOW, **wide)
        assert [one[2] for one in places(session, ben)] == ["cancelled", "open", "open"]
        assistants.leave_all(session, ben.id, now=NOW)
        assert [one[2] for one in places(session, ben)] == ["cancelled"] * 3
        assert [(one["slot_id"], one["reason"], one["coach_id"]) for one in told(session, AssistantReleased.type)] == [
            (str(one.id), why, str(ana.id)) for one, why in ((first, "absent"), (second, "left"), (third, "left"))
        ]  # fmt: skip


class TestCalendars:
    def test_the_assistants_feed_has_the_class_with_who_leads_it_whoever_comes(
        self, session: Session, ana: Coach, ben: Coach
    ) -> None:
        (only,) = series(session, ana, 1)
        assign(session, only, ben)
        hear(session)
        (shown,) = entries.of_feed(session, ben.id, NOW)
        assert (shown.title, shown.starts_at, shown.sequence) == ("Mobility with Ana", AT_SIX, 0)
        assert entries.of_feed(session, ana.id, NOW) == []  # a class is there for its coach while somebody comes
        change(session, only, ClassPlan("Mobility", time(19), 60, 8))
        hear(session)
        (moved,) = entries.of_feed(session, ben.id, NOW)
        assert (moved.uid, moved.starts_at, moved.sequence) == (shown.uid, AT_SIX + timedelta(hours=1), 1)
        assign(session, only)
        hear(session)
        (gone,) = entries.of_feed(session, ben.id, NOW)
        assert (gone.uid, gone.is_cancelled, gone.sequence) == (shown.uid, True, 2)


class TestPages:
    def test_an_assistant_sees_who_comes_and_checks_them_in_and_changes_nothing(
        self, session: Session, sign_in: SignIn, studio: Location, ana: Coach, ben: Coach
    ) -> None:
        soon = datetime.now(UTC) + timedelta(minutes=10)
        slot = make_slot(session, coach=ana, starts_at=soon, capacity=8, title="Mobility flow")
        mia = make_client(session, coach=ana, display_name="Mia Maier")
        booking = make_booking(session, slot=slot, customer_id=mia.id)
        path, api = f"/classes/{slot.id}", f"/api/scheduling/classes/{slot.id}"
        helper = sign_in(account_of(session, ben))
        assert {helper.get(one).status_code for one in (path, api)} == {404}
        assert (
            helper.post(f"/api/scheduling/bookings/{booking.id}/outcome", json={"outcome": "attended"}).status_code
            == 404
        )
        lead = sign_in(account_of(session, ana))
        page = lead.post(f"{path}/assistants", data={"coach_ids": [str(ben.id)]}, follow_redirects=True).text
        assert "assisted by <strong>Ben</strong>" in page
        assert "Change it" in page
        helper = sign_in(account_of(session, ben))
        page = helper.get(path).text
        assert "Mia Maier" in page
        assert "Check in" in page
        assert not [words for words in ("Change it", "Call it off", "Save assistants") if words in page]
        assert "You assist" in helper.get("/classes").text
        day = {"day": f"{slot.starts_at.astimezone(ZoneInfo(studio.time_zone)):%Y-%m-%d}"}
        assert path in helper.get("/staff/today", params=day).text
        assert helper.get(api).json()["assistants"] == [{"coach_id": str(ben.id), "display_name": "Ben"}]
        assert [one["id"] for one in helper.get("/api/scheduling/bookings").json()["items"]] == [str(booking.id)]
        done = helper.post(f"/staff/bookings/{booking.id}/outcome", data={"outcome": "attended", "return_to": path})
        assert done.headers["location"] == path
        assert "Checked in" in helper.get(path).text
        refused = [
            helper.put(f"{api}/assistants", json={"coach_ids": []}),
            helper.put(api, json={"title": "Mine", "wall_start": "18:00", "minutes": 60, "capacity": 2}),
            helper.post(f"{api}/cancellation", json={}),
            helper.post(f"/api/scheduling/slots/{slot.id}/cancellation"),
            helper.post(f"/api/scheduling/bookings/{booking.id}/cancellation"),
        ]
        assert {one.status_code for one in refused} == {404}

    def test_the_desk_of_the_studio_assigns_and_a_refusal_loses_nothing(
        self, session: Session, sign_in: SignIn, studio: Location, ana: Coach, ben: Coach
    ) -> None:
        starts_at = (datetime.now(UTC) + timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)
        slot = make_slot(session, coach=ana, starts_at=starts_at, capacity=8)
        cem = make_coach(session, location=studio, display_name="Cem")
        make_booking(session, slot=make_slot(session, coach=cem, starts_at=starts_at))
        desk = sign_in(make_account(session, role="front_desk"))
        path = f"/classes/{slot.id}"
        assert "Call it off" not in desk.get(path).text
        answer = desk.post(f"{path}/assistants", data={"coach_ids": [str(ben.id), str(cem.id)]})
        assert answer.status_code == 409
        assert "Cem has another session" in answer.text
        assert answer.text.count("checked") == 2
        assert assistants.of_classes(session, [slot.id]) == {}
        said = desk.put(f"/api/scheduling{path}/assistants", json={"coach_ids": [str(cem.id)]}).json()
        assert said["code"] == "scheduling.assistant_not_free"
        assert desk.post(f"{path}/assistants", data={"coach_ids": [str(ben.id)]}).status_code == 303
        customer = sign_in(make_account(session))
        assert "and Ben" in customer.get(f"/book/{slot.id}").text
        assert customer.get(f"/api/scheduling/slots/{slot.id}").json()["assistant_names"] == ["Ben"]
