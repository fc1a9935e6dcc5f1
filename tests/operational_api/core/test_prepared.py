"""Statements said by the driver: what the session, its listeners and who asks notice of it, which is nothing."""

from collections.abc import Iterator
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
    event,
    func,
    insert,
    literal,
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

    def test_keeps_its_own_cursor_unless_it_was_answered_much(self, session: Session) -> None:
        cursors: list[object] = []
        engine = session.connection().engine
        rows: Statement[tuple[int]] = Statement(select(func.generate_series(1, bindparam("many", type_=Integer))))

        def hear(_: object, cursor: object, *__: object) -> None:
            cursors.append(cursor)

        event.listen(engine, "before_cursor_execute", hear)
        try:
            for many in (1, statements.MOST_KEPT + 1, 1, 1):
                assert len(rows.all(session, {"many": many})) == many
                assert KEYS.all(session, {"principal": "somebody"}) == []
        finally:
            event.remove(engine, "before_cursor_execute", hear)
        of_rows, of_keys = cursors[::2], cursors[1::2]
        assert of_rows[0] is of_rows[1] is not of_rows[2]
        assert of_rows[2] is of_rows[3]
        assert len(set(map(id, of_keys))) == 1
        assert of_keys[0] not in of_rows

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
