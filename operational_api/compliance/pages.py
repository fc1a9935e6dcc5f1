"""The page /privacy: what a customer lets us do with each kind of their health data, and what they decided when."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response

from operational_api.compliance.service import consents, trail
from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter()
NAV = [NavItem("Privacy", "/privacy", "compliance.read_consents", order=85, icon="lock", place="account")]
SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    label: str
    what: str
    icon: str


KINDS = (
    _Kind("activity", "Workouts", "Runs, rides and sessions that your watch or a file tells us.", "dumbbell"),
    _Kind("sleep", "Sleep", "When you slept, how long, and how well.", "clock"),
    _Kind("daily", "Days", "Steps, resting heart rate and its variability: how ready you are to train.", "heart"),
    _Kind("body", "Body", "Weight and other measurements of a connected scale.", "user"),
)
SEEN = {
    "training.read_client": "your training overview",
    "training.read_progress": "your progress",
    "training.read_workouts": "your workouts",
    "training.watch_media": "your videos",
    "training.read_programmes": "your programme",
    "training.read_injuries": "your injuries",
    "training.report_injury": "your injuries, and noted one",
    "training.resolve_injury": "your injuries, and closed one",
    "training.log_workout": "your workouts, and logged one",
    "training.assign_programme": "your programme, and changed it",
    "training.read_screening": "your health questionnaire",
    "training.answer_screening": "your health questionnaire, and answered it",
    "training.clear_screening": "your health questionnaire, and cleared it",
    "training.read_wellbeing": "your goals, habits and check-ins",
    "training.keep_wellbeing": "your goals, habits and check-ins, and noted one",
    "training.answer_check_in": "your check-in, and answered it",
    "training.coach": "your training overview",
    "training.onboard": "how far you are in setting up",
    "analytics.read_client": "charts and numbers about you",
}
"""What somebody saw, in words; actions that are not named here are "your training"."""
ENTERED = (
    _Kind("training", "Training", "Workouts that you or your coach log here, and how they go.", "dumbbell"),
    _Kind("injuries", "Injuries", "What hurts, and what you answered in the health questionnaire.", "heart"),
)
LABELS = {kind.name: kind.label for kind in KINDS + ENTERED}


@router.get("/privacy", dependencies=[Allowed("compliance.read_consents")])
def privacy_page(request: Request, customer_id: CurrentAccount, session: DbSession) -> Response:
    """Every choice as it stands, and the newest decisions."""
    current = consents.current(session, customer_id)
    given = {":".join(one) for one in consents.CHOICES if consents.is_given(one, current.get(one))}
    decisions, _ = consents.history(session, customer_id, limit=SHOWN, cursor=None)
    return render(
        request, "compliance/privacy.html", kinds=KINDS, entered=ENTERED, given=given, decisions=decisions,
        labels=LABELS, policy_version=consents.POLICY_VERSION, seen=SEEN,
        readings=trail.readings(session, customer_id, since=datetime.now(UTC) - trail.SHOWN, limit=SHOWN),
    )  # fmt: skip


@router.post("/privacy", dependencies=[Allowed("compliance.decide_consents")])
def write_privacy(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    choice: Annotated[list[str] | None, Form()] = None,
    part: Annotated[Literal["devices", "entered"], Form()] = "devices",
) -> Response:
    """Take one of the two forms: what is not ticked is not given, and without keeping there is no predicting."""
    ticked = set(choice or ())
    kinds = consents.ENTERED if part == "entered" else consents.DATA_KINDS
    decisions = {
        one: f"{one[0]}:coaching" in ticked and ":".join(one) in ticked for one in consents.CHOICES if one[0] in kinds
    }
    known = consents.current(session, customer_id)
    # What is left as it was says nothing new.
    changed = {one: said for one, said in decisions.items() if said != consents.is_given(one, known.get(one))}
    rows = consents.decide(
        session, customer_id=customer_id, decisions=changed, decided_by=customer_id, now=datetime.now(UTC)
    )
    if part == "entered":
        return redirect(request, "/privacy", flash="Saved." if rows else "Nothing changed.")
    withdrawn = [row for row in rows if row.purpose == "coaching" and not row.is_given]
    if withdrawn:
        named = " and ".join(LABELS[row.data_kind].lower() for row in withdrawn)
        return redirect(request, "/privacy", flash=f"Withdrawn. We are deleting what we were sent about your {named}.")
    return redirect(request, "/privacy", flash="Saved." if rows else "Nothing changed.")
