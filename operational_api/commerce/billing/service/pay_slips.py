"""What a coach is paid for, line by line, for the coach and for finance: of a closed pay period, or not closed yet.

Names are read when it is asked for, as those on invoices are. Amounts, days and lines of a closed one never change.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce.billing import slips
from operational_api.commerce.billing.errors import StatementNotFound
from operational_api.commerce.billing.models import CommissionStatement
from operational_api.commerce.billing.service import pay_lines, payouts, people
from operational_api.commerce.billing.service.pay_lines import ClassLine, PayLine
from operational_api.commerce.billing.slips import PaySlip, Period, SlipLine
from operational_api.commerce.models import Dispute, Payment, Refund
from operational_api.commerce.settings import SellerSettings
from operational_api.core import audit
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal

ACTION = "commerce.read_commissions"
FileFormat = Literal["pdf", "csv"]
_FILES: dict[FileFormat, tuple[str, Callable[[PaySlip, SellerSettings], bytes]]] = {
    "pdf": ("application/pdf", slips.pdf), "csv": ("text/csv; charset=utf-8", slips.sheet),
}  # fmt: skip


def closed(session: Session, principal: Principal, *, statement_id: UUID) -> PaySlip:
    """The slip of a closed pay period, and how far it is paid.

    Raises:
        StatementNotFound: unknown, or not the principal's to read.
    """
    slip = _closed(session, principal, statement_id)
    standing = payouts.standings(session, [statement_id])[statement_id]
    return replace(slip, standing=standing, payouts=payouts.of_statement(session, statement_id))


def _closed(session: Session, principal: Principal, statement_id: UUID) -> PaySlip:
    row = session.get(CommissionStatement, statement_id)
    if row is None:
        raise StatementNotFound
    require(
        principal, ACTION, Resource("CommissionStatement", row.id, coach_id=row.coach_id), missing=StatementNotFound
    )
    lines = pay_lines.closed_lines(session, row)
    classes = {row.currency: pay_lines.closed_classes(session, row)}
    [slip] = _slips(session, principal, row.coach_id, {row.currency: lines}, classes, row.last_on, row)
    return slip


def not_closed(session: Session, principal: Principal, *, coach_id: UUID, last_on: date) -> list[PaySlip]:
    """What a coach earned up to a day that is in no statement yet, a slip for each currency.

    Raises:
        StatementNotFound: not the principal's to read.
    """
    require(principal, ACTION, Resource("Coach", coach_id, coach_id=coach_id), missing=StatementNotFound)
    by_currency: dict[str, list[PayLine]] = {}
    for line in pay_lines.open_lines(session, last_on=last_on, coach_id=coach_id):
        by_currency.setdefault(line.held.currency, []).append(line)
    classes: dict[str, list[ClassLine]] = {}
    for one in pay_lines.open_classes(session, last_on=last_on, coach_id=coach_id):
        classes.setdefault(one.assisted.currency, []).append(one)
    return _slips(session, principal, coach_id, by_currency, classes, last_on)


def file(
    session: Session, principal: Principal, *, statement_id: UUID, file_format: FileFormat, seller: SellerSettings
) -> tuple[str, str, bytes]:
    """A closed slip to keep: the file's name, its media type and its bytes.

    Raises:
        StatementNotFound: unknown, or not the principal's to read.
    """
    slip = _closed(session, principal, statement_id)
    media_type, write = _FILES[file_format]
    return f"pay-{slip.last_on}-{slip.currency}.{file_format}", media_type, write(slip, seller)


def _slips(
    session: Session, principal: Principal, coach_id: UUID, by_currency: dict[str, list[PayLine]],
    classes: dict[str, list[ClassLine]], last_on: date, statement: CommissionStatement | None = None,
) -> list[PaySlip]:  # fmt: skip
    every = [line for lines in by_currency.values() for line in lines]
    clients = {line.held.customer_id for line in every}
    audit.record_read(session, principal, ACTION, "CommissionStatement", clients | {coach_id})
    coach = people.addressees(session, [coach_id], gone="Coach")[coach_id].name
    names = {id_: one.name for id_, one in people.addressees(session, clients).items()}
    invoices, periods = _invoices(session, every), _periods(session, every)
    return [
        PaySlip(
            coach_id=coach_id, coach=coach, currency=currency, last_on=last_on,
            statement_id=statement.id if statement else None, first_on=statement.first_on if statement else None,
            closed_at=statement.closed_at if statement else None,
            total_minor=statement.total_minor if statement else _total(lines) + _total(assisted),
            lines=[*(_line(line, names, invoices, periods) for line in lines), *map(_class, assisted)],
        )
        for currency in sorted(by_currency.keys() | classes.keys())
        for lines, assisted in [(by_currency.get(currency, []), classes.get(currency, []))]
    ]  # fmt: skip


def _total(lines: Sequence[PayLine] | Sequence[ClassLine]) -> int:
    return sum(line.total_minor for line in lines)


def _line(line: PayLine, names: dict[UUID, str], invoices: dict[UUID, UUID], periods: dict[UUID, Period]) -> SlipLine:
    changed = line.correction
    return SlipLine(
        booking_id=line.held.booking_id, held_on=line.held_on, client=names[line.held.customer_id],
        is_of_pack=line.held.session_pack_id is not None, revenue_minor=line.revenue_minor,
        per_session_minor=line.rate.per_session_minor if line.rate else None,
        share_bp=line.rate.pack_share_bp if line.rate else None,
        session_pay_minor=line.session_pay_minor, pack_pay_minor=line.pack_pay_minor,
        source_type=changed.source_type if changed else None, source_id=changed.source_id if changed else None,
        changed_on=changed.noted_on if changed else None,
        invoice_id=invoices.get(changed.source_id) if changed else None,
        paid_in=periods.get(line.held.statement_id) if changed and line.held.statement_id else None,
    )  # fmt: skip


def _class(line: ClassLine) -> SlipLine:
    return SlipLine(
        booking_id=None, held_on=line.assisted.held_on, client="", is_of_pack=False, revenue_minor=0,
        per_session_minor=None, share_bp=None, session_pay_minor=0, pack_pay_minor=0,
        class_id=line.assisted.class_id, class_pay_minor=line.total_minor,
    )  # fmt: skip


def _invoices(session: Session, lines: Sequence[PayLine]) -> dict[UUID, UUID]:
    """The invoice that each refund or dispute is about, from which a correction came."""
    wanted = {line.correction.source_id for line in lines if line.correction}
    found: dict[UUID, UUID] = {}
    for table in (Refund, Dispute) if wanted else ():
        rows = session.execute(
            select(table.id, Payment.invoice_id)
            .join(Payment, Payment.id == table.payment_id)
            .where(table.id.in_(wanted))
        )
        found |= {row[0]: row[1] for row in rows}
    return found


def _periods(session: Session, lines: Sequence[PayLine]) -> dict[UUID, Period]:
    """The statements in which the sessions of corrections were paid."""
    wanted = {line.held.statement_id for line in lines if line.correction and line.held.statement_id}
    if not wanted:
        return {}
    query = select(CommissionStatement.id, CommissionStatement.first_on, CommissionStatement.last_on)
    return {row[0]: Period(*row) for row in session.execute(query.where(CommissionStatement.id.in_(wanted)))}
