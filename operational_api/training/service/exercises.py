"""The catalogue of movements: finding one by words, however they are spelt, and by what it is for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    Text,
    TextClause,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    union,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from operational_api.core.statements import Statement
from operational_api.training.amounts import STRETCHES
from operational_api.training.errors import ExerciseNotFound, MeasuredOtherwise, UnknownExercise
from operational_api.training.models import Exercise, ExerciseName
from operational_api.training.models.plans import WORDS
from operational_api.training.naming import called
from operational_api.training.vietnamese import plain

SIMILAR = 0.3
"""How much of a word's trigrams a misspelt one must share: two swapped letters of five leave a third."""
MOST_WORDS = 8
_WORDS: ColumnElement[str] = literal_column(WORDS, Text)
_VECTOR: ColumnElement[Any] = literal_column(f"to_tsvector('english', {WORDS})")
_NAMES_VECTOR: ColumnElement[Any] = literal_column("to_tsvector('simple', words)")
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig", Text)
_ENGLISH: ColumnElement[str] = literal_column("'english'::regconfig", Text)
_LOWER: ColumnElement[str] = literal_column(f"lower({WORDS})", Text)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a movement has to be; None is anything. `muscle` is the one it is for, or one that helps."""

    pattern: str | None = None
    muscle: str | None = None
    equipment: str | None = None
    level: str | None = None
    category: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """In SQL."""
        found: list[ColumnElement[bool]] = []
        for name in ("pattern", "equipment", "level", "category"):
            if value := getattr(self, name):
                found.append(getattr(Exercise, name) == value)
        if self.muscle:
            helps = Exercise.secondary_muscles.contains(array([self.muscle], type_=Text))
            found.append(or_(Exercise.primary_muscle == self.muscle, helps))
        return found


@dataclass(frozen=True, slots=True)
class Choices:
    """What the catalogue can be filtered by."""

    muscles: list[str]
    equipment: list[str]
    levels: list[str]


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class Found:
    """Movements found; `is_similar` where none has the words as they were typed."""

    rows: Sequence[Exercise]
    is_similar: bool = False


def search_exercises(
    session: Session,
    *,
    text: str = "",
    filters: Filters = NO_FILTERS,
    limit: int = 50,
    offset: int = 0,
) -> Found:
    """Movements whose name, muscles or kit have every word of `text`, the beginning of a word being enough.

    Those whose name begins with the text come first, then those of which the text is most. Where no movement has the
    words as they are written, the most similar ones are found.
    """
    words = words_of(text)
    if not words:
        query = select(Exercise).where(*filters.conditions()).order_by(Exercise.name, Exercise.id)
        return Found(session.scalars(query.limit(limit).offset(offset)).all())
    exact = session.scalars(exactly(words, filters).limit(limit).offset(offset)).all()
    if exact or offset:
        return Found(exact)
    session.execute(let_similar())
    return Found(session.scalars(similarly(words, filters).limit(limit)).all(), is_similar=True)


def words_of(text_: str) -> list[str]:
    """The words of a search, lower case, without signs that mean something to a query."""
    return plain(text_).split()[:MOST_WORDS]


def exactly(words: Sequence[str], filters: Filters = NO_FILTERS) -> Select[tuple[Exercise]]:
    """Movements that have all the words or longer ones in one language, by the indexes of words."""
    beginnings = " & ".join(f"{word}:*" for word in words)
    typed = " ".join(words)
    found = union(
        select(Exercise.id).where(_VECTOR.op("@@")(func.to_tsquery(_ENGLISH, beginnings))),
        select(ExerciseName.exercise_id).where(_NAMES_VECTOR.op("@@")(func.to_tsquery(_SIMPLE, beginnings))),
    )
    named = func.similarity(func.lower(Exercise.name), typed)
    return (
        select(Exercise)
        .where(Exercise.id.in_(found), *filters.conditions())
        .order_by(
            case((Exercise.name.istartswith(typed, autoescape=True), 0), else_=1),
            func.greatest(named, func.similarity(_other_words(), typed)).desc(),
            Exercise.name,
            Exercise.id,
        )
    )


def similarly(words: Sequence[str], filters: Filters = NO_FILTERS) -> Select[tuple[Exercise]]:
    """Movements that have something like each of the words in one language, by the indexes of trigrams."""
    likeness = [
        func.greatest(func.word_similarity(word, _LOWER), func.word_similarity(word, _other_words())) for word in words
    ]
    total: ColumnElement[Any] = sum(likeness[1:], start=likeness[0])
    asked = [bindparam(None, word, type_=Text) for word in words]
    found = union(
        select(Exercise.id).where(*(word.op("<%")(_LOWER) for word in asked)),
        select(ExerciseName.exercise_id).where(*(word.op("<%")(ExerciseName.words) for word in asked)),
    )
    named = func.similarity(func.lower(Exercise.name), " ".join(words))
    return (
        select(Exercise)
        .where(Exercise.id.in_(found), *filters.conditions())
        .order_by(total.desc(), named.desc(), Exercise.name, Exercise.id)
    )


def _other_words() -> ScalarSelect[Any]:
    """What a movement is found by in its other languages; null without one."""
    words = select(func.string_agg(ExerciseName.words, " ")).where(ExerciseName.exercise_id == Exercise.id)
    return words.correlate(Exercise).scalar_subquery()


def let_similar() -> TextClause:
    """To be run before `similarly`, in its transaction: how much alike is alike enough."""
    return text(f"select set_config('pg_trgm.word_similarity_threshold', '{SIMILAR}', true)")


def get_exercise(session: Session, slug: str) -> Exercise:
    """The movement at an address.

    Raises:
        ExerciseNotFound: there is none.
    """
    exercise = session.scalar(select(Exercise).where(Exercise.slug == slug))
    if exercise is None:
        raise ExerciseNotFound
    return exercise


def choices(session: Session) -> Choices:
    """Every muscle, kit and level there is, in one query over a small table."""
    rows = session.execute(
        select(
            func.array_agg(Exercise.primary_muscle.distinct()),
            func.array_agg(Exercise.equipment.distinct()),
            func.array_agg(Exercise.level.distinct()),
        )
    ).one()
    muscles, equipment, levels = (sorted(one for one in column or () if one) for column in rows)
    order = ("beginner", "intermediate", "expert")
    return Choices(muscles, equipment, sorted(levels, key=lambda one: order.index(one) if one in order else 9))


_ASKED = Exercise.id == any_(bindparam("ids", type_=ARRAY(Integer)))
_KNOWN = Statement(select(Exercise).where(_ASKED))
_MEASURED: Statement[Any] = Statement(select(Exercise.id, Exercise.name, Exercise.measure).where(_ASKED))


class Measured(NamedTuple):
    """What a movement is called, and what its sets tell (`training.amounts.MEASURES`)."""

    name: str
    measure: str


class Telling(Protocol):
    """A set or a planned line, as far as it says how much."""

    @property
    def exercise_id(self) -> int: ...
    @property
    def reps(self) -> int: ...
    @property
    def weight_kg(self) -> float | Decimal | None: ...
    @property
    def assistance_kg(self) -> float | None: ...
    @property
    def distance_m(self) -> float | None: ...
    @property
    def duration_seconds(self) -> int | None: ...


def known_exercises(session: Session, ids: Iterable[int]) -> dict[int, Exercise]:
    """The movements with these ids.

    Raises:
        UnknownExercise: one of them is not in the catalogue.
    """
    wanted = set(ids)
    found = {row.id: row for (row,) in _KNOWN.all(session, {"ids": list(wanted)})}
    _demand(wanted, found)
    return found


def measured(session: Session, ids: Iterable[int]) -> dict[int, Measured]:
    """What the movements with these ids are called and measured by.

    Raises:
        UnknownExercise: one of them is not in the catalogue.
    """
    wanted = set(ids)
    found = {id_: Measured(*told) for id_, *told in _MEASURED.all(session, {"ids": list(wanted)})}
    _demand(wanted, found)
    return found


def demand_measures(told: Iterable[Telling], known: Mapping[int, Measured | Exercise]) -> None:
    """Raises unless each set or line tells what its movement is measured by.

    Raises:
        MeasuredOtherwise: help with a movement that has none, a distance or a time of one that has neither, a distance
            of one that is held, or a weight beside help.
    """
    for one in told:
        movement = known[one.exercise_id]
        is_stretch = one.distance_m is not None or one.duration_seconds is not None
        if movement.measure != "assistance" and one.assistance_kg is not None:
            raise MeasuredOtherwise(f"{called(movement.name)} is not measured by help.", exercise_ids=[one.exercise_id])
        if movement.measure == "assistance" and one.weight_kg:
            raise MeasuredOtherwise(
                f"{called(movement.name)} is measured by how much you are helped, not by a weight.",
                exercise_ids=[one.exercise_id],
            )
        if movement.measure == "time" and one.distance_m is not None:
            raise MeasuredOtherwise(
                f"{called(movement.name)} is measured by time, not by distance.", exercise_ids=[one.exercise_id]
            )
        if movement.measure not in STRETCHES and is_stretch:
            raise MeasuredOtherwise(
                f"{called(movement.name)} is measured by repetitions, not by distance or time.",
                exercise_ids=[one.exercise_id],
            )
        if is_stretch and one.reps > 1:
            raise MeasuredOtherwise(
                f"{called(movement.name)} has a distance or a time, and so no repetitions.",
                exercise_ids=[one.exercise_id],
            )


def _demand(wanted: set[int], found: Mapping[int, object]) -> None:
    if missing := wanted - found.keys():
        raise UnknownExercise(exercise_ids=sorted(missing))
