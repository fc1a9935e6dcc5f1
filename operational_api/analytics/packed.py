"""Answers as `deflate` has them (RFC 9110, 1950): what is large is packed once, and stands behind any beginning.

A gateway packs an answer anew each time that it is told, which takes ten times what telling it does. Which answers are
kept, and who is told them, is `retold`.
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from struct import pack as written

SMALL_BYTES = 1024
"""What is smaller is told as it is; a gateway does the same."""
_LEVEL = 3
_BASE = 65521
_HEAD, _LARGEST = b"\x78\x01", 0xFFFF


@dataclass(frozen=True, slots=True)
class Packed:
    """The end of a document.

    Attributes:
        blocks: Of raw deflate, the last of them its last.
        size: Bytes before they were packed.
        checksum: Adler-32 of those.
    """

    blocks: bytes
    size: int
    checksum: int

    @classmethod
    def of(cls, rest: bytes) -> "Packed":
        """Other threads run meanwhile."""
        packing = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        return cls(packing.compress(rest) + packing.flush(), len(rest), zlib.adler32(rest))

    def unpacked(self) -> bytes:
        """What was packed."""
        return zlib.decompress(self.blocks, wbits=-zlib.MAX_WBITS)

    def behind(self, begun: bytes) -> bytes:
        """The whole document. Its beginning, of at most 65,535 bytes, goes as it is."""
        count = len(begun)
        if count > _LARGEST:
            raise ValueError(f"{count} bytes are no beginning")
        stored = written("<BHH", 0, count, count ^ 0xFFFF)
        return b"".join((_HEAD, stored, begun, self.blocks, written(">I", self._checksum_behind(begun))))

    def _checksum_behind(self, begun: bytes) -> int:
        """Of both together, out of that of each: two sums, the second of which counts the first once for each byte."""
        told = zlib.adler32(begun)
        first = (told & 0xFFFF) + (self.checksum & 0xFFFF) - 1
        second = (told >> 16) + (self.checksum >> 16) + self.size * ((told & 0xFFFF) - 1)
        return (second % _BASE) << 16 | first % _BASE


@lru_cache(maxsize=256)
def is_read(accepted: bytes) -> bool:
    """Whether an `Accept-Encoding` names deflate and does not refuse it."""
    for one in accepted.lower().split(b","):
        name, _, weight = one.partition(b";")
        if name.strip() == b"deflate":
            return weight.replace(b" ", b"").rstrip(b"0") not in (b"q=", b"q=0.")
    return False
