"""Stripe's webhooks: stored once when they arrive, followed up later by looking at what they are about."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce.billing.service import collection
from operational_api.commerce.errors import CheckoutNotFound, CheckoutNotPaid, MalformedWebhook
from operational_api.commerce.providers.port import BillingProvider, PaymentProvider
from operational_api.commerce.service import cards, checkout, disputes, invoices, refunds, subscriptions
from operational_api.commerce.service.customers import locked_customer
from operational_api.core import inbox, notices, signatures
from operational_api.core.models import InboxMessage

log = get_logger(__name__)
SOURCE = "stripe"


def receive(
    session: Session, *, body: bytes, signature_header: str | None, secrets: Iterable[str], now: datetime
) -> bool:
    """Verify a webhook's raw body and store it for the worker.

    Returns:
        True when it is new, False when this event came before.

    Raises:
        ForgedWebhook: not signed with a secret of ours, or too long ago.
        MalformedWebhook: signed, but not an event.
    """
    signatures.verify(body, signature_header, secrets=secrets, now=now)
    event = _event(body)
    is_new = inbox.receive(session, source=SOURCE, message_id=event["id"], kind=event["type"], payload=event, now=now)
    log.info("webhook_received", event_id=event["id"], event_type=event["type"], is_new=is_new)
    return is_new


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = notices.read(body)
    except ValueError as error:
        raise MalformedWebhook from error
    is_event = isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("id", "type"))
    if not is_event or not isinstance(event.get("data"), dict) or not isinstance(event["data"].get("object"), dict):
        raise MalformedWebhook
    found: dict[str, Any] = event
    return found


def follow_up(session: Session, provider: BillingProvider, message: InboxMessage, *, now: datetime) -> None:
    """Bring our rows up to the provider's state of what a stored event is about. Types we do not use do nothing."""
    about: dict[str, Any] = message.payload["data"]["object"]
    kind = message.kind
    if kind in ("checkout.session.completed", "checkout.session.async_payment_succeeded"):
        _confirm(session, provider, about["id"], now=now)
    elif kind == "checkout.session.expired":
        checkout.expire(session, provider_session_id=about["id"])
    elif kind.startswith("customer.subscription."):
        subscriptions.sync_subscription(session, provider, provider_id=about["id"], now=now)
    elif kind.startswith("invoice."):
        invoices.sync_invoice(session, provider, provider_id=about["id"], now=now)
    elif kind.startswith("charge.dispute."):
        disputes.sync_dispute(session, provider, provider_id=about["id"], now=now)
    elif kind == "charge.refunded" or kind.startswith("refund."):
        _refunded(session, provider, about["payment_intent"], now=now)
    elif kind == "customer.updated" and _has_another_card(message.payload["data"]):
        cards.changed(session, provider, provider_customer_id=about["id"], given_at=_told_at(message, now), now=now)
    elif kind == "payment_method.attached":
        collection.card_changed_at(
            session, provider_customer_id=about.get("customer"), given_at=_told_at(message, now), now=now
        )


def _told_at(message: InboxMessage, now: datetime) -> datetime:
    """When what an event tells happened, however late it comes."""
    created = message.payload.get("created")
    return datetime.fromtimestamp(created, UTC) if isinstance(created, int) else now


def _has_another_card(data: dict[str, Any]) -> bool:
    before = (data.get("previous_attributes") or {}).get("invoice_settings") or {}
    return "default_payment_method" in before


def _confirm(session: Session, provider: PaymentProvider, provider_session_id: str, *, now: datetime) -> None:
    try:
        checkout.confirm_checkout(session, provider, provider_session_id=provider_session_id, now=now)
    except (CheckoutNotFound, CheckoutNotPaid) as error:
        log.warning("checkout_not_confirmed", provider_session_id=provider_session_id, reason=error.code())


def _refunded(session: Session, provider: PaymentProvider, provider_payment_id: str | None, *, now: datetime) -> None:
    if provider_payment_id is None:
        return
    found = invoices.captured_payment(session, provider, provider_payment_id=provider_payment_id, now=now)
    if found is None:
        log.warning("foreign_refund_ignored", provider_payment_id=provider_payment_id)
        return
    payment, invoice = found
    locked_customer(session, payment.customer_id)
    refunds.sync_refunds(session, provider, payment=payment, invoice=invoice)
