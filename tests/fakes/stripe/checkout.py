"""Checkout Sessions: making them, reading them, and what completing one creates."""

from typing import Any
from urllib.parse import urlsplit

from tests.fakes.stripe import catalogue, customers, forms, invoices, payments, subscriptions
from tests.fakes.stripe.api import EXPANDED_LISTS, Call, endpoint, listed, page
from tests.fakes.stripe.errors import invalid, required
from tests.fakes.stripe.store import Object, Store, make_id

_DAY = 86_400


@endpoint(
    "POST",
    "checkout/sessions",
    accepts="success_url cancel_url customer customer_email client_reference_id metadata subscription_data"
    " payment_intent_data invoice_creation expires_at locale payment_method_types allow_promotion_codes"
    " payment_method_collection submit_type customer_update billing_address_collection ui_mode",
    requires="mode line_items",
)
def create(call: Call) -> Object:
    """POST /v1/checkout/sessions, hosted mode."""
    store, params = call.store, call.params
    mode = params["mode"]
    if mode not in ("payment", "subscription"):
        raise invalid("Invalid mode: must be one of payment or subscription", param="mode")
    if not params.get("success_url"):
        raise required("success_url")
    for name in ("success_url", "cancel_url"):
        if name in params and urlsplit(params[name]).scheme not in ("http", "https"):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    customer = params.get("customer")
    if customer:
        store.find("customer", customer, param="customer")
    lines = [_line(call, given, index) for index, given in enumerate(params["line_items"])]
    if len({one["currency"] for one in lines}) != 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    if mode == "subscription" and not any(one["price"]["recurring"] for one in lines):
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            param="line_items",
        )
    if mode == "payment" and any(one["price"]["recurring"] for one in lines):
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices.",
            param="line_items",
        )
    session = _new_session(call, mode, customer, lines)
    secret = {name: params.get(name) or {} for name in ("subscription_data", "payment_intent_data")}
    return store.put(session, lines=lines, **secret)


def _new_session(call: Call, mode: str, customer: str | None, lines: list[Object]) -> Object:
    params = call.params
    trial_days = forms.integer(params.get("subscription_data") or {}, "trial_period_days", 0)
    total = 0 if trial_days else sum(one["amount_total"] for one in lines)
    id_ = make_id("cs_test", 58)
    return {
        "id": id_,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": call.now,
        "currency": lines[0]["currency"],
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer,
        "customer_account": None,
        "customer_creation": None if customer else ("always" if mode == "subscription" else "if_required"),
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": forms.integer(params, "expires_at", call.now + _DAY),
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": _invoice_creation(params) if mode == "payment" else None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": forms.metadata({}, params),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
        "url": f"{call.settings.public_url.rstrip('/')}/c/pay/{id_}",
        "wallet_options": None,
    }


def _invoice_creation(params: dict[str, Any]) -> Object:
    given = params.get("invoice_creation") or {}
    data = given.get("invoice_data") or {}
    return {
        "enabled": forms.boolean(given, "enabled"),
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": data.get("description"),
            "footer": None,
            "issuer": None,
            "metadata": forms.metadata({}, data),
            "rendering_options": None,
        },
    }


def _line(call: Call, given: dict[str, Any], index: int) -> Object:
    param = f"line_items[{index}]"
    if given.get("price"):
        price = call.store.find("price", given["price"], param=f"{param}[price]")
    elif isinstance(given.get("price_data"), dict):
        data = given["price_data"]
        product = data.get("product")
        if not product:
            nested = Call(call.store, call.settings, "POST", "/v1/products", data.get("product_data") or {})
            product = catalogue.create_product(nested)["id"]
        price = catalogue.new_price(call.store, product, data)
    else:
        raise required(f"{param}[price]")
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param=f"{param}[price]"
        )
    quantity = forms.integer(given, "quantity", at_least=1)
    if quantity is None:
        raise required(f"{param}[quantity]")
    total = price["unit_amount"] * quantity
    return {
        "id": make_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": call.store.objects[price["product"]]["name"],
        "price": dict(price),
        "quantity": quantity,
    }


@endpoint("GET", "checkout/sessions/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/checkout/sessions/:id."""
    return call.store.find("checkout.session", id_)


@endpoint("GET", "checkout/sessions", accepts="customer subscription payment_intent status")
def index(call: Call) -> Object:
    """GET /v1/checkout/sessions."""
    names = ("customer", "subscription", "payment_intent", "status")
    wanted = {name: call.params[name] for name in names if name in call.params}
    sessions = call.store.all("checkout.session")
    return page(call, [one for one in sessions if all(one[name] == wanted[name] for name in wanted)])


@endpoint("GET", "checkout/sessions/:id/line_items")
def index_lines(call: Call, id_: str) -> Object:
    """GET /v1/checkout/sessions/:id/line_items."""
    return _lines_of(call.store, call.store.find("checkout.session", id_))


def _lines_of(store: Store, session: Object) -> Object:
    return listed(store.secret(session["id"])["lines"], f"/v1/checkout/sessions/{session['id']}/line_items")


EXPANDED_LISTS["checkout.session", "line_items"] = _lines_of


@endpoint("POST", "checkout/sessions/:id/expire")
def expire_now(call: Call, id_: str) -> Object:
    """POST /v1/checkout/sessions/:id/expire."""
    session = call.store.find("checkout.session", id_)
    if session["status"] != "open":
        raise invalid(
            f"Only Checkout Sessions with a status in ['open'] can be expired. This Checkout Session has a status of "
            f"`{session['status']}`."
        )
    return expire(call.store, session)


def expire(store: Store, session: Object) -> Object:
    """Close a session nobody paid."""
    session |= {"status": "expired", "url": None}
    store.record_event("checkout.session.expired", store.put(session))
    return session


def expire_due(store: Store) -> None:
    """Close every session whose time is over."""
    for session in store.all("checkout.session"):
        if session["status"] == "open" and session["expires_at"] <= store.now():
            expire(store, session)


def complete(
    store: Store, session: Object, method: Object, *, email: str | None, name: str | None, is_authenticated: bool
) -> Object:
    """Take the money, or start the trial, and close the session.

    Raises:
        StripeError: a card_error; the session stays open and can be tried again.
    """
    customer = _payer(store, session, email, name)
    if session["mode"] == "subscription":
        done = _subscribe(store, session, customer, method, is_authenticated)
    else:
        done = _pay_once(store, session, customer, method, is_authenticated)
    session |= done | {
        "customer": customer["id"],
        "status": "complete",
        "url": None,
        "customer_details": {
            "address": customers.NO_ADDRESS,
            "business_name": None,
            "email": email or customer["email"],
            "individual_name": None,
            "name": name,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    }
    store.record_event("checkout.session.completed", store.put(session))
    return session


def _payer(store: Store, session: Object, email: str | None, name: str | None) -> Object:
    if session["customer"]:
        return store.objects[session["customer"]]
    customer = customers.new_customer(store, email=email or session["customer_email"], name=name)
    store.record_event("customer.created", customer)
    session["customer"] = customer["id"]
    return customer


def _subscribe(store: Store, session: Object, customer: Object, method: Object, is_authenticated: bool) -> Object:
    secret = store.secret(session["id"])
    data = secret["subscription_data"]
    trial_days = forms.integer(data, "trial_period_days", 0)
    if trial_days:
        customers.attach(store, method, customer)
        store.put(method, is_authenticated=is_authenticated)
    if "subscription" in secret:  # an earlier card was declined
        subscription = store.objects[secret["subscription"]]
        invoice = store.objects[subscription["latest_invoice"]]
    else:
        [line, *_] = secret["lines"]
        subscription, invoice = subscriptions.begin(
            store,
            customer,
            line["price"],
            quantity=line["quantity"],
            trial_end=store.now() + trial_days * _DAY if trial_days else None,
            metadata=forms.metadata({}, data),
        )
        store.put(session, subscription=subscription["id"])
    subscriptions.settle(store, subscription, invoice, method, is_authenticated=is_authenticated)
    customers.attach(store, method, customer)
    subscription["default_payment_method"] = method["id"]
    store.put(subscription)
    status = "paid" if invoice["amount_paid"] else "no_payment_required"
    return {"subscription": subscription["id"], "invoice": invoice["id"], "payment_status": status}


def _pay_once(store: Store, session: Object, customer: Object, method: Object, is_authenticated: bool) -> Object:
    secret = store.secret(session["id"])
    data = secret["payment_intent_data"]
    creation = session["invoice_creation"]
    if creation["enabled"]:
        if "invoice" in secret:
            invoice = store.objects[secret["invoice"]]
        else:
            now = store.now()
            lines = [invoices.line(one["price"], one["quantity"], start=now, end=now) for one in secret["lines"]]
            metadata = creation["invoice_data"]["metadata"]
            invoice = invoices.new_invoice(store, customer, lines, reason="manual", metadata=metadata)
            store.put(session, invoice=invoice["id"])
        intent = invoices.intent_of(store, invoice)
        intent["metadata"] = forms.metadata(intent["metadata"], data)
        invoices.pay(store, invoice, method, is_authenticated=is_authenticated)
        return {"invoice": invoice["id"], "payment_intent": intent["id"], "payment_status": "paid"}
    if "intent" in secret:
        intent = store.objects[secret["intent"]]
    else:
        intent = payments.new_intent(
            store,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=customer["id"],
            description=data.get("description"),
            metadata=forms.metadata({}, data),
        )
        store.put(session, intent=intent["id"])
    payments.collect(store, intent, method, is_authenticated=is_authenticated)
    return {"payment_intent": intent["id"], "payment_status": "paid"}
