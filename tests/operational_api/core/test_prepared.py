"""Statements said by the driver: what the session, its listeners and who asks notice of it, which is nothing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    Engine,
    Integer,
    Numeric,
    Text,
    any_,
    bindparam,
    column,
    delete,
    event,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import CompileError, DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core import statements
from operational_api.core.models import IdempotencyKey, InboxMessage, OutboxEvent, Revocation
from operational_api.core.statements import Change, Statement
from operational_api.scheduling.models import Booking, Coach, Location
from tests.operational_api.statements import heard

KEYS = Statement(select(IdempotencyKey).where(IdempotencyKey.principal == bindparam("principal")))
FRESH = Statement(select(IdempotencyKey).where(IdempotencyKey.principal == bindparam("principal")), fresh=True)


NOW = datetime(2026, 5, 1, tzinfo=UTC)


def told(name: str) -> OutboxEvent:
    return OutboxEvent(event_id=new_id(), type=name, version=1, aggregate_id=new_id(), occurred_at=NOW, payload={})


def place() -> Location:
    return Location(name="P", city="C", country_code="DE", time_zone="UTC", currency="EUR")


def key(name: str = "a") -> IdempotencyKey:
    return IdempotencyKey(principal="somebody", key=name, request_hash="h")


@pytest.fixture
def other(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


class TestStatement:
    def test_answers_with_the_objects_that_the_session_has(self, session: Session) -> None:
        session.add(key())
        session.flush()
        ((found,),) = KEYS.all(session, {"principal": "somebody"})
        assert found is session.scalar(select(IdempotencyKey))
        assert KEYS.first(session, {"principal": "nobody"}) is None

    def test_makes_objects_that_are_written_when_they_change(self, session: Session) -> None:
        session.execute(insert(IdempotencyKey).values(principal="somebody", key="a", request_hash="h"))
        ((found,),) = KEYS.all(session, {"principal": "somebody"})
        assert found in session
        assert found not in session.dirty
        found.headers = {"a": 1}
        assert session.scalar(select(IdempotencyKey.headers)) == {"a": 1}

    def test_what_is_the_same_each_time_stands_in_its_text(self, session: Session, engine: Engine) -> None:
        written = select(OutboxEvent.type).where(
            OutboxEvent.type.in_(["100%", "it's"]), OutboxEvent.version == 1, OutboxEvent.position >= bindparam("from")
        )
        session.add_all([told("100%"), told("it's"), told("other")])
        with heard(engine) as said:
            found = Statement(written.order_by(OutboxEvent.position)).all(session, {"from": 0})
        assert [one for (one,) in found] == ["100%", "it's"]
        text = said[-1]
        assert "IN ('100%%', 'it''s')" in text
        assert "version = 1" in text
        assert "%(from)s" in text

    def test_a_plan_for_all_values_takes_an_index_of_some_rows(self, session: Session, engine: Engine) -> None:
        held = Statement(
            select(Booking.id).where(Booking.status.in_(["held", "requested"]), Booking.held_until <= bindparam("now"))
        )
        session.execute(text("set local plan_cache_mode = force_generic_plan"))
        session.execute(text("set local enable_seqscan = off"))
        with heard(engine) as said:
            held.all(session, {"now": NOW})
        connection = session.connection().connection
        explained = f"explain (generic_plan) {said[-1]}".replace("%(now)s", "$1").replace("%%", "%")
        plan = "\n".join(line for (line,) in connection.execute(explained.encode()))
        assert "ix_bookings_held_until" in plan

    def test_is_said_after_what_waits_in_the_session(self, session: Session) -> None:
        session.add(key())
        assert len(KEYS.all(session, {"principal": "somebody"})) == 1
        with session.no_autoflush:
            session.add(key("b"))
            assert len(KEYS.all(session, {"principal": "somebody"})) == 1

    def test_makes_what_is_known_afresh_only_where_it_says_so(self, session: Session) -> None:
        session.add(key())
        ((found,),) = KEYS.all(session, {"principal": "somebody"})
        session.execute(
            update(IdempotencyKey).values(body="said").execution_options(synchronize_session=False)
        )  # fmt: skip
        assert KEYS.all(session, {"principal": "somebody"})[0][0].body is None
        assert FRESH.all(session, {"principal": "somebody"})[0][0].body == "said"
        assert found.body == "said"
        assert found not in session.dirty

    def test_says_none_for_what_an_outer_join_did_not_find(self, session: Session) -> None:
        session.add(key())
        joined = Statement(
            select(IdempotencyKey.key, InboxMessage)
            .outerjoin(InboxMessage, InboxMessage.source == IdempotencyKey.principal)
            .where(IdempotencyKey.key == bindparam("key"))
        )
        assert joined.all(session, {"key": "a"}) == [("a", None)]

    def test_has_values_as_their_types_make_them(self, session: Session) -> None:
        asked = Statement(
            select(literal(Decimal("1.50")) + bindparam("more", type_=Numeric), literal({"a": [1]}, JSONB))
        )
        assert asked.all(session, {"more": Decimal("0.25")}) == [(Decimal("1.75"), {"a": [1]})]

    def test_keeps_lists_that_stand_in_its_text_and_takes_one_as_a_value(self, session: Session) -> None:
        session.add_all([key(), key("b"), key("c")])
        asked = Statement(
            select(IdempotencyKey.key)
            .where(IdempotencyKey.key.in_(("a", "b")), IdempotencyKey.key == any_(bindparam("keys", type_=ARRAY(Text))))
            .order_by(IdempotencyKey.key)
        )
        assert asked.all(session, {"keys": ["b", "c"]}) == [("b",)]
        assert asked.all(session, {"keys": []}) == []

    def test_is_heard(self, session: Session) -> None:
        with heard(session.connection().engine) as said:
            KEYS.all(session, {"principal": "somebody"})
        assert [one.split(" \n")[1].split(" ")[:2] for one in said] == [["FROM", "platform.idempotency_keys"]]

    def test_is_prepared_once_by_a_connection_and_anew_after_a_rollback(self, other: Session) -> None:
        many: Statement[tuple[int]] = Statement(select(func.generate_series(1, bindparam("many", type_=Integer))))

        def prepared() -> Sequence[tuple[str, int]]:
            asked = text(
                "select name, generic_plans + custom_plans from pg_prepared_statements where statement ~ 's_1'"
            )
            return [(name, said) for name, said in other.execute(asked)]

        for n in range(8):
            assert many.all(other, {"many": n}) == [(one,) for one in range(1, n + 1)]
        ((name, said),) = prepared()
        assert said == 3  # it was said five times before
        other.rollback()
        assert prepared() == []
        for n in range(8):
            assert len(many.all(other, {"many": n})) == n
        ((again, said),) = prepared()
        assert (again == name, said) == (False, 3)
        with other.begin_nested() as savepoint:
            savepoint.rollback()
        assert len(many.all(other, {"many": 3})) == 3

    def test_is_answered_though_the_driver_took_it_away_for_others(self, other: Session) -> None:
        asked: list[Statement[tuple[int]]] = [
            Statement(select(literal_column(str(n)) + bindparam("add", type_=Integer))) for n in range(110)
        ]
        for _ in range(7):
            assert [one.all(other, {"add": 1}) for one in asked] == [[(n + 1,)] for n in range(110)]
        assert asked[0].all(other, {"add": None}) == [(None,)]  # of another type, to the driver

    def test_is_read_as_what_it_is_each_time(self, other: Session) -> None:
        same: Statement[tuple[object]] = Statement(text("select :one as one").columns(column("one")))
        for one in [1, "a"] * 7:
            assert same.all(other, {"one": one}) == [(one,)]
        kept = statements._prepared_on(other.connection())[same]
        assert len([sql for sql, _ in kept._connection._prepared._names if sql == kept._written[0]]) == 2  # type: ignore[index]

    def test_has_nothing_left_of_its_answer(self, other: Session) -> None:
        many: Statement[tuple[int]] = Statement(select(func.generate_series(1, bindparam("many", type_=Integer))))
        for _ in range(7):
            many.all(other, {"many": 1000})
        kept = statements._prepared_on(other.connection())[many]
        assert kept._driver.pgresult is None

    def test_wants_every_value_of_a_row_named(self, session: Session) -> None:
        with pytest.raises(CompileError):
            Statement(insert(Location).values(name=bindparam("n")).returning(Location.id)).all(session, {"n": "P"})


class TestErrors:
    def test_are_those_of_sqlalchemy(self, session: Session) -> None:
        ended = Change(insert(Revocation).values(id=bindparam("id"), ended_at=func.now()))
        id_ = new_id()
        assert ended.do(session, {"id": id_}) == 1
        with pytest.raises(IntegrityError) as refused, session.begin_nested():
            ended.do(session, {"id": id_})
        assert refused.value.orig.diag.constraint_name == "pk_revocations"  # type: ignore[union-attr]
        assert session.scalar(select(func.count()).select_from(Revocation)) == 1

    def test_leave_the_connection_to_what_is_said_next(self, session: Session) -> None:
        with pytest.raises(DataError), session.begin_nested():
            KEYS.all(session, {"principal": "a\0b"})
        assert KEYS.all(session, {"principal": "somebody"}) == []

    def test_end_a_savepoint_in_which_nothing_was_said_before(self, session: Session) -> None:
        KEYS.all(session, {"principal": "somebody"})
        with pytest.raises(DataError), session.begin_nested():
            KEYS.all(session, {"principal": "a\0b"})
        with session.begin_nested():
            session.execute(insert(IdempotencyKey).values(principal="somebody", key="a", request_hash="h"))
        assert len(KEYS.all(session, {"principal": "somebody"})) == 1

    def test_throw_a_broken_connection_away(self, engine: Engine, other: Session) -> None:
        pid = other.scalar(select(func.pg_backend_pid()))
        with engine.connect() as killer:
            killer.scalar(select(func.pg_terminate_backend(pid, 5000)))
        with pytest.raises(OperationalError) as broken:
            KEYS.all(other, {"principal": "somebody"})
        assert broken.value.connection_invalidated
        other.rollback()
        assert KEYS.all(other, {"principal": "somebody"}) == []

    def test_are_told_of_a_prepared_statement_as_of_any(self, engine: Engine, other: Session) -> None:
        ended, id_ = Change(insert(Revocation).values(id=bindparam("id"), ended_at=func.now())), new_id()
        for _ in range(7):
            assert ended.do(other, {"id": new_id()}) == 1
        ended.do(other, {"id": id_})
        with pytest.raises(IntegrityError) as refused, other.begin_nested():
            ended.do(other, {"id": id_})
        assert refused.value.orig.diag.constraint_name == "pk_revocations"  # type: ignore[union-attr]
        pid = other.scalar(select(func.pg_backend_pid()))
        for _ in range(7):
            ended.do(other, {"id": new_id()})
        with engine.connect() as killer:
            killer.scalar(select(func.pg_terminate_backend(pid, 5000)))
        with pytest.raises(OperationalError) as broken:
            ended.do(other, {"id": new_id()})
        assert broken.value.connection_invalidated
        other.rollback()
        assert other.scalar(select(func.count()).select_from(Revocation)) == 0


class TestEnd:
    def test_is_the_commit_of_what_was_said(self, engine: Engine, other: Session) -> None:
        ended, id_ = Change(insert(Revocation).values(id=bindparam("id"), ended_at=func.now())), new_id()
        for one in (id_, new_id()):
            ended.do(other, {"id": one})
            (other.commit if one == id_ else other.rollback)()
        other.commit()
        try:
            assert other.scalars(select(Revocation.id)).all() == [id_]
        finally:
            other.execute(delete(Revocation))
            other.commit()

    def test_is_refused_where_what_waits_for_it_is(self, engine: Engine) -> None:
        with engine.connect() as connection:
            connection.execute(text("create temp table late (n int unique deferrable initially deferred)"))
            connection.commit()
            connection.execute(text("insert into late values (1), (1)"))
            with pytest.raises(IntegrityError):
                connection.commit()
            connection.rollback()
            assert connection.scalar(text("select count(*) from late")) == 0

    def test_is_an_error_where_nobody_answers(self, engine: Engine, other: Session) -> None:
        pid = other.scalar(select(func.pg_backend_pid()))
        with engine.connect() as killer:
            killer.scalar(select(func.pg_terminate_backend(pid, 5000)))
        with pytest.raises(OperationalError):
            other.commit()
        other.rollback()
        assert other.scalar(select(1)) == 1


class TestGet:
    def test_is_the_object_or_none(self, session: Session) -> None:
        made = statements.write(session, place())
        assert statements.get(session, Location, made.id) is made
        session.expunge(made)
        found = statements.get(session, Location, made.id)
        assert found is not None
        assert found is not made
        assert found.name == "P"
        assert statements.get(session, Location, new_id()) is None


class TestWrite:
    def test_knows_what_the_database_and_the_model_gave(self, session: Session) -> None:
        made = place()
        with heard(session.connection().engine) as said:
            statements.write(session, made)
            assert isinstance(made.id, UUID)
            assert made.created_at.tzinfo is not None
        assert len(said) == 1
        assert made in session
        assert made not in session.dirty
        made.name = "Q"
        assert session.scalar(select(Location.name)) == "Q"

    def test_leaves_a_refused_object_out_of_the_session(self, session: Session) -> None:
        coach = Coach(id=new_id(), display_name="C", specialities=[], client_capacity=-1, location_id=new_id())
        with pytest.raises(IntegrityError), session.begin_nested():
            statements.write(session, coach)
        assert coach not in session


class TestEvents:
    def test_are_written_after_what_they_tell_of_and_in_order(self, session: Session) -> None:
        said: list[str] = []
        engine = session.connection().engine

        def hear(_c: object, _cursor: object, sql: str, *_: object) -> None:
            said.append(" ".join(sql.split()[:3]).lower())

        names = [f"scheduling.event_{n}" for n in range(3)]
        event.listen(engine, "before_cursor_execute", hear)
        try:
            session.add_all(map(told, names))
            session.add(key())
            session.flush()
        finally:
            event.remove(engine, "before_cursor_execute", hear)
        assert said == ["insert into platform.idempotency_keys", "insert into platform.outbox_events"]
        assert session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all() == names

    def test_are_gone_with_the_savepoint_that_they_were_said_in(self, session: Session) -> None:
        nested = session.begin_nested()
        session.add(told("a.b"))
        nested.rollback()
        session.flush()
        assert session.scalar(select(func.count()).select_from(OutboxEvent)) == 0
