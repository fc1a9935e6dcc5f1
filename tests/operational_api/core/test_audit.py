"""The audit log: never changed, written with the act or, when the act is refused, without it."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.database import DbSession
from operational_api.core.models import AuditEntry, AuditGroup
from operational_api.core.policy import Allowed, Resource, require
from operational_api.core.principal import CurrentPrincipal, Principal
from tests.conftest import sqlalchemy_url
from tests.factories import make_account
from tests.operational_api.conftest import SignIn, access_token

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
COACH = Principal("coach", "tests", new_id())


def entries(session: Session) -> list[AuditEntry]:
    return list(session.scalars(select(AuditEntry).order_by(AuditEntry.sequence)))


class TestAppendOnly:
    @pytest.mark.asvs("16.4.2")
    @pytest.mark.parametrize(
        "change",
        [
            "update platform.audit_entries set outcome = 'done'",
            "delete from platform.audit_entries",
            "truncate platform.audit_entries",
            "update platform.audit_groups set subjects = '{}'",
            "delete from platform.audit_groups",
            "truncate platform.audit_groups cascade",
        ],
    )
    def test_postgresql_refuses_even_its_superuser(self, session: Session, change: str) -> None:
        audit.record(session, "test.act", "Test", "x")
        audit.record_read(session, COACH, "test.read", "Client", [new_id(), new_id()])
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))


class TestRecord:
    @pytest.mark.asvs("16.2.1")
    @pytest.mark.asvs("16.2.2")
    def test_says_who_what_whose_when_why_and_how_it_ended(self, session: Session) -> None:
        mia = new_id()
        audit.record(
            session, "test.act", "Test", "x", actor_id=COACH.account_id, actor_role="coach", subject_id=mia,
            purpose="care", details={"a": 1}, now=NOON,
        )  # fmt: skip
        [entry] = entries(session)
        assert (entry.actor_id, entry.actor_role, entry.subject_id) == (COACH.account_id, "coach", mia)
        assert (entry.purpose, entry.outcome, entry.details) == ("care", "done", {"a": 1})
        assert entry.occurred_at == NOON
        assert entry.occurred_at.utcoffset() is not None

    def test_a_reading_of_many_is_one_entry_that_names_them(self, session: Session) -> None:
        people = {new_id() for _ in range(40)}
        for _ in range(2):
            audit.record_read(session, COACH, "test.read", "Client", people, now=NOON)
        found = entries(session)
        assert [(one.subject_id, one.object_id, one.purpose) for one in found] == [(None, "several", "care")] * 2
        [group] = session.scalars(select(AuditGroup)).all()  # the same people, kept once
        assert {one.group_id for one in found} == {group.id}
        assert group.subjects == sorted(people)
        audit.record_read(session, COACH, "test.read", "Client", [])
        assert len(entries(session)) == 2

    def test_a_reading_of_one_names_them_and_of_oneself_is_ones_own(self, session: Session) -> None:
        mia, coach = new_id(), COACH.account_id
        assert coach is not None
        audit.record_read(session, COACH, "test.read", "Client", [mia, coach], now=NOON)
        found = {(one.subject_id, one.object_id, one.purpose, one.group_id) for one in entries(session)}
        assert found == {(mia, str(mia), "care", None), (coach, str(coach), "own", None)}

    def test_who_is_known_to_stand_there_is_not_sent_again(self, session: Session) -> None:
        reading = audit.Reading(COACH, "test.read", "Client", frozenset({new_id(), new_id()}), {}, None, None)
        known = audit.record_readings(session, [reading])
        assert known == set(session.scalars(select(AuditGroup.id)))
        assert audit.record_readings(session, [reading], known=known) == known
        other = audit.Reading(COACH, "test.read", "Client", frozenset({new_id(), new_id()}), {}, None, None)
        with pytest.raises(DBAPIError, match="fk_audit_entries_group_id"):  # believed wrongly, it would be noticed
            audit.record_readings(session, [other], known={audit.group_of(other.subjects).id})

    def test_a_group_is_no_other_people_than_its_name_says(self, session: Session) -> None:
        with pytest.raises(DBAPIError, match="named_by_its_people"):
            session.execute(
                insert(AuditGroup), {"id": audit.group_of(frozenset({new_id(), new_id()})).id, "subjects": [new_id()]}
            )


class TestAuditBytes:
    """What a seal will be computed over."""

    OTHER = {
        "id": "gen_random_uuid()", "actor_id": "gen_random_uuid()", "subject_id": "gen_random_uuid()",
        "group_id": "gen_random_uuid()",
        "details": "'{}'::jsonb", "occurred_at": "now()", "sequence": "0",
    }  # fmt: skip

    def test_every_column_counts(self, session: Session) -> None:
        audit.record(
            session, "test.act", "Test", "x", actor_id=new_id(), actor_role="coach", subject_id=new_id(),
            purpose="care", details={"b": 1, "a": [2]}, now=NOON,
        )  # fmt: skip
        order = session.scalars(
            text("""select attname from pg_attribute where attrelid = 'platform.audit_entries'::regclass
                    and attnum > 0 and not attisdropped order by attnum""")
        ).all()
        sealed = session.scalar(text("select platform.audit_bytes(e) from platform.audit_entries e"))
        for column in order:
            values = ", ".join(self.OTHER.get(name, "'changed'") if name == column else name for name in order)
            changed = f"select platform.audit_bytes(row({values})::platform.audit_entries) from platform.audit_entries"
            assert session.scalar(text(changed)) != sealed, f"platform.audit_bytes leaves out {column}"
        again = f"row({', '.join(order)})::platform.audit_entries"
        assert session.scalar(text(f"select platform.audit_bytes({again}) from platform.audit_entries")) == sealed

    def test_does_not_depend_on_the_readers_time_zone(self, session: Session) -> None:
        audit.record(session, "test.act", "Test", "x", now=NOON)
        query = text("select platform.audit_bytes(e) from platform.audit_entries e")
        before = session.scalar(query)
        session.execute(text("set local timezone = 'Asia/Saigon'"))
        assert session.scalar(query) == before


@pytest.fixture
def app_with_acts(fresh_database: Callable[[], str], serve_app: Callable[[str], FastAPI]) -> FastAPI:
    """The API on a database of its own, with an act that the policy refuses, one that a role may not do, and one that
    fails after it was recorded."""
    app = serve_app(fresh_database())

    @app.post("/api/test/policy")
    def by_policy(principal: CurrentPrincipal, session: DbSession) -> None:
        audit.record(session, "test.before", "Test", "x")
        require(principal, "training.read_injuries", Resource("Client", "c1", customer_id=UUID(int=7), kind="health"))

    @app.post("/api/test/role", dependencies=[Allowed("compliance.read_audit")])
    def by_role() -> None: ...

    @app.post("/api/test/crash")
    def crash(session: DbSession) -> None:
        audit.record(session, "test.before", "Test", "x")
        raise ValueError("on purpose")

    return app


@pytest.mark.asvs("16.3.2")
class TestRefusals:
    def test_outlive_the_transaction_that_is_rolled_back(self, app_with_acts: FastAPI) -> None:
        with app_with_acts.state.sessions.begin() as session:
            person = make_account(session, role="customer")
        token, trace = access_token(app_with_acts, person), "a" * 32
        headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace}-{'b' * 16}-01"}
        client = TestClient(app_with_acts, base_url="http://testserver", raise_server_exceptions=False)
        assert client.post("/api/test/policy", headers=headers).status_code == 404
        assert client.post("/api/test/role", headers=headers).status_code == 403
        assert client.post("/api/test/crash", headers=headers).status_code == 500
        with app_with_acts.state.sessions() as session:
            policy, role = entries(session)
        app_with_acts.state.sessions.kw["bind"].dispose()
        assert (policy.action, policy.outcome, policy.object_type) == ("training.read_injuries", "refused", "Client")
        assert (policy.actor_id, policy.actor_role, policy.subject_id) == (person.id, "customer", UUID(int=7))
        assert policy.address == "testclient"
        assert policy.traceparent is not None
        assert policy.traceparent.split("-")[1] == trace
        assert (role.action, role.object_id) == ("core.call_route", "POST /api/test/role")

    def test_of_guests_leave_no_entry(self, session: Session, api: TestClient) -> None:
        assert api.get("/api/compliance/audit").status_code == 401
        assert entries(session) == []

    def test_a_log_that_is_down_does_not_hide_the_answer(self, app: FastAPI, sign_in: SignIn, session: Session) -> None:
        app.state.audit_sessions = sessionmaker(create_engine(sqlalchemy_url("postgresql://nobody@127.0.0.1:1/none")))
        assert sign_in(make_account(session, role="customer")).get("/api/compliance/audit").status_code == 403


def test_who_asked_is_forgotten_when_the_request_ends(session: Session, sign_in: SignIn) -> None:
    admin = make_account(session, role="admin")
    assert sign_in(admin).get("/api/compliance/audit").status_code == 200
    audit.record(session, "test.act", "Test", "x")
    assert session.scalar(select(func.count()).where(AuditEntry.actor_id.is_(None))) == 1
