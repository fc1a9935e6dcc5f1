"""What a person may take with them, and what is forgotten of them: every context says of each of its tables that knows
people whether its rows are given to the person they are about, or why they are not, and what becomes of them when the
account is closed.

A context's module `personal` holds its `PERSONAL`; a test compares all of them with the schema, so that no new table of
personal data is overlooked. Making a file of what is given is `compliance`'s.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, delete, false, func, or_, select, update
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.database import Base
from operational_api.core.objects import ObjectStore

NAMES_PEOPLE = frozenset(
    (
        "customer_id", "account_id", "person_id", "payer_id", "coach_id", "owner_id", "author_id", "uploader_id",
        "sender_id", "recipient_id", "subject_id", "actor_id", "aggregate_id", "principal", "email", "recipient",
        "address", "display_name", "account_key", "provider_customer_id", "subjects",
    )
)  # fmt: skip
"""Columns by which a row is about a person. Who of the business decided something (`*_by`) is in the audit log, which
gives it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data is wanted. `email` is the account's."""

    account_id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows that go when the account is closed."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """Rows that stay, with other values in columns that tell of the person."""

    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that stay as they are, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What becomes of them is done by a function of the context's own, which is named."""

    by: str


Closing = Deleted | Emptied | Kept | Elsewhere
DELETED = Deleted()
BOOKS = Kept("books, which the law has the business keep; they name nobody but by ids")
IDS = Kept("ids, times and figures, by which the past is counted; nobody is named")


@dataclass(frozen=True, slots=True)
class Given:
    """The rows of a table that are given to a person.

    Attributes:
        by: Columns that name the person; any of them does.
        by_email: Columns that name them by the address of their account.
        through: A column with a foreign key to a table that is given: its rows say whose these are.
        among: A column with a foreign key to groups, and the column that lists their people (`group_id:subjects`).
        omit: Columns that are not given: secrets, and what is about somebody else.
        sealed: Columns of JSON that was sealed; given as it was before.
        named: Columns with a foreign key, each with the column there that says in words what it means.
        closing: What becomes of the rows when the account is closed; None, which a test refuses: nobody has said.
    """

    by: Sequence[str] = ()
    by_email: Sequence[str] = ()
    through: str = ""
    among: str = ""
    omit: frozenset[str] = frozenset()
    sealed: frozenset[str] = frozenset()
    named: Mapping[str, str] = field(default_factory=dict)
    closing: Closing | None = None


def given(
    by: str = "", closing: Closing | None = None, *, by_email: str = "", through: str = "", among: str = "",
    omit: str = "", sealed: str = "", named: str = "",
) -> Given:  # fmt: skip
    """A `Given` of names with spaces between; `named` has pairs like `exercise_id:name`."""
    return Given(
        by.split(), by_email.split(), through, among, frozenset(omit.split()), frozenset(sealed.split()),
        dict(pair.split(":") for pair in named.split()), closing,
    )  # fmt: skip


class Pieces(Protocol):
    """How a file's bytes are had, once it is its turn."""

    def __call__(self, store: ObjectStore, sealer: Sealer | None, /) -> Iterator[bytes]:
        """The bytes, in pieces.

        Raises:
            ObjectMissing: it was removed meanwhile.
            StoreUnavailable, SealBroken: it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class PersonalFile:
    """A picture, a letter, a video. `name`: a path of its own below the context's folder."""

    name: str
    pieces: Pieces


class Contribution(Protocol):
    """What a schema gives to a person.

    Attributes:
        schema: Of PostgreSQL, and the folder's name.
        tables: What is given, by table.
        withheld: Tables that know people and are not given, with why, as the person reads it.
    """

    @property
    def schema(self) -> str: ...
    @property
    def tables(self) -> Mapping[str, Given]: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...

    def files(self, session: Session, person: Person) -> Sequence[PersonalFile]:
        """What is theirs and is no row."""


def no_files(_: Session, __: Person) -> Sequence[PersonalFile]:
    """None."""
    return ()


@dataclass(frozen=True)
class Contributed:
    """A contribution, as contexts write it."""

    schema: str
    tables: Mapping[str, Given]
    withheld: Mapping[str, str] = field(default_factory=dict)
    listed: Callable[[Session, Person], Sequence[PersonalFile]] = no_files

    def files(self, session: Session, person: Person) -> Sequence[PersonalFile]:
        """What `listed` finds."""
        return self.listed(session, person)


def table_of(schema: str, name: str) -> Table:
    """The table of a model."""
    return Base.metadata.tables[f"{schema}.{name}"]


def rows_of(contribution: Contribution, name: str, person: Person) -> Select[Any]:
    """The rows of a table that are given to a person, without the columns that are not, in the order of its key."""
    table, rule = table_of(contribution.schema, name), contribution.tables[name]
    shown: list[ColumnElement[Any]] = [column for column in table.columns if column.name not in rule.omit]
    for column, words in rule.named.items():
        [key] = table.c[column].foreign_keys
        meant = key.column.table.alias()
        said = select(meant.c[words]).where(meant.c[key.column.name] == table.c[column]).scalar_subquery()
        shown.append(said.label(f"{column.removesuffix('_id')}_{words}"))
    return select(*shown).where(_is_theirs(contribution, name, person)).order_by(*table.primary_key.columns)


def forget(session: Session, contribution: Contribution, account_id: UUID) -> None:
    """Delete or empty what tables say of somebody whose account was closed. Doing it again does no more.

    Rows are found by ids; tables that stand on others go first.
    """
    person = Person(account_id, "")
    for table in reversed(Base.metadata.sorted_tables):
        rule = contribution.tables.get(table.name) if table.schema == contribution.schema else None
        if rule is None:
            continue
        theirs = _is_theirs(contribution, table.name, person)
        if isinstance(rule.closing, Deleted):
            session.execute(delete(table).where(theirs))
        elif isinstance(rule.closing, Emptied):
            session.execute(update(table).where(theirs).values(dict(rule.closing.values)))
    session.expire_all()


def _is_theirs(contribution: Contribution, name: str, person: Person) -> ColumnElement[bool]:
    table, rule = table_of(contribution.schema, name), contribution.tables[name]
    said: list[ColumnElement[bool]] = [table.c[column] == person.account_id for column in rule.by]
    said += [func.lower(table.c[column]) == person.email.lower() for column in rule.by_email]
    if rule.through:
        [key] = table.c[rule.through].foreign_keys
        parent = key.column.table
        theirs = select(key.column).where(_is_theirs(contribution, parent.name, person))
        said.append(table.c[rule.through].in_(theirs))
    if rule.among:
        column, _, people = rule.among.partition(":")
        [key] = table.c[column].foreign_keys
        groups = select(key.column).where(key.column.table.c[people].contains([person.account_id]))
        said.append(table.c[column].in_(groups))
    return or_(false(), *said)
