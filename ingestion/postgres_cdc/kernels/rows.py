"""Rows of one relation: the events a change amounts to, where each value lies, what an unchanged value was before."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, compiled
from ingestion.postgres_cdc.kernels.read import BINARY, NULL, TEXT, UNCHANGED, after_value, signed64, unsigned32
from ingestion.postgres_cdc.kernels.scan import DELETE, UPDATE

IS_NULL, IS_UNCHANGED = -1, -2  # lengths that stand for no bytes


@compiled
def locate(data: Bytes, tuple_at: int, columns: NDArray[np.int64], positions: Positions, lengths: Lengths) -> None:
    """Find chosen columns (ascending) of a tuple; writes their positions and lengths."""
    at, column = tuple_at + 2, 0
    for k in range(columns.shape[0]):
        while column < columns[k]:
            at = after_value(data, at)
            column += 1
        if data[at] == BINARY or data[at] == TEXT:
            positions[k], lengths[k] = at + 5, unsigned32(data, at + 1)
        else:
            positions[k], lengths[k] = 0, IS_NULL if data[at] == NULL else IS_UNCHANGED
        at = after_value(data, at)
        column += 1


@compiled
def same_values(data: Bytes, at_a: Positions, length_a: Lengths, at_b: Positions, length_b: Lengths) -> Any:
    """Whether two keys are equal byte by byte; an unchanged value equals any, which is what it says."""
    for k in range(at_a.shape[0]):
        if length_a[k] == IS_UNCHANGED or length_b[k] == IS_UNCHANGED:
            continue
        if length_a[k] != length_b[k]:
            return False
        for j in range(length_a[k]):
            if data[at_a[k] + j] != data[at_b[k] + j]:
                return False
    return True


@compiled
def expand(
    data: Bytes,
    chosen: Positions,
    operation: NDArray[np.uint8],
    new: Positions,
    old: Positions,
    key: NDArray[np.int64],
) -> Any:
    """Turn changes into events, one tuple each. An update that moved a row to another key is two: a removal, a row.

    Args:
        chosen: Indices of the changes, none of them a truncate, in order.
        operation, new, old: Of all changes, see `scan`.
        key: Column numbers of the key, ascending.

    Returns:
        For each event: index of its change, position of its tuple, whether it removes its key.
    """
    change = np.empty(2 * chosen.shape[0], np.int64)
    tuple_at = np.empty(2 * chosen.shape[0], np.int64)
    removes = np.zeros(2 * chosen.shape[0], np.uint8)
    keys = key.shape[0]
    at_old, length_old = np.empty(keys, np.int64), np.empty(keys, np.int32)
    at_new, length_new = np.empty(keys, np.int64), np.empty(keys, np.int32)
    events = 0
    for i in chosen:
        if operation[i] == DELETE:
            change[events], tuple_at[events], removes[events] = i, old[i], 1
            events += 1
            continue
        if operation[i] == UPDATE and old[i] >= 0:
            locate(data, old[i], key, at_old, length_old)
            locate(data, new[i], key, at_new, length_new)
            if not same_values(data, at_old, length_old, at_new, length_new):
                change[events], tuple_at[events], removes[events] = i, old[i], 1
                events += 1
        change[events], tuple_at[events] = i, new[i]
        events += 1
    return change[:events], tuple_at[:events], removes[:events]


@compiled
def explode(data: Bytes, tuple_at: Positions, columns: int) -> Any:
    """Where every value of every tuple lies: positions and lengths, each of shape (columns, tuples)."""
    rows = tuple_at.shape[0]
    positions = np.zeros((columns, rows), np.int64)
    lengths = np.empty((columns, rows), np.int32)
    unchanged = 0
    for row in range(rows):
        at = tuple_at[row] + 2
        for column in range(columns):
            kind = data[at]
            if kind in (BINARY, TEXT):
                positions[column, row], lengths[column, row] = at + 5, unsigned32(data, at + 1)
            elif kind == NULL:
                lengths[column, row] = IS_NULL
            elif kind == UNCHANGED:
                lengths[column, row] = IS_UNCHANGED
                unchanged += 1
            else:
                raise ValueError("a value of a kind that pgoutput does not have")
            at = after_value(data, at)
    return positions, lengths, unchanged


@compiled
def locate_all(data: Bytes, tuple_at: Positions, columns: NDArray[np.int64]) -> Any:
    """`locate` for many tuples; positions and lengths of shape (chosen columns, tuples)."""
    rows, count = tuple_at.shape[0], columns.shape[0]
    positions, lengths = np.empty((count, rows), np.int64), np.empty((count, rows), np.int32)
    at, length = np.empty(count, np.int64), np.empty(count, np.int32)
    for row in range(rows):
        locate(data, tuple_at[row], columns, at, length)
        positions[:, row], lengths[:, row] = at, length
    return positions, lengths


@compiled
def _hash(data: Bytes, at: Positions, length: Lengths) -> Any:
    value = np.uint64(1469598103934665603)
    for k in range(at.shape[0]):
        here, end = at[k], at[k] + max(length[k], 0)
        while here + 8 <= end:
            value = (value ^ np.uint64(signed64(data, here))) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(29)
            here += 8
        while here < end:
            value = (value ^ np.uint64(data[here])) * np.uint64(1099511628211)
            here += 1
        value = (value ^ np.uint64(length[k] + 2)) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(32))


@compiled
def fill_unchanged(
    data: Bytes,
    change: Positions,
    tuple_at: Positions,
    removes: NDArray[np.uint8],
    old: Positions,
    key: NDArray[np.int64],
    positions: Positions,
    lengths: Lengths,
) -> Any:
    """Point unchanged values at an earlier image of the same row in the chunk: its old tuple, or an event before.

    Updates `positions` and `lengths` of `explode` in place. A row is followed through changes of its key.

    Returns:
        For each event with a value that no earlier event holds: the earliest event of its row, whose key the row had
        before the chunk. -1 for all others.
    """
    events, columns = tuple_at.shape[0], lengths.shape[0]
    capacity = 16
    while capacity < 2 * events:
        capacity *= 2
    newest = np.full(capacity, -1, np.int64)
    before = np.full(events, -1, np.int64)
    key_at, key_length = locate_all(data, tuple_at, key)
    for event in range(events):
        slot = _hash(data, key_at[:, event], key_length[:, event]) & np.uint64(capacity - 1)
        while newest[slot] >= 0:
            seen = newest[slot]
            if same_values(data, key_at[:, seen], key_length[:, seen], key_at[:, event], key_length[:, event]):
                before[event] = seen
                break
            slot = (slot + np.uint64(1)) & np.uint64(capacity - 1)
        newest[slot] = event
        if event > 0 and change[event] == change[event - 1]:
            before[event] = event - 1  # it had another key: its past lies there
    unresolved = np.full(events, -1, np.int64)
    found_at, found_length = np.empty(1, np.int64), np.empty(1, np.int32)
    wanted = np.empty(1, np.int64)
    for event in range(events):
        for column in range(columns):
            if lengths[column, event] != IS_UNCHANGED:
                continue
            wanted[0] = column
            found_length[0] = IS_UNCHANGED
            if old[change[event]] >= 0 and data[old[change[event]] - 1] == 79:  # O: the whole old row
                locate(data, old[change[event]], wanted, found_at, found_length)
            earliest, here = event, before[event]
            while found_length[0] == IS_UNCHANGED and here >= 0:
                earliest = here
                if removes[here] == 0:
                    locate(data, tuple_at[here], wanted, found_at, found_length)
                here = before[here]
            if found_length[0] == IS_UNCHANGED:
                unresolved[event] = earliest
            else:
                positions[column, event], lengths[column, event] = found_at[0], found_length[0]
    return unresolved
