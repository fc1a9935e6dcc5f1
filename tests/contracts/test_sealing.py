"""What is sealed is read by holders of a key, also of one being rotated out, and by nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.sealing import SealBroken, Sealer

OLD, NEW = "o" * 48, "n" * 48


@given(st.binary(max_size=2000))
def test_comes_back_as_it_was(data: bytes) -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(data)
    assert sealer.open(sealed) == data
    assert len(data) < 8 or data not in sealed


def test_a_key_can_be_rotated_out() -> None:
    sealed = Sealer([OLD]).seal(b"58 bpm")
    both = Sealer.of(f"{NEW}, {OLD}")
    assert both.open(sealed) == b"58 bpm"
    with pytest.raises(SealBroken):
        Sealer([OLD]).open(both.seal(b"58 bpm"))


@pytest.mark.asvs("11.3.3")
def test_a_changed_byte_is_seen() -> None:
    sealed = bytearray(Sealer([NEW]).seal(b"58 bpm"))
    sealed[20] ^= 1
    with pytest.raises(SealBroken):
        Sealer([NEW]).open(bytes(sealed))


@pytest.mark.parametrize("keys", ["", " , ", "short", f"{NEW},short"])
def test_a_key_that_could_be_guessed_is_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="PLYO_HEALTH_DATA_KEYS"):
        Sealer.of(keys)
