"""A build by the builder says and does what one without it does, whoever of the two that take part in it dies."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from orchestration import build, dbt_builder
from tests.dbt_project.lake import PROJECT, ROOT, environment

SEEDS = ["list", "--quiet", "--resource-type", "seed"]
ASK = (
    "import sys; from pathlib import Path; from orchestration import dbt_builder; "
    "status = dbt_builder.asked(Path(sys.argv[1]), sys.argv[2:]); sys.exit(99 if status is None else status)"
)
"""Asks the builder and nobody else: 99 where it does not answer."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of dbt's processes, and a place for a builder, which keeps the project as it was saved before."""
    folder = tmp_path_factory.mktemp("builder")
    place = folder / "socket"
    told = environment(None, folder / "target") | {
        "DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT), dbt_builder.PLACE: str(place),
    }  # fmt: skip
    saved = _dbt(_without(told), *SEEDS)
    assert saved.returncode == 0, saved.stdout[-2000:]
    assert (folder / "target" / "partial_parse.msgpack").exists()
    yield told
    dbt_builder.end(place, how=signal.SIGKILL)


@pytest.fixture
def place(known: dict[str, str]) -> Path:
    """Where a builder listens: that of the test before, if it lives."""
    place = Path(known[dbt_builder.PLACE])
    if not dbt_builder.is_ready(place):
        _start(place, known)
        _until(lambda: dbt_builder.is_ready(place))
    return place


def _start(place: Path, known: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in known.items():
            patched.setenv(name, value)
        dbt_builder.start(place)


def _without(known: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in known.items() if name != dbt_builder.PLACE}


def _until(is_so: Callable[[], bool]) -> None:
    """Wait for another process, five minutes at most."""
    tries = iter(range(3000))
    while not is_so():
        next(tries)
        time.sleep(0.1)


def _dbt(known: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestration.dbt_process", "--log-level-file", "none", *arguments]
    return subprocess.run(command, env=known, cwd=ROOT, text=True, capture_output=True, check=False, timeout=600)


def _ask(known: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ASK, known[dbt_builder.PLACE], *arguments]
    return subprocess.run(command, env=known, cwd=ROOT, text=True, capture_output=True, check=False, timeout=600)


def _builder(place: Path) -> psutil.Process:
    return psutil.Process(int(place.with_name(f"{place.name}.lock").read_text()))


@contextmanager
def _waiting(known: dict[str, str], place: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Who asked for a build, and the build: it waits for its plan, which comes when the block ends."""
    with build.awaited():
        asking = subprocess.Popen(
            [sys.executable, "-m", "orchestration.dbt_process", *SEEDS], text=True, cwd=ROOT,
            env=known | {build.PLAN: os.environ[build.PLAN]}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        builder, plan = _builder(place), os.environ[build.PLAN]

        def has_the_plan(child: psutil.Process) -> bool:
            try:
                return plan in [file.path for file in child.open_files()]
            except psutil.NoSuchProcess:  # the build of a test before, which has just ended
                return False

        def builds() -> list[psutil.Process]:
            return [child for child in builder.children() if has_the_plan(child)]

        _until(lambda: bool(builds()))
        yield asking, builds()[0]
    asking.wait(60)


class TestABuild:
    def test_says_and_ends_as_one_without_a_builder(self, known, place):
        for arguments, status in ((SEEDS, 0), (["list", "--select"], 2), (["--no-such-thing"], 2)):
            said, expected = _ask(known, *arguments), _dbt(_without(known), *arguments)
            assert (said.returncode, said.stdout) == (expected.returncode, expected.stdout)
            assert said.returncode == status
        assert "plyo.marketing_spend" in _ask(known, *SEEDS).stdout

    def test_reads_files_and_variables_that_are_others_than_those_read(self, known, place, tmp_path):
        copy = tmp_path / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
        (copy / "seeds" / "one_more.csv").write_text("a\n1\n")
        model = next(copy.rglob("fct_packs.sql"))
        model.write_text("{{ config(tags=['changed']) }}\n" + model.read_text())
        asked = ["list", "--select", "resource_type:seed", "tag:changed"]
        said = _ask(known | {"DBT_PROJECT_DIR": str(copy)}, *asked).stdout
        assert "plyo.one_more" in said
        assert ".fct_packs" in said
        said = _ask(known, *asked).stdout
        assert "plyo.marketing_spend" in said
        assert "plyo.one_more" not in said
        assert ".fct_packs" not in said

    def test_is_asked_for_by_nobody_else(self, place):
        assert place.stat().st_mode & 0o077 == 0

    def test_leaves_nothing_in_the_builder(self, known, place):
        builder = _builder(place)
        before = builder.memory_info().rss
        for _ in range(3):
            assert _ask(known, *SEEDS).returncode == 0
        assert builder.memory_info().rss < before + 2_000_000
        assert dbt_builder.is_ready(place)


class TestWithoutOne:
    def test_dbt_runs_as_ever_and_one_stands_by_for_the_next(self, known, place):
        dbt_builder.end(place)
        _until(lambda: not dbt_builder.is_ready(place))  # what it forked for those who only looked has its socket
        assert "plyo.marketing_spend" in _dbt(known, *SEEDS).stdout
        _until(lambda: dbt_builder.is_ready(place))
        builder = _builder(place)
        _start(place, known)  # a second one ends
        assert "plyo.marketing_spend" in _ask(known, *SEEDS).stdout
        assert _builder(place) == builder

    def test_one_that_is_stuck_is_killed_and_not_waited_for(self, known, place):
        stuck = _builder(place)
        stuck.suspend()
        assert "plyo.marketing_spend" in _dbt(known, *SEEDS).stdout
        assert not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE  # nobody may have asked how it ended
        _until(lambda: dbt_builder.is_ready(place))
        assert _ask(known, *SEEDS).returncode == 0

    def test_one_with_other_code_in_its_memory_ends(self, known, place):
        builder = _builder(place)
        with socket.socket(socket.AF_UNIX) as line, dbt_builder._folder(place):
            line.connect(place.name)
            text = json.dumps({"code": "of yesterday"}).encode()
            socket.send_fds(line, [len(text).to_bytes(8, "big")], [0, 1, 2])
            line.sendall(text)
            assert line.recv(9) == b"s"
        builder.wait(30)
        _until(lambda: not dbt_builder.is_ready(place))


class TestADeath:
    def test_of_the_builder_loses_no_build(self, known, place):
        with _waiting(known, place) as (asking, running):
            _builder(place).kill()
            _until(lambda: not dbt_builder.is_ready(place))
            assert running.is_running()
        # The plan never came, and dbt's process says so: it has outlived the builder.
        assert asking.returncode == 3

    def test_of_who_asked_ends_the_build(self, known, place):
        with _waiting(known, place) as (asking, running):
            asking.kill()
            running.wait(30)
        assert dbt_builder.is_ready(place)

    def test_of_the_build_is_told_and_the_next_one_is_built(self, known, place):
        with _waiting(known, place) as (asking, running):
            running.kill()
            assert asking.wait(30) == 4
            assert asking.stderr.read() == "The process that ran dbt died.\n"
        assert _ask(known, *SEEDS).returncode == 0

    def test_by_a_signal_to_who_asked_reaches_the_build(self, known, place):
        for sent, status in ((signal.SIGINT, 4), (signal.SIGTERM, 4)):
            with _waiting(known, place) as (asking, running):
                asking.send_signal(sent)
                running.wait(30)
                assert asking.wait(30) == status
