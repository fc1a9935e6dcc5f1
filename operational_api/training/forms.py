"""The logging form: what it starts with, what was typed, and what is wrong with it. Sets travel as parallel fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.orm import Session

from operational_api.training.models import Exercise, Workout
from operational_api.training.schemas import WorkoutIn
from operational_api.training.service import plans, progress
from operational_api.training.service.exercises import known_exercises
from operational_api.training.service.workouts import WorkoutDetail
from operational_api.web.language import say, word

MOST_ROWS = 100
EMPTY_ROWS = 3
"""Rows a movement starts with that was neither planned nor trained before."""


@dataclass(slots=True)
class Row:
    """One set as text, the way it was typed. A row without repetitions was not done."""

    weight_kg: str = ""
    reps: str = ""
    rpe: str = ""
    error: str = ""


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
    `scale` what the effort of a set is told in, rpe or rir.
    """

    workout_id: UUID
    title: str = "Log a workout"
    mode: str = "log"
    blocks: list[Block] = field(default_factory=list)
    duration_minutes: str = ""
    session_rpe: str = ""
    note: str = ""
    scale: str = "rpe"
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
        rows = [Row(number(weight), str(want.reps)) for _ in range(want.sets)]
        told = f"{want.sets} × {want.reps}"
        if want.weight_kg is not None:
            told = say(word("{1} with {2} kg"), told, number(want.weight_kg))
        if want.target_rpe:
            told = say(word("{1} at RPE {2}"), told, number(want.target_rpe))
        blocks.append(
            Block(one.exercise, rows, told, _told(before), superset=one.line.superset or "", note=one.line.note or "")
        )
    return blocks


def logged_blocks(session: Session, detail: WorkoutDetail) -> list[Block]:
    """The form of a workout that is logged: its own sets."""
    exercises = known_exercises(session, detail.names)
    blocks: list[Block] = []
    for one in detail.sets:
        letter = one.superset or ""
        if not blocks or (blocks[-1].exercise.id, blocks[-1].superset) != (one.exercise_id, letter):
            blocks.append(Block(exercises[one.exercise_id], superset=letter))
        blocks[-1].rows.append(Row(number(one.weight_kg), str(one.reps), number(one.rpe)))
    return blocks


def new_block(session: Session, exercise: Exercise, customer_id: UUID) -> Block:
    """A movement added by hand, starting from what was done the last time."""
    before = progress.last_sets(session, customer_id, [exercise.id]).get(exercise.id, [])
    rows = [Row(number(one.weight_kg), str(one.reps)) for one in before] or [Row() for _ in range(EMPTY_ROWS)]
    return Block(exercise, rows, last=_told(before))


def typed_blocks(
    session: Session,
    customer_id: UUID,
    exercise_ids: Sequence[int],
    weights: Sequence[str],
    reps: Sequence[str],
    rpes: Sequence[str],
    supersets: Sequence[str] = (),
) -> list[Block]:
    """The form as it came back, in its order.

    Raises:
        UnknownExercise: a movement is not in the catalogue.
    """
    exercises = known_exercises(session, exercise_ids)
    last = progress.last_sets(session, customer_id, exercises)
    blocks: list[Block] = []
    letters = [*supersets, *[""] * len(exercise_ids)]
    for exercise_id, weight, rep, rpe, letter in list(zip(exercise_ids, weights, reps, rpes, letters, strict=False))[
        :MOST_ROWS
    ]:
        if not blocks or (blocks[-1].exercise.id, blocks[-1].superset) != (exercise_id, letter):
            blocks.append(Block(exercises[exercise_id], last=_told(last.get(exercise_id, [])), superset=letter))
        blocks[-1].rows.append(Row(weight.strip(), rep.strip(), rpe.strip()))
    return blocks


def _read(blocks: Sequence[Block], scale: str, **others: str) -> tuple[WorkoutIn | None, dict[str, str]]:
    """What was typed as a workout, or messages: per field, and on the rows themselves.

    Args:
        others: duration_minutes, session_rpe, note as text; empty is nothing.
    """
    rows = [(block, row) for block in blocks for row in block.rows if row.reps]
    unfinished = [row for block in blocks for row in block.rows if not row.reps and row.rpe]
    for row in unfinished:
        row.error = "How many repetitions?"
    errors: dict[str, str] = {}
    if not rows:
        errors["sets"] = "Log at least one set: fill in its repetitions."
    sets = [
        {"exercise_id": block.exercise.id, "reps": row.reps, "weight_kg": _plain(row.weight_kg)}
        | {scale: _plain(row.rpe), "superset": block.superset or None}
        for block, row in rows
    ]
    given = {key: _plain(value) if key != "note" else value.strip() or None for key, value in others.items()}
    try:
        workout = WorkoutIn.model_validate({"sets": sets} | given)
    except ValidationError as refusal:
        for problem in refusal.errors():
            place = problem["loc"]
            if place[0] == "sets" and len(place) > 2 and isinstance(place[1], int):
                rows[place[1]][1].error = LIMITS[str(place[2])]
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
    "rpe": "RPE: 0 to 10, in halves.",
    "rir": "RIR: a whole number from 0 to 10.",
    "superset": "A superset is a letter.",
    "session_rpe": "Effort goes from 0 to 10.",
    "duration_minutes": "Between 1 and 600 minutes.",
    "note": "Up to 2000 characters.",
    "exercise_id": "Choose a movement from the list.",
}


def _plain(text: str) -> str | None:
    return text.strip().replace(",", ".") or None


def _told(sets: Sequence[progress.LastSet]) -> str:
    """'60 kg × 5, 5, 4' for the last time."""
    parts: list[tuple[str, list[str]]] = []
    for one in sets:
        load = f"{number(one.weight_kg)} kg × " if one.weight_kg else ""
        if not parts or parts[-1][0] != load:
            parts.append((load, []))
        parts[-1][1].append(str(one.reps))
    return "; ".join(load + ", ".join(reps) for load, reps in parts)
