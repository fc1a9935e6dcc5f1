"""What the database itself refuses, whatever the code above it does."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.commerce.models import LedgerJournal, LedgerLine
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class TestLedgerLines:
    def post(self, session: Session, *amounts: int) -> None:
        journal = LedgerJournal(kind="payment_captured", source_type="payment", source_id=new_id(), posted_at=NOON)
        session.add(journal)
        session.flush()
        session.execute(
            insert(LedgerLine).values(
                [
                    {"id": new_id(), "journal_id": journal.id, "account": "receivable", "amount_minor": amount}
                    | {"currency": "EUR"}
                    for amount in amounts
                ]
            )
        )

    def test_accepts_a_journal_that_sums_to_zero(self, session: Session) -> None:
        self.post(session, 4900, -4100, -800)

    def test_refuses_a_journal_that_does_not(self, session: Session) -> None:
        with pytest.raises(DBAPIError, match="does not sum to zero"):
            self.post(session, 4900, -4899)


class TestOutboxEvents:
    def told(self, session: Session) -> PaymentCaptured:
        captured = PaymentCaptured(
            occurred_at=NOON, payment_id=new_id(), customer_id=new_id(), amount_minor=4900, currency="EUR"
        )
        publish(session, captured)
        session.flush()
        return captured

    def test_refuses_a_changed_fact(self, session: Session) -> None:
        captured = self.told(session)
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(
                text("update platform.outbox_events set type = 'x' where event_id = :id"), {"id": captured.event_id}
            )

    def test_may_be_marked_relayed_once(self, session: Session) -> None:
        captured = self.told(session)
        row = session.get_one(OutboxEvent, captured.event_id)
        row.relayed_at = NOON
        session.flush()
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(
                text("update platform.outbox_events set relayed_at = :at where event_id = :id"),
                {"id": captured.event_id, "at": NOON + timedelta(hours=1)},
            )
