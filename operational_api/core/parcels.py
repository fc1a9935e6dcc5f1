"""Files of any size in the object store, sealed: each is a folder of parts, so that nobody holds all of one in memory,
neither to write it nor to read a range of it. Knows no context.

Every part says under its seal which it is: one that was moved is not taken for another.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.sealing import SealBroken, Sealer
from operational_api.core.objects import ObjectStore
from operational_api.core.ranges import Span

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PART_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies. `folder` ends in a slash; without a sealer nobody but the store seals it."""

    store: ObjectStore
    folder: str
    sealer: Sealer | None

    def key(self, number: int) -> str:
        """Of a part; they are counted from 0."""
        return f"{self.folder}{number:06d}"


class Writer(io.BufferedIOBase):
    """Takes a file's bytes in order, and stores a part as soon as it is full; `finish` stores the rest.

    Args:
        stored: Called after each part; what it raises ends the writing.

    Raises, from both:
        StoreUnavailable: nothing that was stored counts; write it anew.
    """

    def __init__(self, place: Place, *, stored: Callable[[], None] = lambda: None) -> None:
        self._place, self._stored, self._rest, self._number = place, stored, bytearray(), 0
        self.size_bytes = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """All of it."""
        piece = bytes(data)
        self._rest += piece
        self.size_bytes += len(piece)
        while len(self._rest) >= PART_BYTES:
            self._put(PART_BYTES)
        return len(piece)

    def finish(self) -> int:
        """Store the rest. Returns the size of the whole in bytes."""
        if self._rest:
            self._put(len(self._rest))
        return self.size_bytes

    def _put(self, size: int) -> None:
        content, key = bytes(self._rest[:size]), self._place.key(self._number)
        if (sealer := self._place.sealer) is not None:
            content = sealer.seal(key.encode() + b"\n" + content)
        self._place.store.put(key, content, media_type="application/octet-stream")
        del self._rest[:size]
        self._number += 1
        self._stored()


def read(place: Place, span: Span) -> Iterator[bytes]:
    """Some bytes of a file. The first part is there when this returns.

    Raises:
        ObjectMissing: it is not there.
        StoreUnavailable: the store cannot be reached.
        SealBroken: sealed with another key, changed, or not the part that its name says.
    """
    first, last = span.start // PART_BYTES, span.end // PART_BYTES
    head = _part(place, first)

    def pieces() -> Iterator[bytes]:
        for number in range(first, last + 1):
            content = head if number == first else _part(place, number)
            until = span.end + 1 - number * PART_BYTES
            yield content[max(0, span.start - number * PART_BYTES) : until]

    return pieces()


def _part(place: Place, number: int) -> bytes:
    key = place.key(number)
    content = b"".join(place.store.read(key))
    if place.sealer is None:
        return content
    told, _, content = place.sealer.open(content).partition(b"\n")
    if told != key.encode():
        raise SealBroken("another part than its name says")
    return content
