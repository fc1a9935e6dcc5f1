"""What commerce gives a person of itself: what they bought, owe and paid, its documents, and what a coach earned."""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.commerce.billing import documents
from operational_api.commerce.billing.documents import Document
from operational_api.commerce.billing.service import papers
from operational_api.commerce.settings import SellerSettings
from operational_api.core.objects import ObjectStore
from operational_api.core.personal import BOOKS, Contributed, Emptied, Kept, Person, PersonalFile, given


def _papers(session: Session, person: Person) -> Sequence[PersonalFile]:
    """Their invoices and credit notes, as they can be fetched one by one; each is drawn once it is its turn."""
    seller = SellerSettings()
    found = papers.of_person(session, person.account_id)
    return [PersonalFile(name, partial(_drawn, document, seller)) for name, document in found]


def _drawn(document: Document, seller: SellerSettings, _: ObjectStore, __: Sealer | None) -> Iterator[bytes]:
    return iter([documents.render(document, seller)])


ADDRESSED = Kept("books, which the law has the business keep with whom each invoice was addressed to")
PERSONAL = [
    Contributed(
        "commerce",
        {
            "billing_items": given("customer_id payer_id", BOOKS, omit="settled_by settled_reason"),
            "checkout_sessions": given("customer_id", Emptied({"url": None}), omit="url", named="plan_id:name"),
            "collections": given("customer_id payer_id", BOOKS),
            "commission_payouts": given("coach_id", BOOKS, omit="recorded_by reason batch_id"),
            "commission_rates": given("coach_id", BOOKS, omit="set_by"),
            "commission_statements": given("coach_id", BOOKS, omit="closed_by"),
            "coupon_redemptions": given("customer_id", BOOKS, named="coupon_id:code"),
            "credit_notes": given("customer_id", BOOKS, through="invoice_id"),
            "customers": given("id", Emptied({"billed_to": None})),
            "disputes": given("customer_id", BOOKS),
            "invoice_lines": given(closing=BOOKS, through="invoice_id"),
            "invoices": given("customer_id payer_id", ADDRESSED),
            "ledger_lines": given("customer_id", BOOKS),
            "parked_invoices": given("customer_id payer_id", BOOKS, omit="decided_by decision_reason"),
            "payments": given("customer_id", BOOKS, through="invoice_id"),
            "plan_changes": given("customer_id", BOOKS),
            "refund_requests": given("customer_id", BOOKS, omit="requested_by decided_by"),
            "refunds": given("customer_id", BOOKS, through="payment_id", omit="provider_key"),
            "session_packs": given("customer_id", BOOKS, named="plan_id:name"),
            "subscription_changes": given("customer_id", BOOKS),
            "subscriptions": given("customer_id", BOOKS, named="plan_id:name"),
            "wallet_credits": given("customer_id", BOOKS, omit="given_by"),
            "wallet_movements": given("customer_id", BOOKS, omit="made_by reason"),
            "wallets": given("customer_id", BOOKS),
        },
        {
            "commission_corrections": "which session counts for less because of which refund: the refunds are given, "
            "the sums of a coach in commission_statements",
            "assisted_classes": "which class a coach was paid for: the classes are in scheduling, the sums in "
            "commission_statements",
            "delivered_sessions": "which session earned whom what: the sessions are in scheduling, the sums of a coach "
            "in commission_statements",
            "finding_resolutions": "how the business settled a difference between its books and a provider's",
            "provider_movements": "a payment provider's copy of payments that are given",
            "reconciliation_findings": "differences between the business's books and a provider's",
        },
        _papers,
    )
]
