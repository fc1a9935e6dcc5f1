"""The form of a template, or of a client's programme, on its way: lines and phases as parallel fields of text, and what
is wrong with them. What the form has no field for travels along in `rest` and comes back as it was."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from operational_api.training import amounts
from operational_api.training.errors import PlanTooLong
from operational_api.training.models import Exercise, Programme, ProgrammeTemplate
from operational_api.training.schemas import TemplateIn
from operational_api.training.service import plans, templates
from operational_api.training.service.exercises import known_exercises

MOST_LINES, MOST_PHASES, PHASE_ROWS = 50, 26, 6
"""What a form carries: of a thousand fields, those of a line seventeen times over."""
COLUMNS = (
    "day", "sets", "reps", "weight_kg", "assistance_kg", "distance", "time", "target_rpe", "superset", "phase", "rule",
    "number", "note", "rest",
)  # fmt: skip
PHASE_COLUMNS = ("phase_name", "phase_weeks", "phase_load", "phase_sets")
RULES = (
    ("", "Same every week"), ("linear", "Add kg each time"), ("double", "Repetitions up to, then kg"),
    ("percent", "Percent of the maximum"), ("effort", "By effort (RPE)"),
)  # fmt: skip
WORDS = {
    "name": "Give it a name of up to 120 characters.", "weeks": "Weeks: 1 to 26.",
    "sessions_per_week": "Sessions a week: 1 to 7.", "goal": "Choose what it is for.",
    "lines": "Add at least one movement.", "phases": "Have a look at the phases: a name, weeks, percent and sets.",
}  # fmt: skip


@dataclass(slots=True)
class Row:
    """One line as typed."""

    exercise: Exercise
    cells: dict[str, str]
    error: str = ""


@dataclass(slots=True)
class TemplateDraft:
    """All that was typed. `errors` by field after `read` said None."""

    head: dict[str, str] = field(default_factory=lambda: {"weeks": "4", "sessions_per_week": "2", "goal": "strength"})
    rows: list[Row] = field(default_factory=list)
    phases: list[dict[str, str]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def read(self) -> TemplateIn | None:
        """As a template, or None with what is wrong."""
        phases = [one for one in self.phases if any(one.values())]
        given: dict[str, Any] = {
            "name": self.head.get("name", "").strip(), "goal": self.head.get("goal"),
            "weeks": self.head.get("weeks"), "sessions_per_week": self.head.get("sessions_per_week"),
            "lines": [_line(row) for row in self.rows],
            "phases": [
                {"name": one["phase_name"], "weeks": one["phase_weeks"], "load_percent": one["phase_load"] or 100,
                 "extra_sets": one["phase_sets"] or 0}
                for one in phases
            ],
        }  # fmt: skip
        try:
            return TemplateIn.model_validate(given)
        except ValidationError as refusal:
            for problem in refusal.errors():
                place = problem["loc"]
                if place[0] == "lines" and len(place) > 1 and isinstance(place[1], int):
                    self.rows[place[1]].error = f"{str(place[2]).replace('_', ' ').capitalize()}: {problem['msg']}."
                else:
                    self.errors[str(place[0])] = WORDS[str(place[0])]
            return None


def typed(session: Session, form: Mapping[str, Sequence[str]]) -> TemplateDraft:
    """The form as it came back.

    Raises:
        UnknownExercise: a movement is not in the catalogue.
    """
    ids = [int(one) for one in form.get("exercise_id", ())[:MOST_LINES] if one.isdecimal() and len(one) < 10]
    known = known_exercises(session, ids)
    rows = [Row(known[id_], {name: _at(form, name, n) for name in COLUMNS}) for n, id_ in enumerate(ids)]
    head = {name: _at(form, name, 0) for name in ("name", "goal", "weeks", "sessions_per_week")}
    phases = [
        {name: _at(form, name, n) for name in PHASE_COLUMNS}
        for n in range(min(MOST_PHASES, max(PHASE_ROWS, len(form.get("phase_name", ())))))
    ]
    return TemplateDraft(head, rows, phases)


def kept(session: Session, template: ProgrammeTemplate) -> TemplateDraft:
    """The form of a template as it is.

    Raises:
        PlanTooLong: a form could not carry it back.
    """
    return _of(session, template, template.plan)


def given(session: Session, programme: Programme) -> TemplateDraft:
    """The form of a client's programme as it is now.

    Raises:
        PlanTooLong: a form could not carry it back.
    """
    return _of(session, programme, templates.stored(plans.plan_of(session, programme.id, programme.version)))


def _of(session: Session, said: ProgrammeTemplate | Programme, plan: Mapping[str, Any]) -> TemplateDraft:
    if len(plan["lines"]) > MOST_LINES:
        raise PlanTooLong
    known = known_exercises(session, (line["exercise_id"] for line in plan["lines"]))
    rows = [Row(known[line["exercise_id"]], _cells(line)) for line in plan["lines"]]
    phases = [
        {"phase_name": one["name"], "phase_weeks": str(one["weeks"]), "phase_load": str(one["load_percent"]),
         "phase_sets": str(one["extra_sets"])}
        for one in plan["phases"]
    ]  # fmt: skip
    return TemplateDraft(head_of(said), rows, phases)


def head_of(said: ProgrammeTemplate | Programme) -> dict[str, str]:
    """What the lines are of."""
    return {"name": said.name, "goal": said.goal, "weeks": str(said.weeks),
            "sessions_per_week": str(said.sessions_per_week)}  # fmt: skip


def new_row(exercise: Exercise, before: Iterable[Row]) -> Row:
    """A movement added by hand, on the day of the one above it."""
    day = next((row.cells["day"] for row in reversed(list(before))), "1")
    reps = "" if exercise.measure in amounts.STRETCHES else "8"
    return Row(exercise, dict.fromkeys(COLUMNS, "") | {"day": day, "sets": "3", "reps": reps})


def _at(form: Mapping[str, Sequence[str]], name: str, place: int) -> str:
    values = form.get(name, ())
    return values[place].strip()[:200] if place < len(values) else ""


def _line(row: Row) -> dict[str, Any]:
    cells = {name: value.replace(",", ".") or None for name, value in row.cells.items()}
    rule, number = (cells.pop(name) for name in ("rule", "number"))
    cells.pop("rest")
    finer = _finer(row.cells["rest"], rule)
    numbers: dict[str, dict[str, Any]] = {
        "linear": {"step_kg": number or 2.5},
        "double": {"step_kg": finer.get("step_kg", 2.5), "max_reps": number or 12},
        "percent": {"percent": number or 75}, "effort": {},
    }  # fmt: skip
    progression = finer | {"kind": rule} | numbers[rule] if rule in numbers else None
    superset = cells["superset"].upper() if cells["superset"] else None
    stretch: dict[str, Any] = {
        "distance_m": amounts.read_distance(cells.pop("distance") or ""),
        "duration_seconds": amounts.read_seconds(cells.pop("time") or ""),
    }
    is_told = any(value is not None for value in stretch.values())
    # What was planned by repetitions before its movement was measured otherwise stays so until it says more.
    stretch["reps"] = 1 if is_told else cells["reps"] or (1 if row.exercise.measure in amounts.STRETCHES else None)
    told = {"superset": superset, "note": row.cells["note"] or None, "progression": progression}
    return cells | stretch | told | {"exercise_id": row.exercise.id}


def _finer(rest: str, rule: str | None) -> dict[str, Any]:
    """What a rule says besides its number, as long as it is the same rule."""
    try:
        found = json.loads(rest or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == rule else {}


def _cells(line: Mapping[str, Any]) -> dict[str, str]:
    told = {name: "" if line.get(name) is None else f"{line[name]}" for name in COLUMNS}
    for name in ("weight_kg", "assistance_kg"):
        if line.get(name) is not None:
            told[name] = f"{float(line[name]):g}"
    told["distance"] = amounts.distance(line.get("distance_m"))
    told["time"] = amounts.clock(line.get("duration_seconds"))
    rule = line.get("progression") or {}
    number = rule.get("max_reps") or rule.get("step_kg") or rule.get("percent")
    rest = json.dumps(rule, separators=(",", ":")) if rule else ""
    return told | {"rule": rule.get("kind", ""), "number": "" if number is None else f"{number:g}", "rest": rest}
