"""The logging form: what it starts with, what was typed, and what is wrong with it. Sets travel as parallel fields."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, zip_longest
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.orm import Session

from operational_api.training import amounts
from operational_api.training.models import Exercise, PersonalRecord, PlannedExercise, Workout, WorkoutSet
from operational_api.training.naming import called
from operational_api.training.progression import Prescription
from operational_api.training.schemas import WorkoutIn
from operational_api.training.service import plans, progress
from operational_api.training.service.exercises import known_exercises
from operational_api.training.service.workouts import SetDone, StoredSet
from operational_api.web.language import say, word

MOST_ROWS = 100
EMPTY_ROWS = 3
"""Rows a movement starts with that was neither planned nor trained before."""


@dataclass(slots=True)
class Row:
    """One set as text, the way it was typed. A row without repetitions, distance and time was not done. `note` comes
    from elsewhere (the API knows notes of sets) and is carried along. `told` is a logged set in words."""

    weight_kg: str = ""
    reps: str = ""
    rpe: str = ""
    error: str = ""
    note: str = ""
    assistance_kg: str = ""
    distance: str = ""
    time: str = ""
    told: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it says how much."""
        return bool(self.reps or self.distance or self.time)

    @property
    def told_reps(self) -> str | None:
        """Repetitions, unless it says how far or how long: forms of those carry along what was logged before."""
        return None if self.distance or self.time else self.reps or None


@dataclass(slots=True)
class Block:
    """The sets of one movement, with what was planned, noted and done the last time; `superset` is its letter."""

    exercise: Exercise
    rows: list[Row] = field(default_factory=list)
    plan: str = ""
    last: str = ""
    superset: str = ""
    note: str = ""


@dataclass(slots=True)
class Draft:
    """A log on its way: the workout's id makes sending it twice harmless. `mode` is log, or edit of a logged one;
    `scale` what the effort of a set is told in, rpe or rir; `revision` of the logged workout as it was seen.
    """

    workout_id: UUID
    title: str = "Log a workout"
    mode: str = "log"
    blocks: list[Block] = field(default_factory=list)
    duration_minutes: str = ""
    session_rpe: str = ""
    note: str = ""
    scale: str = "rpe"
    revision: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def read(self) -> WorkoutIn | None:
        """What was typed as a workout, or None with `errors` and the rows' own errors filled in."""
        workout, self.errors = _read(
            self.blocks,
            self.scale,
            duration_minutes=self.duration_minutes,
            session_rpe=self.session_rpe,
            note=self.note,
        )
        return workout

    def fields(self) -> list[tuple[str, str]]:
        """The form once more, as it is sent."""
        told = [
            ("workout_id", str(self.workout_id)), ("mode", self.mode), ("revision", str(self.revision)),
            ("title", self.title), ("scale", self.scale), ("duration_minutes", self.duration_minutes),
            ("session_rpe", self.session_rpe), ("note", self.note),
        ]  # fmt: skip
        for block in self.blocks:
            for row in block.rows:
                told += [
                    ("exercise_id", str(block.exercise.id)), ("superset", block.superset), ("set_note", row.note),
                    ("weight_kg", row.weight_kg), ("reps", row.reps), ("rpe", row.rpe),
                    ("assistance_kg", row.assistance_kg), ("distance", row.distance), ("time", row.time),
                ]  # fmt: skip
        return told


def number(value: float | None) -> str:
    """A number as people type it: 60, 62.5, empty for None."""
    return "" if value is None else f"{round(float(value), 2):g}"


def planned_blocks(session: Session, workout: Workout) -> list[Block]:
    """The form of a planned workout: the plan's sets, with the weight of the last time where the plan names none."""
    asked = plans.asked_for(session, workout)
    last = progress.last_sets(session, workout.customer_id, [one.exercise.id for one in asked])
    blocks = []
    for one in asked:
        before, want = last.get(one.exercise.id, []), one.prescription
        weight = want.weight_kg if want.weight_kg is not None else (before[0].weight_kg if before else None)
        is_stretch = one.exercise.measure in amounts.STRETCHES
        row = Row(
            number(weight), "" if is_stretch else str(want.reps), assistance_kg=number(want.assistance_kg),
            distance=amounts.distance(want.distance_m), time=amounts.clock(want.duration_seconds),
        )  # fmt: skip
        rows = [replace(row) for _ in range(want.sets)]
        told = planned(want)
        if want.target_rpe:
            told = say(word("{1} at RPE {2}"), told, number(want.target_rpe))
        blocks.append(
            Block(one.exercise, rows, told, _told(before), superset=one.line.superset or "", note=one.line.note or "")
        )
    return blocks


def planned(want: Prescription | PlannedExercise) -> str:
    """'3 × 5 with 60 kg', '4 × 400 m in 1:30' or '3 × 8 with 20 kg help': what is asked for."""
    told = f"{want.sets} × {_amount(want.reps, want.distance_m, want.duration_seconds)}"
    if want.assistance_kg is not None:
        return say(word("{1} with {2} kg help"), told, number(want.assistance_kg))
    if want.weight_kg is not None:
        return say(word("{1} with {2} kg"), told, number(float(want.weight_kg)))
    return told


def _amount(reps: int, metres: float | None, seconds: int | None) -> str:
    if metres is not None and seconds is not None:
        return say(word("{1} in {2}"), amounts.distance(metres), amounts.clock(seconds))
    return amounts.distance(metres) or amounts.clock(seconds) or str(reps)


def _load(weight_kg: float | None, assistance_kg: float | None) -> str:
    """What comes before repetitions or a distance, with what is between."""
    if assistance_kg is not None:
        return say(word("{1} kg help"), number(assistance_kg)) + " × "
    return f"{number(weight_kg)} kg × " if weight_kg else ""


def record_told(record: PersonalRecord, name: str) -> str:
    """A record in words: 'Least help yet: Assisted Pull-Up, 20 kg'."""
    kind, value, name = record.kind, record.value, called(name)
    if kind == "time":
        over, time = amounts.distance(record.over_m), amounts.clock(value)
        return say(word("Fastest yet over {1}: {2}, {3}"), over, name, time)
    figure = f"{round(value, 1):g}"
    said = {"distance": amounts.distance(value), "hold": amounts.clock(value), "reps": figure}
    told = said.get(kind, f"{figure} kg")
    return f"{say(RECORD_WORDS[kind])}: {name}, {told}"


RECORD_WORDS = {
    "e1rm": word("Best estimate yet"), "weight": word("Heaviest yet"), "volume": word("Most volume yet"),
    "reps": word("Most repetitions yet"), "assistance": word("Least help yet"), "distance": word("Furthest yet"),
    "hold": word("Longest yet"),
}  # fmt: skip


def logged_blocks(
    sets: Iterable[WorkoutSet | StoredSet | SetDone], exercises: Mapping[int, Exercise], *, scale: str = "rpe"
) -> list[Block]:
    """The form of a workout that is logged: its own sets, those of one movement of a superset together."""
    blocks: list[Block] = []
    for one in sets:
        block = _block_of(blocks, one.exercise_id, one.superset or "")
        if block is None:
            block = Block(exercises[one.exercise_id], superset=one.superset or "")
            blocks.append(block)
        effort = one.rir if scale == "rir" else one.rpe
        block.rows.append(_row(one, number(effort), one.note or ""))
    return blocks


def _row(one: WorkoutSet | StoredSet | SetDone | progress.LastSet, effort: str = "", note: str = "") -> Row:
    is_stretch = one.distance_m is not None or one.duration_seconds is not None
    amount = _amount(one.reps, one.distance_m, one.duration_seconds)
    return Row(
        number(one.weight_kg), "" if is_stretch else str(one.reps), effort, note=note,
        assistance_kg=number(one.assistance_kg), distance=amounts.distance(one.distance_m),
        time=amounts.clock(one.duration_seconds), told=_load(one.weight_kg, one.assistance_kg) + amount,
    )  # fmt: skip


def scale_of(sets: Iterable[WorkoutSet | StoredSet]) -> str:
    """What the effort of sets was told in: repetitions left where all of it was told so."""
    told = [one for one in sets if one.rpe is not None]
    return "rir" if told and all(one.rir is not None and one.rpe == 10 - one.rir for one in told) else "rpe"


def _block_of(blocks: Sequence[Block], exercise_id: int, letter: str) -> Block | None:
    """Where the next set belongs: to the last block, or to one of the superset that goes on."""
    for place, block in enumerate(reversed(blocks)):
        if (place and not letter) or block.superset != letter:
            return None
        if block.exercise.id == exercise_id:
            return block
    return None


def in_turn(blocks: Sequence[Block]) -> list[tuple[Block, Row]]:
    """All sets that were done in the order they are done: of a superset one of each movement, and again."""
    ordered: list[tuple[Block, Row]] = []
    for _, together in groupby(enumerate(blocks), key=lambda one: one[1].superset or str(one[0])):
        done = [[(block, row) for row in block.rows if row.is_done] for _, block in together]
        ordered += [one for turn in zip_longest(*done) for one in turn if one is not None]
    return ordered


def new_block(session: Session, exercise: Exercise, customer_id: UUID) -> Block:
    """A movement added by hand, starting from what was done the last time."""
    before = progress.last_sets(session, customer_id, [exercise.id]).get(exercise.id, [])
    rows = [_row(one) for one in before] or [Row() for _ in range(EMPTY_ROWS)]
    if exercise.measure in amounts.STRETCHES:  # its form does not show what was logged by repetitions before
        rows = [replace(row, reps="") for row in rows]
    return Block(exercise, rows, last=_told(before))


def typed_blocks(
    session: Session,
    customer_id: UUID,
    exercise_ids: Sequence[int],
    weights: Sequence[str],
    reps: Sequence[str],
    rpes: Sequence[str],
    *others: Sequence[str],
) -> list[Block]:
    """The form as it came back, in its order.

    Args:
        others: Letters of supersets, notes, help, distances and times; a form that was kept on a phone since before
            they were asked for has none.

    Raises:
        UnknownExercise: a movement is not in the catalogue.
    """
    exercises = known_exercises(session, exercise_ids)
    last = progress.last_sets(session, customer_id, exercises)
    blocks: list[Block] = []
    none = [""] * len(exercise_ids)
    padded = ([*(others[n] if n < len(others) else ()), *none] for n in range(5))
    told = zip(exercise_ids, weights, reps, rpes, *padded, strict=False)
    for exercise_id, weight, rep, rpe, letter, note, *otherwise in list(told)[:MOST_ROWS]:
        block = _block_of(blocks, exercise_id, letter)
        if block is None:
            block = Block(exercises[exercise_id], last=_told(last.get(exercise_id, [])), superset=letter)
            blocks.append(block)
        typed = dict(zip(("assistance_kg", "distance", "time"), map(str.strip, otherwise), strict=True))
        block.rows.append(Row(weight.strip(), rep.strip(), rpe.strip(), note=note, **typed))
    return blocks


def _read(blocks: Sequence[Block], scale: str, **others: str) -> tuple[WorkoutIn | None, dict[str, str]]:
    """What was typed as a workout, or messages: per field, and on the rows themselves.

    Args:
        others: duration_minutes, session_rpe, note as text; empty is nothing.
    """
    rows = in_turn(blocks)
    unfinished = [(block, row) for block in blocks for row in block.rows if not row.is_done and row.rpe]
    for block, row in unfinished:
        row.error = LIMITS[_ASKED.get(block.exercise.measure, "many")]
    errors: dict[str, str] = {}
    if not rows:
        errors["sets"] = LIMITS["sets"]
    sets: list[dict[str, object]] = [
        {"exercise_id": block.exercise.id, "reps": row.told_reps, "weight_kg": _plain(row.weight_kg)}
        | {scale: _plain(row.rpe), "superset": block.superset or None, "note": row.note.strip() or None}
        | {
            "assistance_kg": _plain(row.assistance_kg),
            "distance_m": amounts.read_distance(row.distance),
            "duration_seconds": amounts.read_seconds(row.time),
        }
        for block, row in rows
    ]
    given = {key: _plain(value) if key != "note" else value.strip() or None for key, value in others.items()}
    try:
        workout = WorkoutIn.model_validate({"sets": sets} | given)
    except ValidationError as refusal:
        for problem in refusal.errors():
            place = problem["loc"]
            if place[0] == "sets" and len(place) > 1 and isinstance(place[1], int):
                rows[place[1]][1].error = LIMITS[str(place[2]) if len(place) > 2 else "amount"]
            elif place[0] != "sets":
                errors[str(place[0])] = LIMITS[str(place[0])]
            elif rows:
                errors["sets"] = f"One workout takes up to {MOST_ROWS} sets."
        if any(row.error for _, row in rows):
            errors["sets"] = MARKED
        return None, errors
    if unfinished or errors:
        errors.setdefault("sets", MARKED)
        return None, errors
    return workout, {}


MARKED = "Have a look at the marked sets."
LIMITS = {
    "reps": "Repetitions: a whole number up to 200.",
    "weight_kg": "Weight: 0 to 700 kg.",
    "assistance_kg": "Help: 0 to 300 kg.",
    "distance_m": "Distance: metres, or like 5 km, up to 500 km.",
    "duration_seconds": "Time: like 1:30, or in seconds, up to a day.",
    "amount": "Repetitions, or else a distance or a time.",
    "rpe": "RPE: 0 to 10, in halves.",
    "rir": "RIR: a whole number from 0 to 10.",
    "far": "How far, or how long?",
    "long": "How long?",
    "many": "How many repetitions?",
    "sets": "Log at least one set: fill in its repetitions, distance or time.",
    "superset": "A superset is a letter.",
    "session_rpe": "Effort goes from 0 to 10.",
    "duration_minutes": "Between 1 and 600 minutes.",
    "note": "Up to 2000 characters, of a set up to 200.",
    "exercise_id": "Choose a movement from the list.",
}


_ASKED = {"distance": "far", "time": "long"}
"""What a row is asked for that tells its effort and not how much, by what its movement is measured by."""


def _plain(text: str) -> str | None:
    return text.strip().replace(",", ".") or None


def _told(sets: Sequence[progress.LastSet]) -> str:
    """'60 kg × 5, 5, 4' or '400 m in 1:30, 400 m in 1:32' for the last time."""
    parts: list[tuple[str, list[str]]] = []
    for one in sets:
        load = _load(one.weight_kg, one.assistance_kg)
        if not parts or parts[-1][0] != load:
            parts.append((load, []))
        parts[-1][1].append(_amount(one.reps, one.distance_m, one.duration_seconds))
    return "; ".join(load + ", ".join(reps) for load, reps in parts)
