"""PostgreSQL's numeric (digits of base 10000) to 128-bit decimals, or to exact text where no decimal can hold it."""

from typing import Any

import numpy as np

from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, compiled
from ingestion.postgres_cdc.kernels.read import signed16, unsigned16

NEGATIVE, NOT_A_NUMBER, INFINITE, MINUS_INFINITE = 0x4000, 0xC000, 0xD000, 0xF000
_POWERS = np.array([10**exponent for exponent in range(5)], np.int64)


@compiled
def decimals(data: Bytes, positions: Positions, lengths: Lengths, scale: int) -> Any:
    """numeric(p, s) as 128-bit integers of s decimals.

    Returns:
        Shape (n, 2): low and high words; and how many values are NaN or infinite, which a decimal cannot say.
    """
    values = np.zeros((lengths.shape[0], 2), np.uint64)
    beyond = 0
    low_half, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for i in range(lengths.shape[0]):
        if lengths[i] < 0:
            continue
        at = positions[i]
        digits, weight, sign = unsigned16(data, at), signed16(data, at + 2), unsigned16(data, at + 4)
        if sign != 0 and sign != NEGATIVE:
            beyond += 1
            continue
        groups = weight + 1 + (scale + 3) // 4  # of four decimals, up to the last that counts
        dropped = (4 - scale % 4) % 4  # decimals of that last group past the scale
        # Four 32-bit limbs in 64-bit words: multiplied by at most 10000 they cannot overflow.
        a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for j in range(groups):
            digit = unsigned16(data, at + 8 + 2 * j) if j < digits else 0
            factor = np.int64(10000)
            if j == groups - 1:
                factor = _POWERS[4 - dropped]
                digit = digit // _POWERS[dropped]
            carry = a * np.uint64(factor) + np.uint64(digit)
            a = carry & low_half
            carry = b * np.uint64(factor) + (carry >> shift)
            b = carry & low_half
            carry = c * np.uint64(factor) + (carry >> shift)
            c = carry & low_half
            d = (d * np.uint64(factor) + (carry >> shift)) & low_half
        low, high = a | (b << shift), c | (d << shift)
        if sign == NEGATIVE:
            low = ~low + np.uint64(1)
            high = ~high + (np.uint64(1) if low == 0 else np.uint64(0))
        values[i, 0], values[i, 1] = low, high
    return values, beyond


@compiled
def decimal_text(data: Bytes, positions: Positions, lengths: Lengths) -> Any:
    """numeric without a precision, as PostgreSQL prints it: Arrow's offsets and bytes."""
    offsets = np.zeros(lengths.shape[0] + 1, np.int64)
    capacity = 0
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            weight, decimals_shown = signed16(data, positions[i] + 2), unsigned16(data, positions[i] + 6)
            capacity += 4 * max(weight + 1, 1) + decimals_shown + 12
    text = np.empty(capacity, np.uint8)
    end = 0
    for i in range(lengths.shape[0]):
        if lengths[i] >= 0:
            end = _write(data, positions[i], text, end)
        offsets[i + 1] = end
    return offsets, text[:end].copy()


@compiled
def _write(data: Bytes, at: int, text: Any, end: int) -> Any:
    digits, weight = unsigned16(data, at), signed16(data, at + 2)
    sign, decimals_shown = unsigned16(data, at + 4), unsigned16(data, at + 6)
    if sign == NOT_A_NUMBER:
        for letter in (78, 97, 78):
            text[end] = letter
            end += 1
        return end
    if sign in (NEGATIVE, MINUS_INFINITE):
        text[end] = 45
        end += 1
    if sign in (INFINITE, MINUS_INFINITE):
        for letter in (73, 110, 102, 105, 110, 105, 116, 121):
            text[end] = letter
            end += 1
        return end
    started = False
    for j in range(weight + 1):
        digit = unsigned16(data, at + 8 + 2 * j) if j < digits else 0
        for power in (1000, 100, 10, 1):
            figure = (digit // power) % 10
            if figure != 0 or started:
                text[end] = 48 + figure
                end += 1
                started = True
    if not started:
        text[end] = 48
        end += 1
    if decimals_shown > 0:
        text[end] = 46
        end += 1
        for place in range(decimals_shown):
            j = weight + 1 + place // 4
            digit = unsigned16(data, at + 8 + 2 * j) if 0 <= j < digits else 0
            text[end] = 48 + (digit // _POWERS[3 - place % 4]) % 10
            end += 1
    return end
