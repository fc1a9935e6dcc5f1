"""What a wallet is made of, and which of it is used: gifts before money that was paid, what runs out first before what
lasts. Pure: no clock, no tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

Kind = Literal["gift", "paid"]


@dataclass(frozen=True, slots=True)
class Lot:
    """A part of a wallet that came in at once. `minor` is what can be taken of it, or what was."""

    key: UUID
    kind: Kind
    minor: int
    expires_at: datetime | None
    made_at: datetime


def last_moment(until: datetime) -> datetime:
    """The end of the last day of what can be used until midnight, as people call it."""
    return until - timedelta(seconds=1)


def _order(lot: Lot) -> tuple[bool, bool, float, datetime, UUID]:
    lasts = lot.expires_at is None
    return lot.kind != "gift", lasts, lot.expires_at.timestamp() if lot.expires_at else 0, lot.made_at, lot.key


def draw(lots: Iterable[Lot], wanted_minor: int) -> list[tuple[Lot, int]]:
    """So much out of these, or all that they have, in the order in which it is used: each lot with its part."""
    return _parts(sorted(lots, key=_order), wanted_minor)


def put_back(taken: Sequence[Lot], back_minor: int) -> list[tuple[Lot, int]]:
    """So much into the lots that it was taken out of: into the one that was used last first, which lasts longest."""
    return _parts(sorted(taken, key=_order, reverse=True), back_minor)


def _parts(lots: Iterable[Lot], minor: int) -> list[tuple[Lot, int]]:
    found = []
    for lot in lots:
        part = min(lot.minor, minor)
        if part > 0:
            found.append((lot, part))
            minor -= part
    return found
