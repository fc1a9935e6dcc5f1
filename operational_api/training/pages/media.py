"""Videos as pages: the library with its search, sending one, watching it, its captions. All work without JavaScript;
with it large files go in parts that are resumed, and where one stopped is kept while one watches.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.objects import ObjectStore
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.training.errors import CaptionsNotFound, ExerciseNotFound, InvalidCaptions
from operational_api.training.media.access import KEEP, WATCH, may_keep, note_listed, reach_media, visible_to
from operational_api.training.media.footage import TYPES
from operational_api.training.media.settings import MediaSettings
from operational_api.training.media.wiring import Settings, store_of
from operational_api.training.models import Exercise, Media
from operational_api.training.router.media import links_of
from operational_api.training.schemas.media import Language
from operational_api.training.service import captions, media, media_library
from operational_api.web.rendering import redirect, render

router = APIRouter(dependencies=[Allowed(WATCH)])
SHOWN = 24
ACCEPTED = ",".join([*TYPES, ".mkv"])
LARGEST_FORM_MB = 11
"""What a browser sends in one form without our script; the shell refuses larger ones."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A video that is about to be sent, as the form says, and what is wrong with it."""

    title: str = ""
    exercise_id: int | None = None
    workout_id: UUID | None = None
    error: str | None = None


@router.get("/media", response_class=HTMLResponse)
def library(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    q: Annotated[str, Query(max_length=80)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Videos to watch, and what is said in them."""
    visible = visible_to(session, principal)
    found, later = media_library.shelf(
        session, visible=visible, watcher_id=principal.account_id, title=q.strip(), limit=SHOWN, cursor=cursor
    )  # fmt: skip
    hits = captions.search(session, q, visible=visible) if q.strip() else []
    note_listed(session, principal, [*(one.media for one in found), *(one.media for one in hits)])
    return render(request, "training/media.html", q=q.strip(), rows=found, hits=hits, later=later)


@router.get("/media/new", response_class=HTMLResponse, dependencies=[Allowed(KEEP)])
def new(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    settings: Settings,
    title: Annotated[str, Query(max_length=120)] = "",
    exercise: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    workout: UUID | None = None,
) -> Response:
    """The form to send a video."""
    return _form(request, session, principal, Wanted(title, exercise, workout), settings)


@router.post("/media/new", dependencies=[Allowed(KEEP)])
def send(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    settings: Settings,
    title: Annotated[str, Form(max_length=120)] = "",
    exercise_id: Annotated[str, Form(max_length=10)] = "",
    workout_id: Annotated[str, Form(max_length=36)] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Take a small video as one form; larger ones go in parts, by the page's script."""
    wanted = Wanted(title.strip(), int(exercise_id) if exercise_id.isdecimal() else None, _uuid(workout_id))
    if not wanted.title or file is None or not file.size:
        told = "Give it a title." if not wanted.title else "Choose a video."
        return _form(request, session, principal, wanted, settings, error=told)
    try:
        row = _take(session, store_of(request), principal, wanted, file, settings)
    except DomainError as refusal:
        return _form(request, session, principal, wanted, settings, error=refusal.detail)
    return redirect(request, f"/media/{row.id}", flash="It has arrived. We check and prepare it now.")


@router.get("/media/{media_id}", response_class=HTMLResponse)
def watch(
    request: Request,
    media_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    t: Annotated[float | None, Query(ge=0, le=86_400, allow_inf_nan=False)] = None,
    language: Language | None = None,
) -> Response:
    """The player; how far it is while it is prepared; why it was not taken."""
    row = reach_media(session, principal, media_id, WATCH)
    languages = captions.languages_of(session, row.id)
    shown = language if language in languages else (languages[0] if languages else None)
    exercise = session.get(Exercise, row.exercise_id) if row.exercise_id else None
    is_ready = row.status == "ready"
    return render(
        request,
        "training/media_watch.html",
        media=row,
        exercise=exercise,
        links=links_of(request, session, principal, row) if is_ready else None,
        start=t if t is not None else media_library.position_of(session, row, account_id_of(principal)),
        cues=captions.cues_of(session, row.id, shown) if shown else [],
        caption_language=shown,
        languages=[(one, captions.LANGUAGES[one]) for one in languages],
        can_keep=may_keep(session, principal, row),
        arrived=_arrived(session, row) if row.status == "uploading" else 0,
    )


@router.post("/media/{media_id}/remove", dependencies=[Allowed(KEEP)])
def remove(request: Request, media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Take a video away for good."""
    media.remove_media(session, row=reach_media(session, principal, media_id, KEEP), now=datetime.now(UTC))
    return redirect(request, "/media", flash="The video is gone, for everybody.", tone="info")


@router.get("/media/{media_id}/captions", response_class=HTMLResponse, dependencies=[Allowed(KEEP)])
def edit_captions(
    request: Request, media_id: UUID, principal: CurrentPrincipal, session: DbSession, language: Language = "en"
) -> Response:
    """The captions of a language to write, or to bring as a file."""
    row = reach_media(session, principal, media_id, KEEP)
    try:
        content = captions.captions_of(session, row.id, language).content
    except CaptionsNotFound:
        content = "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n"
    return _editor(request, row, language, content)


@router.post("/media/{media_id}/captions", dependencies=[Allowed(KEEP)])
def write_captions(
    request: Request,
    media_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    language: Annotated[Language, Form()] = "en",
    content: Annotated[str, Form(max_length=500_000)] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Keep them, or show again what was written with the line that is wrong. A file takes the place of the text."""
    row = reach_media(session, principal, media_id, KEEP)
    if file is not None and file.size:
        content = file.file.read(2_000_000).decode("utf-8", errors="replace")
    try:
        captions.write_captions(
            session, row=row, language=language, content=content, edited_by=account_id_of(principal),
            now=datetime.now(UTC),
        )  # fmt: skip
    except InvalidCaptions as refusal:
        return _editor(request, row, language, content, error=refusal.detail)
    return redirect(request, f"/media/{row.id}?language={language}", flash="Captions are kept.")


def _take(
    session: Session, store: ObjectStore, principal: Principal, wanted: Wanted, file: UploadFile,
    settings: MediaSettings,
) -> Media:  # fmt: skip
    """A whole file through the same steps as one that comes in parts."""
    now, digests = datetime.now(UTC), [hashlib.sha256(one).hexdigest() for one in _pieces(file, settings.part_bytes)]
    row = media.begin_upload(
        session, kind=media.KINDS[principal.role], uploader_id=account_id_of(principal), title=wanted.title,
        size_bytes=file.size or 0, sha256=media.digest_of(digests), exercise_id=wanted.exercise_id,
        workout_id=wanted.workout_id, now=now, settings=settings,
    )  # fmt: skip
    row = media.upload_of(session, store, row.id)
    for number, content in enumerate(_pieces(file, row.part_bytes), start=1):
        media.check_part(row, number, content, digests[number - 1])
        tag = store.put_part(media.original_key(row.id), row.upload_key or "", number, content)
        media.keep_part(
            session, row.id, number, size_bytes=len(content), sha256=digests[number - 1], etag=tag
        )  # fmt: skip
    return media.complete_upload(session, store, media_id=row.id, now=now)


def _pieces(file: UploadFile, size: int) -> Iterator[bytes]:
    file.file.seek(0)
    while piece := file.file.read(size):
        yield piece


def _uuid(told: str) -> UUID | None:
    try:
        return UUID(told)
    except ValueError:
        return None


def _arrived(session: Session, row: Media) -> int:
    return math.floor(100 * len(media.parts_of(session, row.id)) / media.part_count(row))


def _form(
    request: Request,
    session: Session,
    principal: Principal,
    wanted: Wanted,
    settings: MediaSettings,
    *,
    error: str | None = None,
) -> Response:
    exercise = session.get(Exercise, wanted.exercise_id) if wanted.exercise_id else None
    if wanted.exercise_id and exercise is None:
        raise ExerciseNotFound
    return render(
        request,
        "training/media_new.html",
        status_code=422 if error else 200,
        wanted=wanted,
        error=error,
        kind=media.KINDS[principal.role],
        exercise=exercise,
        accepted=ACCEPTED,
        largest_form_mb=LARGEST_FORM_MB,
        part_bytes=settings.part_bytes,
    )


def _editor(request: Request, row: Media, language: str, content: str, *, error: str | None = None) -> Response:
    return render(
        request,
        "training/media_captions.html",
        status_code=422 if error else 200,
        media=row,
        caption_language=language,
        languages=list(captions.LANGUAGES.items()),
        content=content,
        error=error,
    )
