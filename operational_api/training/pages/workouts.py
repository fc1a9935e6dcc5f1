"""Pages of a workout: logging on a phone, correcting, skipping and deleting it, and how it went. For customers.

The hidden id of a workout makes sending a log twice harmless. Logging works without JavaScript: adding a set or a
movement is then a round trip that keeps what was typed. With it, a log typed where there is no network waits on the
device (`kept-workouts.js`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import AwareDatetime
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.training import access, amounts, forms, naming
from operational_api.training.errors import LoggedOtherwise, WorkoutChanged, WorkoutClosed, WorkoutNotFound
from operational_api.training.models import Client, Exercise
from operational_api.training.service import corrections, exercises, media_library, progress, workouts
from operational_api.web.rendering import redirect, render

router = APIRouter(dependencies=[Allowed("training.train")])
FOUND = 8
Texts = Annotated[Sequence[str], Form(max_length=forms.MOST_ROWS)]
Text = Annotated[str, Form(max_length=2100)]
Revision = Annotated[int | None, Form(ge=0, le=2**15 - 1)]
Time = Annotated[AwareDatetime | None, Form()]


@router.get("/training/log", response_class=HTMLResponse)
def log_form(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    workout: UUID | None = None,
    exercise: Annotated[list[int] | None, Query(max_length=20)] = None,
) -> Response:
    """The logging form: of a planned workout, of one logged today (to correct it), or an empty one."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, None, "training.read_client", now=now)
    draft = forms.Draft(workout or new_id())
    if workout is not None:
        row, client = access.reach_workout(session, principal, workout, "training.log_workout")
        draft.title = row.title or draft.title
        if row.status == "completed":
            if not corrections.is_correctable(row, client, now):
                raise WorkoutClosed
            detail = workouts.detail_of(session, row)
            draft.title, draft.mode = detail.title, "edit"
            draft.scale, draft.revision = forms.scale_of(detail.sets), detail.revision
            known = exercises.known_exercises(session, detail.names)
            draft.blocks = forms.logged_blocks(detail.sets, known, scale=draft.scale)
            draft.duration_minutes, draft.session_rpe = (
                forms.number(row.duration_minutes),
                forms.number(row.session_rpe),
            )
            draft.note = row.note or ""
        elif client.on_hold_since is None:  # else nobody follows the plan: what was done before can be told
            draft.blocks = forms.planned_blocks(session, row)
    for one in exercises.known_exercises(session, exercise or []).values():
        draft.blocks.append(forms.new_block(session, one, client.id))
    return _form(request, client, draft, is_typed=False)


@router.post("/training/log")
def log(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    workout_id: Annotated[UUID, Form()],
    exercise_id: Annotated[list[int] | None, Form(max_length=forms.MOST_ROWS)] = None,
    weight_kg: Texts = (),
    reps: Texts = (),
    rpe: Texts = (),
    superset: Texts = (),
    set_note: Texts = (),
    assistance_kg: Texts = (),
    distance: Texts = (),
    time: Texts = (),
    scale: Annotated[Literal["rpe", "rir"], Form()] = "rpe",
    mode: Annotated[Literal["log", "edit"], Form()] = "log",
    revision: Revision = None,
    title: Annotated[str, Form(max_length=120)] = "Log a workout",
    action: Annotated[str, Form(max_length=40)] = "save",
    find: Annotated[str, Form(max_length=80)] = "",
    searched: Annotated[str, Form(max_length=80)] = "",
    duration_minutes: Text = "",
    session_rpe: Text = "",
    note: Text = "",
    done_at: Time = None,
    sent_at: Time = None,
    quiet: bool = Form(False),
) -> Response:
    """Save the log, or, without JavaScript, add a set or a movement and show the form again as it was typed.

    What somebody else made of it meanwhile is shown beside it. `quiet` is sent by scripts that tell of it themselves.
    """
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, None, "training.log_workout", now=now)
    blocks = forms.typed_blocks(
        session, client.id, exercise_id or [], weight_kg, reps, rpe, superset, set_note, assistance_kg, distance, time
    )
    draft = forms.Draft(workout_id, title, mode, blocks, duration_minutes, session_rpe, note, scale, revision or 0)
    if action.startswith("add_set:"):
        block = next((one for one in blocks if str(one.exercise.id) == action[8:]), None)
        if block is not None:
            block.rows.append(replace(block.rows[-1], rpe="", note="", error=""))
        return _form(request, client, draft)
    if action.startswith("add_exercise:") and action[13:].isdecimal():
        known = exercises.known_exercises(session, [int(action[13:])])
        draft.blocks += [forms.new_block(session, one, client.id) for one in known.values()]
        return _form(request, client, draft)
    if action == "find" or (find.strip() and find != searched):  # Enter in the search field, without a script
        found = exercises.search_exercises(session, text=find, limit=FOUND).rows if find.strip() else ()
        return _form(request, client, draft, find=find.strip(), found=found)
    read = draft.read()
    if read is None:
        return _form(request, client, draft, status_code=422)
    made_at = _by_our_clock(done_at, sent_at, now)
    log = read.log()
    try:
        if mode == "edit":
            access.reach_workout(session, principal, workout_id, "training.log_workout")
            corrections.correct_workout(
                session, workout_id=workout_id, client=client, log=log, logged_by=client.id, now=now,
                revision=revision, made_at=made_at,
            )  # fmt: skip
        else:
            log = replace(log, completed_at=made_at or log.completed_at)
            workouts.log_workout(
                session, workout_id=workout_id, client=client, log=log, logged_by=client.id, now=now
            )  # fmt: skip
    except (WorkoutChanged, LoggedOtherwise):
        if not _is_read_by_a_person(request):
            raise
        return _both(request, session, client, draft, log, made_at=made_at, done_at=done_at)
    told = "Changed." if mode == "edit" else "Logged. Well done."
    return redirect(request, f"/training/workouts/{workout_id}", flash=None if quiet else told)


@router.get("/training/workouts/{workout_id}", response_class=HTMLResponse)
def workout_page(request: Request, workout_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One logged workout: what was done, and what it was a best of."""
    row, client = access.reach_workout(session, principal, workout_id, "training.read_workouts")
    if row.status != "completed":
        raise WorkoutNotFound
    detail = workouts.detail_of(session, row)
    blocks = forms.logged_blocks(detail.sets, exercises.known_exercises(session, detail.names))
    sets = detail.sets
    return render(
        request,
        "training/workout.html",
        is_offline_ready=True,
        tz=client.time_zone,
        workout=row,
        title=detail.title,
        blocks=blocks,
        set_count=len(sets),
        volume_kg=sum((one.weight_kg or 0) * one.reps for one in sets),
        distance=amounts.distance(sum(one.distance_m or 0 for one in sets) or None),
        bests=progress.bests_of(session, row),
        more_records=[
            forms.record_told(one, detail.names[one.exercise_id]) for one in detail.records if one.kind != "e1rm"
        ],
        is_correctable=corrections.is_correctable(row, client, datetime.now(UTC)),
        revision=detail.revision,
        videos=media_library.form_videos(session, client.id, workout_id=row.id),
    )


@router.post("/training/workouts/{workout_id}/delete")
def delete(
    request: Request,
    workout_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    revision: Revision = None,
    done_at: Time = None,
    sent_at: Time = None,
    quiet: bool = Form(False),
) -> Response:
    """A logged workout that was not done after all. What somebody else made of it meanwhile is shown first."""
    now = datetime.now(UTC)
    row, client = access.reach_workout(session, principal, workout_id, "training.log_workout")
    made_at = _by_our_clock(done_at, sent_at, now)
    try:
        corrections.delete_workout(
            session, workout_id=workout_id, client=client, deleted_by=client.id, now=now, revision=revision,
            made_at=made_at,
        )  # fmt: skip
    except WorkoutChanged:
        if not _is_read_by_a_person(request):
            raise
        draft = forms.Draft(workout_id, row.title)
        return _both(request, session, client, draft, None, made_at=made_at, done_at=done_at)
    return redirect(request, "/training", flash=None if quiet else "Deleted. It counts as not done.", tone="info")


@router.post("/training/workouts/{workout_id}/skip")
def skip(request: Request, workout_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A planned workout that will not be done."""
    access.reach_workout(session, principal, workout_id, "training.log_workout")
    workouts.skip_workout(session, workout_id=workout_id, now=datetime.now(UTC))
    return redirect(request, "/training", flash="Skipped. On to the next one.", tone="info")


def _form(
    request: Request,
    client: Client,
    draft: forms.Draft,
    *,
    status_code: int = 200,
    find: str = "",
    found: Sequence[Exercise] = (),
    is_typed: bool = True,
) -> Response:
    return render(
        request,
        "training/log.html",
        status_code=status_code,
        is_offline_ready=not is_typed,
        is_typed=is_typed,
        tz=client.time_zone,
        draft=draft,
        find=find,
        found=found,
        about=naming.about,
    )


def _by_our_clock(done_at: datetime | None, sent_at: datetime | None, now: datetime) -> datetime | None:
    """When something was done that waited on a device for a network, and was sent just now.

    Args:
        done_at, sent_at: Both by the device's clock: by how much that is wrong is known from the second.
    """
    if done_at is None:
        return None
    if sent_at is not None and abs(now - sent_at) > workouts.CLOCK_SKEW:
        done_at += now - sent_at
    return min(done_at, now)


def _is_read_by_a_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _both(
    request: Request,
    session: Session,
    client: Client,
    draft: forms.Draft,
    log: workouts.Log | None,
    *,
    made_at: datetime | None,
    done_at: datetime | None,
) -> Response:
    """What a workout says now beside what somebody wanted it to say (None: nothing, to delete it), to pick one."""
    now = datetime.now(UTC)
    workout = workouts.get_workout(session, draft.workout_id)
    detail = workouts.detail_of(session, workout)
    versions = workouts.revisions_of(session, workout)
    draft.mode, draft.revision = "edit", len(versions)
    sets = [one._replace(rpe=one.effort) for one in log.sets] if log else []
    known = exercises.known_exercises(session, {one.exercise_id for one in (*sets, *detail.sets)})
    told = [("done_at", done_at.isoformat())] if done_at else []
    fields = draft.fields() if log else [("revision", str(draft.revision))]
    return render(
        request,
        "training/changed.html",
        status_code=409,
        tz=client.time_zone,
        workout_id=workout.id,
        title=draft.title if workout.completed_at is None else detail.title,
        is_coachs=workout.logged_by not in (None, client.id),
        can_keep=corrections.may_change(session, workout, client, made_at=made_at, now=now),
        action="/training/log" if log else f"/training/workouts/{workout.id}/delete",
        fields=fields + told,
        mine=_Version(forms.logged_blocks(sets, known), *_about(log)),
        theirs=_Version(
            forms.logged_blocks(detail.sets, known), workout.duration_minutes, workout.session_rpe, workout.note
        ),
    )


def _about(log: workouts.Log | None) -> tuple[int | None, float | None, str | None]:
    return (log.duration_minutes, log.session_rpe, log.note) if log else (None, None, None)


@dataclass(frozen=True, slots=True)
class _Version:
    """One of two versions of a workout. One that was deleted has no blocks."""

    blocks: Sequence[forms.Block]
    duration_minutes: int | None = None
    session_rpe: float | None = None
    note: str | None = None
