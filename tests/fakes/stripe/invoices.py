"""Invoices: made final at once, then collected through a payment intent."""

from typing import Any

from tests.fakes.stripe import customers, payments
from tests.fakes.stripe.api import EXPANDED_LISTS, Call, endpoint, listed, page
from tests.fakes.stripe.errors import StripeError, invalid
from tests.fakes.stripe.store import Object, Store, make_id

_LINES_SHOWN = 10
"""Lines inside an invoice; more are had from the list of lines."""
RETRY_DAYS = (3, 5, 7)
"""Days after a failed renewal at which collection is tried again; then the subscription is cancelled."""


def line(price: Object, quantity: int, *, start: int, end: int, amount: int | None = None, **parent: str) -> Object:
    """An invoice line for `quantity` of a price over a period; `amount` overrides the price (0 for a trial)."""
    total = price["unit_amount"] * quantity if amount is None else amount
    details = {"proration": False, "proration_details": None} | parent
    if "subscription" in parent:
        made_by: Object = {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": details | {"invoice_item": None},
        }
    else:
        made_by = {
            "type": "invoice_item_details",
            "invoice_item_details": {"invoice_item": make_id("ii"), "subscription": None} | details,
            "subscription_item_details": None,
        }
    return {
        "id": make_id("il"),
        "object": "line_item",
        "amount": total,
        "currency": price["currency"],
        "description": price["nickname"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "parent": made_by,
        "period": {"start": start, "end": end},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": parent.get("subscription"),
        "subtotal": total,
        "taxes": [],
    }


def new_invoice(
    store: Store,
    customer: Object,
    lines: list[Object],
    *,
    reason: str,
    subscription: Object | None = None,
    **given: Any,
) -> Object:
    """An open invoice with a number, kept and announced as created and finalized."""
    total = sum(one["amount"] for one in lines)
    id_ = make_id("in")
    for one in lines:
        one["invoice"] = id_
    now = store.now()
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] += 1
    customer["currency"] = customer["currency"] or lines[0]["currency"]
    store.put(customer)
    invoice: Object = {
        "id": id_,
        "object": "invoice",
        "account_country": "DE",
        "account_name": "Plyo",
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": total,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "enabled": False, "disabled_reason": None, "liability": None, "provider": None, "status": None
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": lines[0]["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": now,
        "ending_balance": 0,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listed(lines[:_LINES_SHOWN], f"/v1/invoices/{id_}/lines", has_more=len(lines) > _LINES_SHOWN),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": f"{customer['invoice_prefix']}-{sequence:04d}",
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "open",
        "status_transitions": {
            "finalized_at": now, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    } | given  # fmt: skip
    if subscription:
        invoice["parent"] = {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        }
        subscription["latest_invoice"] = id_
        store.put(subscription)
    store.put(invoice, lines=lines)
    store.record_event("invoice.created", invoice)
    store.record_event("invoice.finalized", invoice)
    return invoice


def subscription_of(store: Store, invoice: Object) -> Object | None:
    """The subscription that an invoice bills, if any."""
    parent = invoice["parent"]
    return store.objects[parent["subscription_details"]["subscription"]] if parent else None


def intent_of(store: Store, invoice: Object) -> Object:
    """The payment intent of an invoice, made on first need."""
    for one in store.all("invoice_payment"):
        if one["invoice"] == invoice["id"]:
            return store.objects[one["payment"]["payment_intent"]]
    subscription = subscription_of(store, invoice)
    intent = payments.new_intent(
        store,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description="Subscription update" if subscription else "Payment for invoice",
        setup_future_usage="off_session" if subscription else None,
    )
    store.put(
        {
            "id": make_id("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": store.now(),
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    return intent


def pay(store: Store, invoice: Object, method: Object | None, *, is_authenticated: bool = False) -> Object:
    """Collect an open invoice.

    Raises:
        StripeError: a card_error; the invoice stays open, its attempt is counted and announced.
    """
    if invoice["amount_due"] > 0:
        intent = intent_of(store, invoice)
        invoice |= {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
        store.put(invoice)
        if method is None:
            store.record_event("invoice.payment_failed", invoice)
            raise invalid(
                "This customer has no attached payment source or default payment method.", code="resource_missing"
            )
        try:
            payments.collect(store, intent, method, is_authenticated=is_authenticated)
        except StripeError:
            store.record_event("invoice.payment_failed", invoice)
            raise
        for one in store.all("invoice_payment"):
            if one["invoice"] == invoice["id"]:
                one |= {"status": "paid", "amount_paid": invoice["amount_due"]}
                one["status_transitions"] = {"canceled_at": None, "paid_at": store.now()}
                store.put(one)
                store.record_event("invoice_payment.paid", one)
    invoice |= {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": True,
        "next_payment_attempt": None,
        "auto_advance": False,
        "status": "paid",
    }
    invoice["status_transitions"] = invoice["status_transitions"] | {"paid_at": store.now()}
    store.put(invoice)
    store.record_event("invoice.paid", invoice)
    if invoice["amount_paid"]:
        store.record_event("invoice.payment_succeeded", invoice)
    return invoice


@endpoint("POST", "invoices/:id/pay", accepts="payment_method off_session")
def pay_now(call: Call, id_: str) -> Object:
    """POST /v1/invoices/:id/pay."""
    invoice = call.store.find("invoice", id_)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open":
        raise invalid("This invoice can no longer be paid.", code="invoice_not_editable")
    from tests.fakes.stripe import subscriptions

    if call.params.get("payment_method"):
        method: Object | None = customers.payment_method(call.store, call.params["payment_method"], "payment_method")
    else:
        method = subscriptions.method_for(call.store, invoice)
    subscription = subscription_of(call.store, invoice)
    if subscription is None:
        return pay(call.store, invoice, method)
    return subscriptions.settle(call.store, subscription, invoice, method)


@endpoint("POST", "invoices/:id/void")
def void(call: Call, id_: str) -> Object:
    """POST /v1/invoices/:id/void."""
    return close(call.store, call.store.find("invoice", id_), "void")


@endpoint("POST", "invoices/:id/mark_uncollectible")
def mark_uncollectible(call: Call, id_: str) -> Object:
    """POST /v1/invoices/:id/mark_uncollectible."""
    return close(call.store, call.store.find("invoice", id_), "uncollectible")


def close(store: Store, invoice: Object, status: str) -> Object:
    """End an open invoice without money: `void` or `uncollectible`."""
    if invoice["status"] != "open":
        raise invalid(f"You can only do this with an open invoice; this one is {invoice['status']}.")
    moment, event = (
        ("voided_at", "invoice.voided")
        if status == "void"
        else ("marked_uncollectible_at", "invoice.marked_uncollectible")
    )
    invoice |= {"status": status, "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"] = invoice["status_transitions"] | {moment: store.now()}
    store.record_event(event, store.put(invoice))
    return invoice


@endpoint("GET", "invoices/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/invoices/:id."""
    return call.store.find("invoice", id_)


@endpoint("GET", "invoices", accepts="customer subscription status")
def index(call: Call) -> Object:
    """GET /v1/invoices."""
    wanted = call.params.get("subscription")
    return page(
        call,
        [
            one
            for one in call.store.all("invoice")
            if all(one[name] == call.params[name] for name in ("customer", "status") if name in call.params)
            and (wanted is None or (subscription_of(call.store, one) or {}).get("id") == wanted)
        ],
    )


@endpoint("GET", "invoices/:id/lines")
def index_lines(call: Call, id_: str) -> Object:
    """GET /v1/invoices/:id/lines: all of them, in the invoice's order."""
    invoice = call.store.find("invoice", id_)
    return page(call, call.store.secret(invoice["id"])["lines"][::-1])


@endpoint("GET", "invoice_payments", accepts="invoice payment status")
def index_payments(call: Call) -> Object:
    """GET /v1/invoice_payments, by `invoice` or by `payment[payment_intent]`."""
    wanted = call.params.get("payment", {}).get("payment_intent")
    return page(
        call,
        [
            one
            for one in call.store.all("invoice_payment")
            if all(one[name] == call.params[name] for name in ("invoice", "status") if name in call.params)
            and (wanted is None or one["payment"]["payment_intent"] == wanted)
        ],
    )


def _payments_of(store: Store, invoice: Object) -> Object:
    mine = [one for one in store.all("invoice_payment") if one["invoice"] == invoice["id"]]
    return listed(mine, f"/v1/invoice_payments?invoice={invoice['id']}")


EXPANDED_LISTS["invoice", "payments"] = _payments_of
