"""Tables of the schema `commerce`.

Amounts are integer minor units beside a currency; the ledger lines of one journal sum to 0.
"""

from operational_api.commerce.models.books import (
    FindingResolution,
    ProviderMovement,
    ProviderPayout,
    ReconciliationFinding,
    ReconciliationRun,
    Retelling,
)
from operational_api.commerce.models.checkouts import CheckoutSession
from operational_api.commerce.models.ledger import LedgerJournal, LedgerLine
from operational_api.commerce.models.memberships import Customer, SessionPack, Subscription, SubscriptionChange
from operational_api.commerce.models.payments import LOST_MINOR, Dispute, Invoice, Payment, Refund, RefundRequest
from operational_api.commerce.models.plans import SCHEMA, Plan, PlanPrice
from operational_api.commerce.models.wallets import Wallet, WalletCredit, WalletMovement

__all__ = [
    "LOST_MINOR", "SCHEMA", "CheckoutSession", "Customer", "Dispute", "FindingResolution", "Invoice", "LedgerJournal",
    "LedgerLine", "Payment", "Plan", "PlanPrice", "ProviderMovement", "ProviderPayout", "ReconciliationFinding",
    "ReconciliationRun", "Refund", "RefundRequest", "Retelling", "SessionPack", "Subscription", "SubscriptionChange",
    "Wallet", "WalletCredit", "WalletMovement",
]  # fmt: skip
