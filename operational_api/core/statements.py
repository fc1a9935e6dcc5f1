"""Statements that are said often: written like all others, compiled once, said by the driver itself.

They are part of the session's transaction like any other: what waits in the session is written first, listeners hear
them, errors are SQLAlchemy's. What is left out is what SQLAlchemy does each time a statement is said, which costs
several times what the driver and PostgreSQL need for it (ADR 0045). Where an event loop waits for a statement that
stands alone, it is said on a connection of the driver's own (`database.Line`).

Every value that a statement is given is a `bindparam` without a value. A list is compared with `any_`: an `in_` of a
list is another text for each length.

Does not belong here: what is asked. Statements stand beside the rules that say them.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Generic, TypeVar, cast

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Connection,
    Dialect,
    Executable,
    Integer,
    Select,
    Table,
    TextualSelect,
    Uuid,
    bindparam,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import psycopg as driver
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Mapper, Session, SessionTransaction, class_mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.sql.visitors import cloned_traverse
from sqlalchemy.types import TypeEngine

from operational_api.core.prepared import Prepared

Row = TypeVar("Row", bound=tuple[Any, ...])
Entity = TypeVar("Entity")
Values = Mapping[str, Any]
Turn = Callable[[Any], Any]
_ALONE: Dialect = driver.dialect()  # type: ignore[no-untyped-call]


class Change:
    """A statement that answers with no rows.

    Args:
        written: With a bind parameter for each value.
    """

    def __init__(self, written: Executable) -> None:
        self._written = written
        self._text: _Text | None = None

    def do(self, said_to: Session | Connection, values: Values) -> int:
        """Say it, and tell how many rows it changed."""
        return self._say(said_to, values)[1]

    async def alone(self, connection: AsyncConnection[Any], values: Values) -> AsyncCursor[Any]:
        """Say it on a connection of the driver's own. Rows are as the driver has them, and so are errors."""
        text = self._text
        if text is None:
            text = self._text = self._compiled(_ALONE)
        return await connection.execute(text.sql, text.parameters(values), prepare=True)

    def _say(self, said_to: Session | Connection, values: Values) -> tuple[list[Any], int, Sequence[int]]:
        """Rows as the driver has them, how many were found or changed, and the types of their columns."""
        if isinstance(said_to, Session):
            if said_to.autoflush:
                said_to.flush()
            connection, kept = _said_to(said_to)
        else:
            connection, kept = said_to, _prepared_on(said_to)
        text = self._text
        if text is None:
            text = self._text = self._compiled(connection.dialect)
        sql, parameters = text.sql, text.parameters(values)
        prepared = kept.get(self)
        if prepared is None:
            prepared = kept[self] = Prepared(_driver_of(connection), text.told)
        if connection._has_events or connection.engine._has_events:
            for hear in connection.dispatch.before_cursor_execute:
                hear(connection, None, sql, parameters, None, False)
        try:
            rows, count = prepared.say(parameters)
        except BaseException as error:  # noqa: BLE001 - raised again below
            # What SQLAlchemy does with an error: another class of it, and a connection that broke is thrown away.
            connection._handle_dbapi_exception(error, sql, parameters, None, None)
        return rows, count, prepared.codes

    def _compiled(self, dialect: Dialect) -> "_Text":
        return _Text(self._written, dialect)


class Statement(Change, Generic[Row]):
    """A statement that answers with rows: of values, and of objects that the session then knows.

    Args:
        written: Tables of which it asks for objects are named by their class, each once.
        fresh: Objects that the session knows already are made what the rows say (`populate_existing`).
    """

    def __init__(self, written: TypedReturnsRows[Row] | TextualSelect, *, fresh: bool = False) -> None:
        super().__init__(cast(Executable, written))
        self._fresh = fresh
        self._stored: type[Any] | None = None
        self._asked: list[Any] = []
        self._parts: list[_Part] | None = None

    @classmethod
    def storing(cls, entity: type[Entity], written: UpdateBase) -> "Statement[tuple[Entity]]":
        """A statement that writes rows of the class's table and answers with them as its objects."""
        made: Statement[tuple[Entity]] = Statement(cast("TypedReturnsRows[tuple[Entity]]", written), fresh=True)
        made._stored = entity
        return made

    def all(self, said_to: Session | Connection, values: Values) -> list[Row]:
        """Every row. Who asks for objects says it to a session."""
        rows, _, codes = self._say(said_to, values)
        parts = self._parts
        if parts is None:
            parts = self._parts = self._read(codes)
        if not parts:
            return cast("list[Row]", rows)
        session: Any = said_to
        made: list[Any] = [tuple([part(session, row) for part in parts]) for row in rows]
        return made

    def first(self, said_to: Session | Connection, values: Values) -> Row | None:
        """The first row, or None."""
        rows = self.all(said_to, values)
        return rows[0] if rows else None

    def _compiled(self, dialect: Dialect) -> "_Text":
        written: Any = self._written
        if self._stored is not None:
            self._asked, written = [self._stored], written.returning(*_columns(self._stored))
        elif isinstance(written, Select):
            told = [(one["expr"], one["type"]) for one in written.column_descriptions]
            self._asked = [part if isinstance(part, type) else type_ for part, type_ in told]
            columns = chain(*(_columns(part) if isinstance(part, type) else [part] for part, _ in told))
            written = written.with_only_columns(*columns, maintain_column_froms=True)
        else:
            self._asked = [one.type for one in written.exported_columns]
        return _Text(written, dialect)

    def _read(self, codes: Sequence[int]) -> "list[_Part]":
        """How its rows become what it asks for; nothing where they are that already."""
        assert self._text is not None  # noqa: S101 - it was said
        turns, parts, at = _Turns(self._text.dialect, codes), list[_Part](), 0
        for one in self._asked:
            part = _Object(one, at, turns, fresh=self._fresh) if isinstance(one, type) else _Value(one, at, turns)
            parts.append(part)
            at += part.width
        return [] if all(isinstance(one, _Value) and one.turn is None for one in parts) else parts


def connection_of(session: Session) -> Connection:
    """`session.connection()`, which finds it anew for each who asks."""
    return _said_to(session)[0]


def _said_to(session: Session) -> "_SaidTo":
    if (begun := _innermost(session)) is not None and begun.is_active:
        known: _SaidTo | None = vars(begun).get(_SAID_TO)
        if known is not None:
            return known
    connection = session.connection()  # which begins what has begun for the session only, a savepoint as well
    # Kept with the transaction, which knows its session: the other way round neither would go but by the collector.
    found = vars(_innermost(session))[_SAID_TO] = connection, _prepared_on(connection)
    return found


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _prepared_on(connection: Connection) -> "_Kept":
    """Each statement as a connection has it: how values are written and rows are read is found out once."""
    kept: _Kept | None = connection.info.get(_KEPT)
    if kept is None:
        kept = connection.info[_KEPT] = {}
    return kept


def _driver_of(connection: Connection) -> "psycopg.Connection[Any]":
    found = connection.connection.driver_connection
    assert isinstance(found, psycopg.Connection)  # noqa: S101 - as `database.make_engine` says
    return found


_Kept = dict[Change, Prepared]
_SaidTo = tuple[Connection, _Kept]
_SAID_TO, _KEPT = "statements_said_to", "statements_kept"


class _Text:
    """What listeners hear (`sql`) and the driver is told, and what becomes of values on their way to it."""

    def __init__(self, written: Any, dialect: Dialect) -> None:
        compiled = _compile(written, dialect)
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise CompileError(f"A value of every column is to be named: {compiled}")
        asked = {name for name, one in compiled.binds.items() if one.required}
        turns = {name: _turn_of(one.type, dialect) for name, one in compiled.binds.items()}
        written = cloned_traverse(written, {}, {"bindparam": _write_out})
        compiled = _compile(written, dialect, render_postcompile=True)
        self.sql, self.dialect = str(compiled), dialect
        self.told = self.sql.encode()
        self.turns = [(name, turn) for name in asked if (turn := turns[name]) is not None]
        self.constant = {
            name: turn(value) if (turn := turns.get(name)) else value
            for name, value in ({} if compiled.params is None else compiled.params).items()
            if name not in asked
        }

    def parameters(self, values: Values) -> Values:
        """As the driver takes them."""
        if not self.turns and not self.constant:
            return values
        told = {**self.constant, **values}
        for name, turn in self.turns:
            told[name] = turn(values[name])
        return told


def _write_out(parameter: BindParameter[Any]) -> None:
    """Have a constant stand in the text, where PostgreSQL sees it when it makes one plan for all values.

    A parameter can be anything: by such a plan no index of some rows is of use, and then PostgreSQL may plan anew each
    time, which takes longer than what it plans.
    """
    if parameter.required:
        parameter.required = False  # a text is only written out where each has a value, be it none
        return
    values = list(parameter.value or ()) if parameter.expanding else [parameter.value]
    parameter.literal_execute = bool(values) and all(isinstance(one, int | str) for one in values)


def _turn_of(type_: TypeEngine[Any], dialect: Dialect) -> Turn | None:
    if isinstance(type_, ARRAY) and isinstance(type_.item_type, Integer | Uuid):
        return _as_array
    turn: Turn | None = type_.dialect_impl(dialect).bind_processor(dialect)
    return turn


def _as_array(values: Iterable[object] | None) -> str | None:
    """As PostgreSQL writes an array of numbers or ids. The driver finds out anew each time what is in a list."""
    return None if values is None else "{" + ",".join(["null" if one is None else str(one) for one in values]) + "}"


def _compile(written: Any, dialect: Dialect, **how: bool) -> SQLCompiler:
    compiled = written.compile(dialect=dialect, compile_kwargs=how)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - of a statement
    return compiled


class _Turns:
    """What SQLAlchemy's types make of what the driver answers, by column."""

    def __init__(self, dialect: Dialect, codes: Sequence[int]) -> None:
        self._dialect, self._codes = dialect, codes

    def of(self, type_: TypeEngine[Any], at: int) -> Turn | None:
        turn: Turn | None = type_.dialect_impl(self._dialect).result_processor(self._dialect, self._codes[at])
        return turn


class _Value:
    """A column of a row."""

    width = 1

    def __init__(self, type_: TypeEngine[Any], at: int, turns: _Turns) -> None:
        self.at, self.turn = at, turns.of(type_, at)

    def __call__(self, _: object, row: Sequence[Any]) -> Any:
        """Its value."""
        value = row[self.at]
        return value if self.turn is None else self.turn(value)


class _Object:
    """The columns of a row that are one object; None where an outer join found no row."""

    def __init__(self, entity: type[Any], at: int, turns: _Turns, *, fresh: bool) -> None:
        self.mapper, self.fresh = class_mapper(entity), fresh
        attributes = list(self.mapper.column_attrs)
        self.names, self.width = [one.key for one in attributes], len(attributes)
        self.span = slice(at, at + self.width)
        found = ((one.key, turns.of(one.columns[0].type, n)) for n, one in enumerate(attributes, at))
        self.turns = [(name, turn) for name, turn in found if turn is not None]
        keys = [self.mapper.get_property_by_column(one).key for one in self.mapper.primary_key]
        self.key = [at + self.names.index(key) for key in keys]

    def __call__(self, session: Session, row: Sequence[Any]) -> Any:
        """The session's object of a row."""
        key = tuple([row[at] for at in self.key])
        if key[0] is None:
            return None
        named = self.mapper.identity_key_from_primary_key(key)
        known = session.identity_map.get(named)
        if known is not None and not self.fresh:
            return known
        values = dict(zip(self.names, row[self.span], strict=True))
        for name, turn in self.turns:
            values[name] = turn(values[name])
        if known is None:
            known = self.mapper.class_manager.new_instance()
            vars(known).update(values)
            state = instance_state(known)  # as `sqlalchemy.orm.loading` makes the session know an object
            state.key, state.session_id = named, session.hash_key
            session.identity_map.add(state)
        else:
            for name, value in values.items():
                set_committed_value(known, name, value)
        return known


_Part = _Value | _Object


def _columns(entity: type[Any]) -> list[Any]:
    return [getattr(entity, one.key) for one in class_mapper(entity).column_attrs]


def get(session: Session, entity: type[Entity], id_: object) -> Entity | None:
    """`session.get` of a class whose key is one column."""
    mapper, by_id = _by_id(cast(Hashable, entity))
    known = session.identity_map.get(mapper.identity_key_from_primary_key((id_,)))
    if known is not None:
        return session.get(entity, id_) if instance_state(known).expired else cast(Entity, known)
    row = by_id.first(session, {"id": id_})
    return row[0] if row else None


@cache
def _by_id(entity: type[Any]) -> tuple[Mapper[Any], Statement[tuple[Any]]]:
    mapper = class_mapper(entity)
    (key,) = mapper.primary_key
    return mapper, Statement(select(entity).where(key == bindparam("id", type_=key.type)))


def write(session: Session, made: Entity) -> Entity:
    """Write a new object that was not added to the session: `session.add` and `session.flush` in one insert."""
    said = vars(made)
    inserting = _inserting(cast(Hashable, type(made)), frozenset(said))
    values = {name: said[name] for name in inserting.told}
    for name, make in inserting.made:
        values[name] = make(None)
    row = inserting.statement.first(session, values)
    said.update(inserting.empty, **values)
    said.update(zip(inserting.answered, row or (), strict=False))
    make_transient_to_detached(made)
    session.add(made)
    return made


class _Inserting:
    """How objects of a class are written of which these attributes were said."""

    def __init__(self, entity: type[Any], said: Collection[str]) -> None:
        mapper = class_mapper(entity)
        self.told: list[str] = []
        self.made: list[tuple[str, Turn]] = []
        self.answered: list[str] = []
        self.empty: dict[str, None] = {}
        columns: dict[str, Any] = {one.key: one.columns[0] for one in mapper.column_attrs}
        for name, column in columns.items():
            if name in said:
                self.told.append(name)
            elif column.default is not None:
                self.made.append((name, _making(column.default)))
            elif column.server_default is not None or column is column.table.autoincrement_column:
                self.answered.append(name)
            else:
                self.empty[name] = None
        given = {*self.told, *(name for name, _ in self.made)}
        values = {columns[name].name: bindparam(name, type_=columns[name].type) for name in given}
        answered = [columns[name] for name in self.answered] or [literal_column("1")]
        written = insert(cast(Table, mapper.local_table)).values(values).returning(*answered)
        self.statement: Statement[Any] = Statement(written)


_inserting = cache(_Inserting)


def _making(default: Any) -> Turn:
    value: Any = default.arg
    return cast(Turn, value) if default.is_callable else lambda _: value
