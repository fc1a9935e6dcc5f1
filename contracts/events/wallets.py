"""Facts about what customers paid in beforehand or were given, and what becomes of it. Their types are commerce's."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class WalletToppedUp(Event):
    """A customer paid money into their wallet; `credit_id` is the part of it that this is."""

    type: ClassVar[str] = "commerce.wallet_topped_up"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    invoice_id: UUID
    amount_minor: int
    currency: str


class WalletCreditGiven(Event):
    """The studio gave a customer something to spend, until `expires_at` where that is said."""

    type: ClassVar[str] = "commerce.wallet_credit_given"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    given_by: UUID | None
    amount_minor: int
    currency: str
    expires_at: datetime | None = None


class WalletCreditSettled(Event):
    """So much of a top-up that no bank gives back to who closed their account is in the wallet no more. `settled_as`:
    paid_outside, written_off; None where the latter was taken back."""

    type: ClassVar[str] = "commerce.wallet_credit_settled"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    settled_as: str | None


class WalletSpent(Event):
    """A wallet paid so much of an invoice, `gift_minor` of it out of gifts. The invoice may be of somebody else, for
    whom its owner pays; `payment_captured` tells it once more as payments of that invoice."""

    type: ClassVar[str] = "commerce.wallet_spent"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    customer_id: UUID
    invoice_id: UUID
    amount_minor: int
    gift_minor: int
    currency: str


class WalletCreditEndsSoon(Event):
    """What is left of a gift, `amount_minor`, can be used until `expires_at`, a week from now at most; told once."""

    type: ClassVar[str] = "commerce.wallet_credit_ends_soon"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    expires_at: datetime


class WalletCreditExpired(Event):
    """What was left of a gift can be used no more."""

    type: ClassVar[str] = "commerce.wallet_credit_expired"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
