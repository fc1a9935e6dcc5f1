"""The ledger's journals: each fact written down once, and what the accounts come to."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.ledger import Line
from operational_api.commerce.models import LedgerJournal, LedgerLine


def post(
    session: Session,
    *,
    kind: str,
    source_type: str,
    source_id: UUID,
    customer_id: UUID | None,
    currency: str,
    lines: Iterable[Line],
    posted_at: datetime,
) -> bool:
    """Write a journal unless this fact is written already.

    Returns:
        True when it is new.
    """
    journal = session.scalar(
        upsert(LedgerJournal)
        .values(id=new_id(), kind=kind, source_type=source_type, source_id=source_id, posted_at=posted_at)
        .on_conflict_do_nothing()
        .returning(LedgerJournal.id)
    )
    if journal is None:
        return False
    rows = [
        {
            "id": new_id(),
            "journal_id": journal,
            "account": line.account,
            "customer_id": line.whose or customer_id,
            "amount_minor": line.amount_minor,
            "currency": currency,
        }
        for line in lines
    ]
    if rows:
        session.execute(insert(LedgerLine).values(rows))
    return True


def balances(session: Session) -> dict[tuple[str, str], int]:
    """Balance of every account and currency; each currency's balances sum to 0."""
    query = select(LedgerLine.account, LedgerLine.currency, func.sum(LedgerLine.amount_minor)).group_by(
        LedgerLine.account, LedgerLine.currency
    )
    return {(account, currency): int(total) for account, currency, total in session.execute(query)}
