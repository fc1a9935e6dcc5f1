"""One pass over the messages of a chunk: which rows changed, of which relation, in which transaction and order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion.postgres_cdc.kernels import Bytes, Positions, compiled
from ingestion.postgres_cdc.kernels.read import after_tuple, signed64, unsigned32

INSERT, UPDATE, DELETE, TRUNCATE = 0, 1, 2, 3
SLOTS = 8192  # of the open-addressing table from relation oid to the number of its newest relation message
MAXIMUM_RELATIONS = 4096
CARRIED = 2  # numbers that `of_relation` carries from chunk to chunk


@compiled
def relation_slot(oids: NDArray[np.int64], oid: int) -> Any:
    """Index where a relation's oid is, or may be put, in an open-addressing table whose free places hold -1."""
    at = (oid * 2654435761) & (SLOTS - 1)
    while oids[at] != -1 and oids[at] != oid:
        at = (at + 1) & (SLOTS - 1)
    return at


@compiled
def scan(
    data: Bytes,
    offsets: Positions,
    oids: NDArray[np.int64],
    layouts: NDArray[np.int64],
    state: NDArray[np.int64],
) -> Any:
    """Find every row change in a chunk of pgoutput messages, protocol version 1.

    Args:
        data: The bytes of all messages.
        offsets: Shape (messages + 1,), where each starts.
        oids, layouts: Shape (SLOTS,): oid of each relation met so far, and the number of its newest relation message.
            Updated here: a relation message counts from where it stands.
        state: LSN, commit time (us since 2000) and id of the open transaction, rows changed in it, relation messages
            met so far, end LSN and commit time of the last transaction that ended, transactions ended. Updated here.

    Returns:
        For each change: layout number, operation, position of the new tuple and of the old one (-1: none), index of
        its transaction, and its place in that transaction (odd, from 3; the even number below is for the removal of
        a row that changed its key). Then for each transaction LSN, commit time and id; and for each relation message
        of this chunk the index of its message.
    """
    messages = offsets.shape[0] - 1
    changes, transactions, relations = 0, 1, 0
    for i in range(messages):
        kind = data[offsets[i]]
        if kind == 73 or kind == 85 or kind == 68:  # I U D
            changes += 1
        elif kind == 84:  # T
            changes += unsigned32(data, offsets[i] + 1)
        elif kind == 66:  # B
            transactions += 1
        elif kind == 82:  # R
            relations += 1
    layout = np.empty(changes, np.int64)
    operation = np.empty(changes, np.uint8)
    new = np.full(changes, -1, np.int64)
    old = np.full(changes, -1, np.int64)
    transaction = np.empty(changes, np.int64)
    place = np.empty(changes, np.int64)
    lsn = np.empty(transactions, np.int64)
    committed = np.empty(transactions, np.int64)
    xid = np.empty(transactions, np.int64)
    relation_at = np.empty(relations, np.int64)
    lsn[0], committed[0], xid[0] = state[0], state[1], state[2]
    row, current, relation = 0, 0, 0
    for i in range(messages):
        at = offsets[i]
        kind = data[at]
        if kind == 73 or kind == 85 or kind == 68:
            layout[row] = layouts[relation_slot(oids, unsigned32(data, at + 1))]
            state[3] += 1
            transaction[row], place[row] = current, 2 * state[3] + 1
            if kind == 73:
                operation[row], new[row] = INSERT, at + 6
            elif kind == 68:
                operation[row], old[row] = DELETE, at + 6
            else:
                operation[row] = UPDATE
                if data[at + 5] == 78:  # N: no old tuple
                    new[row] = at + 6
                else:
                    old[row] = at + 6
                    new[row] = after_tuple(data, at + 6) + 1
            row += 1
        elif kind == 66:
            current += 1
            state[0], state[1], state[2], state[3] = signed64(data, at + 1), signed64(data, at + 9), 0, 0
            state[2] = unsigned32(data, at + 17)
            lsn[current], committed[current], xid[current] = state[0], state[1], state[2]
        elif kind == 67:  # C
            state[5], state[6] = signed64(data, at + 10), signed64(data, at + 18)
            state[7] += 1
        elif kind == 82:
            slot = relation_slot(oids, unsigned32(data, at + 1))
            if state[4] >= MAXIMUM_RELATIONS:
                raise ValueError("too many relation messages in one batch")
            oids[slot], layouts[slot] = unsigned32(data, at + 1), state[4]
            relation_at[relation] = i
            state[4] += 1
            relation += 1
        elif kind == 84:
            for j in range(unsigned32(data, at + 1)):
                layout[row] = layouts[relation_slot(oids, unsigned32(data, at + 6 + 4 * j))]
                state[3] += 1
                operation[row], transaction[row], place[row] = TRUNCATE, current, 2 * state[3] + 1
                row += 1
    return layout, operation, new, old, transaction, place, lsn, committed, xid, relation_at


@compiled
def of_relation(data: Bytes, offsets: Positions, oid: int, carried: NDArray[np.int64]) -> Any:
    """Which messages of a chunk make the stream of one relation: its own, and the ends of its transactions.

    Args:
        data, offsets: As for `scan`.
        carried: LSN of the open transaction, and whether its beginning was kept. Updated here.

    Returns:
        For each message whether it is kept, and the LSN of its transaction. The beginning of a transaction that goes
        on in the next chunk is kept in any case.
    """
    messages = offsets.shape[0] - 1
    kept = np.zeros(messages, np.uint8)
    lsn = np.empty(messages, np.int64)
    begin = -1
    for i in range(messages):
        at = offsets[i]
        kind = data[at]
        is_its = False
        if kind == 66:  # B
            carried[0], carried[1], begin = signed64(data, at + 1), 0, i
        elif kind == 73 or kind == 85 or kind == 68 or kind == 82:  # I U D R
            is_its = unsigned32(data, at + 1) == oid
        elif kind == 84:  # T
            for j in range(unsigned32(data, at + 1)):
                is_its = is_its or unsigned32(data, at + 6 + 4 * j) == oid
        elif kind == 67:  # C
            kept[i] = carried[1]
            begin = -1
        lsn[i] = carried[0]
        if is_its:
            kept[i] = 1
            carried[1] = 1
            if begin >= 0:
                kept[begin] = 1
    if begin >= 0:
        kept[begin], carried[1] = 1, 1
    return kept, lsn
