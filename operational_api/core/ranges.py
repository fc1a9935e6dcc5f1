"""Parts of a file, as a Range header asks for them (RFC 9110, section 14). No context, no store."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import StreamingResponse

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class BadRange(ValueError):
    """No byte of the file is in the range asked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file, both ends included."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """How many."""
        return self.end - self.start + 1

    @property
    def told(self) -> str:
        """As Content-Range."""
        return f"bytes {self.start}-{self.end}/{self.size}"


def span_of(asked: str | None, size: int) -> Span | None:
    """The bytes that a Range header asks for; None for all of them: no header, or one that is not ours to read
    (several ranges, another unit), as RFC 9110, section 14.2 lets a server do.

    Raises:
        BadRange: it begins behind the end, or asks for no byte.
    """
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # the last so many
        if int(last) == 0 or size == 0:
            raise BadRange
        return Span(max(0, size - int(last)), size - 1, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise BadRange
    return Span(start, min(int(last), size - 1) if last else size - 1, size)


def answer(content: bytes, asked: str | None, *, media_type: str, headers: dict[str, str]) -> Response:
    """A file that is at hand, or the bytes of it that were asked for; 416 where there are none."""
    try:
        span = span_of(asked, len(content))
    except BadRange:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
    headers = headers | {"Accept-Ranges": "bytes"}
    if span is None:
        return Response(content, media_type=media_type, headers=headers)
    headers["Content-Range"] = span.told
    return Response(content[span.start : span.end + 1], 206, media_type=media_type, headers=headers)


def streamed(
    size: int, asked: str | None, read: Callable[[Span], Iterator[bytes]], *, media_type: str, headers: dict[str, str]
) -> Response:
    """A file that is fetched while it is sent, or the bytes of it that were asked for; 416 where there are none.

    Args:
        size: In bytes, at least one.
        read: Fetches some bytes; what it raises at once is the request's answer.
    """
    try:
        span = span_of(asked, size)
    except BadRange:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers = headers | {"Accept-Ranges": "bytes"}
    if span is not None:
        headers["Content-Range"] = span.told
    whole = span or Span(0, size - 1, size)
    headers["Content-Length"] = str(whole.length)
    return StreamingResponse(read(whole), 206 if span else 200, media_type=media_type, headers=headers)
