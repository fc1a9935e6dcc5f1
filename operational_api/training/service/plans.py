"""What a version of a programme says: phases, days, movements; storing it, reading it, and what it asks for on a day.

Versions are only ever added. Whoever logged by one finds it again as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.training.errors import InvalidDates, InvalidPlan
from operational_api.training.models import Exercise, PlannedExercise, Programme, ProgrammePhase, Workout
from operational_api.training.progression import RULE, Performance, Phase, Prescription, prescribe
from operational_api.training.service.exercises import demand_measures, known_exercises
from operational_api.training.service.history import Done, late_maxima, performances

Lines = list[tuple[PlannedExercise, Exercise]]


@dataclass(frozen=True, slots=True)
class Line:
    """On training day `day` (1-based), this movement for so many sets. `phase` (1-based) None is all of them."""

    day: int
    exercise_id: int
    sets: int
    reps: int
    weight_kg: Decimal | None = None
    target_rpe: float | None = None
    phase: int | None = None
    superset: str | None = None
    note: str | None = None
    progression: dict[str, Any] | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """Some weeks that belong together."""

    name: str
    weeks: int
    load_percent: int = 100
    extra_sets: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """All of one version."""

    lines: Sequence[Line]
    phases: Sequence[PhasePlan] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of a day with what it asks for."""

    line: PlannedExercise
    exercise: Exercise
    prescription: Prescription


def check(session: Session, plan: Plan, *, weeks: int, sessions_per_week: int) -> None:
    """Raises unless the plan fits into so many weeks and days.

    Raises:
        InvalidDates: a line is for a day the week does not have.
        InvalidPlan: phases do not add up, a line is for a phase there is none of, or a superset has one movement.
        UnknownExercise: a movement is not in the catalogue.
        MeasuredOtherwise: a line tells what its movement is not measured by.
    """
    known = known_exercises(session, (line.exercise_id for line in plan.lines))
    demand_measures(plan.lines, known)
    if any(line.progression and known[line.exercise_id].measure != "load" for line in plan.lines):
        raise InvalidPlan("Rules of progression are for movements with a weight.")
    if any(not 1 <= line.day <= sessions_per_week for line in plan.lines):
        raise InvalidDates(f"Training days go from 1 to {sessions_per_week}.")
    planned = sum(phase.weeks for phase in plan.phases)
    if plan.phases and planned != weeks:
        raise InvalidPlan(f"The phases have {planned} weeks, the programme has {weeks}.")
    if any(line.phase is not None and not 1 <= line.phase <= len(plan.phases) for line in plan.lines):
        raise InvalidPlan(f"There are {len(plan.phases)} phases.")
    for phase in range(1, len(plan.phases) + 1) or [None]:
        movements: dict[tuple[int, str], set[int]] = {}
        for line in plan.lines:
            if line.superset and line.phase in (None, phase):
                movements.setdefault((line.day, line.superset), set()).add(line.exercise_id)
        for (day, letter), together in movements.items():
            if len(together) < 2:
                raise InvalidPlan(f"Superset {letter} of day {day} has one movement; it takes two.")


def store(session: Session, programme_id: UUID, version: int, plan: Plan) -> None:
    """Add a version's phases and lines, in the order given."""
    counts: dict[int, int] = {}
    rows = []
    for line in plan.lines:
        counts[line.day] = counts.get(line.day, 0) + 1
        rows.append(
            {
                "id": new_id(), "programme_id": programme_id, "version": version, "position": counts[line.day],
                **{name: getattr(line, name) for name in Line.__slots__},
            }
        )  # fmt: skip
    if rows:
        session.execute(insert(PlannedExercise), rows)
    if plan.phases:
        session.execute(
            insert(ProgrammePhase),
            [
                {"programme_id": programme_id, "version": version, "position": position}
                | {name: getattr(phase, name) for name in PhasePlan.__slots__}
                for position, phase in enumerate(plan.phases, start=1)
            ],
        )


def lines_of(session: Session, versions: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], Lines]:
    """Lines of many (programme, version) in one query, in their order."""
    rows = session.execute(
        select(PlannedExercise, Exercise)
        .join(Exercise, Exercise.id == PlannedExercise.exercise_id)
        .where(tuple_(PlannedExercise.programme_id, PlannedExercise.version).in_(list(versions)))
        .order_by(PlannedExercise.programme_id, PlannedExercise.version, PlannedExercise.day, PlannedExercise.position)
    ).tuples()
    found: dict[tuple[UUID, int], Lines] = {}
    for line, exercise in rows:
        found.setdefault((line.programme_id, line.version), []).append((line, exercise))
    return found


def phases_of(session: Session, versions: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], list[ProgrammePhase]]:
    """Phases of many (programme, version) in one query, in their order."""
    rows = session.scalars(
        select(ProgrammePhase)
        .where(tuple_(ProgrammePhase.programme_id, ProgrammePhase.version).in_(list(versions)))
        .order_by(ProgrammePhase.programme_id, ProgrammePhase.version, ProgrammePhase.position)
    )
    found: dict[tuple[UUID, int], list[ProgrammePhase]] = {}
    for phase in rows:
        found.setdefault((phase.programme_id, phase.version), []).append(phase)
    return found


def _phases_of_all(session: Session, programme_id: UUID) -> dict[int, list[ProgrammePhase]]:
    """Phases of every version of a programme, in their order."""
    query = select(ProgrammePhase).where(ProgrammePhase.programme_id == programme_id)
    found: dict[int, list[ProgrammePhase]] = {}
    for phase in session.scalars(query.order_by(ProgrammePhase.version, ProgrammePhase.position)):
        found.setdefault(phase.version, []).append(phase)
    return found


def plan_of(session: Session, programme_id: UUID, version: int) -> Plan:
    """A version as it was given."""
    key = (programme_id, version)
    lines = lines_of(session, [key]).get(key, [])
    phases = phases_of(session, [key]).get(key, [])
    return Plan(
        [Line(**{name: getattr(line, name) for name in Line.__slots__}) for line, _ in lines],
        [PhasePlan(**{name: getattr(phase, name) for name in PhasePlan.__slots__}) for phase in phases],
    )


def week_of(programme: Programme, day: date) -> int:
    """The week of the programme that a day is in, from 1; days before it begins are in week 1."""
    return max(1, (day - programme.starts_on).days // 7 + 1)


def phase_in(phases: Sequence[ProgrammePhase], week: int) -> ProgrammePhase | None:
    """The phase that a week is in; the last one afterwards; None where there are no phases."""
    for phase in phases:
        week -= phase.weeks
        if week <= 0:
            return phase
    return phases[-1] if phases else None


def asked_for(session: Session, workout: Workout) -> list[Asked]:
    """What a workout of a programme asks for on its day; empty for a workout without one.

    One that was logged answers by the version it was logged by, one that is planned by the newest.
    """
    if workout.programme_id is None:
        return []
    programme = session.get_one(Programme, workout.programme_id)
    key = (programme.id, workout.programme_version or programme.version)
    phases = _phases_of_all(session, programme.id)

    def phase_of(version: int | None, week: int) -> Phase:
        # What was done is scaled by the phase that it was done in, whatever later versions say of that week.
        return _scale(phase_in(phases.get(version or key[1], []), week))

    week = week_of(programme, workout.scheduled_on)
    phase = phase_in(phases.get(key[1], []), week)
    of_phase = [
        (line, exercise)
        for line, exercise in lines_of(session, [key]).get(key, [])
        if line.phase in (None, phase.position if phase else None)
    ]
    lines = [(line, exercise) for line, exercise in of_phase if line.day == workout.programme_day]
    ruled = {line.exercise_id for line, _ in lines if line.progression}
    history = performances(session, programme, ruled, before=workout.scheduled_on, phase_of=phase_of) if ruled else {}
    written = _weights_written(session, programme.id, ruled, until=key[1]) if history else {}
    maxima = late_maxima(session, programme.customer_id, ruled, until=workout.scheduled_on) if ruled else {}
    scale = _scale(phase)
    return [
        Asked(
            line,
            exercise,
            prescribe(
                RULE.validate_python(line.progression) if line.progression else None,
                _written(line),
                week=week,
                history=_to_go_by(
                    line, [one for one, _ in of_phase], history.get(exercise.id, []), written.get(exercise.id, {})
                ),
                e1rm_kg=maxima.get(exercise.id),
                phase=scale,
            ),
        )
        for line, exercise in lines
    ]


def _to_go_by(
    line: PlannedExercise, lines: Iterable[PlannedExercise], history: Sequence[Done],
    written: Mapping[int, set[tuple[int, Any]]],
) -> list[Performance]:  # fmt: skip
    """What a line goes by: what was done of its movement, unless another day asks for it otherwise, since its weight
    was written as it is now.

    A heavy and a light day of one movement have each their own weights; days that ask alike go on from one another.
    Where the coach writes another weight, that is where a rule begins again.

    Args:
        written: The days and weights of that movement, by version; one without it is not there. A version that has it
            on the line's day says what the line said then; another, on any of its days.
    """
    others = {one.day for one in lines if one.exercise_id == line.exercise_id and _asks(one) != _asks(line)}
    since = 1 + max(
        (version for version, said in written.items() if line.weight_kg not in _weights_of(line.day, said)), default=0
    )
    return [
        one.performance
        for one in history
        if (one.day not in others or one.day == line.day) and (one.version is None or one.version >= since)
    ]


def _weights_of(day: int, said: Iterable[tuple[int, Any]]) -> set[Any]:
    """The weights of a day, or of all where the day has none."""
    said = list(said)
    return {weight for one, weight in said if one == day} or {weight for _, weight in said}


def _weights_written(
    session: Session, programme_id: UUID, exercise_ids: Iterable[int], *, until: int
) -> dict[int, dict[int, set[tuple[int, Any]]]]:
    """The days and weights that versions of a programme say for movements, by movement and version, in one query."""
    rows = session.execute(
        select(PlannedExercise.exercise_id, PlannedExercise.version, PlannedExercise.day, PlannedExercise.weight_kg)
        .where(
            PlannedExercise.programme_id == programme_id, PlannedExercise.version <= until,
            PlannedExercise.exercise_id.in_(exercise_ids),
        )
        .distinct()
    ).tuples()  # fmt: skip
    found: dict[int, dict[int, set[tuple[int, Any]]]] = {}
    for exercise_id, version, day, weight_kg in rows:
        found.setdefault(exercise_id, {}).setdefault(version, set()).add((day, weight_kg))
    return found


def _asks(line: PlannedExercise) -> tuple[object, ...]:
    return line.sets, line.reps, line.weight_kg, line.target_rpe, line.progression


def _scale(phase: ProgrammePhase | None) -> Phase:
    return Phase(phase.load_percent, phase.extra_sets) if phase else Phase()


def _written(line: PlannedExercise) -> Prescription:
    weight = float(line.weight_kg) if line.weight_kg is not None else None
    return Prescription(
        line.sets, line.reps, weight, line.target_rpe, line.assistance_kg, line.distance_m, line.duration_seconds
    )
