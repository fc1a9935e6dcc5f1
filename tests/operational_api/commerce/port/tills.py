"""Providers with their local servers, and a desk that sells and refunds at one of them."""

import hmac
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.models import (
    CheckoutSession,
    LedgerLine,
    Payment,
    Plan,
    PlanPrice,
    Refund,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.providers.port import (
    CheckoutOrder,
    PaymentProvider,
    PriceToSell,
)
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.service import checkout, refunds, settling
from operational_api.commerce.settings import StripeSettings
from tests.factories import LONG_AGO, make_plan
from tests.fakes.momo.testing import LocalMomo
from tests.fakes.stripe.testing import LocalStripe
from tests.fakes.wire import Wire

PRICE, LATER = 450_000, timedelta(hours=2)


class Till(Protocol):
    """One provider with its local server: what differs between providers, for the tests that do not."""

    wire: Wire

    @property
    def provider(self) -> PaymentProvider: ...
    def pay(self, page: CheckoutSession) -> None: ...
    def decline(self, page: CheckoutSession) -> None: ...
    def captured(self, page: CheckoutSession) -> int: ...
    def given_back(self, page: CheckoutSession) -> int: ...
    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]: ...


class StripeTill:
    def __init__(self, server: LocalStripe, wire: Wire) -> None:
        self.server, self.wire = server, wire
        self.provider = StripeProvider(
            StripeSettings(api_base=wire.url, secret_key=SecretStr(server.secret_key), max_retries=0)
        )

    def pay(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url)).status_code == 303

    def decline(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url), "4000000000009995").status_code == 402

    def _charges(self, page: CheckoutSession) -> list[dict[str, Any]]:
        intents = {
            one["id"]
            for one in self.server.store.all("payment_intent")
            if one["metadata"].get("plyo_checkout_id") == str(page.id)
        }
        return [one for one in self.server.store.all("charge") if one["payment_intent"] in intents and one["paid"]]

    def captured(self, page: CheckoutSession) -> int:
        return sum(one["amount"] for one in self._charges(page))

    def given_back(self, page: CheckoutSession) -> int:
        return sum(one["amount_refunded"] for one in self._charges(page))

    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]:
        event = next(
            one
            for one in self.server.store.all("event")
            if one["type"] == "checkout.session.completed" and one["data"]["object"]["id"] == page.provider_session_id
        )
        body, at = json.dumps(event).encode(), int(time.time())
        made = hmac.new(b"whsec_port", f"{at}.".encode() + body, sha256).hexdigest()
        return "/webhooks/stripe", body, {"Stripe-Signature": f"t={at},v1={made}"}


class MomoTill:
    def __init__(self, server: LocalMomo, wire: Wire) -> None:
        self.server, self.wire = server, wire
        self.provider = MomoProvider(server.settings(api_base=wire.url))

    def pay(self, page: CheckoutSession) -> None:
        assert self.server.pay(str(page.url)).status_code == 303

    def decline(self, page: CheckoutSession) -> None:
        self.server.pay(str(page.url), 1001)

    def captured(self, page: CheckoutSession) -> int:
        order = self.server.store.orders.get(str(page.id))
        return order.request["amount"] if order and order.code == 0 else 0

    def given_back(self, page: CheckoutSession) -> int:
        return sum(one.amount for one in self.server.store.orders[str(page.id)].refunds if one.code == 0)

    def notice(self, page: CheckoutSession) -> tuple[str, bytes, dict[str, str]]:
        return "/webhooks/momo", json.dumps(self.server.notifications(str(page.id))[-1]).encode(), {}


class Desk:
    """A customer who buys a pack in dong at one provider, and what our books say of it."""

    def __init__(self, session: Session, till: Till) -> None:
        self.session, self.till, self.customer_id = session, till, new_id()
        self.providers = Providers({till.provider.name: till.provider})
        self.plan: Plan = make_plan(session, price=None, kind="pack")
        session.add(
            PlanPrice(plan_id=self.plan.id, currency="VND", amount_minor=PRICE, tax_rate_bp=1000, valid_from=LONG_AGO)
        )
        session.flush()

    def open(self) -> CheckoutSession:
        return checkout.begin_checkout(
            self.session, self.till.provider, customer_id=self.customer_id, display_name="Lan Nguyen",
            plan_code=self.plan.code, currency="VND", public_url="http://plyo.test", now=datetime.now(UTC),
        )  # fmt: skip

    def confirm(self, page: CheckoutSession) -> checkout.Purchase:
        return checkout.confirm_checkout(
            self.session, self.till.provider, provider_session_id=str(page.provider_session_id),
            customer_id=self.customer_id, now=datetime.now(UTC),
        )  # fmt: skip

    def buy(self) -> Payment:
        page = self.open()
        self.till.pay(page)
        self.confirm(page)
        made: Payment = self.one(Payment)
        return made

    def settle(self, hours: int = 2) -> None:
        settling.settle_due(self.session, self.providers, now=datetime.now(UTC) + timedelta(hours=hours))

    def give_back(self, amount: int | None = None) -> Refund:
        return refunds.refund_payment(
            self.session, self.till.provider, payment_id=self.one(Payment).id, amount_minor=amount, reason="Ill",
            now=datetime.now(UTC),
        )  # fmt: skip

    def all(self, model: type[Any]) -> list[Any]:
        self.session.expire_all()
        return list(self.session.scalars(select(model).where(model.customer_id == self.customer_id).order_by(model.id)))

    def one(self, model: type[Any]) -> Any:
        [row] = self.all(model)
        return row

    def held(self) -> int:
        """What our ledger says that the provider holds for us, and keeps as its fee."""
        accounts = (ledger.balance_at(self.till.provider.name), ledger.PAYMENT_FEES)
        total = self.session.scalar(
            select(func.sum(LedgerLine.amount_minor)).where(
                LedgerLine.customer_id == self.customer_id, LedgerLine.account.in_(accounts)
            )
        )
        return int(total or 0)


def order(desk: Desk, reference: str, amount: int, currency: str = "VND") -> CheckoutOrder:
    provider = desk.till.provider
    made = CheckoutOrder(
        reference=reference, customer_id="", price_id="", our_customer_id=str(desk.customer_id),
        our_price_id=str(new_id()), is_recurring=False, trial_days=0, success_url="http://plyo.test/checkout/return",
        cancel_url="http://plyo.test/plans", amount_minor=amount, currency=currency, description="Ten sessions",
    )  # fmt: skip
    if provider.billing is None:
        return made
    price = provider.billing.ensure_price(
        PriceToSell(f"{reference}-{amount}", f"p-{reference}", "Ten", amount, currency, None)
    )
    return replace(made, customer_id=provider.billing.create_customer(str(desk.customer_id), "Lan"), price_id=price)
