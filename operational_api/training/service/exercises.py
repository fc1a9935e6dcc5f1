"""The catalogue of movements."""

from collections.abc import Iterable, Sequence

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session

from operational_api.training.errors import UnknownExercise
from operational_api.training.models import Exercise


def search_exercises(
    session: Session, *, text: str = "", pattern: str | None = None, limit: int = 50
) -> Sequence[Exercise]:
    """Movements whose name, muscle or kit contains every word of `text`; names that start with it come first."""
    query = select(Exercise)
    for word in text.split():
        query = query.where(
            or_(
                Exercise.name.icontains(word, autoescape=True),
                Exercise.primary_muscle.icontains(word, autoescape=True),
                Exercise.equipment.icontains(word, autoescape=True),
            )
        )
    if pattern:
        query = query.where(Exercise.pattern == pattern)
    first = case((Exercise.name.istartswith(text, autoescape=True), 0), else_=1)
    return session.scalars(query.order_by(first, Exercise.name).limit(limit)).all()


def known_exercises(session: Session, ids: Iterable[int]) -> dict[int, Exercise]:
    """The movements with these ids.

    Raises:
        UnknownExercise: one of them is not in the catalogue.
    """
    wanted = set(ids)
    found = {row.id: row for row in session.scalars(select(Exercise).where(Exercise.id.in_(wanted)))}
    if missing := wanted - found.keys():
        raise UnknownExercise(exercise_ids=sorted(missing))
    return found
