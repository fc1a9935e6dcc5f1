"""Stripe behind the port, through its SDK. Translation only: ids, units, states and errors."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import stripe

from operational_api.commerce import lifecycle
from operational_api.commerce.errors import ProviderRefused, ProviderUnavailable
from operational_api.commerce.providers.port import (
    CheckoutOrder,
    PriceToSell,
    ProviderAttempt,
    ProviderCheckout,
    ProviderDispute,
    ProviderInvoice,
    ProviderRefund,
    ProviderSubscription,
)
from operational_api.commerce.settings import StripeSettings

Answer = TypeVar("Answer")
Json = dict[str, Any]
_STATUS = {
    "incomplete": lifecycle.INCOMPLETE,
    "incomplete_expired": lifecycle.CANCELLED,
    "trialing": lifecycle.TRIALING,
    "active": lifecycle.ACTIVE,
    "past_due": lifecycle.PAST_DUE,
    "unpaid": lifecycle.PAST_DUE,
    "paused": lifecycle.PAUSED,
    "canceled": lifecycle.CANCELLED,
}
_REFUND_STATUS = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
_MONTHS = {"month": 1, "year": 12}


class StripeProvider:
    """The port on Stripe's API."""

    name = "stripe"

    def __init__(self, settings: StripeSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._v1 = stripe.StripeClient(
            settings.secret_key.get_secret_value() or "unset",
            base_addresses={"api": settings.api_base},
            http_client=stripe.HTTPXClient(timeout=settings.timeout_seconds, allow_sync_methods=True),
            max_network_retries=settings.max_retries,
        ).v1

    @property
    def billing(self) -> "StripeProvider":
        """See the port."""
        return self

    def ensure_price(self, price: PriceToSell) -> str:
        """See the port. The lookup key is ours, so the price is found again whoever made it."""
        found = _ask(lambda: self._v1.prices.list({"lookup_keys": [price.key], "active": True}))["data"]
        if found:
            return str(found[0]["id"])
        if not _ask(lambda: self._v1.products.list({"ids": [price.product_key]}))["data"]:
            _ask(
                lambda: self._v1.products.create(
                    {"id": price.product_key, "name": price.product_name},
                    {"idempotency_key": f"product-{price.product_key}"},
                )
            )
        params: Any = {
            "product": price.product_key,
            "currency": price.currency.lower(),
            "unit_amount": price.amount_minor,
            "lookup_key": price.key,
            "tax_behavior": "inclusive",
        }
        if price.interval_months:
            params["recurring"] = {"interval": "month", "interval_count": price.interval_months}
        made = _ask(lambda: self._v1.prices.create(params, {"idempotency_key": f"price-{price.key}"}))
        return str(made["id"])

    def create_customer(self, our_customer_id: str, name: str) -> str:
        """See the port."""
        made = _ask(
            lambda: self._v1.customers.create(
                {"name": name, "metadata": {"plyo_customer_id": our_customer_id}},
                {"idempotency_key": f"customer-{our_customer_id}"},
            )
        )
        return str(made["id"])

    def open_card_page(self, customer_id: str, *, done_url: str, back_url: str) -> str:
        """See the port: the one flow of Stripe's customer portal, which makes the new card the customer's default."""
        params: Any = {
            "customer": customer_id,
            "return_url": back_url,
            "flow_data": {
                "type": "payment_method_update",
                "after_completion": {"type": "redirect", "redirect": {"return_url": done_url}},
            },
        }
        return str(_ask(lambda: self._v1.billing_portal.sessions.create(params))["url"])

    def charge_customers_card(self, subscription_id: str) -> None:
        """See the port. The payment page leaves its card with the subscription, where it goes before the customer's."""
        params: Any = {"default_payment_method": ""}
        _ask(lambda: self._v1.subscriptions.update(subscription_id, params))

    def open_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """See the port. Card data is typed on Stripe's page only."""
        ours = {
            "plyo_checkout_id": order.reference,
            "plyo_customer_id": order.our_customer_id,
            "plyo_price_id": order.our_price_id,
        }
        params: Any = {
            "mode": "subscription" if order.is_recurring else "payment",
            "customer": order.customer_id,
            "line_items": [{"price": order.price_id, "quantity": 1}],
            "client_reference_id": order.reference,
            "metadata": ours,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
        }
        if order.is_recurring:
            params["subscription_data"] = {"metadata": ours}
            if order.trial_days:
                params["subscription_data"]["trial_period_days"] = order.trial_days
        else:
            params["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": ours}}
            params["payment_intent_data"] = {"metadata": ours}
        options: Any = {"idempotency_key": f"checkout-{order.reference}"}
        return _checkout(_ask(lambda: self._v1.checkout.sessions.create(params, options)))

    def checkout(self, checkout_id: str) -> ProviderCheckout | None:
        """See the port."""
        found = _ask(lambda: self._v1.checkout.sessions.retrieve(checkout_id), missing_is_none=True)
        return _checkout(found) if found else None

    def expire_checkout(self, checkout_id: str) -> ProviderCheckout:
        """See the port."""
        try:
            return _checkout(_ask(lambda: self._v1.checkout.sessions.expire(checkout_id)))
        except ProviderRefused:
            return _checkout(_ask(lambda: self._v1.checkout.sessions.retrieve(checkout_id)))

    def subscription(self, subscription_id: str) -> ProviderSubscription:
        """See the port."""
        return _subscription(_ask(lambda: self._v1.subscriptions.retrieve(subscription_id)))

    def plan_cancellation(self, subscription_id: str, *, reason: str | None) -> ProviderSubscription:
        """See the port."""
        params: Any = {"cancel_at_period_end": reason is not None}
        if reason is not None:
            params["cancellation_details"] = {"comment": reason}
        return _subscription(_ask(lambda: self._v1.subscriptions.update(subscription_id, params)))

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        """See the port."""
        found = _ask(lambda: self._v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}))
        intents = [
            one["payment"]["payment_intent"]
            for one in found["payments"]["data"]
            if one["payment"]["type"] == "payment_intent"
        ]
        return _invoice(found, [attempt for intent in intents for attempt in self._attempts(intent)])

    def _attempts(self, payment_id: str) -> list[ProviderAttempt]:
        params: Any = {"payment_intent": payment_id, "limit": 100, "expand": ["data.balance_transaction"]}
        charges = _ask(lambda: self._v1.charges.list(params))["data"]
        return [_attempt(payment_id, number, charge) for number, charge in enumerate(reversed(charges), start=1)]

    def invoice_of_payment(self, payment_id: str) -> str | None:
        """See the port."""
        params: Any = {"payment": {"type": "payment_intent", "payment_intent": payment_id}}
        found = _ask(lambda: self._v1.invoice_payments.list(params))["data"]
        return str(found[0]["invoice"]) if found else None

    def refund(self, payment_id: str, *, amount_minor: int, reason: str, key: str) -> ProviderRefund:
        """See the port."""
        params: Any = {
            "payment_intent": payment_id,
            "amount": amount_minor,
            "reason": "requested_by_customer",
            "metadata": {"plyo_reason": reason, "plyo_key": key},
        }
        return _refund(_ask(lambda: self._v1.refunds.create(params, {"idempotency_key": key})))

    def refund_id(self, key: str) -> str | None:  # noqa: ARG002
        """See the port."""
        return None

    def refunds_of(self, payment_id: str) -> list[ProviderRefund]:
        """See the port."""
        found = _ask(lambda: self._v1.refunds.list({"payment_intent": payment_id, "limit": 100}))["data"]
        return [_refund(one) for one in reversed(found)]

    def dispute(self, dispute_id: str) -> ProviderDispute:
        """See the port."""
        return _dispute(_ask(lambda: self._v1.disputes.retrieve(dispute_id)))


def _ask(call: Callable[[], Any], *, missing_is_none: bool = False) -> Any:
    """Make a call and give its answer as plain JSON; Stripe's errors become ours."""
    try:
        return call().to_dict()
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable from error
    except stripe.StripeError as error:
        if error.http_status and error.http_status >= 500:
            raise ProviderUnavailable from error
        if missing_is_none and error.code == "resource_missing":
            return None
        raise ProviderRefused(provider_code=error.code, provider_message=error.user_message) from error


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _checkout(found: Json) -> ProviderCheckout:
    return ProviderCheckout(
        id=found["id"],
        status=found["status"],
        url=found["url"],
        reference=found["client_reference_id"],
        subscription_id=found["subscription"],
        invoice_id=found["invoice"],
    )


def _subscription(found: Json) -> ProviderSubscription:
    [item] = found["items"]["data"]
    price, recurring = item["price"], item["price"]["recurring"]
    is_paused = found["pause_collection"] is not None and found["status"] in ("active", "trialing")
    details = found["cancellation_details"] or {}
    paid_from = found["trial_end"] or found["start_date"]
    never_paid = found["status"] in ("incomplete", "incomplete_expired", "trialing")
    ended_in_trial = found["ended_at"] is not None and found["ended_at"] <= paid_from and bool(found["trial_end"])
    return ProviderSubscription(
        id=found["id"],
        status=lifecycle.PAUSED if is_paused else _STATUS[found["status"]],
        our_customer_id=found["metadata"].get("plyo_customer_id"),
        our_price_id=price["lookup_key"] or found["metadata"].get("plyo_price_id"),
        amount_minor=price["unit_amount"] * item["quantity"],
        currency=found["currency"].upper(),
        interval_months=_MONTHS[recurring["interval"]] * recurring["interval_count"],
        has_started=not never_paid and not ended_in_trial,
        started_at=_at(found["start_date"]),
        trial_ends_at=_time(found["trial_end"]),
        period_start=_at(item["current_period_start"]),
        period_end=_at(item["current_period_end"]),
        cancel_at=_time(found["cancel_at"]),
        cancel_requested_at=_time(found["canceled_at"]),
        cancel_comment=details.get("comment"),
        ended_for=details.get("reason"),
        ended_at=_time(found["ended_at"]),
        latest_invoice_id=found["latest_invoice"],
    )


def _invoice(found: Json, attempts: list[ProviderAttempt]) -> ProviderInvoice:
    details = (found["parent"] or {}).get("subscription_details") or {}
    lines = found["lines"]["data"]
    moments = found["status_transitions"]
    issued = moments["finalized_at"] or found["created"]
    return ProviderInvoice(
        id=found["id"],
        number=found["number"],
        status=found["status"],
        subscription_id=details.get("subscription"),
        checkout_reference=(found["metadata"] or {}).get("plyo_checkout_id"),
        total_minor=found["total"],
        currency=found["currency"].upper(),
        period_start=_at(lines[0]["period"]["start"]) if lines else None,
        period_end=_at(lines[0]["period"]["end"]) if lines else None,
        issued_at=_at(issued),
        due_at=_at(found["due_date"] or issued),
        closed_at=_time(moments["paid_at"] or moments["voided_at"] or moments["marked_uncollectible_at"]),
        attempts=attempts,
    )


def _attempt(payment_id: str, number: int, charge: Json) -> ProviderAttempt:
    movement = charge["balance_transaction"]
    captured = charge["status"] == "succeeded" and charge["captured"]
    return ProviderAttempt(
        payment_id=payment_id,
        attempt=number,
        status="captured" if captured else ("failed" if charge["status"] == "failed" else "pending"),
        amount_minor=charge["amount"],
        fee_minor=movement["fee"] if movement else 0,
        currency=charge["currency"].upper(),
        failure_code=((charge["outcome"] or {}).get("reason") or charge["failure_code"])
        if charge["status"] == "failed"
        else None,
        attempted_at=_at(charge["created"]),
        is_refunded=charge["amount_refunded"] > 0,
    )


def _refund(found: Json) -> ProviderRefund:
    return ProviderRefund(
        id=found["id"],
        payment_id=found["payment_intent"],
        amount_minor=found["amount"],
        currency=found["currency"].upper(),
        reason=(found["metadata"] or {}).get("plyo_reason") or found["reason"] or "unknown",
        status=_REFUND_STATUS.get(found["status"], "pending"),
        refunded_at=_at(found["created"]),
        key=(found["metadata"] or {}).get("plyo_key"),
    )


def _dispute(found: Json) -> ProviderDispute:
    """Money follows Stripe's movements, not its words: an inquiry has none, `won` is told before they are back, and of
    what was `lost` a part may come back: then that part was won."""
    moved = found["balance_transactions"]
    back = [one for one in moved if one["amount"] > 0]
    is_decided, evidence = found["status"] in ("won", "lost"), found["evidence_details"]
    verdict = "won" if is_decided and back else "lost" if found["status"] == "lost" else "needs_response"
    return ProviderDispute(
        id=found["id"],
        payment_id=found["payment_intent"],
        amount_minor=found["amount"],
        fee_minor=sum(max(one["fee"], 0) for one in moved),
        currency=found["currency"].upper(),
        reason=found["reason"],
        status=verdict,
        opened_at=_at(found["created"]),
        is_taken=any(one["amount"] < 0 for one in moved),
        fee_back_minor=sum(max(-one["fee"], 0) for one in moved),
        returned_minor=sum(one["amount"] for one in back),
        returned_at=max((_at(one["created"]) for one in back), default=None),
        evidence_due_at=_at(evidence["due_by"]) if evidence["due_by"] else None,
        has_evidence=evidence["submission_count"] > 0,
    )
