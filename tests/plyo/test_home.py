"""The state folder: secrets and ports are kept, files are replaced whole, a broken file is named."""

import socket
import stat
from pathlib import Path

import pytest

from plyo.home import BrokenHome, Home, read_json, write_json


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "state")
    home.prepare()
    return home


class TestSecrets:
    def test_are_made_once_and_kept(self, home: Home) -> None:
        assert home.secrets() == home.secrets()

    def test_a_copy_from_before_there_was_one_gets_it_and_keeps_the_rest(self, home: Home) -> None:
        known, file = home.secrets(), home.path / "secrets" / "secrets.json"
        write_json(file, {name: value for name, value in known.items() if name != "answers"})
        told = home.secrets()
        assert told | {"answers": ""} == known | {"answers": ""}
        assert len(told["answers"]) >= 32
        assert home.secrets() == told

    @pytest.mark.asvs("13.2.3")
    def test_differ_between_copies(self, home: Home, tmp_path: Path) -> None:
        other = Home(tmp_path / "other")
        other.prepare()
        assert not set(home.secrets().values()) & set(other.secrets().values())

    @pytest.mark.asvs("13.3.2")
    def test_are_readable_by_their_owner_only(self, home: Home) -> None:
        home.secrets()
        for file in (home.path / "secrets").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_corrupt_file_is_named_with_what_to_do(self, home: Home) -> None:
        home.secrets()
        (home.path / "secrets" / "secrets.json").write_text("{half")
        with pytest.raises(BrokenHome, match=r"secrets\.json.*plyo reset"):
            home.secrets()


class TestPorts:
    def test_are_kept_while_free(self, home: Home) -> None:
        assert home.ports() == home.ports()

    def test_are_all_different(self, home: Home) -> None:
        ports = home.ports()
        assert len(set(ports.values())) == len(ports)

    def test_a_taken_one_is_replaced_and_the_rest_stay(self, home: Home) -> None:
        before = home.ports()
        with socket.socket() as other:
            other.bind(("127.0.0.1", before["api"]))
            other.listen()
            after = home.ports()
        assert after["api"] != before["api"]
        assert {name for name in before if before[name] != after[name]} == {"api"}

    def test_two_copies_do_not_collide(self, home: Home, tmp_path: Path) -> None:
        mine = home.ports()
        with socket.socket() as gateway:
            gateway.bind(("127.0.0.1", mine["gateway"]))
            gateway.listen()
            other = Home(tmp_path / "other")
            other.prepare()
            assert other.ports()["gateway"] != mine["gateway"]
        assert other.stack_id != home.stack_id


class TestWriteJson:
    def test_replaces_the_whole_file(self, tmp_path: Path) -> None:
        file = tmp_path / "x.json"
        write_json(file, {"a": 1})
        write_json(file, {"b": 2})
        assert read_json(file) == {"b": 2}
        assert list(tmp_path.iterdir()) == [file]

    def test_nothing_there_is_none(self, tmp_path: Path) -> None:
        assert read_json(tmp_path / "missing.json") is None

    def test_nobody_is_told_to_reset_for_a_file_that_can_be_made_anew(self, home: Home) -> None:
        home.state.write_text("{half a fi")
        with pytest.raises(BrokenHome, match=r"state\.json.*Delete it: it is made anew"):
            read_json(home.state)
