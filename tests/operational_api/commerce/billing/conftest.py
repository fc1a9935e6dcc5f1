"""A studio that bills by itself: a customer, plans, a collector at the port, and a clock that tests move."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.collectors import Charge, Charged
from operational_api.commerce.billing.models import Collection, InvoiceLine
from operational_api.commerce.billing.service import collection, memberships
from operational_api.commerce.models import (
    Customer,
    Invoice,
    Payment,
    Plan,
    PlanPrice,
    Subscription,
    SubscriptionChange,
)
from operational_api.commerce.service import journals
from operational_api.core.models import OutboxEvent
from tests.factories import LONG_AGO, make_account, make_plan

NOON = datetime(2026, 4, 1, 10, tzinfo=UTC)


class Bank:
    """A provider at our port. It keeps the promise of the key: the same key charges once and answers the same."""

    name = "stripe"

    def __init__(self) -> None:
        self.answers: list[str | None] = []
        self.charged: dict[str, Charged] = {}
        self.is_silent = self.has_other_card = False

    def charge(self, order: Charge) -> Charged:
        if order.key not in self.charged:
            failure = self.answers.pop(0) if self.answers else None
            status: Any = "failed" if failure else "captured"
            fee = 0 if failure else order.amount_minor // 100
            self.charged[order.key] = Charged(status, f"pi_{new_id().hex}", fee, failure)
        elif self.has_other_card and self.charged[order.key].status == "failed":
            return replace(self.charged[order.key], has_other_card=True)
        return Charged("unknown") if self.is_silent else self.charged[order.key]

    @property
    def captured(self) -> int:
        return sum(one.status == "captured" for one in self.charged.values())


@dataclass
class Studio:
    """What a test does and sees. `now` is moved by `wait`."""

    session: Session
    customer_id: UUID
    bank: Bank = field(default_factory=Bank)
    now: datetime = NOON
    plans: dict[str, Plan] = field(default_factory=dict)

    def plan(self, name: str, amount: int, *, rate: int = 1900, **given: Any) -> str:
        """A plan for sale; returns its code."""
        plan = make_plan(self.session, price=None, name=name, **given)
        self.session.add(
            PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=amount, tax_rate_bp=rate, valid_from=LONG_AGO)
        )
        self.session.flush()
        self.plans[name] = plan
        return plan.code

    def start(self, code: str, **given: Any) -> Subscription:
        return memberships.start_membership(
            self.session, customer_id=self.customer_id, plan_code=code, now=self.now, **given
        )

    def collect(self, *answers: str | None) -> None:
        """The worker's next round, with the bank's answers."""
        self.bank.answers = list(answers)
        collection.collect_due(self.session, self.bank, self.now)

    def wait(self, *, days: float = 0, until: date | None = None) -> None:
        """Time passes, and the worker does what is due of memberships."""
        self.now = datetime(until.year, until.month, until.day, 10, tzinfo=UTC) if until else self.now
        self.now += timedelta(days=days)
        memberships.advance_due(self.session, self.now)

    def all(self, model: type[Any]) -> list[Any]:
        self.session.expire_all()
        return list(self.session.scalars(select(model).where(model.customer_id == self.customer_id).order_by(model.id)))

    def lines(self, invoice: Invoice) -> list[tuple[str, int, int]]:
        query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.position)
        return [(row.kind, row.amount_minor, row.tax_minor) for row in self.session.scalars(query)]

    @property
    def member(self) -> Subscription:
        return self.all(Subscription)[-1]  # type: ignore[no-any-return]

    @property
    def invoices(self) -> list[Invoice]:
        return self.all(Invoice)

    @property
    def payments(self) -> list[Payment]:
        return self.all(Payment)

    @property
    def collections(self) -> list[Collection]:
        self.session.expire_all()
        query = select(Collection).where(Collection.customer_id == self.customer_id).order_by(Collection.invoice_id)
        return list(self.session.scalars(query))

    def history(self) -> list[tuple[str, int, int]]:
        rows = self.all(SubscriptionChange)
        return [(row.kind, row.mrr_before_minor, row.mrr_after_minor) for row in rows]

    def announced(self) -> Counter[str]:
        return Counter(self.session.scalars(select(OutboxEvent.type)))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What events of a type said, in order."""
        rows = select(OutboxEvent.payload).where(OutboxEvent.type == kind).order_by(OutboxEvent.position)
        return list(self.session.scalars(rows))

    def balances(self) -> dict[str, int]:
        return {account: total for (account, _), total in journals.balances(self.session).items() if total}


@pytest.fixture
def studio(session: Session) -> Studio:
    """A studio in Berlin with one customer, who pays with a card that works."""
    account = make_account(session, display_name="Nguyễn Thị Ánh")
    session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=f"cus_{account.id.hex}"))
    session.flush()
    return Studio(session, account.id)
