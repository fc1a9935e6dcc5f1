"""Big-endian integers, and walking over one pgoutput tuple."""

from typing import Any

import numpy as np

from ingestion.postgres_cdc.kernels import Bytes, compiled

NULL = 110  # 'n'
UNCHANGED = 117  # 'u': a TOAST value the statement did not touch; its bytes are not in the log
BINARY = 98  # 'b'; NULL and UNCHANGED carry no bytes
TEXT = 116  # 't': a value of a type that has no binary form in PostgreSQL


@compiled
def unsigned16(data: Bytes, at: int) -> Any:
    """Two bytes as 0..65535."""
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@compiled
def signed16(data: Bytes, at: int) -> Any:
    """Two bytes in two's complement."""
    value = (np.int64(data[at]) << 8) | np.int64(data[at + 1])
    return value - 0x10000 if value >= 0x8000 else value


@compiled
def unsigned32(data: Bytes, at: int) -> Any:
    """Four bytes as 0..2^32-1."""
    return (
        (np.int64(data[at]) << 24)
        | (np.int64(data[at + 1]) << 16)
        | (np.int64(data[at + 2]) << 8)
        | np.int64(data[at + 3])
    )


@compiled
def signed32(data: Bytes, at: int) -> Any:
    """Four bytes in two's complement."""
    value = unsigned32(data, at)
    return value - 0x100000000 if value >= 0x80000000 else value


@compiled
def signed64(data: Bytes, at: int) -> Any:
    """Eight bytes in two's complement."""
    return (signed32(data, at) << 32) | unsigned32(data, at + 4)


@compiled
def after_value(data: Bytes, at: int) -> Any:
    """Where the next value of a tuple starts, given where one does."""
    return at + 5 + unsigned32(data, at + 1) if data[at] == BINARY or data[at] == TEXT else at + 1


@compiled
def after_tuple(data: Bytes, at: int) -> Any:
    """Where the bytes of a tuple end."""
    columns = unsigned16(data, at)
    at += 2
    for _ in range(columns):
        at = after_value(data, at)
    return at
