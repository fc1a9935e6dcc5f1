"""How many segments an SMS is, which is what it costs: GSM 03.38 where every character is in it, UCS-2 otherwise."""

from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
"""Each of these takes two septets, an escape and itself, and is never cut in two."""


@dataclass(frozen=True, slots=True)
class Count:
    """What a text comes to."""

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int


def count(text: str) -> Count:
    """Segments of a text; an empty one is one segment."""
    if all(one in _BASIC or one in _EXTENDED for one in text):
        return Count("GSM-7", _parts([2 if one in _EXTENDED else 1 for one in text], alone=160, joined=153))
    return Count("UCS-2", _parts([2 if ord(one) > 0xFFFF else 1 for one in text], alone=70, joined=67))


def _parts(sizes: list[int], *, alone: int, joined: int) -> int:
    if sum(sizes) <= alone:
        return 1
    parts, used = 1, 0
    for size in sizes:
        if used + size > joined:
            parts, used = parts + 1, 0
        used += size
    return parts
