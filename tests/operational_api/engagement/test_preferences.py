"""When a customer may be nudged: their word, their quiet hours in their zone, a measure a week."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.engagement.errors import NudgesOff, QuietHours, TooManyNudges
from operational_api.engagement.models import ContactPreference
from operational_api.engagement.public import may_nudge, nudge_refusals, send_message
from operational_api.engagement.sending import DIGESTED, is_quiet
from tests.factories import account_of, make_account, make_client
from tests.operational_api.conftest import SignIn

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def nudge(session: Session, customer_id: UUID, at: datetime = NOON) -> None:
    send_message(
        session, customer_id=customer_id, sender_id=new_id(), recipient_id=customer_id, kind="nudge", body="Hey", now=at
    )


def prefer(session: Session, *, time_zone: str = "Europe/Berlin", **given: object) -> UUID:
    customer = make_account(session, time_zone=time_zone)
    session.add(ContactPreference(customer_id=customer.id, **given))
    session.flush()
    return customer.id


class TestIsQuiet:
    @pytest.mark.parametrize(
        ("local", "quiet_from", "quiet_until", "expected"),
        [
            (time(22), time(22), time(7), True),
            (time(3), time(22), time(7), True),
            (time(7), time(22), time(7), False),
            (time(21, 59), time(22), time(7), False),
            (time(13), time(12), time(14), True),
            (time(14), time(12), time(14), False),
            (time(13), None, None, False),
            (time(13), time(13), time(13), False),
        ],
    )
    def test_spans_midnight_where_it_must(
        self, local: time, quiet_from: time | None, quiet_until: time | None, expected: bool
    ) -> None:
        assert is_quiet(local, quiet_from=quiet_from, quiet_until=quiet_until) is expected


class TestNudges:
    def test_come_to_whoever_said_nothing(self, session: Session) -> None:
        assert may_nudge(session, make_account(session).id, NOON)

    def test_stop_when_switched_off(self, session: Session) -> None:
        customer_id = prefer(session, allows_nudges=False)
        with pytest.raises(NudgesOff):
            nudge(session, customer_id)

    @pytest.mark.parametrize(
        ("zone", "at", "is_allowed"),
        [
            # Berlin's clocks went forward on 29 March 2026: 05:30 UTC is 06:30 the day before, 07:30 that day.
            ("Europe/Berlin", datetime(2026, 3, 28, 5, 30, tzinfo=UTC), False),
            ("Europe/Berlin", datetime(2026, 3, 29, 5, 30, tzinfo=UTC), True),
            ("Asia/Ho_Chi_Minh", datetime(2026, 3, 2, 15, 30, tzinfo=UTC), False),
            ("America/New_York", datetime(2026, 3, 2, 15, 30, tzinfo=UTC), True),
        ],
    )
    def test_wait_through_quiet_hours_on_the_customers_clock(
        self, session: Session, zone: str, at: datetime, is_allowed: bool
    ) -> None:
        customer_id = prefer(session, time_zone=zone, quiet_from=time(22), quiet_until=time(7))
        assert may_nudge(session, customer_id, at) is is_allowed
        if not is_allowed:
            with pytest.raises(QuietHours, match="quiet until 07:00"):
                nudge(session, customer_id, at)

    def test_are_three_a_week_at_most(self, session: Session) -> None:
        customer_id = make_account(session).id
        for day in range(3):
            nudge(session, customer_id, NOON + timedelta(days=day))
        with pytest.raises(TooManyNudges):
            nudge(session, customer_id, NOON + timedelta(days=3))
        nudge(session, customer_id, NOON + timedelta(days=7, seconds=1))

    def test_are_judged_for_many_at_once(self, session: Session) -> None:
        fine, off = make_account(session).id, prefer(session, allows_nudges=False)
        assert nudge_refusals(session, [fine, off], NOON) == {off: NudgesOff().detail}

    def test_do_not_stop_a_chat(self, session: Session) -> None:
        customer_id = prefer(session, allows_nudges=False)
        send_message(
            session, customer_id=customer_id, sender_id=new_id(), recipient_id=customer_id, kind="chat", body="Yes",
            now=NOON,
        )  # fmt: skip


class TestApi:
    def test_keeps_what_the_customer_says(self, session: Session, sign_in: SignIn) -> None:
        mia = sign_in(account_of(session, make_client(session)))
        said = {"allows_nudges": True, "allows_marketing": False, "quiet_from": "22:00:00", "quiet_until": "07:00:00"}
        assert mia.get("/api/engagement/preferences").json()["allows_nudges"] is True
        at_once = {"digests": [{"purpose": one, "pace": "at_once", "hour": 8} for one in DIGESTED]}
        assert mia.put("/api/engagement/preferences", json=said).json() == said | at_once
        said |= {"allows_nudges": False, "quiet_from": None, "quiet_until": None}
        assert mia.put("/api/engagement/preferences", json=said).json() == said | at_once
        assert mia.get("/api/engagement/preferences").json() == said | at_once

    def test_keeps_when_lists_come_as_the_page_does(self, session: Session, sign_in: SignIn) -> None:
        mia, path = sign_in(account_of(session, make_client(session))), "/api/engagement/preferences"
        news = {"purpose": "marketing", "pace": "weekly", "hour": 7}
        coaching, each = ({"purpose": "coaching", "pace": pace, "hour": 8} for pace in ("daily", "at_once"))
        assert mia.put(path, json={"digests": [news, {"purpose": "coaching", "pace": "daily"}]}).status_code == 200
        mia.put(path, json={"allows_nudges": False})  # says nothing of lists, as clients of before do
        assert mia.get(path).json()["digests"] == [coaching, news]
        page = mia.get("/messages/preferences").text
        assert '<option value="weekly" selected>' in page
        assert '<option value="daily" selected>' in page
        assert mia.put(path, json={"digests": [each]}).json()["digests"] == [each, news]
        mia.post("/messages/preferences", data={"rhythm_marketing": "daily", "hour_marketing": "21"})
        assert mia.get(path).json()["digests"][1] == {"purpose": "marketing", "pace": "daily", "hour": 21}

    @pytest.mark.parametrize(
        "said",
        [
            [{"purpose": "reminders", "pace": "daily"}], [{"purpose": "coaching", "hour": 24}],
            [{"purpose": "coaching", "pace": "monthly"}], [{"purpose": "coaching"}, {"purpose": "coaching"}],
        ],
    )  # fmt: skip
    def test_refuses_lists_that_cannot_be(self, session: Session, sign_in: SignIn, said: list[object]) -> None:
        mia, path = sign_in(account_of(session, make_client(session))), "/api/engagement/preferences"
        assert mia.put(path, json={"allows_nudges": False, "digests": said}).status_code == 422
        assert mia.get(path).json()["allows_nudges"] is True

    @pytest.mark.asvs("2.2.3")
    def test_refuses_half_a_quiet_time(self, session: Session, sign_in: SignIn) -> None:
        mia = sign_in(account_of(session, make_client(session)))
        answer = mia.put("/api/engagement/preferences", json={"quiet_from": "22:00"})
        assert (answer.status_code, answer.json()["code"]) == (422, "engagement.half_quiet")
