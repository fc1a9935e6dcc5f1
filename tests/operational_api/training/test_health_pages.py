"""Setting up, wellbeing and the coach's pages as browsers without JavaScript use them; where people drop off."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.commerce import SubscriptionStarted
from contracts.events.scheduling import SessionBooked
from contracts.ids import new_id
from operational_api.compliance.service import consents
from operational_api.core.models import OutboxEvent
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach
from operational_api.training import handlers
from operational_api.training import screening as questionnaire
from operational_api.training.models import CheckIn, Client, Goal, HabitCheck, Programme, ProgrammeTemplate
from operational_api.training.service import onboarding
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_template,
    make_wellbeing,
)
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC)
NO = {one.key: "no" for one in questionnaire.QUESTIONS[questionnaire.VERSION]}


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), time_zone="UTC")


@pytest.fixture
def browser(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, mia))


@pytest.fixture
def coach(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(session.get_one(Account, mia.coach_id))


def left(session: Session) -> list[tuple[str, str]]:
    query = select(OutboxEvent.payload).where(OutboxEvent.type == "training.onboarding_step_left")
    return [(one["step"], one["outcome"]) for one in session.scalars(query.order_by(OutboxEvent.position))]


class TestWelcome:
    @pytest.mark.parametrize("stopped", onboarding.STEPS)
    def test_left_at_a_step_it_goes_on_there_on_another_device_and_nobody_dropped_off_then(
        self, session: Session, mia: Client, sign_in: SignIn, stopped: str
    ) -> None:
        def dropped() -> list[str]:
            found = onboarding.funnel(session, since=NOW - timedelta(days=1), until=NOW + timedelta(days=9))
            return [one.step for one in found if one.dropped]

        phone, tablet = sign_in(account_of(session, mia)), sign_in(account_of(session, mia))
        for step in onboarding.STEPS[: onboarding.STEPS.index(stopped)]:
            phone.get(f"/welcome/{step}")
            phone.post(f"/welcome/{step}", data={"action": "skip"})
        phone.get(f"/welcome/{stopped}")
        assert dropped() == [stopped]
        assert tablet.get("/welcome").headers["location"] == f"/welcome/{stopped}"
        tablet.get(f"/welcome/{stopped}")
        tablet.post(f"/welcome/{stopped}", data={"action": "skip"})
        phone.get(f"/welcome/{stopped}")
        later = onboarding.STEPS[onboarding.STEPS.index(stopped) + 1 :]
        assert dropped() == [], "to look at it once more on the first device is no new beginning"
        assert phone.get("/welcome").headers.get("location") == (f"/welcome/{later[0]}" if later else None)

    def test_leads_through_all_steps_and_goes_on_where_it_stopped(
        self, session: Session, browser: TestClient, mia: Client
    ) -> None:
        assert browser.get("/welcome").headers["location"] == "/welcome/goal"
        assert "Step 1 of 5" in browser.get("/welcome/goal").text
        done = browser.post("/welcome/goal", data={"action": "done", "text": "Ten pull-ups"})
        assert done.headers["location"] == "/welcome/screening"
        assert browser.get("/welcome").headers["location"] == "/welcome/screening", "resumed"
        browser.post("/welcome/screening", data=NO | {"action": "done"})
        browser.post("/welcome/consents", data={"action": "done", "training": "on", "sleep": "on"})
        assert consents.shown_kinds(session, [mia.id])[mia.id] == {"training", "sleep"}
        browser.get("/welcome/plan")
        browser.post("/welcome/plan", data={"action": "skip"})
        event = SessionBooked(
            occurred_at=NOW, booking_id=new_id(), customer_id=mia.id, coach_id=new_id(), slot_id=new_id()
        )
        for _ in range(2):
            handlers.leave_booking_step(session, event)
        assert "You are set up" in browser.get("/welcome").text
        bought = SubscriptionStarted(
            occurred_at=NOW, subscription_id=new_id(), customer_id=mia.id, plan_id=new_id(), amount_minor=1,
            currency="EUR",
        )  # fmt: skip
        handlers.leave_plan_step(session, bought)
        assert left(session) == [
            ("goal", "done"), ("screening", "done"), ("consents", "done"), ("plan", "skipped"), ("booking", "done"),
            ("plan", "done"),
        ]  # fmt: skip

    def test_who_never_began_is_not_counted(self, session: Session, mia: Client) -> None:
        bought = SubscriptionStarted(
            occurred_at=NOW, subscription_id=new_id(), customer_id=mia.id, plan_id=new_id(), amount_minor=1,
            currency="EUR",
        )  # fmt: skip
        handlers.leave_plan_step(session, bought)
        assert onboarding.progress_of(session, mia.id).entered == frozenset()

    WRONG: tuple[tuple[str, dict[str, str], str], ...] = (
        ("goal", {"text": " "}, "Say it in a few words."),
        ("goal", {"text": "Run", "target_on": "soon"}, "That is no day."),
        ("goal", {"text": "Run far", "target_on": "2020-01-01"}, "today or later"),
        ("screening", {"heart": "yes"}, "Please answer."),
        ("plan", {}, "done by itself"),
    )

    def test_shows_what_is_wrong_and_loses_nothing(self, session: Session, browser: TestClient) -> None:
        for step, data, told in self.WRONG:
            answer = browser.post(f"/welcome/{step}", data={"action": "done"} | data)
            assert (answer.status_code, told in answer.text) == (422, True), step
            if step == "screening":
                assert re.search(r'name="heart" value="yes" required checked', answer.text)
            if data.get("text", "").strip():
                assert f'value="{data["text"]}"' in answer.text
        assert left(session) == []

    def test_a_red_answer_holds_the_plan(self, session: Session, browser: TestClient, mia: Client) -> None:
        browser.post("/welcome/screening", data=NO | {"heart": "yes", "action": "done"})
        page = browser.get("/welcome/plan").text
        assert "First your coach looks at a health answer" in page
        assert 'href="/plans"' not in page.split("<main")[1]

    def test_the_training_page_asks_who_is_new(self, session: Session, browser: TestClient, mia: Client) -> None:
        assert "Finish setting up" not in browser.get("/training").text
        mia.joined_at = NOW
        session.flush()
        assert "Finish setting up" in browser.get("/training").text


class TestFunnel:
    def test_says_where_people_drop_off(self, session: Session, sign_in: SignIn) -> None:
        def person(*steps: tuple[str, str | None], began: datetime = NOW) -> None:
            client = make_client(session)
            for n, (step, outcome) in enumerate(steps):
                at = began + timedelta(minutes=n)
                onboarding.enter_step(session, client=client, step=step, now=at)
                if outcome:
                    onboarding.leave_step(
                        session, client=client, step=step, outcome=outcome, now=at + timedelta(seconds=30)
                    )

        person(("goal", "done"), ("screening", "done"), ("consents", "skipped"), ("plan", None))
        person(("goal", "done"), ("screening", None))
        person(("goal", None), ("screening", "done"))  # a step left open on the way
        person(("goal", None))
        person(("goal", None), began=NOW - timedelta(days=100))
        early = onboarding.funnel(session, since=NOW - timedelta(days=1), until=NOW + timedelta(days=7, seconds=-1))
        assert [one.dropped for one in early] == [0] * 5  # nobody knows yet
        found = onboarding.funnel(session, since=NOW - timedelta(days=1), until=NOW + timedelta(days=7, minutes=3))
        assert [(one.step, one.entered, one.done, one.skipped, one.dropped) for one in found] == [
            ("goal", 4, 2, 0, 2), ("screening", 3, 2, 0, 1), ("consents", 1, 0, 1, 0), ("plan", 1, 0, 0, 1),
            ("booking", 0, 0, 0, 0),
        ]  # fmt: skip
        assert (found[0].median_seconds, found[4].median_seconds) == (30, None)
        told = sign_in(make_account(session, role="data")).get("/api/training/onboarding/funnel?days=365").json()
        assert len(told) == 5


class TestWellbeing:
    def test_check_in_habit_and_goal(self, session: Session, browser: TestClient, mia: Client) -> None:
        wrong = browser.post("/wellbeing/check-in", data={"weight_kg": "7150", "note": "a long week"})
        assert wrong.status_code == 422
        assert all(one in wrong.text for one in ("Choose how you felt.", "20 to 400 kg", 'value="7150"', "a long week"))
        assert browser.post("/wellbeing/check-in", data={"mood": "4", "weight_kg": "71,5"}).status_code == 303
        assert session.scalars(select(CheckIn.weight_kg)).all() == [71.5]
        browser.post("/wellbeing/habits", data={"name": "Walk", "times_per_week": "5"})
        page = browser.get("/wellbeing").text
        address = re.search(r"/wellbeing/habits/[\w-]+/check", page)
        assert address is not None
        today = NOW.date().isoformat()
        browser.post(address[0], data={"day": today, "is_kept": "true"})
        assert "1 of 5 this week" in browser.get("/wellbeing").text
        browser.post(address[0], data={"day": today, "is_kept": "false"})
        assert session.scalars(select(HabitCheck)).all() == []
        browser.post(address[0].replace("check", "archive"))
        gone = browser.get("/wellbeing").text
        assert "Walk is gone from the list" in gone
        asked = dict(re.findall(r'name="(name|times_per_week)" value="(\w+)"', gone.partition("Ask again")[0]))
        assert asked == {"name": "Walk", "times_per_week": "5"}
        browser.post("/wellbeing/habits", data=asked)
        assert "0 of 5 this week" in browser.get("/wellbeing").text
        browser.post("/wellbeing/goals", data={"text": "Five pull-ups"})
        browser.post(f"/wellbeing/goals/{session.scalars(select(Goal.id)).one()}/close", data={"outcome": "reached"})
        assert "Reached" in browser.get("/wellbeing").text

    def test_health_questions(self, browser: TestClient) -> None:
        partly = browser.post("/wellbeing/health", data={"heart": "no"})
        assert (partly.status_code, partly.text.count("Please answer.")) == (422, 6)
        assert browser.post("/wellbeing/health", data=NO | {"joints": "yes"}).status_code == 303
        assert "Training is on hold" in browser.get("/wellbeing/health").text


class TestCoaching:
    def test_who_waits_comes_first(self, session: Session, coach: TestClient, mia: Client) -> None:
        make_client(session, coach=session.get_one(Coach, mia.coach_id), display_name="Adam Fine")
        make_wellbeing(session, client=mia)
        page = coach.get("/coaching").text.split("<main")[1]
        assert page.index("Mia Maier") < page.index("Adam Fine")
        assert "On hold" in page
        assert "1 check-in" in page

    def test_clears_answers_and_gives_a_programme(self, session: Session, coach: TestClient, mia: Client) -> None:
        known = make_wellbeing(session, client=mia)
        template = make_template(session, coach=session.get_one(Coach, mia.coach_id))
        page = coach.get(f"/coaching/clients/{mia.id}").text
        assert "heart condition" in page
        assert "chest" not in page.split("<main")[1]
        given: dict[str, Any] = {"template_id": str(template.id), "starts_on": "2099-03-02"}
        coach.post(f"/coaching/clients/{mia.id}/programmes", data=given)
        assert session.scalars(select(Programme)).all() == [], "not while on hold"
        coach.post(f"/coaching/screenings/{known['screening'].id}/clear", data={"note": "Doctor's letter is here."})
        coach.post(f"/coaching/check-ins/{known['check_in'].id}/answer", data={"answer": "Well done."})
        assert coach.post(f"/coaching/clients/{mia.id}/programmes", data=given).status_code == 303
        page = coach.get(f"/coaching/clients/{mia.id}").text
        assert "Base strength" in page
        assert "Squat my weight" in page
        assert page.index("Check-ins before") < page.index("mood 4 of 5") < page.index("Well done.")
        assert "On hold" not in page
        made = session.scalars(select(Programme)).one()
        coach.post(f"/coaching/programmes/{made.id}/archive")
        assert session.get_one(Programme, made.id, populate_existing=True).status == "archived"

    def test_shows_nothing_that_is_withheld(self, session: Session, coach: TestClient, mia: Client) -> None:
        make_wellbeing(session, client=mia)
        for kind in ("training", "injuries"):
            consents.decide(
                session, customer_id=mia.id, decisions={(kind, "coaching"): False}, decided_by=mia.id, now=NOW
            )
        page = coach.get(f"/coaching/clients/{mia.id}").text
        assert "they do not show you health answers" in page
        assert "does not show you their training" in page
        assert "heart condition" not in page
        assert "Squat my weight" not in page

    def test_is_not_for_others(self, session: Session, mia: Client, browser: TestClient, sign_in: SignIn) -> None:
        assert browser.get("/coaching").status_code == 403
        other = sign_in(account_of(session, make_coach(session)))
        assert other.get(f"/coaching/clients/{mia.id}").status_code == 404


def test_a_goal_closed_by_a_slip_is_set_again_from_there(session: Session, browser: TestClient, mia: Client) -> None:
    later = (NOW.date() + timedelta(days=30)).isoformat()
    browser.post("/wellbeing/goals", data={"text": "Five pull-ups", "target_on": later})
    [goal] = session.scalars(select(Goal)).all()
    browser.post(f"/wellbeing/goals/{goal.id}/close", data={"outcome": "dropped"})
    page = browser.get("/wellbeing").text
    asked = dict(re.findall(r'name="(text|target_on)" value="([^"]*)"', page.partition("Set it again")[0]))
    assert asked == {"text": "Five pull-ups", "target_on": later}
    browser.post("/wellbeing/goals", data=asked)
    session.expire_all()
    assert [one.status for one in session.scalars(select(Goal).order_by(Goal.set_at))] == ["dropped", "open"]


class TestTemplates:
    def line(self, exercise_id: int, **given: str) -> dict[str, str]:
        cells = {"day": "1", "sets": "3", "reps": "5", "weight_kg": "62,5", "target_rpe": "8", "superset": "",
                 "phase": "", "rule": "linear", "number": "2,5"}  # fmt: skip
        return cells | {"exercise_id": str(exercise_id)} | given

    def test_are_written_without_a_script(self, session: Session, coach: TestClient) -> None:
        squat = make_exercise(session, name="Front Squat")
        head = {"name": "Base", "goal": "strength", "weeks": "4", "sessions_per_week": "2"}
        found = coach.post("/coaching/templates/new", data=head | {"find": "front squa"}).text
        assert f'value="add:{squat.id}"' in found
        added = coach.post("/coaching/templates/new", data=head | {"action": f"add:{squat.id}"}).text
        assert "<h2>Front Squat</h2>" in added
        phases = {"phase_name": ["Build", "Deload"], "phase_weeks": ["3", "1"], "phase_load": ["", "90"],
                  "phase_sets": ["", "-1"]}  # fmt: skip
        whole = head | self.line(squat.id) | phases
        assert coach.post("/coaching/templates/new", data=whole).headers["location"] == "/coaching/templates"
        kept = session.scalars(select(ProgrammeTemplate)).one()
        assert kept.plan["phases"][1] == {"name": "Deload", "weeks": 1, "load_percent": 90, "extra_sets": -1}
        assert kept.plan["lines"][0]["progression"] == {"kind": "linear", "step_kg": 2.5, "increment_kg": 2.5}
        page = coach.get(f"/coaching/templates/{kept.id}").text
        assert 'value="62.5"' in page
        assert 'value="linear" selected' in page
        changed = coach.post(f"/coaching/templates/{kept.id}", data=whole | {"reps": "8"})
        assert changed.status_code == 303
        session.refresh(kept)
        assert (kept.version, kept.plan["lines"][0]["reps"]) == (2, 8)

    def test_what_is_archived_comes_back_by_the_button_beside_it(self, session: Session, coach: TestClient) -> None:
        squat = make_exercise(session)
        head = {"name": "Base & more", "goal": "strength", "weeks": "4", "sessions_per_week": "2"}
        coach.post("/coaching/templates/new", data=head | self.line(squat.id))
        [kept] = session.scalars(select(ProgrammeTemplate.id)).all()
        coach.post(f"/coaching/templates/{kept}/archive")
        gone = coach.get("/coaching/templates").text
        assert "Base &amp; more is archived." in gone
        assert "No templates yet" in gone
        assert f'action="/coaching/templates/{kept}/archive"' in gone
        coach.post(f"/coaching/templates/{kept}/archive", data={"is_undone": "true"})
        assert f'href="/coaching/templates/{kept}"' in coach.get("/coaching/templates").text

    WRONG: tuple[tuple[dict[str, str], str], ...] = (
        ({"name": " "}, "Give it a name"),
        ({"weeks": "x"}, "Weeks: 1 to 26."),
        ({"reps": "many"}, "Reps: "),
        ({"day": "5"}, "Training days go from 1 to 2."),
        ({"superset": "a"}, "it takes two"),
        ({"phase_name": "Build", "phase_weeks": "3"}, "The phases have 3 weeks"),
        ({"phase_name": "Build", "phase_weeks": ""}, "Have a look at the phases"),
    )

    def test_say_what_is_wrong_and_lose_nothing(self, session: Session, coach: TestClient) -> None:
        squat = make_exercise(session, name="Front Squat")
        head = {"name": "Base", "goal": "strength", "weeks": "4", "sessions_per_week": "2"}
        for change, told in self.WRONG:
            answer = coach.post("/coaching/templates/new", data=head | self.line(squat.id) | change)
            assert (answer.status_code, told in answer.text) == (422, True), change
            assert 'value="62,5"' in answer.text
        assert session.scalars(select(ProgrammeTemplate)).all() == []
