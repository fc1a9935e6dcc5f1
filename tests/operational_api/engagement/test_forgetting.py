"""A closed account: where its person was reached is gone, and no table that names people was overlooked."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.ids import new_id
from operational_api.core.database import Base
from operational_api.engagement import handlers
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.service.forgetting import FORGOTTEN, KEPT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PEOPLE = ("customer_id", "person_id", "account_id", "author_id", "uploader_id", "sender_id", "coach_id", "recipient_id",
          "email", "recipient", "address")  # fmt: skip


def tables() -> dict[str, Table]:
    return {one.name: one for one in Base.metadata.tables.values() if one.schema == "engagement"}


def row(table: Table, person: Any) -> dict[str, Any]:
    """A row that is about a person, with something of the right type in each column that needs it."""
    values: dict[type, Any] = {UUID: new_id(), datetime: NOON, int: 1, bool: True, bytes: b"x", str: "x", dict: {}}
    given = {
        column.name: values[column.type.python_type]
        for column in table.columns
        if not column.nullable and column.server_default is None
    }
    if "dedupe_key" in given:
        given["dedupe_key"] = str(new_id())
    return given | {name: person for name in ("customer_id", "person_id", "account_id") if name in table.columns}


class TestLists:
    def test_name_every_table_that_names_people(self) -> None:
        naming = {name for name, table in tables().items() if any(one in table.columns for one in PEOPLE)}
        assert naming <= FORGOTTEN.keys() | KEPT.keys()
        assert not FORGOTTEN.keys() & KEPT.keys()
        assert FORGOTTEN.keys() | KEPT.keys() <= tables().keys()


class TestForgetPerson:
    def close(self, session: Session, person: Any) -> None:
        handlers.forget_person(session, AccountClosed(account_id=person, occurred_at=NOON))

    def test_empties_each_table_of_them_and_of_nobody_else(self, session: Session) -> None:
        gone, stays = new_id(), new_id()
        session.execute(text("set local session_replication_role = replica"))
        for name in FORGOTTEN:
            for person in (gone, stays):
                values = row(tables()[name], person)
                values |= {"endpoint": str(person)} if name == "push_subscriptions" else {}
                session.execute(insert(tables()[name]).values(values))
        session.execute(text("set local session_replication_role = origin"))
        self.close(session, gone)
        self.close(session, gone)
        for name, column in FORGOTTEN.items():
            left = session.scalars(select(column)).all()
            assert left == [stays], name

    def test_of_what_was_sent_stays_that_it_was(self, session: Session) -> None:
        person = new_id()
        for number, status in enumerate(["sent", "queued"]):
            session.add(
                OutgoingMessage(
                    dedupe_key=f"k{number}", recipient="mia@example.test", template="receipt", context={"name": "Mia"},
                    status=status, next_attempt_at=NOON, customer_id=person,
                    created_at=datetime(2026, 3, 1, tzinfo=UTC),
                )
            )  # fmt: skip
        session.flush()
        self.close(session, person)
        session.expire_all()
        rows = session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.dedupe_key)).all()
        assert [(one.status, one.recipient, one.context) for one in rows] == [("sent", "", {}), ("withheld", "", {})]
        assert session.scalar(select(func.count()).select_from(OutgoingMessage)) == 2
