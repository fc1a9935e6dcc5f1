"""A worker that is really killed, or really sleeps past its lease, in whatever it was doing."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, func, select

from contracts.events.training import MediaPrepared
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.objects import ObjectSettings, ObjectStore
from operational_api.core.viewer import SYSTEM
from operational_api.training.media.settings import MediaSettings
from operational_api.training.media.worker import MediaWorker
from operational_api.training.models import Media
from tests.factories import account_of, make_client
from tests.forks import Fork, Forks
from tests.operational_api.training.media.conftest import Studio, keys_below, send

forks = Forks("tests.operational_api.loaded", __name__)
LONGEST = 180.0
"""Seconds that a step is waited for, on a machine that has other things to do."""


def work(url: str, settings: MediaSettings, objects: ObjectSettings) -> None:
    """A worker's loop, until somebody ends the process."""
    sessions = session_factory(create_engine(url), viewer=lambda: SYSTEM)
    worker = MediaWorker(sessions, settings, ObjectStore(objects), Event())
    while True:
        if not worker.run_due():
            time.sleep(0.01)


@pytest.fixture
def phone(studio: Studio) -> TestClient:
    with studio.sessions.begin() as session:
        account = account_of(session, make_client(session))
    return studio.client_of(account)


@pytest.fixture
def begun(studio: Studio, object_settings: ObjectSettings) -> Callable[..., Fork]:
    url = studio.sessions.kw["bind"].url.render_as_string(hide_password=False)

    def begin(**settings: Any) -> Fork:
        given = studio.settings.model_copy(update=settings)
        process = forks.process(work, [url, given, object_settings], daemon=True)
        process.start()
        return process

    return begin


def wait_for(studio: Studio, media_id: str, step: Callable[[Media], bool]) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        if step(studio.row(UUID(media_id))):
            return
        time.sleep(0.002)
    pytest.fail(f"this step never came, it is {studio.row(UUID(media_id)).status}")


def at_work_in(folder: Path) -> list[str]:
    """Command lines of processes that name the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = one.read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        if str(folder) in line:
            found.append(line.replace("\0", " "))
    return found


def is_whole(studio: Studio, media_id: str) -> None:
    """It can be watched, was announced once, and nothing is left of the takings before."""
    row = studio.row(UUID(media_id))
    assert (row.status, row.due_at) == ("ready", None), row.refusal
    assert [one["name"] for one in row.renditions or ()] == ["240p", "480p", "720p"]
    keys = keys_below(studio, f"media/{media_id}/")
    assert {key.split("/")[2] for key in keys} == {str(row.edition)}
    assert len(keys) == len(set(keys))
    assert keys_below(studio, f"originals/{media_id}") == []
    told = select(func.count()).where(
        OutboxEvent.type == MediaPrepared.type, OutboxEvent.payload["media_id"].astext == media_id
    )
    with studio.sessions() as session:
        assert session.scalar(told) == 1
    assert list(studio.settings.work_folder.iterdir()) == []


STEPS: dict[str, Callable[[Media], bool]] = {
    "fetching": lambda row: row.attempts == 1,
    "encoding": lambda row: row.status == "encoding" and 0 < row.progress_percent < 99,
    "storing": lambda row: row.status == "encoding" and row.progress_percent == 99,
    "tidying": lambda row: row.status == "ready",
}


class TestKilled:
    @pytest.mark.parametrize("step", STEPS)
    def test_whatever_it_was_doing_the_next_one_ends_with_the_same(
        self, studio: Studio, phone: TestClient, begun: Callable[..., Fork], clip: bytes, step: str
    ) -> None:
        media_id = send(phone, clip)
        worker = begun()
        wait_for(studio, media_id, STEPS[step])
        worker.kill()
        worker.join(LONGEST)
        assert worker.exitcode == -signal.SIGKILL
        until = time.monotonic() + LONGEST
        while at_work_in(studio.settings.work_folder) and time.monotonic() < until:
            time.sleep(0.01)
        assert at_work_in(studio.settings.work_folder) == []  # ffmpeg does not outlive who started it
        studio.make_due(media_id)  # as if the lease had run out
        studio.work()
        is_whole(studio, media_id)

    def test_one_that_slept_past_its_lease_takes_nothing_from_who_followed(
        self, studio: Studio, phone: TestClient, begun: Callable[..., Fork], clip: bytes
    ) -> None:
        media_id = send(phone, clip)
        asleep = begun()
        wait_for(studio, media_id, STEPS["encoding"])
        assert asleep.pid
        os.kill(asleep.pid, signal.SIGSTOP)
        studio.make_due(media_id)
        follower = begun()
        wait_for(studio, media_id, lambda row: row.attempts == 2 and row.status == "encoding")
        os.kill(asleep.pid, signal.SIGCONT)
        wait_for(studio, media_id, lambda row: row.status == "ready" and row.due_at is None)
        for one in (asleep, follower):
            one.kill()
            one.join(LONGEST)
        assert studio.row(UUID(media_id)).edition == 2  # the follower's, at its first try
        is_whole(studio, media_id)
