"""The list of breached passwords: asked by prefix, complete, and replaceable by a larger one."""

import hashlib
from pathlib import Path

import pytest

from operational_api.identity import breached, passwords
from operational_api.identity.errors import BadPassword

SOURCE = breached.SHIPPED.with_name("common_passwords.txt")


class TestShippedList:
    @pytest.mark.asvs("6.2.4")
    @pytest.mark.asvs("6.2.12")
    def test_is_built_from_the_common_passwords(self, tmp_path: Path) -> None:
        assert breached.build(SOURCE, tmp_path / "list.txt") > 3000
        assert (tmp_path / "list.txt").read_bytes() == breached.SHIPPED.read_bytes()

    def test_knows_the_first_and_the_last_and_nobody_else(self) -> None:
        first, *_, last = breached.SHIPPED.read_text().split()
        assert first[5:] in breached.suffixes(first[:5])
        assert last[5:] in breached.suffixes(last[:5])
        assert all(breached.is_breached(word) for word in SOURCE.read_text().split()[::97])
        assert not breached.is_breached("correct horse battery")
        assert list(breached.suffixes("00000")) == []


class TestLargerList:
    def test_may_be_whole_hashes_with_counts(self, tmp_path: Path) -> None:
        words = [f"word number {n}" for n in range(500)]
        hashes = sorted(hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest().upper() for word in words)
        file = tmp_path / "pwned.txt"
        file.write_text("\r\n".join(f"{one}:{n + 1}" for n, one in enumerate(hashes)))
        assert all(breached.is_breached(word, file=file) for word in words)
        assert not breached.is_breached("word number 500", file=file)


class TestCheck:
    @pytest.mark.asvs("6.2.1")
    @pytest.mark.asvs("6.2.5")
    @pytest.mark.asvs("6.2.9")
    @pytest.mark.parametrize(
        "password", ["zq" * 3 + "xw", "~" * 30 + "é漢字 " * 8, "nothing but small letters", "x1 y2" * 25]
    )
    def test_any_signs_from_8_to_128_are_fine(self, password: str) -> None:
        passwords.check(password, email="mia@plyo.test")

    @pytest.mark.asvs("6.2.11")
    @pytest.mark.parametrize("password", ["Plyo2026!", "plyo-coach-1", "Training_Studio", "Admin12345678"])
    def test_our_own_words_are_not_enough(self, password: str) -> None:
        with pytest.raises(BadPassword):
            passwords.check(password, email="mia@plyo.test")

    @pytest.mark.parametrize("password", ["PASSWORD1", "iloveyou1"])
    def test_capitals_do_not_hide_a_known_one(self, password: str) -> None:
        with pytest.raises(BadPassword):
            passwords.check(password, email="mia@plyo.test")

    @pytest.mark.asvs("6.2.8")
    def test_every_sign_counts(self) -> None:
        long = "a long row of words " * 6 + "and then"
        known = passwords.hashed(long[:128])
        assert passwords.verify(long[:128], known)[0]
        assert not passwords.verify(long[:128] + "!", known)[0]
        assert not passwords.verify(long[:128].upper(), known)[0]

    @pytest.mark.asvs("11.4.2")
    def test_a_guess_is_work_unless_told_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("MEMORY_KIB", "PASSES", "LANES"):
            monkeypatch.delenv(f"PLYO_ARGON2_{name}")
        usual = passwords.PasswordSettings()
        assert (usual.memory_kib, usual.passes, usual.lanes) == (65536, 3, 4)
        assert passwords.hashed("any").startswith("$argon2id$")
