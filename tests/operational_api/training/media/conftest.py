"""A studio whose videos are kept in the run's S3 server, checked by its clamd and prepared by ffmpeg."""

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine, update
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from operational_api.core.database import session_factory
from operational_api.core.objects import ObjectStore
from operational_api.core.viewer import SYSTEM
from operational_api.identity.models import Account
from operational_api.training.media import footage
from operational_api.training.media.settings import MediaSettings
from operational_api.training.media.worker import MediaWorker
from operational_api.training.models import Media
from operational_api.training.service import media
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url
from tests.operational_api.conftest import access_token, bearing

SMALLEST_PART = 5 * 2**20


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Eight seconds of a test pattern with a tone, as a phone would send it: 720 lines, and where it was filmed."""
    file = tmp_path_factory.mktemp("clip") / "clip.mp4"
    subprocess.run(
        [footage._ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=5:duration=8",
         "-f", "lavfi", "-i", "sine=frequency=440:duration=8", "-c:v", "libx264", "-preset", "ultrafast",
         "-pix_fmt", "yuv420p", "-c:a", "aac", "-metadata", "location=+48.137+011.575/", str(file)],
        check=True,
    )  # fmt: skip
    return file.read_bytes()


@dataclass
class Studio:
    """A database of its own, the app on it, and the worker's loop, called by hand."""

    app: FastAPI
    sessions: sessionmaker[Session]
    store: ObjectStore
    settings: MediaSettings

    def client_of(self, account: Account) -> TestClient:
        return bearing(self.app, access_token(self.app, account))

    def worker(self, stop: Event | None = None, **settings: object) -> MediaWorker:
        return MediaWorker(
            self.sessions, self.settings.model_copy(update=settings), self.store, stop or Event()
        )  # fmt: skip

    def work(self, **settings: object) -> None:
        """Do all that is due."""
        worker = self.worker(**settings)
        while worker.run_due():
            pass

    def row(self, media_id: object) -> Media:
        with self.sessions() as session:
            return session.get_one(Media, media_id)

    def make_due(self, media_id: object) -> None:
        """As if the time had come."""
        with self.sessions.begin() as session:
            session.execute(update(Media).where(Media.id == media_id).values(due_at=datetime.now(UTC)))


@pytest.fixture(scope="module")
def engine_of_studio(postgres: PostgresServer, template_database: str) -> Iterator[Engine]:
    name = f"plyo_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    engine = create_engine(sqlalchemy_url(postgres.url(name)))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def studio(
    engine_of_studio: Engine,
    serve_app: Callable[[str], FastAPI],
    store: ObjectStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Studio:
    url = engine_of_studio.url.set(drivername="postgresql").render_as_string(hide_password=False)
    app = serve_app(url)
    settings = MediaSettings(
        scanner="none", part_bytes=SMALLEST_PART, work_folder=Path(tmp_path_factory.mktemp("work"))
    )  # fmt: skip
    app.state.objects, app.state.media_settings = store, settings
    return Studio(app, session_factory(engine_of_studio, viewer=lambda: SYSTEM), store, settings)


def parts_of(content: bytes) -> list[bytes]:
    return [content[at : at + SMALLEST_PART] for at in range(0, len(content), SMALLEST_PART)]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begin(phone: TestClient, content: bytes, title: str = "Squat") -> dict[str, Any]:
    digest = media.digest_of([sha(one) for one in parts_of(content)])
    body = {"title": title, "size_bytes": len(content), "sha256": digest}
    answer = phone.post("/api/training/media", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def put(phone: TestClient, media_id: str, number: int, content: bytes, **headers: str) -> httpx.Response:
    given = {"X-Content-SHA256": sha(content), "Content-Type": "application/octet-stream"} | headers
    return phone.put(f"/api/training/media/{media_id}/parts/{number}", content=content, headers=given)


def send(phone: TestClient, content: bytes) -> str:
    """All of a file; returns the video's id."""
    begun = begin(phone, content)
    for number, part in enumerate(parts_of(content), start=1):
        answer = put(phone, begun["id"], number, part)
        assert answer.status_code == 200, answer.text
    answer = phone.post(f"/api/training/media/{begun['id']}/completion")
    assert (answer.status_code, answer.json()["status"]) == (200, "checking"), answer.text
    return str(begun["id"])


def keys_below(studio: Studio, prefix: str) -> list[str]:
    found = studio.store._client.list_object_versions(Bucket=studio.store.bucket, Prefix=prefix)
    return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, [])]
