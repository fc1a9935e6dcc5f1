"""Two videos of the demo: a test pattern that counts seconds, with captions. One of the catalogue, one a coach's guide.

They are sent through the same door as people's; checking and preparing them is the worker's.
"""

import hashlib
import os
import subprocess
import time
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import imageio_ffmpeg
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from operational_api.core.database import make_engine
from operational_api.core.objects import ObjectSettings, ObjectStore, StoreUnavailable
from operational_api.training.media.settings import MediaSettings
from operational_api.training.models import Exercise, Media
from operational_api.training.service import captions, media
from plyo.demo import presence
from plyo.logins import LOGINS

SECONDS = 12
PATIENCE = 10


class Shown(NamedTuple):
    """A video: who sends it, what it is called and shows, what is said in it (from second, words)."""

    login: str
    title: str
    exercise: str
    said: tuple[tuple[int, str], ...]


VIDEOS = (
    Shown("admin", "Back squat, from the side", "back-squat", (
        (0, "Feet as wide as your shoulders, toes a little out."), (3, "Breathe in and brace before you go down."),
        (6, "Knees follow the toes, chest stays up."), (9, "Drive up through the whole foot and breathe out."),
    )),
    Shown("coach", "How we warm up", "goblet-squat", (
        (0, "Five minutes easy on the bike first."), (4, "Then ten slow goblet squats with a light weight."),
        (8, "Now you are ready for your first set."),
    )),
)  # fmt: skip


def ensure(url: str, settings: ObjectSettings) -> None:
    """Send them unless there is a video already.

    Args:
        url: libpq URL, as owner of the schemas.
        settings: Of the store.
    """
    engine = make_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), application_name="plyo-demo")
    try:
        for left in reversed(range(PATIENCE)):
            try:
                with Session(engine) as session, session.begin():
                    if session.scalar(select(Media.id).limit(1)) is None:
                        store = ObjectStore(settings)
                        for one in VIDEOS:
                            _send(session, store, one)
                break
            except StoreUnavailable:  # it answers a moment before it can write
                if left == 0:
                    raise
                time.sleep(1)
    finally:
        engine.dispose()


def _send(session: Session, store: ObjectStore, shown: Shown) -> None:
    uploader: UUID | None = session.scalar(
        text("select id from identity.accounts where email = :email"), {"email": LOGINS[shown.login]}
    )
    exercise = session.scalar(select(Exercise.id).where(Exercise.slug == shown.exercise))
    if uploader is None or exercise is None:
        return  # not the demo's business
    now, content = datetime.now(UTC), clip(shown.title)
    digest = hashlib.sha256(content).hexdigest()
    row = media.begin_upload(
        session, kind=media.KINDS[shown.login], uploader_id=uploader, title=shown.title, size_bytes=len(content),
        sha256=media.digest_of([digest]), exercise_id=exercise, now=now, settings=MediaSettings(scanner="none"),
    )  # fmt: skip
    row = media.upload_of(session, store, row.id)
    tag = store.put_part(media.original_key(row.id), row.upload_key or "", 1, content)
    media.keep_part(session, row.id, 1, size_bytes=len(content), sha256=digest, etag=tag)
    media.complete_upload(session, store, media_id=row.id, now=now)
    captions.write_captions(
        session, row=row, language="en", content=_captions(shown), edited_by=uploader, now=now
    )  # fmt: skip


def clip(seed: str) -> bytes:
    """A test pattern with a quiet tone whose pitch depends on the seed, as MP4 by its pieces: it needs no file."""
    pitch = 220 + sum(seed.encode()) % 220
    made = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi",
         "-i", f"testsrc=size=854x480:rate=8:duration={SECONDS}", "-f", "lavfi",
         "-i", f"sine=frequency={pitch}:duration={SECONDS}", "-filter:a", "volume=0.1", "-c:v", "libx264",
         "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac",
         "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return made.stdout


def _captions(shown: Shown) -> str:
    ends = [at for at, _ in shown.said[1:]] + [SECONDS]
    cues = [
        f"00:{at:02d}.000 --> 00:{end:02d}.000\n{words}\n" for (at, words), end in zip(shown.said, ends, strict=True)
    ]
    return "\n".join(["WEBVTT\n", *cues])


if __name__ == "__main__":
    ensure(os.environ[presence.URL_VARIABLE], ObjectSettings())
