"""Subscriptions, their renewals and what a failed renewal leads to."""

import calendar
from datetime import UTC, datetime
from typing import Any

from tests.fakes.stripe import customers, forms, invoices
from tests.fakes.stripe.api import Call, endpoint, listed, page
from tests.fakes.stripe.errors import StripeError, invalid
from tests.fakes.stripe.store import Object, Store, make_id

INCOMPLETE_SECONDS = 23 * 3_600
_DAY = 86_400
_UPDATABLE = (
    "cancel_at_period_end cancellation_details default_payment_method items metadata pause_collection trial_end"
    " proration_behavior payment_behavior description"
)


def period_end(start: int, recurring: dict[str, Any], anchor: int) -> int:
    """The end of the billing period that starts at `start`; months keep the day of `anchor` where they have it."""
    count, interval = recurring["interval_count"], recurring["interval"]
    if interval in ("day", "week"):
        return start + int(count) * _DAY * (7 if interval == "week" else 1)
    moment = datetime.fromtimestamp(start, UTC)
    months = moment.year * 12 + moment.month - 1 + count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(datetime.fromtimestamp(anchor, UTC).day, calendar.monthrange(year, month + 1)[1])
    later: datetime = moment.replace(year=year, month=month + 1, day=day)
    return int(later.timestamp())


@endpoint(
    "POST",
    "subscriptions",
    accepts=_UPDATABLE + " trial_period_days off_session payment_settings collection_method",
    requires="customer items",
)
def create(call: Call) -> Object:
    """POST /v1/subscriptions."""
    store = call.store
    customer = store.find("customer", call.params["customer"], param="customer")
    item = call.params["items"][0]
    price = store.find("price", item.get("price", ""), param="items[0][price]")
    method = None
    if call.params.get("default_payment_method"):
        method = customers.payment_method(store, call.params["default_payment_method"], "default_payment_method")
    behaviour = call.params.get("payment_behavior", "allow_incomplete")
    trial_days = forms.integer(call.params, "trial_period_days", 0) or 0
    trial_end = forms.integer(call.params, "trial_end") or (call.now + trial_days * _DAY if trial_days else None)
    subscription, invoice = begin(
        store,
        customer,
        price,
        quantity=forms.integer(item, "quantity", 1) or 1,
        trial_end=trial_end,
        metadata=forms.metadata({}, call.params),
        default_payment_method=method["id"] if method else None,
        cancel_at_period_end=forms.boolean(call.params, "cancel_at_period_end"),
    )
    if behaviour == "default_incomplete" and invoice["amount_due"]:
        invoices.intent_of(store, invoice)
        return subscription
    payer = method or method_for(store, invoice)
    if payer is None and invoice["amount_due"]:
        store.remove(subscription["id"])
        store.remove(invoice["id"])
        raise invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method.",
            code="resource_missing",
        )
    try:
        settle(store, subscription, invoice, payer)
    except StripeError:
        if behaviour == "error_if_incomplete":
            store.remove(subscription["id"])
            store.remove(invoice["id"])
            raise
    return subscription


def begin(
    store: Store, customer: Object, price: Object, *, quantity: int = 1, trial_end: int | None = None, **given: Any
) -> tuple[Object, Object]:
    """A new subscription, `incomplete` or `trialing`, and its first invoice; nothing is collected yet."""
    if price["recurring"] is None:
        raise invalid("The price specified is set to `type=one_time`.", param="items[0][price]")
    now = store.now()
    end = trial_end or period_end(now, price["recurring"], now)
    id_ = make_id("sub")
    item: Object = {
        "id": make_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": end,
        "current_period_start": now,
        "discounts": [],
        "metadata": {},
        "plan": _plan_of(price),
        "price": dict(price),
        "quantity": quantity,
        "subscription": id_,
        "tax_rates": [],
    }
    subscription: Object = {
        "id": id_,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": price["currency"],
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listed([item], f"/v1/subscription_items?subscription={id_}"),
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off"
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    } | given  # fmt: skip
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = end
    store.put(subscription)
    store.record_event("customer.subscription.created", subscription)
    first = _bill(store, subscription, reason="subscription_create", amount=0 if trial_end else None)
    return subscription, first


def _plan_of(price: Object) -> Object:
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _bill(store: Store, subscription: Object, *, reason: str, amount: int | None = None) -> Object:
    item = subscription["items"]["data"][0]
    line = invoices.line(
        item["price"],
        item["quantity"],
        start=item["current_period_start"],
        end=item["current_period_end"],
        amount=amount,
        subscription=subscription["id"],
        subscription_item=item["id"],
    )
    customer = store.objects[subscription["customer"]]
    return invoices.new_invoice(store, customer, [line], reason=reason, subscription=subscription)


def method_for(store: Store, invoice: Object) -> Object | None:
    """The card that an invoice is charged to: the subscription's, else the customer's default."""
    subscription = invoices.subscription_of(store, invoice)
    customer = store.objects[invoice["customer"]]
    id_ = (subscription or {}).get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
    return store.objects.get(id_) if id_ else None


def settle(
    store: Store, subscription: Object, invoice: Object, method: Object | None, *, is_authenticated: bool = False
) -> Object:
    """Collect a subscription's invoice and move the subscription on: active, or past_due when the bank refuses.

    Raises:
        StripeError: a card_error, after the subscription and the invoice have been changed.
    """
    try:
        invoices.pay(store, invoice, method, is_authenticated=is_authenticated)
    except StripeError:
        if subscription["status"] in ("active", "trialing"):
            with store.changing(subscription, "customer.subscription.updated"):
                subscription["status"] = "past_due"
        retries = invoice["attempt_count"] - 1
        if subscription["status"] == "past_due" and retries < len(invoices.RETRY_DAYS):
            invoice["next_payment_attempt"] = store.now() + invoices.RETRY_DAYS[retries] * _DAY
            store.put(invoice)
        raise
    if subscription["status"] in ("incomplete", "past_due"):
        with store.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
    return invoice


@endpoint("GET", "subscriptions", accepts="customer status price")
def index(call: Call) -> Object:
    """GET /v1/subscriptions; cancelled ones only with `status=all` or `status=canceled`."""
    status = call.params.get("status")
    found = [
        one
        for one in call.store.all("subscription")
        if (status == "all" or (one["status"] == status if status else one["ended_at"] is None))
        and ("customer" not in call.params or one["customer"] == call.params["customer"])
    ]
    return page(call, found)


@endpoint("GET", "subscriptions/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/subscriptions/:id."""
    return call.store.find("subscription", id_)


@endpoint("POST", "subscriptions/:id", accepts=_UPDATABLE)
def update(call: Call, id_: str) -> Object:
    """POST /v1/subscriptions/:id; a new price starts with the next period (`proration_behavior=none`)."""
    store, params = call.store, call.params
    subscription = store.find("subscription", id_)
    if subscription["ended_at"]:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    with store.changing(subscription, "customer.subscription.updated"):
        subscription["metadata"] = forms.metadata(subscription["metadata"], params)
        if params.get("default_payment_method"):
            method = customers.payment_method(store, params["default_payment_method"], "default_payment_method")
            subscription["default_payment_method"] = method["id"]
        elif "default_payment_method" in params:  # an empty one takes it away
            subscription["default_payment_method"] = None
        if isinstance(params.get("cancellation_details"), dict):
            details = {name: value or None for name, value in params["cancellation_details"].items()}
            subscription["cancellation_details"] = subscription["cancellation_details"] | details
        if "cancel_at_period_end" in params:
            _plan_cancellation(call, subscription, forms.boolean(params, "cancel_at_period_end"))
        if "pause_collection" in params:
            given = params["pause_collection"]
            subscription["pause_collection"] = (
                {"behavior": given["behavior"], "resumes_at": forms.integer(given, "resumes_at")} if given else None
            )
        if "items" in params:
            _change_price(call, subscription, params["items"][0])
    return subscription


def _plan_cancellation(call: Call, subscription: Object, is_wanted: bool) -> None:
    end = subscription["items"]["data"][0]["current_period_end"]
    details = subscription["cancellation_details"]
    subscription |= {
        "cancel_at_period_end": is_wanted,
        "cancel_at": end if is_wanted else None,
        "canceled_at": call.now if is_wanted else None,
        "cancellation_details": details | {"reason": "cancellation_requested"}
        if is_wanted
        else {"comment": None, "feedback": None, "reason": None},
    }


def _change_price(call: Call, subscription: Object, given: dict[str, Any]) -> None:
    if call.params.get("proration_behavior") != "none":
        raise invalid("The local Stripe changes prices only with proration_behavior=none.", param="proration_behavior")
    price = call.store.find("price", given["price"], param="items[0][price]")
    item = dict(subscription["items"]["data"][0])
    if given.get("id") != item["id"]:
        raise invalid("The local Stripe has one item a subscription: name it.", param="items[0][id]")
    item |= {"price": dict(price), "plan": _plan_of(price)}
    subscription["items"] = subscription["items"] | {"data": [item]}


@endpoint("DELETE", "subscriptions/:id", accepts="invoice_now prorate cancellation_details")
def cancel(call: Call, id_: str) -> Object:
    """DELETE /v1/subscriptions/:id: it ends now."""
    subscription = call.store.find("subscription", id_)
    if subscription["ended_at"]:
        raise invalid(f"No such subscription: '{id_}'", param="id", code="resource_missing", status=404)
    details = call.params.get("cancellation_details")
    if isinstance(details, dict):
        subscription["cancellation_details"] = subscription["cancellation_details"] | details
    return end(call.store, subscription, at=call.now, reason="cancellation_requested")


def end(store: Store, subscription: Object, *, at: int, reason: str, status: str = "canceled") -> Object:
    """End a subscription and announce it."""
    subscription |= {
        "status": status,
        "ended_at": at,
        "canceled_at": subscription["canceled_at"] or at,
        "cancellation_details": subscription["cancellation_details"] | {"reason": reason},
    }
    event = "customer.subscription.updated" if status == "incomplete_expired" else "customer.subscription.deleted"
    store.record_event(event, store.put(subscription))
    return subscription


def advance(store: Store) -> None:
    """Do all that is due by now: renewals, retries of failed ones, ends of periods and of trials."""
    for subscription in store.all("subscription"):
        while subscription["ended_at"] is None and _step(store, subscription):
            pass


def _step(store: Store, subscription: Object) -> bool:
    now = store.now()
    item = subscription["items"]["data"][0]
    if subscription["status"] == "incomplete":
        if now - subscription["created"] < INCOMPLETE_SECONDS:
            return False
        invoices.close(store, store.objects[subscription["latest_invoice"]], "void")
        end(store, subscription, at=now, reason="payment_failed", status="incomplete_expired")
        return True
    if subscription["status"] == "past_due" and _retry(store, subscription, now):
        return True
    if subscription["ended_at"] is not None or item["current_period_end"] > now:
        return False
    if subscription["cancel_at_period_end"]:
        end(store, subscription, at=item["current_period_end"], reason="cancellation_requested")
        return True
    _renew(store, subscription)
    return True


def _renew(store: Store, subscription: Object) -> None:
    old = subscription["items"]["data"][0]
    start = old["current_period_end"]
    anchor = subscription["billing_cycle_anchor"]
    with store.changing(subscription, "customer.subscription.updated"):
        item = old | {
            "current_period_start": start,
            "current_period_end": period_end(start, old["price"]["recurring"], anchor),
        }
        subscription["items"] = subscription["items"] | {"data": [item]}
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
    invoice = _bill(store, subscription, reason="subscription_cycle")
    if subscription["pause_collection"]:
        invoices.close(store, invoice, "void")
        return
    try:
        settle(store, subscription, invoice, method_for(store, invoice))
    except StripeError:
        return  # settle has announced the failure and planned the next attempt


def _retry(store: Store, subscription: Object, now: int) -> bool:
    invoice = store.objects[subscription["latest_invoice"]]
    if invoice["status"] != "open":
        return False
    if invoice["attempt_count"] > len(invoices.RETRY_DAYS):
        end(store, subscription, at=now, reason="payment_failed")
        return True
    if invoice["next_payment_attempt"] is None or invoice["next_payment_attempt"] > now:
        return False
    invoice["next_payment_attempt"] = None
    try:
        settle(store, subscription, invoice, method_for(store, invoice))
    except StripeError:
        return True  # counted and announced by settle
    return True
