"""A studio that bills by itself: a customer, plans, a collector at the port, and a clock that tests move."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.collectors import Charge, Charged
from operational_api.commerce.billing.models import BillingItem, Collection, InvoiceLine
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import (
    collection,
    fees,
    giving_back,
    leaving,
    memberships,
    payers,
    plan_changes,
)
from operational_api.commerce.errors import ProviderRefused
from operational_api.commerce.models import (
    Customer,
    Invoice,
    Payment,
    Plan,
    PlanPrice,
    Refund,
    Subscription,
    SubscriptionChange,
)
from operational_api.commerce.providers.port import Billing, PaymentProvider, ProviderRefund
from operational_api.commerce.service import journals
from operational_api.core.models import OutboxEvent
from operational_api.identity.models import Account
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


Page = dict[UUID | None, list[int]]


@dataclass
class Desk:
    """A provider's refunds at our port: each key gives back once; `refuses` is what its bank does in the end, `is_shut`
    that it takes no such request."""

    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    refuses: bool = False
    is_shut: bool = False
    name = "stripe"

    def refund_id(self, key: str) -> str | None:
        return None

    def refunds_of(self, payment_id: str) -> list[ProviderRefund]:
        return [one for one in self.refunds.values() if one.payment_id == payment_id]

    def refund(self, payment_id: str, *, amount_minor: int, reason: str, key: str) -> ProviderRefund:
        if self.is_shut:
            raise ProviderRefused(provider_code="charge_disputed")
        return self.refunds.setdefault(
            key,
            ProviderRefund(
                id=f"re_{new_id().hex}", payment_id=payment_id, amount_minor=amount_minor, currency="EUR",
                reason=reason, status="failed" if self.refuses else "succeeded", refunded_at=datetime.now(UTC), key=key,
            ),
        )  # fmt: skip


@dataclass
class Family:
    """A member for whom the parent pays, and another relative who may."""

    studio: Studio
    session: Session
    member: Account
    parent: Account
    aunt: Account
    desk: Desk = field(default_factory=Desk)

    def pays(self, payer: Account | None) -> None:
        payers.set_payer(
            self.session, customer_id=self.member.id, payer_id=payer.id if payer else None, actor_id=None,
            now=self.studio.now,
        )  # fmt: skip

    def late(self, amount: int = 1500) -> UUID:
        id_ = new_id()
        fees.charge(
            self.session, booking_id=id_, customer_id=self.member.id, amount_minor=amount, currency="EUR",
            starts_at=self.studio.now, now=self.studio.now,
        )  # fmt: skip
        return id_

    def pause(self, *, days: int = 30) -> None:
        memberships.pause(
            self.session, customer_id=self.member.id, now=self.studio.now,
            resumes_on=self.studio.now.date() + timedelta(days=days),
        )  # fmt: skip

    def end(self) -> None:
        memberships.cancel(
            self.session, cast("Billing", self.studio.bank), customer_id=self.member.id, reason="moving", at_once=True,
            now=self.studio.now,
        )  # fmt: skip

    def change(self, name: str, mode: Mode) -> None:
        plan_changes.change_plan(
            self.session, customer_id=self.member.id, plan_code=self.studio.plans[name].code, mode=mode,
            now=self.studio.now,
        )  # fmt: skip

    def worker(self, *answers: str | None) -> None:
        fees.invoice_due(self.session, self.studio.now)
        self.studio.collect(*answers)
        for _ in range(2):
            providers = {"stripe": cast("PaymentProvider", self.desk)}
            giving_back.give_back_due(self.session, providers, self.studio.now)

    def leaves(self, who: Account) -> None:
        self.session.execute(update(Account).where(Account.id == who.id).values(disabled_at=self.studio.now))
        leaving.leave(self.session, cast("Billing", self.studio.bank), account_id=who.id, now=self.studio.now)

    @property
    def paid(self) -> Page:
        """What each payer has on invoices, in the order in which they were made."""
        found: Page = {}
        for one in self.studio.invoices:
            found.setdefault(one.payer_id, []).append(one.total_minor)
        return found

    @property
    def back(self) -> list[int]:
        rows = self.session.scalars(select(Refund).where(Refund.status == "succeeded").order_by(Refund.amount_minor))
        return [row.amount_minor for row in rows]

    @property
    def waiting(self) -> list[tuple[UUID | None, int]]:
        rows = self.session.scalars(
            select(BillingItem)
            .where(BillingItem.invoice_id.is_(None), BillingItem.refund_id.is_(None))
            .order_by(BillingItem.made_at, BillingItem.amount_minor)
        )
        return [(row.payer_id, row.amount_minor) for row in rows]

    def waiting_all(self) -> list[tuple[UUID | None, int, str | None]]:
        """What is on no invoice and went to no card, with what was made of it."""
        query = select(BillingItem.payer_id, BillingItem.amount_minor, BillingItem.settled_as)
        query = query.where(BillingItem.invoice_id.is_(None), BillingItem.refund_id.is_(None))
        return list(self.session.execute(query.order_by(BillingItem.made_at, BillingItem.amount_minor)).tuples())


@pytest.fixture
def family(studio: Studio, session: Session) -> Family:
    """The parent has paid 50.00 for April, which has thirty days; it is the first."""
    people = [make_account(session, email=f"{name}@example.test") for name in ("parent", "aunt")]
    session.add_all(Customer(id=one.id, currency="EUR", stripe_customer_id=f"cus_{one.id.hex}") for one in people)
    session.flush()
    found = Family(studio, session, session.get_one(Account, studio.customer_id), people[0], people[1])
    found.pays(found.parent)
    for name, amount in (("Small", 5000), ("Large", 10_000), ("Tiny", 2000)):
        studio.plan(name, amount)
    studio.start(studio.plans["Small"].code)
    studio.collect()
    return found
