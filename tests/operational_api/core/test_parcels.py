"""Files of any size in a real object store: sealed part by part, read by ranges, never one part for another."""

import os
from collections.abc import Iterator

import pytest

from contracts.sealing import SealBroken, Sealer
from operational_api.core import parcels
from operational_api.core.objects import ObjectMissing, ObjectStore
from operational_api.core.parcels import PART_BYTES, Place, Writer
from operational_api.core.ranges import Span

SEALER = Sealer(["k" * 40])
CONTENT = os.urandom(2 * PART_BYTES + 100)


@pytest.fixture
def place(store: ObjectStore) -> Iterator[Place]:
    yield Place(store, "parcels/a/", SEALER)
    store.erase("parcels/")


def send(place: Place, content: bytes, step: int = 1_000_003) -> int:
    writer = Writer(place)
    for at in range(0, len(content), step):
        assert writer.write(content[at : at + step]) == len(content[at : at + step])
    return writer.finish()


def span(start: int, end: int) -> Span:
    return Span(start, end, len(CONTENT))


class TestParcels:
    @pytest.mark.parametrize("sealer", [SEALER, None])
    def test_come_back_as_they_were_whole_and_by_ranges(self, place: Place, sealer: Sealer | None) -> None:
        place = Place(place.store, place.folder, sealer)
        assert send(place, CONTENT) == len(CONTENT)
        last = len(CONTENT) - 1
        for start, end in (
            (0, last), (0, 0), (last, last), (PART_BYTES - 1, PART_BYTES), (PART_BYTES, 2 * PART_BYTES - 1),
            (5, 2 * PART_BYTES + 5),
        ):  # fmt: skip
            assert b"".join(parcels.read(place, span(start, end))) == CONTENT[start : end + 1], (start, end)

    def test_hold_no_more_than_a_part_at_a_time(self, place: Place) -> None:
        stored = []
        writer = Writer(place, stored=lambda: stored.append(writer.size_bytes))
        for at in range(0, len(CONTENT), 1000):
            writer.write(CONTENT[at : at + 1000])
        assert len(stored) == 2, "stored while it was written"
        writer.finish()
        assert len(stored) == 3

    def test_a_part_that_was_moved_is_not_taken_for_another(self, place: Place) -> None:
        send(place, CONTENT)
        first = b"".join(place.store.read(place.key(0)))
        place.store.put(place.key(1), first, media_type="application/octet-stream")
        assert b"".join(parcels.read(place, span(0, 9))) == CONTENT[:10]
        with pytest.raises(SealBroken):
            parcels.read(place, span(PART_BYTES, PART_BYTES))

    def test_what_is_gone_is_told_at_once(self, place: Place) -> None:
        with pytest.raises(ObjectMissing):
            parcels.read(place, span(0, 0))
