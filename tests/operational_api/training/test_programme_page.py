"""The page on which a coach changes a client's programme, and what hurts them beside it, without a script."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.compliance.service import consents
from operational_api.identity.models import Account
from operational_api.training import drafts
from operational_api.training.models import Client, PlannedExercise, Programme, ProgrammeVersion
from operational_api.training.service import injuries, programmes, templates
from operational_api.training.service.plans import Line, PhasePlan, Plan
from tests.factories import make_coach, make_exercise
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC)
DOUBLE = {"kind": "double", "max_reps": 12, "step_kg": 1.25, "increment_kg": 1.25}


@pytest.fixture
def programme(session: Session, mia: Client) -> Programme:
    squat, row = make_exercise(session, name="Front Squat"), make_exercise(session, name="Row")
    lines = [
        Line(1, squat.id, 3, 8, weight_kg=Decimal("62.50"), note="Heels down", progression=DOUBLE),
        Line(2, row.id, 3, 10),
    ]
    phases = [PhasePlan(f"Week {n}", 1, 100 - n) for n in range(1, 9)]
    return programmes.assign_programme(
        session, client=mia, coach_id=mia.coach_id or mia.id, name="Base", goal="strength", starts_on=NOW.date(),
        weeks=8, sessions_per_week=2, plan=Plan(lines, phases), now=NOW,
    )  # fmt: skip


def form_of(page: str) -> dict[str, Any]:
    """What a browser would send of the form as it is."""
    [form] = re.findall(r'<form class="form"[^>]*id="template".*?</form>', page, re.S)
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name:
            text = value[1].replace("&#34;", '"') if value else ""
            found.setdefault(name[1], []).append(text)
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found.setdefault(name, []).append(chosen[1] if chosen else "")
    return found | {"action": ["save"]}


def lines_of(session: Session, programme: Programme, version: int) -> list[PlannedExercise]:
    query = select(PlannedExercise).where(
        PlannedExercise.programme_id == programme.id, PlannedExercise.version == version
    )
    return list(session.scalars(query.order_by(PlannedExercise.day, PlannedExercise.position)))


class TestProgramme:
    def test_sent_as_it_is_it_stays_as_it_is(self, session: Session, coach: TestClient, programme: Programme) -> None:
        here = f"/coaching/programmes/{programme.id}"
        answer = coach.post(here, data=form_of(coach.get(here).text))
        assert answer.headers["location"] == f"/coaching/clients/{programme.customer_id}"
        session.refresh(programme)
        assert programme.version == 1
        assert "Nothing was changed." in coach.get(answer.headers["location"]).text

    def test_a_change_is_a_version_with_its_reason(
        self, session: Session, coach: TestClient, programme: Programme
    ) -> None:
        assert f"/coaching/programmes/{programme.id}" in coach.get(f"/coaching/clients/{programme.customer_id}").text
        here = f"/coaching/programmes/{programme.id}"
        sent = form_of(coach.get(here).text)
        sent |= {"sets": ["2", "3"], "reason": ["Her knee"]}
        assert coach.post(here, data=sent).status_code == 303
        session.refresh(programme)
        [first, _] = lines_of(session, programme, 2)
        assert (programme.version, first.sets, first.note, first.progression) == (2, 2, "Heels down", DOUBLE)
        assert [one.sets for one in lines_of(session, programme, 1)] == [3, 3]
        found = session.get_one(ProgrammeVersion, (programme.id, 2))
        assert (found.reason, found.made_by) == ("Her knee", programme.coach_id)

    def test_a_movement_is_found_added_and_taken_out(
        self, session: Session, coach: TestClient, programme: Programme
    ) -> None:
        here = f"/coaching/programmes/{programme.id}"
        bridge = make_exercise(session, name="Glute Bridge")
        sent = form_of(coach.get(here).text)
        assert f'value="add:{bridge.id}"' in coach.post(here, data=sent | {"find": ["glute bridge"]}).text
        sent = form_of(coach.post(here, data=sent | {"action": [f"add:{bridge.id}"]}).text)
        sent = form_of(coach.post(here, data=sent | {"action": ["remove:0"]}).text)
        assert coach.post(here, data=sent | {"day": ["1", "2"]}).status_code == 303
        assert bridge.id in [one.exercise_id for one in lines_of(session, programme, 2)]

    def test_what_is_wrong_or_older_says_so_and_loses_nothing(
        self, session: Session, coach: TestClient, programme: Programme
    ) -> None:
        here = f"/coaching/programmes/{programme.id}"
        sent = form_of(coach.get(here).text)
        wrong = coach.post(here, data=sent | {"sets": ["many", "3"], "reason": ["Her knee"]})
        assert (wrong.status_code, 'value="many"' in wrong.text, 'value="Her knee"' in wrong.text) == (422, True, True)
        assert coach.post(here, data=sent | {"sets": ["4", "3"]}).status_code == 303
        older = coach.post(here, data=sent | {"sets": ["5", "3"]})
        assert (older.status_code, "Somebody changed this programme meanwhile" in older.text) == (422, True)
        session.refresh(programme)
        assert programme.version == 2

    def test_another_coachs_is_not_there(self, session: Session, sign_in: SignIn, programme: Programme) -> None:
        other = sign_in(session.get_one(Account, make_coach(session).id))
        assert other.get(f"/coaching/programmes/{programme.id}").status_code == 404


def test_a_template_sent_as_it_is_keeps_what_the_form_has_no_field_for(
    session: Session, coach: TestClient, mia: Client
) -> None:
    line = Line(1, make_exercise(session).id, 3, 8, note="Slow", progression=DOUBLE)
    phases = [PhasePlan(f"Week {n}", 1) for n in range(26)]
    kept, longer = [
        templates.make_template(
            session, coach_id=mia.coach_id or mia.id, name="Long", goal="strength", weeks=26, sessions_per_week=2,
            plan=Plan([line] * lines, phases),
        )
        for lines in (drafts.MOST_LINES, drafts.MOST_LINES + 1)
    ]  # fmt: skip
    before = kept.plan
    here = f"/coaching/templates/{kept.id}"
    assert coach.post(here, data=form_of(coach.get(here).text)).status_code == 303
    session.refresh(kept)
    assert (kept.plan, kept.version) == (before, 1)
    refused = coach.get(f"/coaching/templates/{longer.id}")
    assert (refused.status_code, "more than 50 lines" in refused.text) == (422, True)


def test_a_coach_reads_what_hurts_unless_it_is_withheld(session: Session, coach: TestClient, mia: Client) -> None:
    here = f"/coaching/clients/{mia.id}"
    assert "What hurts" not in coach.get(here).text
    injuries.report_injury(session, client=mia, body_part="knee", severity=2, occurred_on=NOW.date(), now=NOW)
    page = coach.get(here).text
    assert page.index("What hurts") < page.index("Knee") < page.index("Limits training")
    consents.decide(
        session, customer_id=mia.id, decisions={("injuries", "coaching"): False}, decided_by=mia.id, now=NOW
    )
    assert "does not show you what hurts" in coach.get(here).text
