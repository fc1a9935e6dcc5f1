"""What is read of JSON that others send, and what is refused as none."""

import json

import pytest

from operational_api.core import notices


@pytest.mark.parametrize(
    "told", [{"name": "Nguyễn Thị Ánh 🏋"}, {"said": "\\u0000 with its backslash"}, [1, 2.5, None, True], "a", 10**60]
)
@pytest.mark.parametrize("is_escaped", [True, False])
def test_reads_what_can_be_kept(told: object, is_escaped: bool) -> None:
    assert notices.read(json.dumps(told, ensure_ascii=is_escaped).encode()) == told


@pytest.mark.parametrize("body", [
    b"", b"{", b'{"a": "\x00"}', b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'"\\ud83c"', b'"\\udfcb\\ud83c"', b'"\xff"',
    b"[NaN]", b"-Infinity", b"[" * 100_000, b"9" * 5_000, '{"a": 1}'.encode("utf-16"),
])  # fmt: skip
def test_refuses_what_cannot(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        notices.read(body)
