"""What commerce asks of a payment provider, and what it gets back: plain values in our words and units.

Adapters translate; they hold no rule of ours. Times are aware UTC, money is minor units with an upper-case currency.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PriceToSell:
    """A price as the provider must know it. `interval_months` is None for what is paid once."""

    key: str
    product_key: str
    product_name: str
    amount_minor: int
    currency: str
    interval_months: int | None


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A payment page to open. `reference` is our checkout's id, kept in the metadata of all that it creates.

    `customer_id` and `price_id` are the provider's, empty where it keeps none (`PaymentProvider.billing`).
    """

    reference: str
    customer_id: str
    price_id: str
    our_customer_id: str
    our_price_id: str
    is_recurring: bool
    trial_days: int
    success_url: str
    cancel_url: str
    amount_minor: int
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class ProviderCheckout:
    """A payment page. `status`: open, processing (money may be moving; ask again), complete, expired.

    `amount_minor` is what it asks for, None where the invoice alone tells.
    """

    id: str
    status: str
    url: str | None
    reference: str | None
    subscription_id: str | None
    invoice_id: str | None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderSubscription:
    """A subscription now. `status` is one of ours; `has_started` once a first paid period began. A trial began where
    `trial_ends_at` is set."""

    id: str
    status: str
    our_customer_id: str | None
    our_price_id: str | None
    amount_minor: int
    currency: str
    interval_months: int
    has_started: bool
    started_at: datetime
    trial_ends_at: datetime | None
    period_start: datetime
    period_end: datetime
    cancel_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_comment: str | None
    ended_for: str | None
    ended_at: datetime | None
    latest_invoice_id: str | None


@dataclass(frozen=True, slots=True)
class ProviderAttempt:
    """One attempt to collect an invoice: a charge. `status`: captured, failed, pending."""

    payment_id: str
    attempt: int
    status: str
    amount_minor: int
    fee_minor: int
    currency: str
    failure_code: str | None
    attempted_at: datetime
    is_refunded: bool


@dataclass(frozen=True, slots=True)
class ProviderInvoice:
    """An invoice now, with every attempt to collect it in order. `status`: draft, open, paid, void, uncollectible."""

    id: str
    number: str | None
    status: str
    subscription_id: str | None
    checkout_reference: str | None
    total_minor: int
    currency: str
    period_start: datetime | None
    period_end: datetime | None
    issued_at: datetime
    due_at: datetime
    closed_at: datetime | None
    attempts: Sequence[ProviderAttempt] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund now. `status`: pending, succeeded, failed. `key` is what it was asked for with, where it is told."""

    id: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str
    status: str
    refunded_at: datetime
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderDispute:
    """A dispute now. `status`: needs_response, won (and the money is back, or the part that was won), lost.

    `is_taken` is false of a bank's mere inquiry, for which no money leaves. `fee_minor` is what the provider charged,
    `fee_back_minor` what it gave back of that, `returned_minor` what came back of the amount and `returned_at` when.
    `has_evidence`: ours was handed in, which is taken until `evidence_due_at`.
    """

    id: str
    payment_id: str
    amount_minor: int
    fee_minor: int
    currency: str
    reason: str
    status: str
    opened_at: datetime
    is_taken: bool = True
    fee_back_minor: int = 0
    returned_minor: int = 0
    returned_at: datetime | None = None
    evidence_due_at: datetime | None = None
    has_evidence: bool = False


@dataclass(frozen=True, slots=True)
class ProviderMovement:
    """One line of the provider's books: money that moved, in the currency paid and in the one it is settled in.

    `kind`: payment, refund, dispute, dispute_reversal, payout, other. `source_id` is the payment that it belongs to (of
    a payout: the payout), `object_id` the refund, dispute or charge itself. Amounts of money leaving are negative;
    `net = settled - fee`. `exchange_rate` is settled per paid, None where both currencies are one.
    """

    id: str
    kind: str
    source_id: str | None
    object_id: str | None
    amount_minor: int
    currency: str
    settled_minor: int
    settled_currency: str
    fee_minor: int
    exchange_rate: float | None
    provider_customer_id: str | None
    payout_id: str | None
    is_live: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderPayout:
    """Money sent to our bank account. `status`: pending, paid, failed."""

    id: str
    amount_minor: int
    currency: str
    status: str
    sent_at: datetime
    arrives_at: datetime


class Books(Protocol):
    """A provider's books, read for comparing them with ours. Every call may raise ProviderUnavailable.

    Attributes:
        is_live: Whether the account is no test account.
        tells_fees: Whether a payment's fee stands beside it, and not only in the settlement.
        settles_later: Whether lines come with a settlement, days after the payments: what is younger than the newest of
            them is not compared yet.
    """

    name: str
    is_live: bool
    tells_fees: bool
    settles_later: bool

    def movements(self, since: datetime, until: datetime) -> Iterator[ProviderMovement]:
        """Every line booked in a span."""

    def payouts(self, since: datetime, until: datetime) -> Iterator[ProviderPayout]:
        """Every payout made in a span."""


class Billing(Protocol):
    """What a provider does that keeps customers, prices and subscriptions, and charges a saved card by itself. Calls
    raise as those of `PaymentProvider` do."""

    def ensure_price(self, price: PriceToSell) -> str:
        """The provider's id of the price, made with its product when it is not there yet."""

    def create_customer(self, our_customer_id: str, name: str) -> str:
        """The provider's id of a customer; the same customer gives the same id."""

    def open_card_page(self, customer_id: str, *, done_url: str, back_url: str) -> str:
        """Address of a page on which a customer gives the card that is charged from then on.

        Args:
            done_url: Where it leads once the card is given.
            back_url: Where it leads who gives none.
        """

    def charge_customers_card(self, subscription_id: str) -> None:
        """From now on a subscription is charged to its customer's card, whichever that is, not to one of its own."""

    def subscription(self, subscription_id: str) -> ProviderSubscription:
        """A subscription."""

    def plan_cancellation(self, subscription_id: str, *, reason: str | None) -> ProviderSubscription:
        """End it at the period's end for a reason, or go on when `reason` is None."""

    def dispute(self, dispute_id: str) -> ProviderDispute:
        """A dispute."""


class PaymentProvider(Protocol):
    """The port. Every call may raise ProviderUnavailable (ask again) or ProviderRefused (asking again is no use).

    ProviderUnavailable leaves open what came of the call. So every call that moves money has a key of ours, or is
    found again by an id of ours, and sending it twice does it once.

    Attributes:
        name: Kept with every payment.
    """

    name: str

    @property
    def billing(self) -> Billing | None:
        """What it can do beyond taking a payment on its page each time; None where that is all."""

    def open_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """Open a payment page; the same `reference` opens it once."""

    def checkout(self, checkout_id: str) -> ProviderCheckout | None:
        """A payment page, None when unknown."""

    def expire_checkout(self, checkout_id: str) -> ProviderCheckout:
        """Close a page nobody paid; one that was completed meanwhile is returned as it is."""

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        """An invoice with its attempts."""

    def invoice_of_payment(self, payment_id: str) -> str | None:
        """The invoice that a payment pays."""

    def refund(self, payment_id: str, *, amount_minor: int, reason: str, key: str) -> ProviderRefund:
        """Give money back; the same `key` does it once, and with another amount it is refused."""

    def refund_id(self, key: str) -> str | None:
        """The id that a refund with this key has or would have; None where only the provider's answer tells."""

    def refunds_of(self, payment_id: str) -> list[ProviderRefund]:
        """Every refund of a payment, oldest first."""


class BillingProvider(PaymentProvider, Billing, Protocol):
    """A provider that does both: the one that bills memberships."""
