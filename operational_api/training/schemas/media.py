"""Videos as they cross HTTP. Sizes in bytes, times in seconds from the start of the video."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operational_api.training.models import Media
from operational_api.training.service.captions import Hit
from operational_api.training.service.media_library import Shelved

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hex.")]
Title = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
Language = Literal["en", "vi"]


class MediaCreate(BaseModel):
    """A video that is about to be sent. `sha256` is of the parts' SHA-256 digests (binary), one after the other."""

    title: Title
    size_bytes: Annotated[int, Field(gt=0, le=2**40)]
    sha256: Digest
    exercise_id: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    workout_id: UUID | None = None


class MediaRename(BaseModel):
    title: Title


class MediaRead(BaseModel):
    """A video and how far it is. `scan` is clean or not_scanned; `refusal` says why it was not taken."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    status: str
    title: str
    customer_id: UUID | None
    exercise_id: int | None
    workout_id: UUID | None
    size_bytes: int
    progress_percent: int
    duration_seconds: float | None
    scan: str | None
    refusal: str | None
    created_at: datetime
    exercise_name: str | None = None
    client_name: str | None = None
    seen_percent: int | None = None

    @classmethod
    def of(cls, row: Shelved) -> "MediaRead":
        """As a list tells it."""
        told = {"exercise_name": row.exercise_name, "client_name": row.client_name, "seen_percent": row.seen_percent}
        return cls.model_validate(row.media).model_copy(update=told)


class UploadRead(BaseModel):
    """An upload: parts of `part_bytes` each but the last; `arrived` need not be sent again."""

    id: UUID
    status: str
    size_bytes: int
    part_bytes: int
    part_count: int
    arrived: list[int]


class PartRead(BaseModel):
    number: int
    sha256: str


class PositionWrite(BaseModel):
    """Where somebody stopped. `watched_at` and `sent_at` are by the device's clock, however wrong it is: the time
    between the two tells how long ago that was. Without them it was now.
    """

    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
    watched_at: AwareDatetime | None = None
    sent_at: AwareDatetime | None = None


class PositionRead(BaseModel):
    """Where to go on: of another device where that watched later."""

    seconds: float


class CaptionsWrite(BaseModel):
    content: Annotated[str, Field(max_length=500_000, description="A WebVTT file.")]


class CaptionsRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    media_id: UUID
    language: str
    content: str
    edited_at: datetime


class TrackRead(BaseModel):
    """Captions in one language, by a signed address."""

    language: str
    label: str
    url: str


class LinksRead(BaseModel):
    """Signed addresses for one person: the playlist, an MP4 for players without HLS, the picture, captions."""

    playlist: str
    video: str
    poster: str
    captions: list[TrackRead]
    expires_at: datetime


class HitRead(BaseModel):
    """Words found in captions, and where."""

    media_id: UUID
    title: str
    language: str
    at_seconds: float
    words: str

    @classmethod
    def of(cls, hit: Hit) -> "HitRead":
        """Of one caption."""
        return cls(
            media_id=hit.media.id, title=hit.media.title, language=hit.cue.language, at_seconds=hit.at_seconds,
            words=hit.cue.words,
        )  # fmt: skip


def upload_of(row: Media, part_count: int, arrived: list[int]) -> UploadRead:
    """How far an upload is."""
    return UploadRead(
        id=row.id, status=row.status, size_bytes=row.size_bytes, part_bytes=row.part_bytes, part_count=part_count,
        arrived=arrived,
    )  # fmt: skip
