"""What turns have led to and how they are weighed: as the rule counts, by API and on the studio's page."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.scheduling.models import Coach, Location, TimeOff
from operational_api.scheduling.service import round_robin, turns
from operational_api.scheduling.service.round_robin import Opening
from tests.factories import account_of, make_account, make_booking, make_coach, make_location, make_slot
from tests.operational_api.conftest import SignIn
from tests.operational_api.scheduling.test_seats import NOW, START
from tests.operational_api.statements import heard

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def studio(session: Session) -> Location:
    return make_location(session, name="Plyo Mitte")


@pytest.fixture
def coaches(session: Session, studio: Location) -> list[Coach]:
    """Ana counts twice, Ben was away for a week, Cho takes no turns; Eve left, and Fay is at another studio."""
    ana, ben, cho = (
        make_coach(session, location=studio, turn_weight=weight, display_name=name, hired_on=date(2020, 1, 1))
        for name, weight in (("Ana", 200), ("Ben", 100), ("Cho", 0))
    )
    make_coach(session, location=studio, display_name="Eve", left_on=date(2025, 1, 1))
    make_coach(session, display_name="Fay")
    away = NOW.date() - 10 * DAY
    session.add(TimeOff(coach_id=ben.id, starts_on=away, ends_on=away + 6 * DAY, kind="holiday"))
    session.flush()
    return [ana, ben, cho]


def give(session: Session, coach: Coach, number: int, at: datetime = NOW - HOUR, **given: object) -> None:
    for one in range(number):
        slot = make_slot(session, coach=coach, starts_at=START + (one + 1) * DAY + (NOW - at) / 24)
        make_booking(session, slot=slot, **{"assignment": "turn", "booked_at": at} | given)


class TestOfStudio:
    def test_counts_as_the_rule_does_in_one_statement(
        self, session: Session, studio: Location, coaches: list[Coach]
    ) -> None:
        ana, ben, cho = coaches
        give(session, ana, 7)
        give(session, ben, 2)
        give(session, ben, 1, NOW - 28 * DAY)  # long ago
        give(session, cho, 3, assignment="own_coach")
        with heard(session.connection().engine) as said:
            found = turns.of_studio(session, studio.id, now=NOW)
        assert len(said) == 1
        assert [(one.coach_name, one.weight, one.given, one.days_at_work) for one in found] == [
            ("Ben", 100, 2, 21), ("Ana", 200, 7, 28), ("Cho", 0, 0, 28),
        ]  # fmt: skip
        assert [round(one.share, 3) for one in found] == [0.273, 0.727, 0.0]

    def test_names_first_whom_the_next_one_gets(self, session: Session, studio: Location, coaches: list[Coach]) -> None:
        """Whatever was given so far, as it is given out."""
        for number in range(6):
            at = NOW + number * HOUR
            for one in coaches:
                make_slot(session, coach=one, starts_at=START + number * HOUR)
            found = turns.of_studio(session, studio.id, now=at)
            opening = Opening(studio.id, START + number * HOUR, 60)
            next_one = round_robin.candidates(session, opening, own_coach_id=None, now=at)[0]
            assert found[0].coach_id == next_one.coach_id
            make_booking(session, slot=next_one, assignment="turn", booked_at=at)
        assert [one.given for one in sorted(found, key=lambda one: one.coach_name)] == [4, 1, 0]

    def test_is_nobody_where_nobody_works(self, session: Session) -> None:
        assert turns.of_studio(session, make_location(session).id, now=NOW) == []


class TestPage:
    def test_shows_shares_that_add_up(self, session: Session, studio: Location, sign_in: SignIn) -> None:
        """Three alike have 34, 33 and 33 percent, of what they are to get and of what they were given."""
        for _ in range(3):
            give(session, make_coach(session, location=studio, hired_on=date(2020, 1, 1)), 1, datetime.now(UTC) - HOUR)
        page = sign_in(make_account(session, role="admin")).get(f"/studio/turns?place={studio.id}").text
        shown = [re.findall(r"(\d+) %", row) for row in page.split('<th scope="row">')[1:]]
        assert shown == [["34", "34"], ["33", "33"], ["33", "33"]]

    def test_shows_what_weights_led_to_and_sets_them_together(
        self, session: Session, studio: Location, coaches: list[Coach], sign_in: SignIn
    ) -> None:
        ana, ben, _ = coaches
        give(session, ana, 3, datetime.now(UTC) - HOUR)
        admin = make_account(session, role="admin")
        browser, here = sign_in(admin), f"/studio/turns?place={studio.id}"
        assert here in browser.get(f"/studio?place={studio.id}").text
        page = browser.get(here).text
        assert [re.sub(r"<[^>]+>", " ", row).split()[0] for row in page.split('<th scope="row">')[1:]] == [
            "Ben", "Ana", "Cho",
        ]  # fmt: skip
        assert re.search(r'aria-label="Weight of Ana"></td>\s*<td[^>]*>28</td>\s*<td[^>]*>3 ', page)
        given = {one.coach_id: one for one in turns.of_studio(session, studio.id, now=datetime.now(UTC))}
        told = browser.get("/api/scheduling/turns", params={"location_id": str(studio.id)}).json()["items"]
        assert [(one["coach_name"], one["given"]) for one in told] == [("Ben", 0), ("Ana", 3), ("Cho", 0)]
        assert told[1]["share"] == round(given[ana.id].share, 4)
        form = {"place": str(studio.id), "coach": [str(one.id) for one in coaches], "weight": ["200", "50", "0"]}
        done = browser.post("/studio/turns", data=form, follow_redirects=True)
        assert "counts from the next booking" in done.text
        session.expire_all()
        assert [one.turn_weight for one in coaches] == [200, 50, 0]
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "scheduling.weigh_coach")).all()
        assert [(one.object_id, one.actor_id, one.details) for one in noted] == [
            (str(ben.id), admin.id, {"from": 100, "to": 50})
        ]
        told = session.scalars(select(OutboxEvent.type).where(OutboxEvent.aggregate_id == ben.id)).all()
        assert told == ["scheduling.coach_weighed"]

    @pytest.mark.parametrize(("weights", "status"), [(["10"], 404), (["10", "1001"], 422), (["10", "-1"], 422)])
    def test_sets_all_or_none(
        self, session: Session, coaches: list[Coach], sign_in: SignIn, weights: list[str], status: int
    ) -> None:
        ana, ben, _ = coaches
        form = {"place": str(ana.location_id), "coach": [str(ana.id), str(ben.id)], "weight": weights}
        browser = sign_in(make_account(session, role="lead_coach"))
        assert browser.post("/studio/turns", data=form).status_code == status
        form |= {"coach": [str(ana.id), str(new_id())], "weight": ["10", "10"]}
        assert browser.post("/studio/turns", data=form).status_code == 404
        session.expire_all()
        assert ana.turn_weight == 200

    def test_is_not_for_coaches(self, session: Session, coaches: list[Coach], sign_in: SignIn) -> None:
        browser = sign_in(account_of(session, coaches[0]))
        assert browser.get("/studio/turns").status_code == 403
        assert browser.get("/api/scheduling/turns", params={"location_id": str(new_id())}).status_code == 403
