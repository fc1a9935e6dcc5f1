"""What the database itself refuses, whatever the code above it does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.commerce.billing.models import InvoiceLine
from operational_api.commerce.billing.service import numbers
from operational_api.commerce.models import LedgerJournal, LedgerLine
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish
from tests.factories import make_invoice

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

    def test_refuses_one_that_does_only_across_currencies(self, session: Session) -> None:
        with pytest.raises(DBAPIError, match="does not sum to zero"):
            self.lines(session, (100, "EUR"), (-100, "USD"))

    @pytest.mark.parametrize("later", [(7, -7), (0,)])
    def test_refuses_lines_that_come_later_though_they_sum_to_zero(
        self, session: Session, later: tuple[int, ...]
    ) -> None:
        journal = self.lines(session, (100, "EUR"), (-100, "EUR"))
        with pytest.raises(DBAPIError, match="nothing is added to it"):
            self.lines(session, *((amount, "EUR") for amount in later), journal=journal)

    @pytest.mark.parametrize(
        "change",
        [
            "update commerce.ledger_lines set amount_minor = 0", "update commerce.ledger_lines set account = account",
            "delete from commerce.ledger_lines", "truncate commerce.ledger_lines",
            "update commerce.ledger_journals set kind = 'other'", "delete from commerce.ledger_journals",
            "truncate commerce.ledger_journals cascade",
            "merge into commerce.ledger_lines using (select 1) on true when matched then update set amount_minor = 0",
            "insert into commerce.ledger_lines select * from commerce.ledger_lines "
            "on conflict (id) do update set amount_minor = 0",
        ],
    )  # fmt: skip
    def test_refuses_every_change(self, session: Session, change: str) -> None:
        self.lines(session, (100, "EUR"), (-100, "EUR"))
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))

    def lines(self, session: Session, *amounts: tuple[int, str], journal: UUID | None = None) -> UUID:
        """Lines of a journal, a new one unless it is named."""
        if journal is None:
            journal = new_id()
            session.execute(
                insert(LedgerJournal).values(id=journal, kind="k", source_type="t", source_id=journal, posted_at=NOON)
            )
        rows = [
            {"id": new_id(), "journal_id": journal, "account": "a", "amount_minor": amount, "currency": currency}
            for amount, currency in amounts
        ]
        session.execute(insert(LedgerLine).values(rows))
        return journal


class TestIssuedInvoices:
    @pytest.mark.parametrize(
        "change",
        [
            "number = 'X-1'", "series = 'X'", "sequence = 99", "customer_id = payer_id", "payer_id = customer_id",
            "currency = 'USD'", "total_minor = 1", "subtotal_minor = 1", "tax_minor = 1", "issued_at = now()",
        ],
    )  # fmt: skip
    def test_stay_as_they_are(self, session: Session, change: str) -> None:
        make_invoice(session, customer_id=new_id())
        with pytest.raises(DBAPIError, match="stays as it is"):
            session.execute(text(f"update commerce.invoices set {change}"))

    def test_get_no_lines_later_though_they_add_up(self, session: Session) -> None:
        invoice, _ = make_invoice(session, customer_id=new_id())
        values = {"invoice_id": invoice.id, "kind": "fee", "description": "x", "tax_rate_bp": 0, "currency": "EUR"}
        rows = [
            values | {"id": new_id(), "position": position, "amount_minor": amount, "tax_minor": 0}
            for position, amount in ((2, 500), (3, -500))
        ]
        with pytest.raises(DBAPIError, match="no line is added to it"):
            session.execute(insert(InvoiceLine).values(rows))

    @pytest.mark.parametrize(
        "change",
        [
            "update commerce.number_series set last_number = last_number + 2",
            "update commerce.number_series set last_number = last_number - 1",
            "update commerce.number_series set series = 'X'", "delete from commerce.number_series",
        ],
    )  # fmt: skip
    def test_numbers_leave_none_out_and_take_none_twice(self, session: Session, change: str) -> None:
        assert [numbers.next_number(session, numbers.INVOICES, NOON).sequence for _ in range(2)] == [1, 2]
        with pytest.raises(DBAPIError, match="follow one another"):
            session.execute(text(change))


def test_what_stays_for_good_is_not_emptied_either(session: Session) -> None:
    """Every table that refuses the removal of a row refuses the removal of all."""
    rows = session.execute(
        text(
            "select tgrelid::regclass::text, bool_or(tgtype & 8 > 0) as deleted, bool_or(tgtype & 32 > 0) as emptied "
            "from pg_trigger where not tgisinternal and tgfoid in ('platform.refuse_change'::regproc, "
            "'commerce.refuse_issued_change'::regproc, 'commerce.numbers_follow'::regproc) group by 1"
        )
    ).tuples()
    kept = {table: emptied for table, deleted, emptied in rows if deleted}
    assert len(kept) > 12
    assert [table for table, emptied in kept.items() if not emptied] == []


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
