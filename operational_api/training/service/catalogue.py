"""Importing a public catalogue of movements: read a file, bring the table to what it says, once and again.

A movement is known by `external_key`, so that a second import changes nothing and a changed row is updated in place:
what was logged keeps pointing at it. Movements that are no longer in the file stay, because they may have been trained.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from operational_api.training import vietnamese
from operational_api.training.errors import UnreadableCatalogue
from operational_api.training.models import Exercise, ExerciseName

SOURCE = "free-exercise-db"
LICENCE = "Unlicense (public domain)"
FIRST_ID = 10_001
"""Imported movements are numbered from here, beside those that a studio numbers itself."""
KIT = {"body only": "bodyweight", "kettlebells": "kettlebell", "bands": "band", None: "none"}
UNLOADED = {"bodyweight", "none", "band", "foam roll", "exercise ball"}
_LEGS = {"quadriceps", "calves", "adductors", "abductors"}
_BACK_OF_LEGS = {"hamstrings", "glutes", "lower back"}
_CARRIES = {"carry", "walk", "drag", "drags", "push", "wheel"}
"""Words of movements that go somewhere with a weight."""
_BY_CATEGORY = {"stretching": "mobility", "cardio": "conditioning", "plyometrics": "conditioning"}

Name = Annotated[str, Field(min_length=1, max_length=120)]
Word = Annotated[str, Field(min_length=1, max_length=30)]


class Entry(BaseModel):
    """One movement of the file. Fields that we do not use may be anything."""

    model_config = ConfigDict(extra="ignore")
    id: Annotated[str, Field(pattern=r"^[0-9a-zA-Z_-]{1,80}$")]
    name: Name
    force: Literal["static", "pull", "push"] | None = None
    level: Literal["beginner", "intermediate", "expert"]
    mechanic: Literal["isolation", "compound"] | None
    equipment: Word | None
    primaryMuscles: Annotated[list[Word], Field(min_length=1)]
    secondaryMuscles: list[Word]
    instructions: list[str]
    category: Word

    def values(self, *, source: str, licence: str) -> dict[str, Any]:
        """The columns that the file decides."""
        kit = KIT.get(self.equipment, self.equipment)
        return {
            "name": self.name,
            "pattern": self._pattern(),
            "primary_muscle": self.primaryMuscles[0],
            "secondary_muscles": [*self.primaryMuscles[1:], *self.secondaryMuscles],
            "equipment": kit,
            "is_loaded": kit not in UNLOADED and self.category != "cardio",
            "measure": self._measure(),
            "level": self.level,
            "mechanic": self.mechanic,
            "force": self.force,
            "category": self.category,
            "instructions": [line.strip() for line in self.instructions if line.strip()],
            "source": source,
            "licence": licence,
        }

    def _measure(self) -> str:
        words = set(self.name.lower().replace("-", " ").split())
        if "assisted" in words:
            return "assistance"
        goes = self.category == "cardio" and not words & {"jumping"}
        if goes or (self.category == "strongman" and words & _CARRIES):
            return "distance"
        is_stretch = self.category == "stretching" and "stretch" in words and "dynamic" not in words
        return "time" if self.force == "static" or is_stretch else "load"

    def _pattern(self) -> str:
        muscle = self.primaryMuscles[0]
        if by_category := _BY_CATEGORY.get(self.category):
            return by_category
        if muscle in _LEGS:
            return "squat"
        if muscle in _BACK_OF_LEGS:
            return "hinge"
        if muscle == "abdominals":
            return "core"
        return "pull" if self.force == "pull" else "push"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, in movements."""

    added: int
    updated: int
    unchanged: int


def read(content: str | bytes) -> list[Entry]:
    """The movements of a file, all of them or none.

    Raises:
        UnreadableCatalogue: it is no such file, or names one movement twice; says where.
    """
    try:
        entries = TypeAdapter(list[Entry]).validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"]) or "the file"
        raise UnreadableCatalogue(f"{place}: {first['msg']}. Nothing was imported.") from error
    seen: set[str] = set()
    for entry in entries:
        if entry.id.lower() in seen:
            raise UnreadableCatalogue(f"{entry.id} is there twice. Nothing was imported.")
        seen.add(entry.id.lower())
    return entries


def import_catalogue(
    session: Session, entries: Sequence[Entry], *, source: str = SOURCE, licence: str = LICENCE
) -> Imported:
    """Bring the movements of one source to what its file says. Two imports at once: the second one waits."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended('training.import_catalogue', 0))"))
    known = {row.external_key: row for row in session.scalars(select(Exercise).where(Exercise.source == source))}
    slugs = set(session.scalars(select(Exercise.slug)))
    next_id = max(FIRST_ID, (session.scalar(select(func.max(Exercise.id))) or 0) + 1)
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for entry in entries:
        key, values = f"{source}:{entry.id}", entry.values(source=source, licence=licence)
        if (row := known.get(key)) is None:
            slug = _slug(entry.id, slugs)
            added.append({"id": next_id + len(added), "slug": slug, "external_key": key} | values)
        elif any(getattr(row, name) != value for name, value in values.items()):
            changed.append({"id": row.id} | values)
    if added:
        session.execute(insert(Exercise), added)
    if changed:
        session.execute(update(Exercise), changed)
    session.expire_all()
    say_otherwise(session)
    return Imported(len(added), len(changed), len(entries) - len(added) - len(changed))


def say_otherwise(session: Session) -> None:
    """Bring what movements are called in other languages to what `training.vietnamese` says, the studios' own too."""
    rows = [
        {"exercise_id": one.id, "language": vietnamese.LANGUAGE, "name": vietnamese.name_of(one.name),
         "words": vietnamese.words_of(one.name, [one.primary_muscle, *one.secondary_muscles], one.equipment)}
        for one in session.scalars(select(Exercise).order_by(Exercise.id))
    ]  # fmt: skip
    if rows:
        named = pg_insert(ExerciseName)
        told = {name: named.excluded[name] for name in ("name", "words")}
        key = [ExerciseName.exercise_id, ExerciseName.language]
        session.execute(named.on_conflict_do_update(index_elements=key, set_=told), rows)


def _slug(external_id: str, taken: set[str]) -> str:
    base = "-".join(part for part in external_id.lower().replace("_", "-").split("-") if part) or "movement"
    slug = next(one for one in _numbered(base) if one not in taken)
    taken.add(slug)
    return slug


def _numbered(base: str) -> Iterable[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
