"""Captions: written and changed as WebVTT, found by their words, to the second."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, delete, func, insert, literal_column, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from contracts.events.training import CaptionsEdited
from operational_api.core.outbox import publish
from operational_api.training.errors import CaptionsNotFound, InvalidCaptions
from operational_api.training.media import webvtt
from operational_api.training.models import Media, MediaCaptions, MediaCue
from operational_api.training.models.media import CUE_WORDS
from operational_api.training.service.exercises import words_of

LANGUAGES = {"en": "English", "vi": "Tiếng Việt"}
MOST_HITS = 30


@dataclass(frozen=True, slots=True)
class Hit:
    """Words found: in which video, and at which second."""

    media: Media
    cue: MediaCue

    @property
    def at_seconds(self) -> float:
        """Where the caption begins."""
        return self.cue.starts_ms / 1000


def write_captions(
    session: Session, *, row: Media, language: str, content: str, edited_by: UUID, now: datetime
) -> MediaCaptions:
    """Keep the captions of a language in place of those there were, and announce it. The same again changes nothing.

    Raises:
        InvalidCaptions: they are not WebVTT; `line` says where, and what was there stays.
    """
    longest = None if row.duration_seconds is None else round(row.duration_seconds * 1000)
    try:
        cues = webvtt.parse(content, longest_ms=longest)
    except webvtt.BadCaptions as refusal:
        raise InvalidCaptions(str(refusal), line=refusal.line) from None
    written = webvtt.write(cues)
    session.execute(select(Media.id).where(Media.id == row.id).with_for_update())
    key = {"media_id": row.id, "language": language}
    known = session.get(MediaCaptions, (row.id, language), populate_existing=True)
    if known is not None and known.content == written:
        return known
    said = {"content": written, "edited_by": edited_by, "edited_at": now}
    session.execute(
        pg_insert(MediaCaptions).values(**key, **said).on_conflict_do_update(index_elements=list(key), set_=said)
    )
    session.execute(delete(MediaCue).where(MediaCue.media_id == row.id, MediaCue.language == language))
    if cues:
        session.execute(
            insert(MediaCue),
            [
                {**key, "position": position, "starts_ms": cue.starts_ms, "ends_ms": cue.ends_ms, "words": cue.text}
                for position, cue in enumerate(cues, start=1)
            ],
        )
    publish(session, CaptionsEdited(occurred_at=now, media_id=row.id, language=language, cue_count=len(cues)))
    return session.get_one(MediaCaptions, (row.id, language), populate_existing=True)


def captions_of(session: Session, media_id: UUID, language: str) -> MediaCaptions:
    """The captions of a video in a language.

    Raises:
        CaptionsNotFound: there are none.
    """
    row = session.get(MediaCaptions, (media_id, language), populate_existing=True)
    if row is None:
        raise CaptionsNotFound
    return row


def languages_of(session: Session, media_id: UUID) -> list[str]:
    """In which languages a video has captions."""
    query = select(MediaCaptions.language).where(MediaCaptions.media_id == media_id)
    return list(session.scalars(query.order_by(MediaCaptions.language)))


def cues_of(session: Session, media_id: UUID, language: str) -> Sequence[MediaCue]:
    """What is said, in order."""
    query = select(MediaCue).where(MediaCue.media_id == media_id, MediaCue.language == language)
    return session.scalars(query.order_by(MediaCue.position)).all()


def search(session: Session, text: str, *, visible: ColumnElement[bool]) -> list[Hit]:
    """Captions with all these words or longer ones, in videos that whoever asks may watch, the newest videos first."""
    words = words_of(text)
    if not words:
        return []
    rows = session.execute(spoken(words, visible=visible).limit(MOST_HITS)).tuples()
    return [Hit(media, cue) for media, cue in rows]


def spoken(words: Sequence[str], *, visible: ColumnElement[bool]) -> Select[tuple[Media, MediaCue]]:
    """The same as a query; by the index of words."""
    asked = func.to_tsquery(literal_column("'simple'::regconfig", Text), " & ".join(f"{word}:*" for word in words))
    return (
        select(Media, MediaCue)
        .join(Media, Media.id == MediaCue.media_id)
        .where(literal_column(CUE_WORDS, Text).op("@@")(asked), Media.status == "ready", visible)
        .order_by(Media.id.desc(), MediaCue.language, MediaCue.starts_ms)
    )
