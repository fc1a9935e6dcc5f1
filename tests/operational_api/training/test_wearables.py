"""Days of wearables are forgotten by kind when their customer takes a consent back."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.compliance import ConsentChanged
from contracts.ids import new_id
from operational_api.compliance.service import consents
from operational_api.training.handlers import forget_withdrawn
from operational_api.training.models import WearableDay
from tests.factories import make_client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def mia(session: Session) -> UUID:
    """A client with a ring that tells everything and a phone that tells steps."""
    client = make_client(session)
    for device, sleep, hrv in (("ring", 420, 55.0), ("phone", None, None)):
        day = date(2026, 11, 22)
        session.add(
            WearableDay(
                customer_id=client.id, day=day, device=device, sleep_minutes=sleep, hrv_rmssd_ms=hrv, steps=8000,
                received_at=NOON,
            )
        )  # fmt: skip
    session.flush()
    return client.id


def withdraw(session: Session, who: UUID, kind: str, *, purpose: str = "coaching") -> None:
    event = ConsentChanged(
        occurred_at=NOON, consent_id=new_id(), customer_id=who, data_kind=kind, purpose=purpose, is_given=False,
        policy_version="test",
    )  # fmt: skip
    forget_withdrawn(session, event)
    session.expire_all()


def days(session: Session) -> list[tuple[str, int | None, float | None, int | None]]:
    rows = session.scalars(select(WearableDay).order_by(WearableDay.device))
    return [(row.device, row.sleep_minutes, row.hrv_rmssd_ms, row.steps) for row in rows]


def test_only_what_was_withdrawn_goes(session: Session, mia: UUID) -> None:
    withdraw(session, mia, "sleep")
    assert days(session) == [("phone", None, None, 8000), ("ring", None, 55.0, 8000)]


def test_a_day_that_holds_nothing_any_more_goes(session: Session, mia: UUID) -> None:
    withdraw(session, mia, "daily")
    assert days(session) == [("ring", 420, None, None)]
    withdraw(session, mia, "sleep")
    assert days(session) == []


def test_what_is_not_ours_to_hold_and_other_purposes_change_nothing(session: Session, mia: UUID) -> None:
    withdraw(session, mia, "activity")
    withdraw(session, mia, "sleep", purpose="modelling")
    assert len(days(session)) == 2
    assert days(session)[1][1] == 420


def test_what_was_given_again_before_the_event_arrived_stays(session: Session, mia: UUID) -> None:
    consents.decide(session, customer_id=mia, decisions={("sleep", "coaching"): True}, decided_by=mia, now=NOON)
    withdraw(session, mia, "sleep")
    assert days(session)[1][1] == 420
