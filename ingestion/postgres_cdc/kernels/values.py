"""Values of one column, wherever they lie in the buffer, to Arrow buffers. Null and its like have a negative length."""

from typing import Any

import numpy as np

from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, compiled
from ingestion.postgres_cdc.kernels.read import signed16, signed32, signed64

INFINITY_64, INFINITY_32 = 0x7FFFFFFFFFFFFFFF, 0x7FFFFFFF


@compiled
def validity(lengths: Lengths) -> Any:
    """Arrow's validity bitmap, and the number of nulls."""
    bitmap = np.zeros((lengths.shape[0] + 7) // 8, np.uint8)
    nulls = 0
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            bitmap[i >> 3] |= np.uint8(1 << (i & 7))
        else:
            nulls += 1
    return bitmap, nulls


@compiled
def integers16(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """smallint."""
    values = np.zeros(lengths.shape[0], np.int16)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            values[i] = signed16(data, positions[i])
    return values


@compiled
def words32(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """Four bytes each, whatever they mean: integer, or the bits of a real."""
    values = np.zeros(lengths.shape[0], np.int32)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            values[i] = signed32(data, positions[i])
    return values


@compiled
def words64(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """Eight bytes each, whatever they mean: bigint, time of day in us, or the bits of a double."""
    values = np.zeros(lengths.shape[0], np.int64)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            values[i] = signed64(data, positions[i])
    return values


@compiled
def timestamps(data: Bytes, positions: Positions, lengths: Lengths, epoch: int) -> Any:
    """Microseconds since 2000 moved to an epoch; both infinities become DuckDB's.

    Returns:
        The values, and how many lie past what fits after the move.
    """
    values = np.zeros(lengths.shape[0], np.int64)
    beyond = 0
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            value = signed64(data, positions[i])
            if value == INFINITY_64:
                values[i] = INFINITY_64
            elif value == -INFINITY_64 - 1:
                values[i] = -INFINITY_64
            else:
                beyond += 1 if value > INFINITY_64 - 1 - epoch else 0
                values[i] = value + epoch
    return values, beyond


@compiled
def dates(data: Bytes, positions: Positions, lengths: Lengths, epoch: int) -> Any:
    """Days since 2000 moved to an epoch; both infinities become DuckDB's."""
    values = np.zeros(lengths.shape[0], np.int32)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            value = signed32(data, positions[i])
            if value == INFINITY_32:
                values[i] = INFINITY_32
            elif value == -INFINITY_32 - 1:
                values[i] = -INFINITY_32
            else:
                values[i] = value + epoch
    return values


@compiled
def bits(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """boolean, as a bitmap."""
    bitmap = np.zeros((lengths.shape[0] + 7) // 8, np.uint8)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0 and data[positions[i]] != 0:
            bitmap[i >> 3] |= np.uint8(1 << (i & 7))
    return bitmap


@compiled
def blocks(data: Bytes, positions: Positions, lengths: Lengths, width: int) -> Any:
    """Values of a fixed width, copied as they are (uuid)."""
    values = np.zeros(lengths.shape[0] * width, np.uint8)
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            for j in range(width):
                values[i * width + j] = data[positions[i] + j]
    return values


@compiled
def strings(data: Bytes, positions: Positions, lengths: Lengths, skipped: int) -> Any:
    """Values of any length: Arrow's offsets and bytes. `skipped` bytes at the start of each are left out."""
    offsets = np.zeros(lengths.shape[0] + 1, np.int64)
    for i in range(lengths.shape[0]):
        offsets[i + 1] = offsets[i] + (lengths[i] - skipped if lengths[i] >= 0 else 0)
    values = np.empty(offsets[-1], np.uint8)
    for i in range(lengths.shape[0]):
        start = positions[i] + skipped
        for j in range(offsets[i + 1] - offsets[i]):
            values[offsets[i] + j] = data[start + j]
    return offsets, values


@compiled
def without_padding(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """Lengths of char(n) values without the spaces that fill them up, which PostgreSQL does not count as theirs."""
    trimmed = lengths.copy()
    for i in range(lengths.shape[0]):
        while trimmed[i] > 0 and data[positions[i] + trimmed[i] - 1] == 32:
            trimmed[i] -= 1
    return trimmed


@compiled
def _write32(data: Bytes, at: int, value: int) -> None:
    for j in range(4):
        data[at + j] = (value >> (24 - 8 * j)) & 0xFF


@compiled
def array_bytes(data: Bytes, positions: Positions, lengths: Lengths, item_oid: int, boxed_oid: int) -> Any:
    """Values as one PostgreSQL array in binary form, nulls among them.

    Args:
        item_oid: Type of the array's items.
        boxed_oid: 0, or the type of the values where each is to be the only column of a composite `item_oid`.
    """
    box = 12 if boxed_oid else 0
    size = 20
    for i in range(lengths.shape[0]):
        size += 4 + (box + lengths[i] if lengths[i] >= 0 else 0)
    array = np.empty(size, np.uint8)
    _write32(array, 0, 1)  # dimensions
    _write32(array, 4, 1)  # may hold nulls
    _write32(array, 8, item_oid)
    _write32(array, 12, lengths.shape[0])
    _write32(array, 16, 1)  # lower bound
    at = 20
    for i in range(lengths.shape[0]):
        if lengths[i] < 0:
            _write32(array, at, -1)
            at += 4
            continue
        _write32(array, at, box + lengths[i])
        at += 4
        if box:
            _write32(array, at, 1)
            _write32(array, at + 4, boxed_oid)
            _write32(array, at + 8, lengths[i])
            at += box
        for j in range(lengths[i]):
            array[at + j] = data[positions[i] + j]
        at += lengths[i]
    return array


@compiled
def array_items(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """Items of one-dimensional arrays, as a column of their own.

    Returns:
        Arrow's list offsets, positions and lengths of the items, and how many arrays have more dimensions or do not
        start at 1, which a list cannot say.
    """
    offsets = np.zeros(lengths.shape[0] + 1, np.int32)
    beyond = 0
    for i in range(lengths.shape[0]):
        items = 0
        if lengths[i] >= 0:
            dimensions = signed32(data, positions[i])
            if dimensions == 1:
                items = signed32(data, positions[i] + 12)
                beyond += 1 if signed32(data, positions[i] + 16) != 1 else 0
            elif dimensions > 1:
                beyond += 1
        offsets[i + 1] = offsets[i] + items
    item_at = np.zeros(offsets[-1], np.int64)
    item_length = np.empty(offsets[-1], np.int32)
    for i in range(lengths.shape[0]):
        at = positions[i] + 20
        for k in range(offsets[i], offsets[i + 1]):
            item_at[k], item_length[k] = at + 4, signed32(data, at)
            at += 4 + max(item_length[k], 0)
    return offsets, item_at, item_length, beyond
