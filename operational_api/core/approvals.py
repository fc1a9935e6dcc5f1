"""What one person asks for and another decides: asking, approving, refusing, taking back, and what nobody decided.

One context's kind of request is an `Approvals` and a table with the columns of `Request`; what an approval does is the
context's own. Whoever asked never decides, and nobody decides what is about themselves: the policy says so, this asks
it, and the table's constraints stand behind both.

    REFUNDS = Approvals(RefundRequest, ask="commerce.request_refund", decide="commerce.approve_refund", …)
    REFUNDS.approve(session, request_id, principal=principal, effect=give_back, now=now)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import CheckConstraint, Index, String, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from contracts.events.envelope import Event
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.database import Id, RequiredTime
from operational_api.core.errors import DomainError, Forbidden, NotFound
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.policy import Resource, is_allowed
from operational_api.core.principal import Principal

OPEN_FOR = timedelta(days=7)
Status = Literal["requested", "approved", "declined", "withdrawn", "expired"]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern="^[^\\x00]*$")]


class NotYourRequest(Forbidden):
    """Only who asked for it can take it back."""


class Request:
    """Columns of a table of requests. `status`: requested, approved, declined, withdrawn by who asked, or expired.

    `decided_by` is who closed it, nobody where time did; `decision_reason` what they said about it.
    """

    id: Mapped[Id]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(String(20), server_default="requested")
    requested_by: Mapped[UUID]
    requested_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]


def rules(table: str, *, once: Sequence[str], about: str | None = None) -> tuple[CheckConstraint | Index, ...]:
    """What a table of requests holds to, whatever the code above it does.

    Args:
        once: Columns of which only one request at a time may be open.
        about: Column with the person who gains by it.
    """
    found: list[CheckConstraint | Index] = [
        CheckConstraint("status in ('requested', 'approved', 'declined', 'withdrawn', 'expired')", name="status"),
        CheckConstraint("(status in ('requested', 'expired')) = (decided_by is null)", name="decided_by_somebody"),
        CheckConstraint("status <> 'approved' or decided_by <> requested_by", name="not_by_who_asked"),
        Index(f"uq_{table}_open", *once, unique=True, postgresql_where=text("status = 'requested'")),
    ]
    if about is not None:
        found.append(CheckConstraint(f"status <> 'approved' or decided_by <> {about}", name="not_by_who_gains"))
    return tuple(found)


class Decision(BaseModel):
    """What whoever decides says about it."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern="^[^\\x00]*$")] = ""


class RequestRead(BaseModel):
    """What every request tells; each kind adds what is asked for."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    reason: str
    status: Status
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    decision_reason: str | None


Row = TypeVar("Row", bound=Request)


@dataclass(frozen=True, slots=True)
class Approvals(Generic[Row]):
    """One kind of request.

    Args:
        model: Its table.
        ask: Action of who asks; decide: of who approves or refuses.
        about: Whose matter it is; None where it is nobody's in particular.
        once: Columns of which only one request at a time may be open.
        requested: The fact that it was asked for; decided: that it was closed, told by the row as it is then.
        missing, own, closed, asked_already: The context's refusals, each with a code of its own.
        kind: Of what is asked for, as the policy knows it.
    """

    model: type[Row]
    ask: str
    decide: str
    about: Callable[[Row], UUID | None]
    once: Sequence[str]
    requested: Callable[[Row], Event]
    decided: Callable[[Row, datetime], Event]
    missing: type[NotFound]
    own: type[Forbidden]
    closed: type[DomainError]
    asked_already: type[DomainError]
    kind: Callable[[Row], str | None] = lambda _: "business"

    def request(self, session: Session, row: Row, *, principal: Principal, now: datetime) -> Row:
        """Ask, and announce it. The row has its reason and what is asked for; the rest is set here.

        Raises:
            own: it is about the principal, and nobody may ask that for themselves.
            asked_already: the same waits to be decided.
        """
        row.id = new_id()
        if principal.account_id is None or not is_allowed(principal, self.ask, self._resource(row)):
            raise self.own
        row.status, row.requested_by = "requested", principal.account_id
        row.requested_at, row.expires_at = now, now + OPEN_FOR
        try:
            with session.begin_nested():
                same = [getattr(self.model, name) == getattr(row, name) for name in self.once]
                self._expire(session, now, *same)  # nobody can approve it any more, and it must not block a new one
                session.add(row)
                session.flush()
        except IntegrityError as error:
            if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != f"uq_{self._table}_open":
                raise
            raise self.asked_already from error
        self._note(session, row, self.ask, {"decision": "requested", "reason": row.reason}, row.requested_by, now)
        publish(session, self.requested(row))
        return row

    def approve(
        self, session: Session, id_: UUID, *, principal: Principal, effect: Callable[[Row], object], now: datetime,
        reason: str = "",
    ) -> Row:  # fmt: skip
        """Say yes: what was asked for happens in this transaction, or nothing does.

        Args:
            effect: What was asked for. Whatever it raises leaves the request open.

        Raises:
            missing, closed.
            own: the principal asked for it, or it is about them.
        """
        row, by = self._to_decide(session, id_, principal, now)
        effect(row)
        return self._close(session, row, "approved", by, reason, now)

    def refuse(self, session: Session, id_: UUID, *, principal: Principal, reason: str = "", now: datetime) -> Row:
        """Say no. Whoever asked cannot: they take it back.

        Raises:
            missing, closed, own: as for `approve`.
        """
        row, by = self._to_decide(session, id_, principal, now)
        return self._close(session, row, "declined", by, reason, now)

    def withdraw(self, session: Session, id_: UUID, *, principal: Principal, now: datetime) -> Row:
        """Take back what one asked for.

        Raises:
            missing, closed.
            NotYourRequest: somebody else asked for it.
        """
        row = self._open(session, id_)
        if principal.account_id is None or row.requested_by != principal.account_id:
            raise NotYourRequest
        return self._close(session, row, "withdrawn", principal.account_id, "", now)

    def expire(self, session: Session, now: datetime) -> None:
        """Close what nobody decided in time. For the worker."""
        self._expire(session, now)

    def page(
        self, session: Session, *, status: str | None, limit: int, cursor: str | None, is_closed: bool = False
    ) -> tuple[list[Row], str | None]:
        """A page of what was asked for, the newest first.

        Args:
            is_closed: Only what waits for nobody any more, however it ended.
        """
        query = select(self.model).order_by(self.model.id.desc()).limit(limit + 1)
        if is_closed:
            query = query.where(self.model.status != "requested")
        if status is not None:
            query = query.where(self.model.status == status)
        if cursor is not None:
            (last,) = after(cursor, UUID)
            query = query.where(self.model.id < last)
        return cut(session.scalars(query).all(), limit, lambda one: (one.id,))

    def is_decidable_by(self, row: Row, principal: Principal, now: datetime) -> bool:
        """Whether `approve` and `refuse` would let this person; what a page shows its buttons by."""
        is_open = row.status == "requested" and row.expires_at > now
        return is_open and is_allowed(principal, self.decide, self._resource(row))

    def waiting(self, session: Session, *, account_id: UUID, now: datetime) -> int:
        """How many wait for somebody else than who asked, seen by this person."""
        query = select(func.count()).where(
            self.model.status == "requested", self.model.expires_at > now, self.model.requested_by != account_id
        )
        return session.scalar(query) or 0

    @property
    def _table(self) -> str:
        return str(getattr(self.model, "__tablename__"))  # noqa: B009 - the mixin has none

    def _resource(self, row: Row) -> Resource:
        return Resource(
            self.model.__name__, row.id, customer_id=self.about(row), kind=self.kind(row),
            requested_by=row.requested_by, expires_at=row.expires_at,
        )  # fmt: skip

    def _open(self, session: Session, id_: UUID) -> Row:
        row = session.get(self.model, id_, with_for_update=True, populate_existing=True)
        if row is None:
            raise self.missing
        if row.status != "requested":
            raise self.closed
        return row

    def _to_decide(self, session: Session, id_: UUID, principal: Principal, now: datetime) -> tuple[Row, UUID]:
        row = self._open(session, id_)
        if row.expires_at <= now:
            raise self.closed("This was asked too long ago. Ask for it again.")
        if principal.account_id is None or not is_allowed(principal, self.decide, self._resource(row)):
            raise self.own
        return row, principal.account_id

    def _expire(self, session: Session, now: datetime, *which: Any) -> None:
        stale = select(self.model).where(self.model.status == "requested", self.model.expires_at <= now, *which)
        for row in session.scalars(stale.with_for_update(skip_locked=True)).all():
            self._close(session, row, "expired", None, "", now)

    def _close(self, session: Session, row: Row, status: str, by: UUID | None, reason: str, now: datetime) -> Row:
        row.status, row.decided_by, row.decided_at, row.decision_reason = status, by, now, reason or None
        session.flush()
        action = self.ask if status == "withdrawn" else self.decide
        told = {"decision": status, "requested_by": str(row.requested_by)} | ({"reason": reason} if reason else {})
        self._note(session, row, action, told, by, now)
        publish(session, self.decided(row, now))
        return row

    def _note(
        self, session: Session, row: Row, action: str, details: dict[str, str], by: UUID | None, now: datetime
    ) -> None:
        audit.record(
            session, action, self.model.__name__, row.id, actor_id=by, subject_id=self.about(row),
            purpose="operations", details=details, now=now,
        )  # fmt: skip
