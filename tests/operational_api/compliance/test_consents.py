"""Consent per kind of data and purpose: nobody consents by silence, the newest word counts, every word is kept."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from operational_api.compliance.errors import ConsentNeeded, NothingToConsent
from operational_api.compliance.models import Consent
from operational_api.compliance.public import may_store, storable_kinds
from operational_api.compliance.service import consents
from operational_api.core.models import OutboxEvent
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
SLEEP, SLEEP_MODEL = ("sleep", "coaching"), ("sleep", "modelling")


@pytest.fixture
def mia(session: Session) -> UUID:
    return make_account(session).id


def decide(session: Session, who: UUID, at: datetime = MONDAY, **given: bool) -> list[tuple[str, str, bool]]:
    """`sleep=True` is coaching; `sleep_model=True` is modelling."""
    decisions = {
        (name.removesuffix("_model"), "modelling" if name.endswith("_model") else "coaching"): is_given
        for name, is_given in given.items()
    }
    rows = consents.decide(session, customer_id=who, decisions=decisions, decided_by=who, now=at)
    return [(row.data_kind, row.purpose, row.is_given) for row in rows]


class TestDeciding:
    def test_silence_is_no_consent(self, session: Session, mia: UUID) -> None:
        assert not may_store(session, mia, "sleep")
        assert storable_kinds(session, [mia]) == set()

    def test_each_kind_is_decided_by_itself(self, session: Session, mia: UUID) -> None:
        decide(session, mia, sleep=True, body=False)
        assert storable_kinds(session, [mia]) == {(mia, "sleep")}

    def test_the_newest_word_counts(self, session: Session, mia: UUID) -> None:
        for day, is_given in enumerate([True, False, True, False]):
            decide(session, mia, MONDAY + timedelta(day), sleep=is_given)
            assert may_store(session, mia, "sleep") is is_given

    def test_saying_the_same_again_is_not_recorded_or_announced(self, session: Session, mia: UUID) -> None:
        assert decide(session, mia, sleep=True) == [("sleep", "coaching", True)]
        assert decide(session, mia, sleep=True) == []
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == mia)).all()
        assert [(one.type, one.payload["is_given"]) for one in told] == [("compliance.consent_changed", True)]

    def test_refusing_what_was_never_given_is_recorded(self, session: Session, mia: UUID) -> None:
        assert decide(session, mia, sleep=False) == [("sleep", "coaching", False)]

    @pytest.mark.asvs("2.2.3")
    def test_what_may_not_be_kept_cannot_be_used(self, session: Session, mia: UUID) -> None:
        with pytest.raises(ConsentNeeded):
            decide(session, mia, sleep_model=True)
        decide(session, mia, sleep=True, sleep_model=True)
        withdrawn = decide(session, mia, MONDAY + timedelta(1), sleep=False)
        assert sorted(withdrawn) == [("sleep", "coaching", False), ("sleep", "modelling", False)]

    @pytest.mark.parametrize("choice", [("menstruation", "coaching"), ("sleep", "advertising")])
    def test_we_ask_for_nothing_else(self, session: Session, mia: UUID, choice: tuple[str, str]) -> None:
        with pytest.raises(NothingToConsent):
            consents.decide(session, customer_id=mia, decisions={choice: True}, decided_by=mia, now=MONDAY)

    @pytest.mark.parametrize(
        "statement", ["update compliance.consents set is_given = true", "delete from compliance.consents"]
    )
    def test_the_record_cannot_be_changed(self, session: Session, mia: UUID, statement: str) -> None:
        decide(session, mia, sleep=False)
        with pytest.raises(DBAPIError) as refused:
            session.execute(text(statement))
        assert isinstance(refused.value.orig, psycopg.Error)
        assert refused.value.orig.sqlstate == "PL001"


class TestApi:
    def test_shows_every_choice_and_takes_decisions(self, session: Session, sign_in: SignIn) -> None:
        client = sign_in(make_account(session))
        read = client.get("/api/compliance/consents").json()
        assert [(one["data_kind"], one["purpose"], one["is_given"]) for one in read["consents"]] == [
            (kind, purpose, False)
            for kind in ("activity", "sleep", "daily", "body")
            for purpose in ("coaching", "modelling")
        ] + [("training", "coaching", True), ("injuries", "coaching", True)]
        body = {"decisions": [{"data_kind": "sleep", "purpose": "coaching", "is_given": True}]}
        written = client.put("/api/compliance/consents", json=body).json()
        sleep = next(one for one in written["consents"] if (one["data_kind"], one["purpose"]) == SLEEP)
        assert sleep["is_given"]
        assert sleep["policy_version"] == written["policy_version"]

    def test_lists_every_decision_in_pages(self, session: Session, sign_in: SignIn) -> None:
        account = make_account(session)
        for day in range(5):
            decide(session, account.id, MONDAY + timedelta(day), sleep=day % 2 == 0)
        client, seen, cursor = sign_in(account), [], ""
        while cursor is not None:
            page = client.get(
                f"/api/compliance/consents/history?limit=2&cursor={cursor}"
                if cursor
                else "/api/compliance/consents/history?limit=2"
            ).json()
            seen += [one["decided_at"][:10] for one in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [f"2026-11-{day}" for day in (27, 26, 25, 24, 23)]

    @pytest.mark.asvs("8.2.1")
    @pytest.mark.parametrize("role", ["coach", "admin"])
    def test_nobody_decides_for_others(self, session: Session, sign_in: SignIn, role: str) -> None:
        client = sign_in(make_account(session, role=role))
        assert client.get("/api/compliance/consents").status_code == 403
        assert client.put("/api/compliance/consents", json={"decisions": []}).status_code == 403

    @pytest.mark.asvs("8.2.2")
    def test_another_ones_decisions_are_not_mine(self, session: Session, sign_in: SignIn, mia: UUID) -> None:
        decide(session, mia, sleep=True)
        other = sign_in(make_account(session)).get("/api/compliance/consents").json()
        assert not any(one["decided_at"] for one in other["consents"])
        assert session.scalar(select(Consent.customer_id)) == mia
