"""The command line refuses what it cannot do, in words that say what it could, and changes nothing."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plyo import analyst
from plyo.cli import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLYO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, arguments)


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("up", "--customers", "5"), "0, or at least 20"),
            (("up", "--months", "1"), "greater than or equal to 2"),
            (("demo", "--customers", "5"), "greater than or equal to 20"),
            (("up", "--costumers", "50"), "No such option: --costumers"),
            (("downn",), "No such command 'downn'"),
        ],
    )
    def test_a_wrong_flag_is_named_and_nothing_begins(self, run, tmp_path: Path, arguments, said: str) -> None:
        answer = run(*arguments)
        assert answer.exit_code == 2
        assert said in answer.output
        assert not (tmp_path / "home").exists()

    def test_a_newcomer_is_told_what_there_is(self, run) -> None:
        assert {"up", "down", "status", "doctor", "demo", "reset"} <= set(run("--help").output.split())


class TestUp:
    def test_a_damaged_state_folder_is_named_with_what_to_do(self, run, tmp_path: Path) -> None:
        secrets = tmp_path / "home" / "secrets" / "secrets.json"
        secrets.parent.mkdir(parents=True)
        secrets.write_text("{half")
        answer = run("up", "--detach")
        assert answer.exit_code == 1
        assert "secrets.json cannot be read" in answer.output.replace("\n", "")  # a long path is broken anywhere
        assert secrets.read_text() == "{half"


class TestStatus:
    def test_says_how_to_start_what_is_stopped(self, run) -> None:
        answer = run("status")
        assert answer.exit_code == 3
        assert "plyo up" in answer.output


class TestAnalyst:
    @pytest.mark.parametrize("command", ["lake", "token"])
    def test_what_a_stopped_copy_cannot_say_is_no_line_for_a_shell(self, run, command: str) -> None:
        answer = run(command)
        assert (answer.exit_code, answer.stdout) == (3, "")
        assert "plyo up" in answer.stderr

    def test_lines_for_a_shell_keep_a_folder_with_spaces_whole(self) -> None:
        lines = analyst.exports({"PLYO_LAKE_PATH": "/my data/lake", "PLYO_LAKE_CATALOG_URL": "postgresql://a:b@c/d"})
        assert [shlex.split(line) for line in lines.splitlines()] == [
            ["export", "PLYO_LAKE_PATH=/my data/lake"], ["export", "PLYO_LAKE_CATALOG_URL=postgresql://a:b@c/d"],
        ]  # fmt: skip


class TestDemo:
    def test_wants_a_database(self, run) -> None:
        answer = run("demo")
        assert answer.exit_code == 1
        assert "plyo up --customers 0" in answer.output


class TestReset:
    def test_deletes_only_after_a_yes(self, run, tmp_path: Path) -> None:
        kept = tmp_path / "home" / "logs" / "api.log"
        kept.parent.mkdir(parents=True)
        kept.touch()
        assert run("reset").exit_code == 1
        assert kept.exists()
        assert run("reset", "--yes").exit_code == 0
        assert not kept.exists()
