"""Row-level security: what is somebody else's is not there, even for a query that forgot to ask whose it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.compliance.models import Consent
from operational_api.core.principal import Principal
from operational_api.core.viewer import SYSTEM, show_as
from operational_api.integrations.models import WearableLink, WearablePayload
from operational_api.training.models import Injury, WearableDay
from tests.factories import make_client, make_coach, make_workout

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEALTH = (
    "training.injuries", "training.wearable_days", "integrations.wearable_links", "integrations.wearable_payloads",
    "compliance.consents",
)  # fmt: skip
TABLES = (*HEALTH, "training.workouts")


@dataclass(frozen=True)
class People:
    mia: UUID
    tom: UUID
    coach: UUID
    other_coach: UUID


@pytest.fixture
def people(session: Session) -> People:
    """Two customers of two coaches, each with one row in every table of health data."""
    coach, other = make_coach(session), make_coach(session)
    clients = [make_client(session, coach=one) for one in (coach, other)]
    for client in clients:
        make_workout(session, client=client)
        mine = {"customer_id": client.id}
        session.add_all(
            [
                Injury(id=new_id(), body_part="knee", severity=2, occurred_on=date(2026, 3, 1), **mine),
                WearableDay(day=date(2026, 3, 1), device="ring", sleep_minutes=400, received_at=NOON, **mine),
                WearableLink(
                    id=new_id(), source="terra", external_user_id=client.id.hex, provider="OURA", scopes="",
                    state="active", connected_at=NOON, changed_at=NOON, **mine,
                ),
                WearablePayload(
                    id=new_id(), source="terra", kind="sleep", data_kind="sleep", trace_id=client.id.hex,
                    ordering_at=NOON, is_kept=True, body=b"sealed", **mine,
                ),
                Consent(
                    id=new_id(), data_kind="sleep", purpose="coaching", is_given=True, policy_version="x",
                    decided_at=NOON, decided_by=client.id, **mine,
                ),
            ]
        )  # fmt: skip
    session.flush()
    return People(clients[0].id, clients[1].id, coach.id, other.id)


@pytest.fixture
def look(session: Session, plain_role: str):  # type: ignore[no-untyped-def]
    """Runs raw SQL as the application's role, for one viewer."""

    @contextmanager
    def as_(role: str | None, account: UUID | None = None) -> Iterator[Session]:
        with session.begin_nested() as savepoint:
            session.execute(text(f"set local role {plain_role}"))
            if role:
                show_as(Principal(role=role, client_id="tests", account_id=account), session)
            yield session
            savepoint.rollback()  # and with it role and settings

    return as_


def whose(session: Session, table: str, among: People) -> set[UUID]:
    """Customers in a table, by a query without a condition."""
    found = session.scalars(text(f"select customer_id from {table}")).all()
    return {one for one in found if one in (among.mia, among.tom)}


class TestHealthData:
    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("table", TABLES)
    def test_is_seen_by_its_customer_and_their_coach(self, people: People, look, table: str) -> None:  # type: ignore[no-untyped-def]
        for role, account, expected in (
            ("customer", people.mia, {people.mia}),
            ("coach", people.coach, {people.mia}),
            ("lead_coach" if table in HEALTH else "coach", people.other_coach, {people.tom}),
            ("customer", new_id(), set()),
            ("coach", people.mia, set()),
            ("support", people.mia, set()),
            ("service", None, {people.mia, people.tom}),
        ):
            with look(role, account) as session:
                assert whose(session, table, people) == expected, (role, account)

    @pytest.mark.parametrize("table", TABLES)
    def test_is_seen_by_nobody_where_nobody_said_who_looks(self, people: People, look, table: str) -> None:  # type: ignore[no-untyped-def]
        with look(None) as session:
            assert whose(session, table, people) == set()

    @pytest.mark.parametrize("table", HEALTH)
    def test_is_not_for_those_who_run_the_business(self, people: People, look, table: str) -> None:  # type: ignore[no-untyped-def]
        for role in ("admin", "lead_coach", "front_desk", "finance", "support", "data"):
            with look(role, new_id()) as session:
                assert whose(session, table, people) == set(), role

    def test_follows_a_client_to_their_next_coach(self, session: Session, people: People, look) -> None:  # type: ignore[no-untyped-def]
        session.execute(
            text("update training.clients set coach_id = :new where id = :mia"),
            {"new": people.other_coach, "mia": people.mia},
        )
        with look("coach", people.coach) as seen:
            assert whose(seen, "training.injuries", people) == set()
        with look("coach", people.other_coach) as seen:
            assert whose(seen, "training.injuries", people) == {people.mia, people.tom}

    def test_is_not_written_for_somebody_else(self, people: People, look) -> None:  # type: ignore[no-untyped-def]
        with look("customer", people.mia) as session:
            changed = session.execute(text("update training.injuries set severity = 3"))
            assert changed.rowcount == 1
            with pytest.raises(ProgrammingError, match="row-level security"):
                session.execute(
                    text(
                        "insert into training.injuries (id, customer_id, body_part, severity, occurred_on)"
                        " values (gen_random_uuid(), :tom, 'hip', 1, '2026-03-01')"
                    ),
                    {"tom": people.tom},
                )

    def test_is_all_seen_by_the_system(self, people: People, look) -> None:  # type: ignore[no-untyped-def]
        with look(SYSTEM.role) as session:
            assert all(whose(session, table, people) == {people.mia, people.tom} for table in TABLES)

    def test_is_still_found_by_its_index(self, people: People, look) -> None:  # type: ignore[no-untyped-def]
        with look("coach", people.coach) as session:
            session.execute(text("set local enable_seqscan = off"))
            plan = "\n".join(
                session.scalars(
                    text(
                        "explain (costs off) select * from training.workouts"
                        " where customer_id = :mia and scheduled_on >= '2026-01-01'"
                    ),
                    {"mia": people.mia},
                )
            )
        assert "ix_workouts_customer_id_scheduled_on" in plan
        condition, filtered = plan.split("Index Cond:")[1].split("Filter:")
        assert "scheduled_on >=" in condition
        assert "(InitPlan 1)" in filtered, "who may be seen is asked once, not once a row"


class TestSettings:
    def test_end_with_the_transaction(self, session: Session, people: People, look) -> None:  # type: ignore[no-untyped-def]
        with look("customer", people.mia) as seen:
            assert seen.scalar(text("select current_setting('plyo.role', true)")) == "customer"
        assert not session.scalar(text("select current_setting('plyo.role', true)"))
