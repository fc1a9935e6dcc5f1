"""The doctor names what is wrong and what to do."""

from pathlib import Path

import pytest

from plyo import doctor
from plyo.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "state")
    home.prepare()
    return home


def broken(home: Home) -> dict[str, str]:
    return {
        finding.what: finding.advice for finding in doctor.examine(home) if not finding.is_fine and finding.is_fatal
    }


class TestExamine:
    def test_finds_nothing_fatal_in_a_fresh_folder(self, home: Home) -> None:
        assert broken(home) == {}

    @pytest.mark.parametrize(
        ("file", "advice"),
        [("secrets/secrets.json", "plyo reset"), ("ports.json", "Delete it"), ("run/state.json", "Delete it")],
    )
    def test_names_a_corrupt_file(self, home: Home, file: str, advice: str) -> None:
        (home.path / file).write_text("garbage")
        assert advice in broken(home)[Path(file).name]

    def test_names_a_data_folder_that_is_no_cluster(self, home: Home) -> None:
        home.postgres.mkdir(parents=True)
        assert "PostgreSQL 18" in broken(home)["PostgreSQL's data folder"]

    def test_names_a_full_disk(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "MINIMUM_FREE_GIB", 1e9)
        monkeypatch.setattr(doctor, "COMFORTABLE_FREE_GIB", 1e9)
        assert any("PLYO_HOME" in advice for advice in broken(home).values())

    def test_names_the_lock_of_a_killed_postgres(self, home: Home) -> None:
        home.postgres.mkdir(parents=True)
        (home.postgres / "PG_VERSION").write_text("18\n")
        (home.postgres / "postmaster.pid").write_text("999999\n")
        advice = {finding.what: finding.advice for finding in doctor.examine(home) if not finding.is_fine}
        assert "recovers by itself" in advice["A lock file of a killed PostgreSQL"]
