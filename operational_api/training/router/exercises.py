"""The catalogue over HTTP, under /api/training/exercises."""

from typing import Annotated

from fastapi import Path, Query

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.training.schemas import ExerciseDetail, ExerciseRead
from operational_api.training.service import exercises

router = ContextRouter(
    prefix="/api/training/exercises", tags=["training"], route_class=IdempotentRoute,
    dependencies=[Allowed("training.read_exercises")],
)  # fmt: skip
Word = Annotated[str | None, Query(max_length=30, pattern=r"^[\w \-]+$")]
Slug = Annotated[str, Path(max_length=120, pattern=r"^[\w\-]+$")]


@router.get("")
def list_exercises(
    _: CurrentPrincipal,
    session: DbSession,
    q: Annotated[str, Query(max_length=80)] = "",
    pattern: Word = None,
    muscle: Word = None,
    equipment: Word = None,
    level: Word = None,
    category: Word = None,
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Page[ExerciseRead]:
    """Movements by words of name, muscle or kit, best matches first; misspelt words find what is most like them."""
    filters = exercises.Filters(pattern, muscle, equipment, level, category)
    found = exercises.search_exercises(session, text=q, filters=filters, limit=limit, offset=offset)
    return Page(items=[ExerciseRead.model_validate(row) for row in found.rows])


@router.get("/{slug}")
def read_exercise(slug: Slug, _: CurrentPrincipal, session: DbSession) -> ExerciseDetail:
    """One movement: how it is done, for which muscles, where it comes from."""
    return ExerciseDetail.model_validate(exercises.get_exercise(session, slug))
