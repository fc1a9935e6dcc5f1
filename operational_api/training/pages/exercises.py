"""The catalogue as pages, for everybody who is signed in: finding a movement, and how it is done."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal
from operational_api.training import naming, vietnamese
from operational_api.training.media.access import KEEP, WATCH, note_listed, visible_to
from operational_api.training.service import exercises, media_library
from operational_api.web.language import SOURCE, language_for
from operational_api.web.rendering import render

router = APIRouter(dependencies=[Allowed("training.read_exercises")])
SHOWN = 24
Slug = Annotated[str, Path(max_length=120)]
Word = Annotated[str, Query(max_length=30, pattern=r"^[\w \-]*$")]


@router.get("/exercises", response_class=HTMLResponse)
def catalogue(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    q: Annotated[str, Query(max_length=80)] = "",
    muscle: Word = "",
    equipment: Word = "",
    level: Word = "",
    page: Annotated[int, Query(ge=1, le=200)] = 1,
) -> Response:
    """Movements that fit what is asked for, a page at a time."""
    language = language_for(request, principal)
    filters = exercises.Filters(muscle=muscle or None, equipment=equipment or None, level=level or None)
    found = exercises.search_exercises(session, text=q, filters=filters, limit=SHOWN + 1, offset=SHOWN * (page - 1))
    asked = {"q": q, "muscle": muscle, "equipment": equipment, "level": level}
    asked = {name: value for name, value in asked.items() if value}
    return render(
        request,
        "training/exercises.html",
        q=q,
        muscle=muscle,
        equipment=equipment,
        level=level,
        rows=found.rows[:SHOWN],
        about=naming.about,
        options=_options(exercises.choices(session), language),
        is_asked=bool(asked),
        is_similar=found.is_similar and bool(found.rows),
        earlier=_address(asked, page - 1) if page > 1 else None,
        later=_address(asked, page + 1) if len(found.rows) > SHOWN else None,
    )


@router.get("/exercises/{slug}", response_class=HTMLResponse)
def exercise(request: Request, slug: Slug, principal: CurrentPrincipal, session: DbSession) -> Response:
    """How a movement is done."""
    found = exercises.get_exercise(session, slug)
    language = language_for(request, principal)
    videos: list[media_library.Shelved] = []
    if may_principal(principal, WATCH):
        videos, _ = media_library.shelf(
            session, visible=visible_to(session, principal), watcher_id=principal.account_id, exercise_id=found.id,
            limit=12,
        )  # fmt: skip
        note_listed(session, principal, (one.media for one in videos))
    return render(
        request,
        "training/exercise.html",
        exercise=found,
        muscle=_said(found.primary_muscle, language),
        helps=", ".join(_said(one, language) for one in found.secondary_muscles),
        kit=_said(found.equipment, language),
        about=naming.about(found.name, found.primary_muscle, found.equipment) if language != SOURCE else "",
        can_log=may_principal(principal, "training.train"),
        can_film=may_principal(principal, KEEP),
        videos=videos,
    )


def _options(found: exercises.Choices, language: str) -> dict[str, list[tuple[str, str]]]:
    lists = {"muscles": found.muscles, "equipment": found.equipment, "levels": found.levels}
    return {
        name: [("", "Any"), *((one, _said(one, language).capitalize()) for one in values)]
        for name, values in lists.items()
    }


def _said(word: str, language: str) -> str:
    """A muscle or kit as it is called in the language of the page."""
    return vietnamese.said(word) if language == vietnamese.LANGUAGE else word


def _address(asked: dict[str, str], page: int) -> str:
    return "/exercises?" + urlencode(asked | {"page": page})
