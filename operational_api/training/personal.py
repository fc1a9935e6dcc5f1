"""What training gives a person of itself: what they trained, how they were, their videos; what a coach made."""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.objects import ObjectStore
from operational_api.core.personal import Contributed, Person, PersonalFile, given
from operational_api.training.models import Media
from operational_api.training.service.media import folder_of


def _videos(session: Session, person: Person) -> Sequence[PersonalFile]:
    """Videos that they are in or that they made, as they are served."""
    theirs = (Media.customer_id == person.account_id) | (Media.uploader_id == person.account_id)
    rows = session.scalars(select(Media).where(theirs, Media.status == "ready").order_by(Media.id)).all()
    return [
        PersonalFile(f"videos/{row.created_at:%Y-%m-%d}-{row.id}.mp4", partial(_video, f"{folder_of(row)}video.mp4"))
        for row in rows
    ]


def _video(key: str, store: ObjectStore, _: Sealer | None) -> Iterator[bytes]:
    return store.read(key)


PERSONAL = [
    Contributed(
        "training",
        {
            "check_ins": given("customer_id", omit="answered_by"),
            "clients": given("id"),
            "coach_assignments": given("customer_id"),
            "goals": given("customer_id"),
            "habit_checks": given("customer_id"),
            "habits": given("customer_id"),
            "injuries": given("customer_id"),
            "media": given("customer_id uploader_id", omit="upload_key"),
            "media_captions": given(through="media_id", omit="edited_by"),
            "media_positions": given("account_id"),
            "onboarding_steps": given("customer_id"),
            "personal_records": given("customer_id", named="exercise_id:name"),
            "planned_exercises": given(through="programme_id", named="exercise_id:name"),
            "programme_phases": given(through="programme_id"),
            "programme_templates": given("coach_id"),
            "programme_versions": given(through="programme_id", omit="made_by"),
            "programmes": given("customer_id"),
            "screenings": given("customer_id", omit="cleared_by"),
            "wearable_days": given("customer_id"),
            "workout_revisions": given("customer_id", omit="logged_by replaced_by"),
            "workout_sets": given(through="workout_id", named="exercise_id:name"),
            "workouts": given("customer_id", omit="logged_by"),
        },
        {
            "media_cues": "the words of media_captions once more, for the search",
            "media_parts": "how far an upload came",
        },
        _videos,
    )
]
