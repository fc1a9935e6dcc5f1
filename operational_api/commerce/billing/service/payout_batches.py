"""All that is not paid up to a day noted as paid at once, and taken back at once: pay of before payments were noted
here, or a whole payroll that another program paid.

One payment at a time is `payouts`, and so are its rules: each of a batch is a row like any other, in the ledger, the
audit log and the events of its coach. It is placed on the last day of its period, because nobody told another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.errors import PayChanged, PayoutNotFound, PayoutTakenBack
from operational_api.commerce.billing.models import CommissionPayout, CommissionStatement
from operational_api.commerce.billing.service import payouts
from operational_api.commerce.billing.service.deciders import PAY, decider
from operational_api.core.principal import Principal

MOST = 200
"""How many statements one batch has; whoever has more says it again."""


@dataclass(frozen=True, slots=True)
class Unpaid:
    """A closed statement of which so much is not paid."""

    statement: CommissionStatement
    left_minor: int


@dataclass(frozen=True, slots=True)
class UnpaidUntil:
    """Statements up to a day that are not paid, the oldest first. `own`: of one's own pay, which somebody else notes.
    `seen` names just these amounts."""

    rows: Sequence[Unpaid]
    own: int

    @property
    def seen(self) -> str:
        """What somebody who looked at it has seen."""
        return sha256("".join(f"{one.statement.id} {one.left_minor}\n" for one in self.rows).encode()).hexdigest()[:32]

    @property
    def totals(self) -> dict[str, int]:
        """What all of it is, by currency."""
        found: dict[str, int] = {}
        for one in self.rows:
            found[one.statement.currency] = found.get(one.statement.currency, 0) + one.left_minor
        return found


def unpaid_until(
    session: Session, principal: Principal, *, last_on: date, is_for_update: bool = False
) -> UnpaidUntil:  # fmt: skip
    """What is not paid of periods that ended by a day, at most `MOST` of them. The caller decides who may ask.

    Args:
        is_for_update: Whether nobody else may note a payment of them meanwhile.
    """
    query = (
        select(CommissionStatement)
        .where(CommissionStatement.last_on <= last_on, CommissionStatement.total_minor > payouts.paid_minor())
        .order_by(CommissionStatement.id)
    )
    found = session.scalars(query.with_for_update() if is_for_update else query).all()
    standings = payouts.standings(session, [row.id for row in found])
    left = [Unpaid(row, standings[row.id].left_minor) for row in found if standings[row.id].left_minor]
    rows = [one for one in left if one.statement.coach_id != principal.account_id]
    rows.sort(key=lambda one: (one.statement.last_on, one.statement.id))
    return UnpaidUntil(rows[:MOST], own=len(left) - len(rows))


def record(session: Session, principal: Principal, *, last_on: date, seen: str, reference: str, now: datetime) -> UUID:
    """Note that all that is not paid up to a day was paid; nobody's own.

    Args:
        seen: What `unpaid_until` showed: said twice, or when something was noted meanwhile, it is refused.

    Returns:
        What the payments have in common.

    Raises:
        PayChanged: something else is left than was seen, or nothing.
        OwnMoney: it is not for them to note.
    """
    found = unpaid_until(session, principal, last_on=last_on, is_for_update=True)
    if not found.rows or found.seen != seen:
        raise PayChanged
    batch_id = new_id()
    for one in found.rows:
        row = one.statement
        actor_id = decider(principal, PAY, "CommissionStatement", row.id, [row.coach_id])
        payouts.note(
            session, row, amount_minor=one.left_minor, paid_on=row.last_on, reference=reference, actor_id=actor_id,
            batch_id=batch_id, now=now,
        )  # fmt: skip
    return batch_id


def reverse(session: Session, principal: Principal, *, batch_id: UUID, reason: str, now: datetime) -> int:
    """Take back all of a batch that was not taken back yet: what was recorded stays, and is owed again.

    Returns:
        How many payments that were.

    Raises:
        PayoutNotFound: there is no such batch.
        OwnMoney: one of it is about their own pay.
        PayoutTakenBack: all of it was.
    """
    statements = select(CommissionPayout.statement_id).where(CommissionPayout.batch_id == batch_id)
    locked = select(CommissionStatement.id).where(CommissionStatement.id.in_(statements))
    session.execute(locked.order_by(CommissionStatement.id).with_for_update())
    rows = of_batch(session, batch_id)
    standing = [paid for paid, is_reversed in rows if not is_reversed]
    if not standing:
        raise PayoutTakenBack
    for paid in standing:
        actor_id = decider(principal, PAY, "CommissionStatement", paid.statement_id, [paid.coach_id])
        payouts.take_back(session, paid, reason=reason, actor_id=actor_id, now=now)
    return len(standing)


def of_batch(session: Session, batch_id: UUID) -> list[tuple[CommissionPayout, bool]]:
    """The payments of a batch, and whether each was taken back. The caller decides who may ask.

    Raises:
        PayoutNotFound: there is no such batch.
    """
    back = select(CommissionPayout.reverses_id).where(CommissionPayout.reverses_id.is_not(None)).subquery()
    query = (
        select(CommissionPayout, back.c.reverses_id.is_not(None))
        .outerjoin(back, back.c.reverses_id == CommissionPayout.id)
        .where(CommissionPayout.batch_id == batch_id)
        .order_by(CommissionPayout.paid_on, CommissionPayout.id)
    )
    rows = [(row, bool(is_reversed)) for row, is_reversed in session.execute(query)]
    if not rows:
        raise PayoutNotFound
    return rows
