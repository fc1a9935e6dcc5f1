"""What held sessions earn: the revenue of packs, and what each coach is owed for a pay period.

A session counts once it is marked attended or missed; a coach who waited in vain worked too. It is of the day that its
studio had when it began, whatever day that was elsewhere. What is marked after its pay period was closed is in the next
statement, and so is what was given back of a session's money after it (`corrections`): nothing is lost, nothing is paid
twice, and no closed statement changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from contracts.events.billing import CommissionRateSet, PayPeriodClosed, SessionDelivered
from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.billing.errors import PayPeriodInvalid, PeriodClosed
from operational_api.commerce.billing.models import (
    AssistedClass,
    CommissionCorrection,
    CommissionRate,
    CommissionStatement,
    DeliveredSession,
)
from operational_api.commerce.billing.proration import split
from operational_api.commerce.billing.service import corrections, pay_lines, studios
from operational_api.commerce.billing.service.pay_lines import ClassLine, PayLine
from operational_api.commerce.models import Customer, SessionPack
from operational_api.commerce.service import journals
from operational_api.core import audit, paging
from operational_api.core.outbox import publish

GRACE = timedelta(days=60)
"""How long after a pack ran out what is left of its price waits for sessions that were booked before."""


@dataclass(frozen=True, slots=True)
class Earning:
    """What one coach earned in one currency by `sessions` and by `classes` that they assisted, and what `corrections`
    of these and of earlier sessions change. Sessions held before any rate was set are not among them and in no
    statement: they wait for one."""

    coach_id: UUID
    currency: str
    sessions: int
    sessions_without_rate: int
    pack_revenue_minor: int
    session_pay_minor: int
    pack_pay_minor: int
    corrections: int = 0
    corrected_minor: int = 0
    booking_ids: tuple[UUID, ...] = ()
    correction_ids: tuple[UUID, ...] = ()
    classes: int = 0
    class_pay_minor: int = 0
    assisted_ids: tuple[UUID, ...] = ()

    @property
    def total_minor(self) -> int:
        """What the coach is owed; below 0 where more was taken back than earned."""
        return self.session_pay_minor + self.class_pay_minor + self.pack_pay_minor + self.corrected_minor


def deliver(
    session: Session, *, booking_id: UUID, coach_id: UUID, customer_id: UUID, session_pack_id: UUID | None,
    has_attended: bool, delivered_at: datetime, held_on: date | None = None, now: datetime,
) -> bool:  # fmt: skip
    """Count a session, and recognise its part of the pack that paid it.

    Args:
        held_on: The studio's day of it; None where nobody told: its UTC day.

    Returns:
        True when it is new; a session that was counted keeps what it earned, whatever becomes of its outcome.
    """
    pack = session.get(SessionPack, session_pack_id, with_for_update=True) if session_pack_id else None
    customer = session.get(Customer, customer_id)
    currency = (pack.currency if pack else None) or (customer.currency if customer else "EUR")
    made = session.scalar(
        insert(DeliveredSession)
        .values(
            booking_id=booking_id,
            coach_id=coach_id,
            customer_id=customer_id,
            currency=currency,
            session_pack_id=pack.id if pack else None,
            has_attended=has_attended,
            delivered_at=delivered_at,
            held_on=held_on or delivered_at.astimezone(UTC).date(),
        )
        .on_conflict_do_nothing()
        .returning(DeliveredSession.booking_id)
    )
    if made is None:
        session.execute(
            update(DeliveredSession)
            .where(DeliveredSession.booking_id == booking_id)
            .values(has_attended=has_attended)
            .execution_options(synchronize_session=False)
        )
        return False
    revenue = _recognise(session, pack, booking_id, now) if pack else 0
    if pack and revenue:
        corrections.correct_pack(session, pack, at=now)
    publish(session, SessionDelivered(
        occurred_at=now, booking_id=booking_id, coach_id=coach_id, customer_id=customer_id, revenue_minor=revenue,
        currency=currency,
    ))  # fmt: skip
    return True


def assist(
    session: Session, *, booking_id: UUID, class_id: UUID, coach_ids: Iterable[UUID], now: datetime
) -> None:  # fmt: skip
    """Count a class for each who assisted it, once, however many came to it.

    Args:
        booking_id: Of whom it is known that the class was held: `deliver` was told before.
    """
    held = session.get_one(DeliveredSession, booking_id)
    session.execute(
        insert(AssistedClass)
        .values([
            {
                "id": new_id(), "class_id": class_id, "coach_id": coach_id, "currency": held.currency,
                "held_on": pay_lines.day_of(held), "noted_at": now,
            }
            for coach_id in coach_ids
        ])
        .on_conflict_do_nothing()
    )  # fmt: skip


def _recognise(session: Session, pack: SessionPack, booking_id: UUID, now: datetime) -> int:
    """The part of a pack's price that its next session is worth: the parts of all its sessions are the price.

    It is revenue now unless it was before, when the pack ran out or money of it was given back.
    """
    if pack.net_minor is None or pack.currency is None:
        return 0
    before = session.scalar(
        select(func.count())
        .select_from(DeliveredSession)
        .where(DeliveredSession.session_pack_id == pack.id, DeliveredSession.booking_id != booking_id)
    )
    parts = split(pack.net_minor, [1] * max(pack.sessions_total, 1))
    number = int(before or 0)
    part = parts[number] if number < len(parts) else 0
    if part:
        session.execute(
            update(DeliveredSession).where(DeliveredSession.booking_id == booking_id).values(revenue_minor=part)
        )
    if fresh := min(part, pack.net_minor - pack.recognised_minor):
        pack.recognised_minor += fresh
        journals.post(
            session, kind="pack_earned", source_type="booking", source_id=booking_id, customer_id=pack.customer_id,
            currency=pack.currency, lines=ledger.pack_earned(amount_minor=fresh), posted_at=now,
        )  # fmt: skip
    session.flush()
    return part


def earn_expired(session: Session, now: datetime, *, limit: int = 500) -> int:
    """What is left of packs that ran out long ago is earned without a session.

    Returns:
        How many packs that were.
    """
    packs = session.scalars(
        select(SessionPack)
        .where(SessionPack.expires_at <= now - GRACE, SessionPack.recognised_minor < SessionPack.net_minor)
        .order_by(SessionPack.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for pack in packs:
        left = (pack.net_minor or 0) - pack.recognised_minor
        pack.recognised_minor += left
        journals.post(
            session, kind="pack_expired", source_type="session_pack", source_id=pack.id, customer_id=pack.customer_id,
            currency=pack.currency or "EUR", lines=ledger.pack_earned(amount_minor=left), posted_at=now,
        )  # fmt: skip
    session.flush()
    return len(packs)


def _alone(session: Session) -> None:
    """Whoever closes a pay period or sets a rate waits for the other, so that each sees what was closed or set."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("commerce.commission_statements"))))


def set_rate(
    session: Session, *, coach_id: UUID, currency: str, per_session_minor: int, pack_share_bp: int, valid_from: date,
    actor_id: UUID | None, now: datetime, per_class_minor: int = 0,
) -> CommissionRate:  # fmt: skip
    """What a coach earns from a day on, until a later rate begins. The rates before stay, for the days they were for.

    Raises:
        PeriodClosed: sessions or classes that it would be for are in a statement, or a rate begins on that day already.
    """
    _alone(session)
    later = select(func.min(CommissionRate.valid_from)).where(
        CommissionRate.coach_id == coach_id, CommissionRate.currency == currency,
        CommissionRate.valid_from > valid_from,
    ).scalar_subquery()  # fmt: skip
    taken = select(DeliveredSession.booking_id).where(
        DeliveredSession.coach_id == coach_id, DeliveredSession.currency == currency,
        DeliveredSession.statement_id.is_not(None), valid_from <= pay_lines.HELD_ON,
        later.is_(None) | (later > pay_lines.HELD_ON),
    )  # fmt: skip
    assisted = select(AssistedClass.id).where(
        AssistedClass.coach_id == coach_id, AssistedClass.currency == currency,
        AssistedClass.statement_id.is_not(None), valid_from <= AssistedClass.held_on,
        later.is_(None) | (later > AssistedClass.held_on),
    )  # fmt: skip
    same = select(CommissionRate.id).where(
        CommissionRate.coach_id == coach_id, CommissionRate.currency == currency,
        CommissionRate.valid_from == valid_from,
    )  # fmt: skip
    if session.scalar(select(taken.exists() | assisted.exists())):
        raise PeriodClosed
    if session.scalar(same):
        raise PeriodClosed("A rate begins on that day already: choose another day.")
    row = CommissionRate(
        coach_id=coach_id, currency=currency, per_session_minor=per_session_minor, pack_share_bp=pack_share_bp,
        per_class_minor=per_class_minor, valid_from=valid_from, set_by=actor_id, set_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    publish(session, CommissionRateSet(
        occurred_at=now, coach_id=coach_id, currency=currency, per_session_minor=per_session_minor,
        pack_share_bp=pack_share_bp, valid_from=valid_from, per_class_minor=per_class_minor,
    ))  # fmt: skip
    audit.record(
        session, "commerce.set_commission", "Coach", coach_id, actor_id=actor_id, subject_id=coach_id,
        purpose="operations", now=now,
        details={"currency": currency, "per_session_minor": per_session_minor, "pack_share_bp": pack_share_bp,
                 "per_class_minor": per_class_minor, "valid_from": valid_from.isoformat()},
    )  # fmt: skip
    return row


def earned(session: Session, *, last_on: date, coach_id: UUID | None = None) -> list[Earning]:
    """What every coach, or one, is owed up to a day that is in no statement yet: for sessions held and classes
    assisted, less what was taken back."""
    by_coach: dict[tuple[UUID, str], tuple[list[PayLine], list[ClassLine]]] = {}
    for line in pay_lines.open_lines(session, last_on=last_on, coach_id=coach_id):
        by_coach.setdefault((line.held.coach_id, line.held.currency), ([], []))[0].append(line)
    for one in pay_lines.open_classes(session, last_on=last_on, coach_id=coach_id):
        by_coach.setdefault((one.assisted.coach_id, one.assisted.currency), ([], []))[1].append(one)
    return [_earning(coach_id, currency, *lines) for (coach_id, currency), lines in by_coach.items()]


def _earning(coach_id: UUID, currency: str, lines: list[PayLine], classes: list[ClassLine]) -> Earning:
    counted = [line for line in lines if line.rate and line.correction is None]
    changes = [line for line in lines if line.rate and line.correction is not None]
    return Earning(
        coach_id, currency, len(counted),
        sessions_without_rate=sum(line.rate is None and line.correction is None for line in lines),
        pack_revenue_minor=sum(line.revenue_minor for line in counted),
        session_pay_minor=sum(line.session_pay_minor for line in counted),
        pack_pay_minor=sum(line.pack_pay_minor for line in counted),
        corrections=len(changes), corrected_minor=sum(line.pack_pay_minor for line in changes),
        booking_ids=tuple(line.held.booking_id for line in counted),
        correction_ids=tuple(line.correction.id for line in changes if line.correction),
        classes=len(classes), class_pay_minor=sum(one.total_minor for one in classes),
        assisted_ids=tuple(one.assisted.id for one in classes),
    )  # fmt: skip


def close(
    session: Session, *, first_on: date, last_on: date, actor_id: UUID | None, now: datetime
) -> list[CommissionStatement]:
    """Close a pay period: one statement a coach and currency, posted as owed. What was held before its coach had any
    rate stays open until one is set for those days.

    Raises:
        PayPeriodInvalid: it ends before it begins, or its last day is not over in every studio.
        PeriodClosed: it begins inside one that is closed.
    """
    if last_on < first_on or last_on >= studios.days(session, now)[0]:
        raise PayPeriodInvalid
    _alone(session)
    overlap = select(CommissionStatement.id).where(
        CommissionStatement.first_on <= last_on, CommissionStatement.last_on >= first_on
    )
    if session.scalar(overlap.limit(1)):
        raise PeriodClosed
    made = []
    for earning in earned(session, last_on=last_on):
        if not (earning.booking_ids or earning.correction_ids or earning.assisted_ids):
            continue
        row = CommissionStatement(
            coach_id=earning.coach_id, first_on=first_on, last_on=last_on, currency=earning.currency,
            sessions=earning.sessions, pack_revenue_minor=earning.pack_revenue_minor,
            session_pay_minor=earning.session_pay_minor, pack_pay_minor=earning.pack_pay_minor,
            classes=earning.classes, class_pay_minor=earning.class_pay_minor,
            corrections=earning.corrections, corrected_minor=earning.corrected_minor,
            total_minor=earning.total_minor, closed_at=now, closed_by=actor_id,
        )  # fmt: skip
        session.add(row)
        session.flush()
        _take(session, DeliveredSession.booking_id, earning.booking_ids, row.id)
        _take(session, CommissionCorrection.id, earning.correction_ids, row.id)
        _take(session, AssistedClass.id, earning.assisted_ids, row.id)
        journals.post(
            session, kind="commission_earned", source_type="commission_statement", source_id=row.id, customer_id=None,
            currency=row.currency, lines=ledger.commission_earned(amount_minor=row.total_minor), posted_at=now,
        )  # fmt: skip
        publish(session, PayPeriodClosed(
            occurred_at=now, statement_id=row.id, coach_id=row.coach_id, first_on=first_on, last_on=last_on,
            sessions=row.sessions, total_minor=row.total_minor, currency=row.currency,
            corrected_minor=row.corrected_minor,
        ))  # fmt: skip
        made.append(row)
    audit.record(
        session, "commerce.close_pay_period", "PayPeriod", f"{first_on}..{last_on}", actor_id=actor_id,
        purpose="operations", now=now, details={"statements": len(made)},
    )  # fmt: skip
    return made


def next_period(session: Session, *, today: date) -> tuple[date, date]:
    """The days that are closed next: those after the newest that are, to the end of that month; last month where none
    was closed yet. They need not be over."""
    newest = session.scalar(select(func.max(CommissionStatement.last_on)))
    first = newest + timedelta(days=1) if newest else (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _take(session: Session, key: InstrumentedAttribute[UUID], ids: tuple[UUID, ...], statement_id: UUID) -> None:
    table = key.class_
    session.execute(
        update(table)
        .where(key.in_(ids), table.statement_id.is_(None))
        .values(statement_id=statement_id)
        .execution_options(synchronize_session=False)
    )


def statements(
    session: Session, *, coach_id: UUID | None = None, limit: int, cursor: str | None
) -> tuple[list[CommissionStatement], str | None]:
    """Closed statements, the newest first: of one coach, or of all."""
    query = select(CommissionStatement)
    if coach_id is not None:
        query = query.where(CommissionStatement.coach_id == coach_id)
    if cursor:
        query = query.where(CommissionStatement.id < paging.after(cursor, UUID)[0])
    rows = session.scalars(query.order_by(CommissionStatement.id.desc()).limit(limit + 1)).all()
    return paging.cut(rows, limit, lambda row: (row.id,))
