"""What each held session brings its coach, and each class who assists it, line by line: of what is in no statement yet,
and of a closed statement.

A line is made of rows that do not change once they are in a statement, and of a rate that cannot be set any more for
days in one: so a closed statement reads the same for ever, and its lines are its sums.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, func, select
from sqlalchemy.orm import Session

from operational_api.commerce import prices
from operational_api.commerce.billing.models import (
    AssistedClass,
    CommissionCorrection,
    CommissionRate,
    CommissionStatement,
    DeliveredSession,
)

HELD_ON = func.coalesce(DeliveredSession.held_on, cast(func.timezone("UTC", DeliveredSession.delivered_at), Date))
"""The studio's day of a held session, in SQL."""


def day_of(held: DeliveredSession) -> date:
    """The studio's day of a session, as `HELD_ON` has it."""
    return held.held_on or held.delivered_at.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class PayLine:
    """A session that counts; or, with a `correction`, what it counts for less (or more) than it did.

    `revenue_minor` is of the pack's price, without tax. `rate` is the one of the session's day: without one the line is
    worth nothing yet and waits.
    """

    held: DeliveredSession
    rate: CommissionRate | None
    correction: CommissionCorrection | None = None

    @property
    def held_on(self) -> date:
        """The studio's day of the session."""
        return day_of(self.held)

    @property
    def revenue_minor(self) -> int:
        """What of the pack's price it is about."""
        return self.correction.revenue_minor if self.correction else self.held.revenue_minor

    @property
    def session_pay_minor(self) -> int:
        """What the session itself is paid, whatever becomes of its pack's money: the coach was there."""
        return self.rate.per_session_minor if self.rate and self.correction is None else 0

    @property
    def pack_pay_minor(self) -> int:
        """The coach's share of `revenue_minor`. Shares are rounded once for each session, so that what all lines of it
        come to is the share of what is left of it, to the minor unit."""
        if self.rate is None:
            return 0
        if self.correction is None:
            return _share(self.held.revenue_minor, self.rate)
        before = self.correction.before_minor
        return _share(before + self.correction.revenue_minor, self.rate) - _share(before, self.rate)

    @property
    def total_minor(self) -> int:
        """What the line is worth to the coach."""
        return self.session_pay_minor + self.pack_pay_minor


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class that a coach assisted, and the rate of its day, which pays by class."""

    assisted: AssistedClass
    rate: CommissionRate

    @property
    def total_minor(self) -> int:
        """What the line is worth to the coach, however many came."""
        return self.rate.per_class_minor


def _share(revenue_minor: int, rate: CommissionRate) -> int:
    return prices.divide_half_up(revenue_minor * rate.pack_share_bp, prices.BASIS)


def rates(session: Session, coach_ids: Iterable[UUID] | None = None) -> list[CommissionRate]:
    """Every rate, the newest of a coach first."""
    query = select(CommissionRate).order_by(
        CommissionRate.coach_id, CommissionRate.currency, CommissionRate.valid_from.desc()
    )
    if coach_ids is not None:
        query = query.where(CommissionRate.coach_id.in_(list(coach_ids)))
    return list(session.scalars(query))


def open_lines(session: Session, *, last_on: date, coach_id: UUID | None = None) -> list[PayLine]:
    """What is in no statement yet, up to a day: of one coach, or of all; by coach, the oldest first, sessions before
    corrections. A correction comes with its session or after it."""
    counted = DeliveredSession.statement_id.is_not(None) | (last_on >= HELD_ON)
    sessions: list[ColumnElement[bool]] = [DeliveredSession.statement_id.is_(None), last_on >= HELD_ON]
    changes = [CommissionCorrection.statement_id.is_(None), CommissionCorrection.noted_on <= last_on, counted]
    if coach_id is not None:
        sessions.append(DeliveredSession.coach_id == coach_id)
        changes.append(CommissionCorrection.coach_id == coach_id)
    return _lines(session, sessions, changes)


def closed_lines(session: Session, statement: CommissionStatement) -> list[PayLine]:
    """What a statement is made of, in the same order."""
    return _lines(
        session,
        [DeliveredSession.statement_id == statement.id],
        [CommissionCorrection.statement_id == statement.id],
    )


def open_classes(session: Session, *, last_on: date, coach_id: UUID | None = None) -> list[ClassLine]:
    """Classes that coaches, or one, assisted up to a day and that are in no statement yet, the oldest of a coach first.
    One of a day whose rate pays nothing by class is none: it waits for one that does."""
    pays = select(CommissionRate.coach_id).where(CommissionRate.per_class_minor > 0)
    which = [
        AssistedClass.statement_id.is_(None), AssistedClass.held_on <= last_on, AssistedClass.coach_id.in_(pays),
    ]  # fmt: skip
    return _classes(session, which if coach_id is None else [*which, AssistedClass.coach_id == coach_id])


def closed_classes(session: Session, statement: CommissionStatement) -> list[ClassLine]:
    """The classes that a statement pays, in the same order."""
    return _classes(session, [AssistedClass.statement_id == statement.id]) if statement.classes else []


def _classes(session: Session, which: list[ColumnElement[bool]]) -> list[ClassLine]:
    assisted = session.scalars(
        select(AssistedClass).where(*which).order_by(AssistedClass.coach_id, AssistedClass.held_on, AssistedClass.id)
    ).all()
    if not assisted:
        return []
    known = _Rates(session, {one.coach_id for one in assisted})
    found = [(one, known.on(one.held_on, one.coach_id, one.currency)) for one in assisted]
    return [ClassLine(one, rate) for one, rate in found if rate is not None and rate.per_class_minor]


def _lines(session: Session, sessions: list[ColumnElement[bool]], changes: list[ColumnElement[bool]]) -> list[PayLine]:
    held = session.scalars(
        select(DeliveredSession)
        .where(*sessions)
        .order_by(DeliveredSession.coach_id, DeliveredSession.delivered_at, DeliveredSession.booking_id)
    ).all()
    corrected = session.execute(
        select(CommissionCorrection, DeliveredSession)
        .join(DeliveredSession, DeliveredSession.booking_id == CommissionCorrection.booking_id)
        .where(*changes)
        .order_by(
            CommissionCorrection.coach_id,
            CommissionCorrection.noted_at,
            DeliveredSession.delivered_at,
            CommissionCorrection.id,
        )
    ).all()
    known = _Rates(session, {one.coach_id for one in held} | {row[1].coach_id for row in corrected})
    found = [PayLine(one, known.of(one)) for one in held]
    return found + [PayLine(one, known.of(one), row) for row, one in corrected]


class _Rates:
    """Rates of coaches, asked for together: the one of a day is the newest that began by then."""

    def __init__(self, session: Session, coach_ids: set[UUID]) -> None:
        self._known: dict[tuple[UUID, str], list[CommissionRate]] = {}
        for rate in rates(session, coach_ids):
            self._known.setdefault((rate.coach_id, rate.currency), []).append(rate)

    def on(self, day: date, coach_id: UUID, currency: str) -> CommissionRate | None:
        newest_first = self._known.get((coach_id, currency), [])
        return next((rate for rate in newest_first if rate.valid_from <= day), None)

    def of(self, held: DeliveredSession) -> CommissionRate | None:
        return self.on(day_of(held), held.coach_id, held.currency)
