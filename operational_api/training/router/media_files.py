"""The files of videos, for whoever holds the signed address of their folder. They are read by many for long: no
transaction is kept meanwhile.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Request, Response

from operational_api.core import ranges, signed_urls
from operational_api.core.objects import ObjectMissing
from operational_api.core.policy import Allowed
from operational_api.core.routing import ContextRouter
from operational_api.core.viewer import show_all
from operational_api.training.errors import MediaNotFound
from operational_api.training.media import delivery
from operational_api.training.media.wiring import shelf_of
from operational_api.training.service import captions, media

router = ContextRouter(prefix="/api/training", tags=["training"])
PLAYLIST = "application/vnd.apple.mpegurl"


@router.get(
    "/media-files/{media_id}/{edition}/{name}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"content": {"application/octet-stream": {}}},
        416: {"description": "No byte of the file is in that range."},
    },
    dependencies=[Allowed("training.open_media_file")],
)
def read_media_file(
    request: Request,
    media_id: UUID,
    edition: Annotated[int, Path(ge=0, le=32_767)],
    name: Annotated[str, Path(max_length=40)],
    _: signed_urls.SignedFolderSubject,
    range: Annotated[str | None, Header(max_length=100)] = None,  # noqa: A002 - the header's name
    if_range: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """A file of a video, for whoever holds its signed address."""
    is_captions = delivery.CAPTIONS.fullmatch(name)
    if not is_captions and not delivery.NAMES.fullmatch(name):
        raise MediaNotFound
    with request.app.state.sessions.begin() as session:
        show_all(session)
        row = media.get_media(session, media_id)
        if row.status != "ready" or row.edition != edition:
            raise MediaNotFound
        if is_captions:
            found = captions.captions_of(session, media_id, is_captions[1])
            return _whole(found.content.encode(), "text/vtt", "private, no-cache", range, '"captions"', None)
    tag, kept = f'"{edition}-{name}"', _kept(request)
    if if_range is not None and if_range != tag:
        range = None  # noqa: A001
    shelf, key = shelf_of(request), f"{media.folder_of(row)}{name}"
    try:
        if name == "video.mp4":
            return _streamed(shelf, key, range, tag, kept)
        content, was_kept = shelf.fetch(key)
    except ObjectMissing:
        raise MediaNotFound from None
    if name.endswith(".m3u8"):
        content = delivery.signed_playlist(content.decode(), request.url.query).encode()
        return _whole(content, PLAYLIST, kept, None, tag, was_kept)
    media_type = "image/jpeg" if name == "poster.jpg" else "video/mp4"
    return _whole(content, media_type, kept, range, tag, was_kept)


def _kept(request: Request) -> str:
    """A file never changes, and its address is over with the signature: until then the browser need not ask again.

    Private: whoever else has the address is refused, which a cache between us would not do.
    """
    left = int(request.query_params["exp"]) - int(datetime.now(UTC).timestamp())
    return f"private, max-age={max(0, left)}, immutable"


def _whole(content: bytes, media_type: str, kept: str, asked: str | None, tag: str, was_kept: bool | None) -> Response:
    headers = {"Cache-Control": kept, "ETag": tag}
    if was_kept is not None:
        headers["X-Cache"] = "hit" if was_kept else "miss"
    return ranges.answer(content, asked, media_type=media_type, headers=headers)


def _streamed(shelf: delivery.Shelf, key: str, asked: str | None, tag: str, kept: str) -> Response:
    headers = {"Cache-Control": kept, "ETag": tag}
    return ranges.streamed(
        shelf.size(key), asked, lambda span: shelf.stream(key, span), media_type="video/mp4", headers=headers
    )
