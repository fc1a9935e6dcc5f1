"""That coaches were paid what closed statements say: recorded, taken back, and what is left. No money moves here.

A statement below zero is never paid. What it is short of comes off the coach's other statements in its currency that
are not paid, the oldest first, whichever was closed earlier; what is short after that comes off the next one. So what
is left of all of them is what was closed less what was paid, and the ledger's `commission_payable` says the same. It is
worked out each time: what is taken back of an old statement is owed again, on that or on a later one.

Many may be recorded at once: each waits for its statement, and says what was left when its author looked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, func, select, union_all
from sqlalchemy.orm import Session

from contracts.events.billing import CommissionPaid, CommissionPayoutReversed
from operational_api.commerce import ledger
from operational_api.commerce.billing.errors import (
    PayChanged,
    PayoutDayInvalid,
    PayoutNotFound,
    PayoutTakenBack,
    PayoutTooLarge,
    StatementNotFound,
)
from operational_api.commerce.billing.models import CommissionPayout, CommissionStatement
from operational_api.commerce.billing.service import studios
from operational_api.commerce.billing.service.deciders import PAY, decider
from operational_api.commerce.billing.slips import Payout, Standing
from operational_api.commerce.service import journals
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.principal import Principal


@dataclass(frozen=True, slots=True)
class Balance:
    """What a coach has still to be paid of closed statements in one currency, and the oldest of them that is not paid;
    below 0: what comes off the next one."""

    coach_id: UUID
    currency: str
    left_minor: int
    statement_id: UUID | None


def record(
    session: Session, principal: Principal, *, statement_id: UUID, amount_minor: int, left_minor: int, paid_on: date,
    reference: str | None, now: datetime,
) -> CommissionPayout:  # fmt: skip
    """Note that a coach was paid a statement, or a part of it.

    Args:
        left_minor: What was left to pay when somebody looked: of two who note the same payment, one is told.

    Raises:
        StatementNotFound: unknown.
        OwnMoney: it is their own pay.
        PayChanged: not so much is left, or more.
        PayoutTooLarge: it is more than that, or nothing.
        PayoutDayInvalid: it is to come, or before the period began.
    """
    row, actor_id = _locked(session, principal, statement_id)
    left = standings(session, [row.id])[row.id].left_minor
    if left != left_minor:
        raise PayChanged
    if not 0 < amount_minor <= left:
        raise PayoutTooLarge
    if not row.first_on <= paid_on <= studios.days(session, now)[1]:
        raise PayoutDayInvalid
    return note(
        session, row, amount_minor=amount_minor, paid_on=paid_on, reference=reference, actor_id=actor_id, now=now
    )


def note(
    session: Session, row: CommissionStatement, *, amount_minor: int, paid_on: date, reference: str | None,
    actor_id: UUID, now: datetime, batch_id: UUID | None = None,
) -> CommissionPayout:  # fmt: skip
    """Write down that so much of a statement was paid. The caller has locked it, and decided."""
    payout = CommissionPayout(
        statement_id=row.id, coach_id=row.coach_id, currency=row.currency, amount_minor=amount_minor, paid_on=paid_on,
        reference=(reference or "").strip() or None, recorded_by=actor_id, recorded_at=now, batch_id=batch_id,
    )  # fmt: skip
    _write(session, payout, kind="commission_paid", now=now)
    publish(session, CommissionPaid(
        occurred_at=now, payout_id=payout.id, statement_id=row.id, coach_id=row.coach_id, amount_minor=amount_minor,
        currency=row.currency, paid_on=paid_on,
    ))  # fmt: skip
    return payout


def reverse(
    session: Session, principal: Principal, *, payout_id: UUID, reason: str, now: datetime
) -> CommissionPayout:  # fmt: skip
    """Take back that a coach was paid: what was recorded stays, and is owed again.

    Raises:
        PayoutNotFound: unknown, or itself one that was taken back.
        OwnMoney: it is their own pay.
        PayoutTakenBack: somebody was quicker.
    """
    paid = session.get(CommissionPayout, payout_id)
    if paid is None or paid.reverses_id is not None:
        raise PayoutNotFound
    _, actor_id = _locked(session, principal, paid.statement_id)
    if session.scalar(select(CommissionPayout.id).where(CommissionPayout.reverses_id == paid.id)):
        raise PayoutTakenBack
    return take_back(session, paid, reason=reason, actor_id=actor_id, now=now)


def take_back(
    session: Session, paid: CommissionPayout, *, reason: str, actor_id: UUID, now: datetime
) -> CommissionPayout:  # fmt: skip
    """Write down that a payment was a mistake. The caller has locked its statement, and decided."""
    reversal = CommissionPayout(
        statement_id=paid.statement_id, coach_id=paid.coach_id, currency=paid.currency,
        amount_minor=-paid.amount_minor, paid_on=paid.paid_on, reverses_id=paid.id, reason=reason,
        recorded_by=actor_id, recorded_at=now,
    )  # fmt: skip
    _write(session, reversal, kind="commission_payout_reversed", now=now)
    publish(session, CommissionPayoutReversed(
        occurred_at=now, payout_id=paid.id, statement_id=paid.statement_id, coach_id=paid.coach_id,
        amount_minor=paid.amount_minor, currency=paid.currency,
    ))  # fmt: skip
    return reversal


def _locked(session: Session, principal: Principal, statement_id: UUID) -> tuple[CommissionStatement, UUID]:
    """A statement of which nobody else records anything meanwhile, and who does."""
    row = session.get(CommissionStatement, statement_id, with_for_update=True)
    if row is None:
        raise StatementNotFound
    return row, decider(principal, PAY, "CommissionStatement", row.id, [row.coach_id])


def _write(session: Session, row: CommissionPayout, *, kind: str, now: datetime) -> None:
    session.add(row)
    session.flush()
    journals.post(
        session, kind=kind, source_type="commission_payout", source_id=row.id, customer_id=None,
        currency=row.currency, lines=ledger.commission_paid(amount_minor=row.amount_minor), posted_at=now,
    )  # fmt: skip
    audit.record(
        session, PAY, "CommissionStatement", row.statement_id, actor_id=row.recorded_by, subject_id=row.coach_id,
        purpose="operations", now=now,
        details={"amount_minor": row.amount_minor, "currency": row.currency, "paid_on": row.paid_on.isoformat(),
                 "reason": row.reason},
    )  # fmt: skip


def standings(session: Session, statement_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """How far these statements are paid; read with all others of their coaches, from which something may come off."""
    wanted = set(statement_ids)
    if not wanted:
        return {}
    coaches = select(CommissionStatement.coach_id).where(CommissionStatement.id.in_(wanted))
    return {
        id_: one
        for theirs in _by_coach(session, CommissionStatement.coach_id.in_(coaches)).values()
        for id_, one in theirs.items()
        if id_ in wanted
    }


def paid_minor() -> ScalarSelect[int]:
    """What was paid of `CommissionStatement`, inside a query over statements."""
    return (
        select(func.coalesce(func.sum(CommissionPayout.amount_minor), 0))
        .where(CommissionPayout.statement_id == CommissionStatement.id)
        .correlate(CommissionStatement)
        .scalar_subquery()
    )


def _by_coach(session: Session, whose: ColumnElement[bool]) -> dict[tuple[UUID, str], dict[UUID, Standing]]:
    """All statements of coaches, by coach and currency, the oldest first."""
    rows = session.execute(
        select(
            CommissionStatement.coach_id, CommissionStatement.currency, CommissionStatement.id,
            CommissionStatement.total_minor, paid_minor(),
        )
        .where(whose)
        .order_by(CommissionStatement.coach_id, CommissionStatement.currency, CommissionStatement.first_on)
    )  # fmt: skip
    return {
        key: _set_off([(id_, total, int(had)) for _, _, id_, total, had in theirs])
        for key, theirs in groupby(rows, key=lambda row: (row[0], row[1]))
    }


def _set_off(rows: Sequence[tuple[UUID, int, int]]) -> dict[UUID, Standing]:
    """Statements of one coach in one currency, the oldest first: their totals and what was paid of each."""
    short = sum(-total for _, total, _ in rows if total < 0)
    found = {}
    for id_, total, paid in rows:
        is_open = max(total - paid, 0)
        taken = min(is_open, short)
        short -= taken
        found[id_] = Standing(paid, taken, is_open - taken)
    return found


def balances(session: Session, *, coach_id: UUID | None = None) -> list[Balance]:
    """What coaches, or one, have still to be paid, a row for each currency; nobody of whom nothing is left."""
    closed = select(CommissionStatement.coach_id, CommissionStatement.currency, CommissionStatement.total_minor)
    paid = select(CommissionPayout.coach_id, CommissionPayout.currency, -CommissionPayout.amount_minor)
    if coach_id is not None:
        closed = closed.where(CommissionStatement.coach_id == coach_id)
        paid = paid.where(CommissionPayout.coach_id == coach_id)
    both = union_all(closed, paid).subquery()
    left = func.sum(both.c.total_minor)
    rows = session.execute(
        select(both.c.coach_id, both.c.currency, left)
        .group_by(both.c.coach_id, both.c.currency)
        .having(left != 0)
        .order_by(both.c.currency, left.desc(), both.c.coach_id)
    )
    found = [(coach, currency, int(minor)) for coach, currency, minor in rows]
    owed_to = {coach for coach, _, minor in found if minor > 0}
    theirs = _by_coach(session, CommissionStatement.coach_id.in_(owed_to)) if owed_to else {}
    return [
        Balance(
            coach, currency, minor,
            next((id_ for id_, one in theirs.get((coach, currency), {}).items() if one.left_minor), None),
        )
        for coach, currency, minor in found
    ]  # fmt: skip


def of_statement(session: Session, statement_id: UUID) -> list[Payout]:
    """What was paid of a statement, in the order it was recorded."""
    rows = session.scalars(
        select(CommissionPayout).where(CommissionPayout.statement_id == statement_id).order_by(CommissionPayout.id)
    ).all()
    reasons = {row.reverses_id: row.reason for row in rows if row.reverses_id}
    return [
        Payout(row.id, row.amount_minor, row.paid_on, row.reference, reasons.get(row.id), row.batch_id)
        for row in rows
        if row.reverses_id is None
    ]
