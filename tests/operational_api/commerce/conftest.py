"""Fixtures of commerce: a local Stripe over real HTTP, the real adapter on it, and a shop that drives both."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import handlers
from operational_api.commerce.models import (
    CheckoutSession,
    Dispute,
    Invoice,
    Payment,
    Plan,
    PlanPrice,
    Refund,
    SessionPack,
    Subscription,
    SubscriptionChange,
)
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.service import checkout, journals
from operational_api.commerce.settings import StripeSettings
from operational_api.core.models import InboxMessage, OutboxEvent
from tests.factories import LONG_AGO, make_plan
from tests.fakes.stripe.testing import LocalStripe, local_stripe


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[LocalStripe]:
    """One local Stripe for tests that leave its clock alone."""
    with local_stripe() as running:
        yield running


def adapter(running: LocalStripe) -> StripeProvider:
    """The real adapter, on a local Stripe."""
    return StripeProvider(StripeSettings(api_base=running.url, secret_key=SecretStr(running.secret_key)))


@pytest.fixture(scope="session")
def shared_provider(stripe_server: LocalStripe) -> StripeProvider:
    return adapter(stripe_server)


@pytest.fixture
def shop(session: Session, stripe_server: LocalStripe, shared_provider: StripeProvider) -> "Shop":
    """A shop with one customer of its own on the shared local Stripe."""
    return Shop(session, stripe_server, shared_provider)


@pytest.fixture
def own_shop(session: Session) -> Iterator["Shop"]:
    """A shop on a local Stripe of its own, whose clock may be moved."""
    with local_stripe() as running:
        yield Shop(session, running, adapter(running))


@dataclass
class Shop:
    """A customer, and everything that can happen between them, us and Stripe."""

    session: Session
    stripe: LocalStripe
    provider: StripeProvider
    customer_id: UUID = field(default_factory=new_id)

    def plan(self, *, price: int = 4900, currency: str = "EUR", tax_rate_bp: int = 1900, **given: Any) -> Plan:
        """A plan with one price of today."""
        plan = make_plan(self.session, price=None, **given)
        row = PlanPrice(
            plan_id=plan.id, currency=currency, amount_minor=price, tax_rate_bp=tax_rate_bp, valid_from=LONG_AGO
        )
        self.session.add(row)
        self.session.flush()
        return plan

    def open(self, plan: Plan, currency: str | None = None) -> CheckoutSession:
        """Press "subscribe"."""
        return checkout.begin_checkout(
            self.session,
            self.provider,
            customer_id=self.customer_id,
            display_name="Mia Maier",
            plan_code=plan.code,
            currency=currency,
            public_url="http://plyo.test",
            now=datetime.now(UTC),
        )

    def confirm(self, page: CheckoutSession) -> checkout.Purchase:
        """Come back from the payment page."""
        assert page.provider_session_id is not None
        return checkout.confirm_checkout(
            self.session,
            self.provider,
            provider_session_id=page.provider_session_id,
            customer_id=self.customer_id,
            now=datetime.now(UTC),
        )

    def buy(self, plan: Plan, currency: str | None = None) -> checkout.Purchase:
        """The whole way, with a good card."""
        page = self.open(plan, currency)
        assert page.url is not None
        assert self.stripe.pay(page.url).status_code == 303
        return self.confirm(page)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Stripe's events of these types, or all, oldest first; only ones that our webhook would get."""
        return [one for one in self.stripe.store.all("event") if not types or one["type"] in types]

    def deliver(self, events: Iterable[dict[str, Any]]) -> None:
        """Follow up these events as the worker does."""
        for event in events:
            message = InboxMessage(source="stripe", message_id=event["id"], kind=event["type"], payload=event)
            handlers.on_stripe(self.session, message, self.provider)
            self.session.flush()

    def all(self, model: type[Any]) -> list[Any]:
        """Every row of this customer."""
        self.session.expire_all()
        return list(self.session.scalars(select(model).where(model.customer_id == self.customer_id).order_by(model.id)))

    def one(self, model: type[Any]) -> Any:
        """The customer's only row."""
        [row] = self.all(model)
        return row

    def announced(self) -> Counter[str]:
        """Types of the events in the outbox of this test."""
        return Counter(self.session.scalars(select(OutboxEvent.type)))

    def balances(self) -> dict[str, int]:
        """Ledger balances of this test; one currency."""
        return {account: total for (account, _), total in journals.balances(self.session).items() if total}

    def state(self) -> dict[str, Any]:
        """All that the customer's life with us came to, without ids: equal states compare equal."""
        return {
            "subscriptions": sorted(
                (one.status, one.amount_minor, one.cancel_kind, one.cancel_reason, one.cancel_at, one.ended_at)
                for one in self.all(Subscription)
            ),
            "changes": sorted(
                (one.kind, one.mrr_before_minor, one.mrr_after_minor, one.changed_at)
                for one in self.all(SubscriptionChange)
            ),
            "invoices": sorted(
                (one.number, one.status, one.subtotal_minor, one.tax_minor, one.paid_at) for one in self.all(Invoice)
            ),
            "payments": sorted(
                (one.provider_payment_id, one.attempt, one.status, one.amount_minor, one.fee_minor)
                for one in self.all(Payment)
            ),
            "refunds": sorted((one.amount_minor, one.status, one.reason) for one in self.all(Refund)),
            "disputes": sorted((one.amount_minor, one.status) for one in self.all(Dispute)),
            "packs": sorted((one.sessions_total, one.sessions_used) for one in self.all(SessionPack)),
            "checkouts": sorted(one.status for one in self.all(CheckoutSession)),
            "balances": self.balances(),
            "announced": self.announced(),
        }
