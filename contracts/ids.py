"""Identifiers. Every row that people or events refer to has a UUIDv7; nothing else is an id here."""

import os
import time
from collections import deque
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits, so keys sort by creation time."""
    return _compose(time.time_ns() // 1_000_000, int.from_bytes(_random(), "big"))


_AT_ONCE = 256
_drawn: deque[bytes] = deque()
os.register_at_fork(after_in_child=_drawn.clear)  # what two processes both had would be the same id twice


def _random() -> bytes:
    """Ten random bytes. The kernel is asked for many at once: who asks it lets another thread have the interpreter."""
    try:
        return _drawn.pop()
    except IndexError:
        many = os.urandom(10 * _AT_ONCE)
        _drawn.extend(many[at : at + 10] for at in range(10, len(many), 10))
        return many[:10]


def _compose(milliseconds: int, random_80: int) -> UUID:
    value = (milliseconds & ((1 << 48) - 1)) << 80 | random_80
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)


def ids_at(milliseconds: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.void]:
    """UUIDv7 values for many instants at once, reproducible from a seeded generator.

    Args:
        milliseconds: Shape (n,), Unix time in ms of each row.
        generator: Source of the 74 random bits.

    Returns:
        Shape (n,), dtype `V16`: the 16 big-endian bytes of each UUID, as PostgreSQL's binary COPY wants them.
    """
    raw = generator.integers(0, 256, size=(len(milliseconds), 16), dtype=np.uint8)
    stamp = milliseconds.astype(">u8").view(np.uint8).reshape(-1, 8)
    raw[:, 0:6] = stamp[:, 2:8]
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x70
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    return raw.reshape(-1).view("V16")
