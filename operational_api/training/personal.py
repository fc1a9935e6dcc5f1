"""What training gives a person of itself: what they trained, how they were, their videos; what a coach made."""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.objects import ObjectStore
from operational_api.core.personal import (
    DELETED,
    IDS,
    Contributed,
    Elsewhere,
    Emptied,
    Kept,
    Person,
    PersonalFile,
    given,
)
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


FORMER = "Former client"
PERSONAL = [
    Contributed(
        "training",
        {
            "check_ins": given("customer_id", DELETED, omit="answered_by"),
            "clients": given(
                "id",
                Emptied(
                    {"display_name": FORMER, "goal": "general_fitness", "birth_year": None, "home_distance_km": None}
                ),
            ),
            "coach_assignments": given("customer_id", Emptied({"reason": None})),
            "goals": given("customer_id", DELETED),
            "habit_checks": given("customer_id", DELETED),
            "habits": given("customer_id", DELETED),
            "injuries": given("customer_id", DELETED),
            "media": given("customer_id uploader_id", Elsewhere("media.forget_person"), omit="upload_key"),
            "media_captions": given(closing=Elsewhere("media.forget_person"), through="media_id", omit="edited_by"),
            "media_positions": given("account_id", Elsewhere("media.forget_person")),
            "onboarding_steps": given("customer_id", IDS),
            "personal_records": given("customer_id", IDS, named="exercise_id:name"),
            "planned_exercises": given(
                closing=Emptied({"note": None}), through="programme_id", named="exercise_id:name"
            ),
            "programme_phases": given(closing=IDS, through="programme_id"),
            "programme_templates": given("coach_id", Kept("plans of the business, by which others train")),
            "programme_versions": given(closing=Emptied({"reason": None}), through="programme_id", omit="made_by"),
            "programmes": given("customer_id", IDS),
            "screenings": given("customer_id", DELETED, omit="cleared_by"),
            "wearable_days": given("customer_id", DELETED),
            "workout_revisions": given("customer_id", DELETED, omit="logged_by replaced_by"),
            "workout_sets": given(closing=Emptied({"note": None}), through="workout_id", named="exercise_id:name"),
            "workouts": given("customer_id", Emptied({"note": None}), omit="logged_by"),
        },
        {
            "media_cues": "the words of media_captions once more, for the search",
            "media_parts": "how far an upload came",
        },
        _videos,
    )
]
