"""Videos over HTTP, under /api/training: uploads by parts, the library, captions, positions, addresses of files.

A part waits for the store: it keeps no transaction meanwhile. The files themselves: `media_files`.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request
from sqlalchemy.orm import Session

from operational_api.core import signed_urls
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.objects import ObjectMissing
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.training.errors import MediaNotFound, MediaNotReady, WrongPart
from operational_api.training.media.access import KEEP, WATCH, note_listed, reach_media, visible_to
from operational_api.training.media.wiring import Settings, store_of
from operational_api.training.models import Media
from operational_api.training.schemas.media import (
    CaptionsRead,
    CaptionsWrite,
    HitRead,
    Language,
    LinksRead,
    MediaCreate,
    MediaRead,
    MediaRename,
    PartRead,
    PositionRead,
    PositionWrite,
    TrackRead,
    UploadRead,
    upload_of,
)
from operational_api.training.service import captions, media, media_library

router = ContextRouter(prefix="/api/training", tags=["training"], route_class=IdempotentRoute)
LARGEST_PART = 16 * 1024 * 1024
FILES = "/api/training/media-files"


def _now() -> datetime:
    return datetime.now(UTC)


def _upload(session: Session, row: Media) -> UploadRead:
    return upload_of(row, media.part_count(row), [one.number for one in media.parts_of(session, row.id)])


@router.get("/media", dependencies=[Allowed(WATCH)])
def list_media(
    principal: CurrentPrincipal,
    session: DbSession,
    customer_id: UUID | None = None,
    exercise_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    workout_id: UUID | None = None,
    title: Annotated[str, Query(max_length=80)] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MediaRead]:
    """The videos that whoever asks may watch, and their own that are not ready yet, the newest first."""
    found, next_cursor = media_library.shelf(
        session, visible=visible_to(session, principal), watcher_id=principal.account_id, customer_id=customer_id,
        exercise_id=exercise_id, workout_id=workout_id, title=title.strip(), limit=limit, cursor=cursor,
    )  # fmt: skip
    note_listed(session, principal, (one.media for one in found))
    return Page(items=[MediaRead.of(one) for one in found], next_cursor=next_cursor)


@router.get("/media-search", dependencies=[Allowed(WATCH)])
def search_media(
    principal: CurrentPrincipal, session: DbSession, q: Annotated[str, Query(max_length=80)] = ""
) -> list[HitRead]:
    """What is said in videos, to the second: captions with all these words or longer ones."""
    hits = captions.search(session, q, visible=visible_to(session, principal))
    note_listed(session, principal, (one.media for one in hits))
    return [HitRead.of(one) for one in hits]


@router.post("/media", status_code=201, dependencies=[Allowed(KEEP)])
def begin_upload(
    request: Request, body: MediaCreate, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> UploadRead:
    """Begin to send a video, or go on with one: the same file again answers with what has arrived of it."""
    store_of(request)
    row = media.begin_upload(
        session, kind=media.KINDS[principal.role], uploader_id=account_id_of(principal), **body.model_dump(),
        now=_now(), settings=settings,
    )  # fmt: skip
    return _upload(session, row)


async def part_content(request: Request) -> bytes:
    """The body of a part, never more of it than a part can have.

    Raises:
        WrongPart: it is longer.
    """
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_PART:
            raise WrongPart("This is more than a part can be.")
    return bytes(content)


_BINARY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}  # noqa: E501  # fmt: skip


@router.put("/media/{media_id}/parts/{number}", dependencies=[Allowed(KEEP)], openapi_extra=_BINARY)
def put_part(
    request: Request,
    media_id: UUID,
    number: Annotated[int, Path(ge=1, le=10_000)],
    principal: CurrentPrincipal,
    content: Annotated[bytes, Depends(part_content)],
    x_content_sha256: Annotated[str, Header(description="SHA-256 of the part, hex.", max_length=64)],
) -> PartRead:
    """Send one part. The same again changes nothing; another one in its place replaces it."""
    digest = x_content_sha256.lower()
    with request.app.state.sessions.begin() as session:
        row = reach_media(session, principal, media_id, KEEP, is_audited=False)
        media.check_open(row)
        media.check_part(row, number, content, digest)
        row = media.upload_of(session, store_of(request), media_id)
    try:
        tag = store_of(request).put_part(media.original_key(media_id), row.upload_key or "", number, content)
    except ObjectMissing:
        raise MediaNotFound from None  # given up in this very moment
    with request.app.state.sessions.begin() as session:
        media.keep_part(session, media_id, number, size_bytes=len(content), sha256=digest, etag=tag)
    return PartRead(number=number, sha256=digest)


@router.post("/media/{media_id}/completion", dependencies=[Allowed(KEEP)])
def complete_upload(request: Request, media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> MediaRead:
    """All parts are sent: have the video checked and prepared."""
    row = reach_media(session, principal, media_id, KEEP)
    if row.status == "uploading":
        row = media.complete_upload(session, store_of(request), media_id=media_id, now=_now())
    return MediaRead.model_validate(row)


@router.get("/media/{media_id}", dependencies=[Allowed(WATCH)])
def read_media(media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> MediaRead:
    """One video and how far it is."""
    return MediaRead.model_validate(reach_media(session, principal, media_id, WATCH))


@router.get("/media/{media_id}/upload", dependencies=[Allowed(KEEP)])
def read_upload(media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> UploadRead:
    """What has arrived of a video."""
    return _upload(session, reach_media(session, principal, media_id, KEEP))


@router.patch("/media/{media_id}", dependencies=[Allowed(KEEP)])
def rename_media(media_id: UUID, body: MediaRename, principal: CurrentPrincipal, session: DbSession) -> MediaRead:
    """Give a video another title."""
    row = reach_media(session, principal, media_id, KEEP)
    return MediaRead.model_validate(media.rename(session, row=row, title=body.title.strip()))


@router.delete("/media/{media_id}", status_code=204, dependencies=[Allowed(KEEP)])
def remove_media(media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> None:
    """Take a video away, for everybody and for good."""
    media.remove_media(session, row=reach_media(session, principal, media_id, KEEP), now=_now())


@router.post("/media/{media_id}/links", status_code=201, dependencies=[Allowed(WATCH)])
def create_links(request: Request, media_id: UUID, principal: CurrentPrincipal, session: DbSession) -> LinksRead:
    """Addresses at which whoever asks can watch for an hour."""
    return links_of(request, session, principal, reach_media(session, principal, media_id, WATCH))


def links_of(request: Request, session: Session, principal: Principal, row: Media) -> LinksRead:
    """The signed addresses of a video for one person, who was let to watch it.

    Raises:
        MediaNotReady: there is nothing to watch yet.
    """
    if row.status != "ready":
        raise MediaNotReady
    now, folder = _now(), f"{FILES}/{row.id}/{row.edition}/"
    query = signed_urls.signer(request).sign_folder(folder, subject=principal.key, now=now)
    return LinksRead(
        playlist=f"{folder}main.m3u8?{query}",
        video=f"{folder}video.mp4?{query}",
        poster=f"{folder}poster.jpg?{query}",
        captions=[
            TrackRead(language=one, label=captions.LANGUAGES[one], url=f"{folder}captions-{one}.vtt?{query}")
            for one in captions.languages_of(session, row.id)
        ],
        expires_at=now + signed_urls.LONGEST_FOLDER,
    )


@router.put("/media/{media_id}/position", dependencies=[Allowed(WATCH)])
def keep_position(media_id: UUID, body: PositionWrite, principal: CurrentPrincipal, session: DbSession) -> PositionRead:
    """Note where one stopped watching. Of several devices the one that watched last counts, whichever is heard last."""
    row = reach_media(session, principal, media_id, WATCH, is_audited=False)
    seconds = media_library.keep_position(
        session, row=row, account_id=account_id_of(principal), now=_now(), **body.model_dump()
    )
    return PositionRead(seconds=seconds)


@router.get("/media/{media_id}/captions", dependencies=[Allowed(WATCH)])
def read_captions(
    media_id: UUID, principal: CurrentPrincipal, session: DbSession, language: Language = "en"
) -> CaptionsRead:
    """The captions in a language, as WebVTT."""
    row = reach_media(session, principal, media_id, WATCH)
    return CaptionsRead.model_validate(captions.captions_of(session, row.id, language))


@router.put("/media/{media_id}/captions", dependencies=[Allowed(KEEP)])
def write_captions(
    media_id: UUID, body: CaptionsWrite, principal: CurrentPrincipal, session: DbSession, language: Language = "en"
) -> CaptionsRead:
    """Write the captions of a language anew."""
    row = reach_media(session, principal, media_id, KEEP)
    found = captions.write_captions(
        session, row=row, language=language, content=body.content, edited_by=account_id_of(principal), now=_now()
    )
    return CaptionsRead.model_validate(found)
