"""Videos on their way to a player: playlists whose addresses are signed, segments kept after their first hit.

A signature is checked with every request, in front of what is kept: nothing here is public.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from operational_api.core.objects import ObjectStore
from operational_api.core.ranges import Span

NAMES = re.compile(r"main\.m3u8|\d{1,4}p\.m3u8|\d{1,4}p-init\.mp4|\d{1,4}p-\d{4}\.m4s|video\.mp4|poster\.jpg", re.ASCII)
"""What there is to ask for beside captions. Nothing else reaches the store."""
CAPTIONS = re.compile(r"captions-([a-z]{2})\.vtt", re.ASCII)
LARGEST_KEPT = 4 * 1024 * 1024
_URI = re.compile(r'URI="([^"]+)"')


def signed_playlist(source: str, query: str) -> str:
    """A playlist in which every address carries the signature of the folder."""
    lines = []
    for line in source.splitlines():
        if line.startswith("#"):
            line = _URI.sub(rf'URI="\g<1>?{query}"', line)
        elif line.strip():
            line = f"{line}?{query}"
        lines.append(line)
    return "\n".join(lines) + "\n"


class Shelf:
    """Whole small objects kept in memory after their first hit, the longest unused ones given up first.

    They never change: another edition of a video has other keys.
    """

    def __init__(self, store: ObjectStore, *, most_bytes: int) -> None:
        self._store, self._most = store, most_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def fetch(self, key: str) -> tuple[bytes, bool]:
        """An object, and whether it was kept here.

        Raises:
            ObjectMissing: there is none.
        """
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known, True
        content = b"".join(self._store.read(key))
        if len(content) <= LARGEST_KEPT:
            self._keep(key, content)
        return content, False

    def stream(self, key: str, span: Span) -> Iterator[bytes]:
        """Some bytes of a large object, from the store."""
        return self._store.read(key, start=span.start, end=span.end)

    def size(self, key: str) -> int:
        """Of a large object."""
        return self._store.size(key)

    def _keep(self, key: str, content: bytes) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = content
            self._bytes += len(content)
            while self._bytes > self._most:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= len(gone)
