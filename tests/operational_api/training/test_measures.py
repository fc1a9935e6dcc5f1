"""What is not repetitions with a weight: help, distance and time, from the catalogue to the plan and records."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.models import Coach
from operational_api.training import amounts
from operational_api.training.models import Client, Programme, WorkoutSet
from operational_api.training.records import LONGER, OVER_M, Amount, measured_records
from operational_api.training.service import corrections, workouts
from operational_api.training.service.catalogue import Entry
from operational_api.training.service.clients import local_today
from operational_api.training.service.records import records_of
from operational_api.training.service.workouts import Log, SetDone
from tests.factories import account_of, make_client, make_coach, make_exercise, make_workout
from tests.operational_api.conftest import SignIn


@pytest.fixture
def tom(session: Session) -> Coach:
    return make_coach(session)


@pytest.fixture
def mia(session: Session, tom: Coach) -> Client:
    return make_client(session, coach=tom)


@pytest.fixture
def coach(session: Session, tom: Coach, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, tom))


@pytest.fixture
def pull_up(session: Session) -> int:
    return make_exercise(session, name="Assisted Pull-Up", measure="assistance", is_loaded=True).id


@pytest.fixture
def run(session: Session) -> int:
    return make_exercise(session, name="Running", measure="distance", is_loaded=False).id


@pytest.fixture
def carry(session: Session) -> int:
    return make_exercise(session, name="Farmer's Walk", measure="distance").id


@pytest.fixture
def plank(session: Session) -> int:
    return make_exercise(session, name="Plank", measure="time", is_loaded=False).id


def log(phone: TestClient, *sets: dict[str, Any], days_ago: int = 0, status: int = 201) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=days_ago, seconds=1)
    body = {"id": str(new_id()), "sets": list(sets), "completed_at": at.isoformat()}
    answer = phone.post("/api/training/workouts", json=body)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def records(workout: dict[str, Any]) -> list[tuple[str, float, float, int]]:
    return [(one["kind"], one["value"], one["previous"], one["over_m"]) for one in workout["records"]]


class TestAmounts:
    @pytest.mark.parametrize(
        ("typed", "metres"),
        [("400", 400), ("400 m", 400), ("5 km", 5000), ("5,25KM", 5250), ("", None), (" 10.5 ", 10.5)],
    )
    def test_distances_are_read_as_people_type_them(self, typed: str, metres: float | None) -> None:
        assert amounts.read_distance(typed) == metres

    @pytest.mark.parametrize(
        ("typed", "seconds"),
        [("90", 90), ("1:30", 90), ("1:02:03", 3723), ("", None), ("59:59", 3599), ("1:60", -1), ("1:5", -1), ("x", -1),
         ("1:75:00", -1), ("-5", -1)],
    )  # fmt: skip
    def test_times_are_read_as_people_type_them(self, typed: str, seconds: int | None) -> None:
        assert amounts.read_seconds(typed) == seconds

    @given(st.integers(1, 500_000), st.integers(1, 86_400))
    def test_what_is_told_is_read_again(self, metres: int, seconds: int) -> None:
        assert amounts.read_distance(amounts.distance(metres)) == metres
        assert amounts.read_seconds(amounts.clock(seconds)) == seconds

    def test_what_is_no_distance_is_none(self) -> None:
        assert all(str(amounts.read_distance(typed)) == "nan" for typed in ("far", "5 miles", "-5", "1e3"))


class TestCatalogue:
    @pytest.mark.parametrize(
        ("name", "category", "force", "measure"),
        [
            ("Band Assisted Pull-Up", "strength", "pull", "assistance"),
            ("Running, Treadmill", "cardio", None, "distance"), ("Rope Jumping", "cardio", None, "load"),
            ("Farmer's Walk", "strongman", "static", "distance"), ("Atlas Stones", "strongman", "pull", "load"),
            ("Walking Lunge", "strength", "push", "load"), ("Plank", "strength", "static", "time"),
            ("Child's Pose", "stretching", "static", "time"), ("Leg-Up Calf Stretch", "stretching", "push", "time"),
            ("Dynamic Chest Stretch", "stretching", "pull", "load"), ("Arm Circles", "stretching", "push", "load"),
            ("Hanging Leg Raise", "strength", "pull", "load"),
        ],
    )  # fmt: skip
    def test_says_what_a_movement_is_measured_by(
        self, name: str, category: str, force: Literal["static", "pull", "push"] | None, measure: str
    ) -> None:
        entry = Entry(
            id="x", name=name, force=force, level="beginner", mechanic=None, equipment="other", primaryMuscles=["back"],
            secondaryMuscles=[], instructions=[], category=category,
        )  # fmt: skip
        assert entry.values(source="s", licence="l")["measure"] == measure


class TestHelp:
    def test_less_is_a_record_and_none_of_it_is_volume(self, session: Session, phone: TestClient, pull_up: int) -> None:
        def done(help_kg: float, reps: int = 8) -> dict[str, Any]:
            return {"exercise_id": pull_up, "reps": reps, "assistance_kg": help_kg}

        first = log(phone, done(30), done(25), days_ago=3)
        assert (first["volume_kg"], first["bests"], first["records"]) == (0, [], [])
        assert records(log(phone, done(25, reps=12), days_ago=2)) == [], "as much help is none, nor are repetitions"
        assert records(log(phone, done(20), done(10, reps=0), days_ago=1)) == [("assistance", 20, 25, 0)]
        last = log(phone, done(0))
        assert records(last) == [("assistance", 0, 20, 0)]
        told = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == "training.personal_record_set"))
        assert sorted(one["value"] for one in told) == [0, 20]
        page = phone.get(f"/training/workouts/{last['id']}").text
        assert "Least help yet: Assisted Pull-Up, 0 kg" in page
        assert "0 kg help × 8" in page

    def test_a_correction_takes_the_record_back(self, phone: TestClient, pull_up: int) -> None:
        log(phone, {"exercise_id": pull_up, "reps": 8, "assistance_kg": 30}, days_ago=1)
        typo = log(phone, {"exercise_id": pull_up, "reps": 8, "assistance_kg": 2})
        assert records(typo) == [("assistance", 2, 30, 0)]
        sets = [{"exercise_id": pull_up, "reps": 8, "assistance_kg": 20}]
        right = phone.put(f"/api/training/workouts/{typo['id']}", json={"sets": sets}).json()
        assert records(right) == [("assistance", 20, 30, 0)]
        sets = [{"exercise_id": pull_up, "reps": 8, "assistance_kg": 35}]
        assert records(phone.put(f"/api/training/workouts/{typo['id']}", json={"sets": sets}).json()) == []


class TestDistance:
    def test_longer_and_faster_are_records(self, session: Session, phone: TestClient, run: int) -> None:
        def ran(metres: float, seconds: int | None = None) -> dict[str, Any]:
            return {"exercise_id": run, "distance_m": metres, "duration_seconds": seconds}

        assert records(log(phone, ran(5000, 1560), ran(400, 95), days_ago=3)) == []
        assert records(log(phone, ran(5010, 1500), ran(400, 95), days_ago=2)) == [
            ("distance", 5010, 5000, 0), ("time", 1500, 1560, 5000),
        ]  # fmt: skip
        assert records(log(phone, ran(400, 90), ran(3000), days_ago=1)) == [("time", 90, 95, 400)]
        last = log(phone, ran(400, 91), ran(10_000, 3300))
        assert (records(last), last["volume_kg"]) == ([("distance", 10_000, 5010, 0)], 0)
        stored = session.scalars(select(WorkoutSet).where(WorkoutSet.distance_m == 10_000)).one()
        assert (stored.reps, stored.duration_seconds, stored.weight_kg) == (0, 3300, None)
        page = phone.get(f"/training/workouts/{last['id']}").text
        assert "10 km in 55:00" in page
        assert ("Distance" in page, "10.4" in page, "Volume" in page) == (True, True, False)

    def test_a_carry_has_its_weight_and_no_volume(self, phone: TestClient, carry: int) -> None:
        def carried(kg: float, metres: float, seconds: int) -> dict[str, Any]:
            return {"exercise_id": carry, "weight_kg": kg, "distance_m": metres, "duration_seconds": seconds}

        log(phone, carried(40, 40, 30), days_ago=2)
        lighter = log(phone, carried(20, 80, 20), carried(20, 40, 15), days_ago=1)
        assert records(lighter) == [("distance", 80, 40, 0), ("time", 15, 30, 40)], (
            "with less, of what was done with more"
        )
        heavier = log(phone, carried(50, 40, 10))
        assert (records(heavier), heavier["volume_kg"]) == ([("weight", 50, 40, 0)], 0), "nothing as heavy to beat"


class TestHolds:
    def test_longer_is_a_record_beside_what_is_as_heavy_and_none_of_it_is_volume(
        self, session: Session, phone: TestClient, plank: int
    ) -> None:
        def held(seconds: int, kg: float | None = None) -> dict[str, Any]:
            return {"exercise_id": plank, "duration_seconds": seconds, "weight_kg": kg}

        first = log(phone, held(45), held(60), days_ago=4)
        assert (first["volume_kg"], first["bests"], first["records"]) == (0, [], [])
        assert records(log(phone, held(60), days_ago=3)) == [], "as long is no record"
        assert records(log(phone, held(30, 10), days_ago=2)) == [], "nothing as heavy to beat"
        assert records(log(phone, held(75), held(40, 10), days_ago=1)) == [("hold", 75, 60, 0)]
        last = log(phone, held(90, 10))
        assert (records(last), last["volume_kg"]) == ([("hold", 90, 40, 0)], 0)
        stored = session.scalars(select(WorkoutSet).where(WorkoutSet.duration_seconds == 90)).one()
        assert (stored.reps, stored.distance_m, stored.weight_kg) == (0, None, 10)
        told = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == "training.personal_record_set"))
        assert sorted((one["kind"], one["value"]) for one in told) == [("hold", 75), ("hold", 90)]
        page = phone.get(f"/training/workouts/{last['id']}").text
        assert ("Longest yet: Plank, 1:30" in page, "10 kg × 1:30" in page, "Distance" in page) == (True, True, False)

    def test_a_run_without_a_distance_is_as_long_as_it_was(self, phone: TestClient, run: int) -> None:
        log(phone, {"exercise_id": run, "duration_seconds": 1800},
            {"exercise_id": run, "distance_m": 8000, "duration_seconds": 2400}, days_ago=1)  # fmt: skip
        longer = log(phone, {"exercise_id": run, "duration_seconds": 1860})
        assert records(longer) == [("hold", 1860, 1800, 0)], "a time over a distance is another thing"

    def test_the_form_asks_for_a_time_and_keeps_what_was_logged_by_repetitions(
        self, session: Session, phone: TestClient, plank: int
    ) -> None:
        log(phone, {"exercise_id": plank, "reps": 60}, days_ago=1)
        fresh = phone.get("/training/log", params={"exercise": [plank]}).text
        assert "Last time: 60" in fresh
        assert re.findall(r'<input([^>]*) name="(?:reps|time)"[^>]* value="([^"]*)"', fresh) == [
            (' type="hidden"', ""), (' class="input"', ""),
        ]  # fmt: skip
        form = {"workout_id": str(new_id()), "exercise_id": [plank, plank], "weight_kg": ["", "5"], "rpe": ["8", ""],
                "reps": ["60", ""], "time": ["1:05", "50"]}  # fmt: skip
        assert phone.post("/training/log", data=form).status_code == 303
        logged = select(WorkoutSet).where(WorkoutSet.workout_id == UUID(str(form["workout_id"])))
        stored = session.scalars(logged.order_by(WorkoutSet.position))
        assert [(one.reps, one.duration_seconds, one.weight_kg) for one in stored] == [(0, 65, None), (0, 50, 5)]
        unfinished = phone.post("/training/log", data=form | {"workout_id": str(new_id()), "reps": ["", ""],
                                                              "time": ["", "50"]})  # fmt: skip
        assert (unfinished.status_code, "How long?" in unfinished.text) == (422, True)

    def test_programmes_and_templates_ask_for_seconds(
        self, session: Session, mia: Client, phone: TestClient, coach: TestClient, plank: int
    ) -> None:
        form = {"name": "Core", "goal": "strength", "weeks": "4", "sessions_per_week": "1", "exercise_id": [plank],
                "day": ["1"], "sets": ["3"], "reps": [""], "time": ["45"], "action": "save"}  # fmt: skip
        assert coach.post("/coaching/templates/new", data=form).status_code == 303
        kept = coach.get("/api/training/templates").json()[0]
        line = kept["plan"]["lines"][0]
        assert (line["reps"], line["distance_m"], line["duration_seconds"]) == (1, None, 45)
        assert 'value="0:45"' in coach.get(f"/coaching/templates/{kept['id']}").text
        given_to = {"customer_id": str(mia.id), "starts_on": local_today(mia, datetime.now(UTC)).isoformat()}
        given = coach.post(f"/api/training/templates/{kept['id']}/assignments", json=given_to)
        assert given.status_code == 201, given.text
        assert "3 × 0:45" in phone.get("/training").text
        planned = make_workout(
            session, client=mia, programme=session.get_one(Programme, UUID(given.json()["id"])), programme_day=1
        )
        assert phone.get(f"/training/log?workout={planned.id}").text.count('value="0:45"') == 3

    def test_planned_by_repetitions_before_it_is_still_read_and_a_time_takes_their_place(
        self, coach: TestClient, plank: int
    ) -> None:
        form = {"name": "Core", "goal": "strength", "weeks": "4", "sessions_per_week": "1", "exercise_id": [plank],
                "day": ["1"], "sets": ["3"], "reps": ["30"], "time": [""], "action": "save"}  # fmt: skip
        for time, told in (("", (30, None)), ("0:40", (1, 40))):
            answer = coach.post("/coaching/templates/new", data=form | {"name": f"At {time}", "time": [time]})
            assert answer.status_code == 303
            kept = {one["name"]: one for one in coach.get("/api/training/templates").json()}[f"At {time}".strip()]
            line = kept["plan"]["lines"][0]
            assert (line["reps"], line["duration_seconds"]) == told


class TestRefusals:
    @pytest.mark.parametrize(
        ("movement", "told", "words"),
        [
            ("squat", {"reps": 5, "assistance_kg": 20}, "is not measured by help"),
            ("squat", {"distance_m": 400}, "is measured by repetitions"),
            ("pull_up", {"reps": 5, "weight_kg": 20}, "by how much you are helped"),
            ("pull_up", {"distance_m": 5}, "is measured by repetitions"),
            ("plank", {"distance_m": 5}, "measured by time"),
            ("plank", {"reps": 5, "assistance_kg": 1}, "is not measured by help"),
            ("run", {"reps": 5, "assistance_kg": 1}, "is not measured by help"),
            ("run", {"reps": 5, "distance_m": 400}, "repetitions, or else"),
            ("run", {}, "repetitions, or else"),
            ("run", {"distance_m": 0}, "greater than or equal to 1"),
            ("run", {"duration_seconds": 86_401}, "less than or equal to 86400"),
        ],
    )
    def test_say_what_a_movement_is_measured_by(
        self, request: pytest.FixtureRequest, session: Session, phone: TestClient, movement: str, told: dict[str, Any],
        words: str,
    ) -> None:  # fmt: skip
        id_ = make_exercise(session).id if movement == "squat" else request.getfixturevalue(movement)
        assert words in str(log(phone, {"exercise_id": id_} | told, status=422))

    def test_repetitions_that_a_phone_kept_still_count(self, phone: TestClient, run: int) -> None:
        assert log(phone, {"exercise_id": run, "reps": 10})["sets"][0]["reps"] == 10, (
            "a phone that was offline meanwhile"
        )


class TestPages:
    def form(self, *sets: tuple[int, str, str, str, str], **given: Any) -> dict[str, Any]:
        names = ("exercise_id", "reps", "assistance_kg", "distance", "time")
        told = {name: [one[place] for one in sets] for place, name in enumerate(names)}
        empty = [""] * len(sets)
        return {"workout_id": str(new_id()), "weight_kg": empty, "rpe": empty} | told | given

    def test_log_all_of_it_and_change_it(self, session: Session, phone: TestClient, pull_up: int, run: int) -> None:
        form = self.form((pull_up, "8", "20", "", ""), (run, "", "", "5,2 km", "25:30"), (run, "", "", "400", ""))
        assert phone.post("/training/log", data=form).status_code == 303
        stored = session.scalars(select(WorkoutSet).order_by(WorkoutSet.position)).all()
        assert [(one.reps, one.assistance_kg, one.distance_m, one.duration_seconds) for one in stored] == [
            (8, 20, None, None), (0, None, 5200, 1530), (0, None, 400, None),
        ]  # fmt: skip
        page = phone.get(f"/training/log?workout={form['workout_id']}").text
        assert re.findall(r'name="(distance|time|assistance_kg)"[^>]* value="([^"]+)"', page) == [
            ("assistance_kg", "20"), ("distance", "5.2 km"), ("time", "25:30"), ("distance", "400 m"),
        ]  # fmt: skip
        fresh = phone.get("/training/log", params={"exercise": [pull_up, run]}).text
        assert "Last time: 20 kg help × 8" in fresh
        assert "Last time: 5.2 km in 25:30, 400 m" in fresh

    def test_say_what_is_wrong_and_keep_what_was_typed(self, phone: TestClient, run: int) -> None:
        page = phone.post("/training/log", data=self.form((run, "", "", "far", "1:75")))
        assert page.status_code == 422
        assert 'value="far"' in page.text
        assert "Time: like 1:30" in page.text or "Distance: metres" in page.text
        unfinished = phone.post("/training/log", data=self.form((run, "", "", "", "")) | {"rpe": ["8"]})
        assert "How far, or how long?" in unfinished.text

    def test_take_what_a_phone_kept_since_before(self, session: Session, phone: TestClient) -> None:
        squat = make_exercise(session).id
        form = {"workout_id": str(new_id()), "exercise_id": [squat, squat], "weight_kg": ["60", "60"],
                "reps": ["5", "4"], "rpe": ["", ""], "superset": ["", ""]}  # fmt: skip
        assert phone.post("/training/log", data=form).status_code == 303
        assert [one.reps for one in session.scalars(select(WorkoutSet).order_by(WorkoutSet.position))] == [5, 4]


class TestPlans:
    def plan(self, mia: Client, *lines: dict[str, Any]) -> dict[str, Any]:
        return {
            "customer_id": str(mia.id), "name": "Engine", "goal": "endurance", "weeks": 4, "sessions_per_week": 1,
            "starts_on": local_today(mia, datetime.now(UTC)).isoformat(),
            "lines": [{"day": 1, "sets": 3} | one for one in lines],
        }  # fmt: skip

    def test_ask_for_it_show_it_and_coaches_see_what_was_done(
        self, session: Session, mia: Client, phone: TestClient, coach: TestClient, pull_up: int, run: int
    ) -> None:
        body = self.plan(
            mia,
            {"exercise_id": pull_up, "reps": 8, "assistance_kg": 17.5},
            {"exercise_id": run, "distance_m": 400, "duration_seconds": 90},
        )
        answer = coach.post("/api/training/programmes", json=body)
        assert answer.status_code == 201, answer.text
        lines = answer.json()["lines"]
        assert [(one["assistance_kg"], one["distance_m"], one["duration_seconds"]) for one in lines] == [
            (17.5, None, None), (None, 400, 90),
        ]  # fmt: skip
        shown = phone.get("/training").text
        assert ("3 × 8 with 17.5 kg help" in shown, "3 × 400 m in 1:30" in shown) == (True, True)
        planned = make_workout(
            session, client=mia, programme=session.get_one(Programme, UUID(answer.json()["id"])), programme_day=1
        )
        form = phone.get(f"/training/log?workout={planned.id}").text
        assert form.count('value="400 m"') == form.count('value="1:30"') == form.count('value="17.5"') == 3
        log(phone, {"exercise_id": run, "distance_m": 400, "duration_seconds": 88})
        assert "400 m in 1:28" in coach.get(f"/coaching/clients/{mia.id}").text

    def test_refuse_what_a_movement_is_not_measured_by(
        self, session: Session, mia: Client, coach: TestClient, run: int
    ) -> None:
        squat = make_exercise(session).id
        for line, words in (
            ({"exercise_id": squat, "distance_m": 400}, "is measured by repetitions"),
            ({"exercise_id": run, "distance_m": 400, "progression": {"kind": "linear", "step_kg": 2.5}}, "Rules of"),
            ({"exercise_id": run, "distance_m": 400, "reps": 5}, "no repetitions"),
        ):
            refused = coach.post("/api/training/programmes", json=self.plan(mia, line))
            assert (refused.status_code, words in refused.text) == (422, True)

    def test_a_template_keeps_it(self, coach: TestClient, run: int) -> None:
        form = {"name": "Intervals", "goal": "endurance", "weeks": "4", "sessions_per_week": "1", "exercise_id": [run],
                "day": ["1"], "sets": ["6"], "reps": [""], "weight_kg": [""], "assistance_kg": [""],
                "distance": ["1 km"], "time": ["4:15"], "target_rpe": [""], "superset": [""], "phase": [""],
                "rule": [""], "number": [""], "action": "save"}  # fmt: skip
        assert coach.post("/coaching/templates/new", data=form).status_code == 303
        kept = coach.get("/api/training/templates").json()[0]
        line = kept["plan"]["lines"][0]
        assert (line["reps"], line["distance_m"], line["duration_seconds"]) == (1, 1000, 255)
        again = coach.get(f"/coaching/templates/{kept['id']}").text
        assert ('value="1 km"' in again, 'value="4:15"' in again) == (True, True)


AMOUNTS = st.builds(
    Amount, st.sampled_from([None, 10.0, 20.0]), st.just(0), st.none(),
    st.sampled_from([None, 395.0, 400.0, 405.0, 419.9, 420.0, 1000.0]), st.sampled_from([None, 60, 61, 90]),
).filter(lambda one: one.distance_m is not None or one.duration_seconds is not None)  # fmt: skip


class TestRule:
    @given(st.lists(AMOUNTS, min_size=1, max_size=5), st.lists(AMOUNTS, max_size=6))
    def test_a_record_beats_everything_as_heavy_and_nothing_that_does_is_left_out(
        self, now: list[Amount], before: list[Amount]
    ) -> None:
        """Asked the other way round: of each set whether anybody before could say that they were as good."""
        found = {(one.kind, one.over_m): one for one in measured_records(now, before)}

        def over(one: Amount, metres: int) -> bool:
            return one.distance_m is not None and metres <= one.distance_m < metres * LONGER

        def beats(one: Amount, rivals: list[float], value: float, is_better: Any) -> bool:
            return bool(rivals) and all(is_better(value, each) for each in rivals)

        longest: list[float] = []
        fastest: dict[int, list[int]] = {}
        held: list[int] = []
        for one in now:
            heavy = [each for each in before if (each.weight_kg or 0) >= (one.weight_kg or 0)]
            far = [each.distance_m for each in heavy if each.distance_m is not None]
            if one.distance_m is not None and beats(one, far, one.distance_m, lambda a, b: a - b >= 1):
                longest.append(one.distance_m)
            holds = [float(each.duration_seconds) for each in heavy if not each.distance_m and each.duration_seconds]
            seconds = None if one.distance_m else one.duration_seconds
            if seconds and beats(one, holds, seconds, lambda a, b: a - b >= 1):
                held.append(seconds)
            for metres in OVER_M:
                times = [float(e.duration_seconds) for e in heavy if over(e, metres) and e.duration_seconds is not None]
                if (
                    over(one, metres)
                    and one.duration_seconds is not None
                    and beats(one, times, one.duration_seconds, lambda a, b: b - a >= 1)
                ):
                    fastest.setdefault(metres, []).append(one.duration_seconds)
        told = {key: one.value for key, one in found.items() if key[0] != "weight"}
        wanted = {("distance", 0): max(longest)} if longest else {}
        wanted |= {("hold", 0): max(held)} if held else {}
        assert told == wanted | {("time", metres): min(times) for metres, times in fastest.items()}

    def test_the_distances_that_times_are_over_do_not_overlap(self) -> None:
        assert all(shorter * LONGER <= longer for shorter, longer in pairwise(OVER_M))


class TestHistories:
    """Logs of a movement that come late, tie, and are corrected: records are those of an oracle that reads it all."""

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.tuples(st.integers(0, 20), st.sampled_from([10.0, 20.0, 20.04, 20.05, 30.0]), st.booleans()),
            min_size=2, max_size=6, unique_by=lambda one: one[0],
        ),
        st.sampled_from([5.0, 20.0, 40.0]),
    )  # fmt: skip
    def test_of_help_are_what_beat_all_that_was_done_before_when_it_was_told(
        self, session: Session, told: list[tuple[int, float, bool]], corrected: float
    ) -> None:
        """Each is (days ago, kg of help, whether it is corrected afterwards, on the day it is logged)."""
        client, now = make_client(session, time_zone="UTC"), datetime(2026, 3, 31, 12, tzinfo=UTC)
        movement = make_exercise(session, measure="assistance").id
        known: dict[int, float] = {}
        for days_ago, kg, is_corrected in told:
            at = now - timedelta(days=days_ago)
            id_, log_ = new_id(), Log([SetDone(movement, 8, assistance_kg=kg)], completed_at=at)
            given_to: dict[str, Any] = {"client": client, "logged_by": client.id}
            workouts.log_workout(session, workout_id=id_, log=log_, now=now, **given_to)
            known[days_ago] = kg
            if is_corrected and days_ago == 0:
                log_ = Log([SetDone(movement, 8, assistance_kg=corrected)])
                corrections.correct_workout(session, workout_id=id_, log=log_, now=now, **given_to)
                known[days_ago] = corrected
            before = [help_kg for ago, help_kg in known.items() if ago > days_ago]
            beats = bool(before) and round(min(before) - known[days_ago], 4) >= 0.05
            found = [(one.kind, one.value, one.previous) for one in records_of(session, id_)]
            wanted = [("assistance", known[days_ago], min(before))] if beats else []
            assert found == [(kind, pytest.approx(value), pytest.approx(was)) for kind, value, was in wanted]
