"""Signed addresses: each part changed is refused, and so are old ones, others' and those of a key that is gone."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from operational_api.core.signed_urls import LONGEST, BadSignedUrl, UrlSigner

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OLD, NEW = {"k1": b"1" * 32}, {"k2": b"2" * 32}
SIGNER = UrlSigner(OLD)
PATH = "/api/scheduling/calendar-files/1"


def check(signer: UrlSigner, url: str, *, method: str = "GET", after: timedelta = timedelta(), **changes: str) -> str:
    parts = urlsplit(url)
    return signer.check(method, parts.path, dict(parse_qsl(parts.query)) | changes, now=NOW + after)


@pytest.fixture
def url() -> str:
    return SIGNER.sign(PATH, subject="mia", now=NOW)


def test_opens_for_its_subject_until_it_is_over(url: str) -> None:
    assert check(SIGNER, url) == "mia"
    assert check(SIGNER, url, after=LONGEST - timedelta(seconds=1)) == "mia"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "1795694401"}, {"sub": "tom"}, {"kid": "k2"}, {"sig": "A" * 43}, {"sig": ""}, {"exp": "x"},
        {"exp": "9" * 40}, {"more": "1"}, {"method": "POST"}, {"method": "HEAD"},
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_one_is_refused(url: str, changes: dict[str, str]) -> None:
    with pytest.raises(BadSignedUrl):
        check(SIGNER, url, **changes)  # type: ignore[arg-type]


def test_another_path_is_refused(url: str) -> None:
    with pytest.raises(BadSignedUrl):
        check(SIGNER, url.replace("calendar-files/1", "calendar-files/2"))


@pytest.mark.parametrize("part", ["exp", "sub", "kid", "sig"])
def test_a_missing_part_is_refused(url: str, part: str) -> None:
    parts = urlsplit(url)
    query = {name: value for name, value in parse_qsl(parts.query) if name != part}
    with pytest.raises(BadSignedUrl):
        check(SIGNER, f"{parts.path}?{urlencode(query)}")


def test_an_old_one_is_refused(url: str) -> None:
    with pytest.raises(BadSignedUrl):
        check(SIGNER, url, after=LONGEST)


def test_none_lives_longer_than_five_minutes() -> None:
    long = SIGNER.sign(PATH, subject="mia", now=NOW, lifetime=timedelta(days=1))
    with pytest.raises(BadSignedUrl):
        check(SIGNER, long, after=LONGEST)
    from_the_future = SIGNER.sign(PATH, subject="mia", now=NOW + timedelta(hours=1))
    with pytest.raises(BadSignedUrl):
        check(SIGNER, from_the_future)


def test_keys_are_replaced_without_breaking_what_is_out(url: str) -> None:
    both = UrlSigner(NEW | OLD)
    assert check(both, url) == "mia"
    fresh = both.sign(PATH, subject="mia", now=NOW)
    assert "kid=k2" in fresh
    gone = UrlSigner(NEW)
    assert check(gone, fresh) == "mia"
    with pytest.raises(BadSignedUrl):
        check(gone, url)
    with pytest.raises(BadSignedUrl):
        check(gone, url, kid="k2")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_two_addresses_share_a_signature(path: str, subject: str, other_path: str, other_subject: str) -> None:
    signature = SIGNER._signature("k1", "GET", path, 1, subject)
    is_same = (path, subject) == (other_path, other_subject)
    assert (signature == SIGNER._signature("k1", "GET", other_path, 1, other_subject)) == is_same


class TestFromSetting:
    def test_reads_keys_in_order(self) -> None:
        setting = SecretStr(f"b:{'b' * 32},a:{'a' * 32}")
        assert "kid=b" in UrlSigner.from_setting(setting, fallback=SecretStr("x")).sign("/", subject="", now=NOW)

    def test_refuses_short_secrets(self) -> None:
        with pytest.raises(ValueError, match="32 characters"):
            UrlSigner.from_setting(SecretStr("a:short"), fallback=SecretStr("x"))
