"""Customers, and the cards saved to them."""

from datetime import UTC, datetime
from typing import Any

from tests.fakes.stripe import forms
from tests.fakes.stripe.api import EXPANDED_LISTS, Call, endpoint, listed, page
from tests.fakes.stripe.cards import CARDS, TOKENS, TestCard, luhn_is_valid
from tests.fakes.stripe.errors import declined, invalid, required
from tests.fakes.stripe.store import Object, Store, make_id

_FIELDS = "email name phone description metadata payment_method invoice_settings address preferred_locales balance"
_CODES = {"4": "visa", "5": "mastercard", "3": "amex"}
DELETED = "_deleted_customer"
"""Kind of what is kept of a deleted customer: no list and no other endpoint finds it."""
NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


@endpoint("POST", "customers", accepts=_FIELDS)
def create(call: Call) -> Object:
    """POST /v1/customers."""
    customer = new_customer(call.store)
    _fill(call, customer)
    if call.params.get("payment_method"):
        attach(call.store, payment_method(call.store, call.params["payment_method"], "payment_method"), customer)
    call.store.put(customer)
    call.store.record_event("customer.created", customer)
    return customer


def new_customer(store: Store, **given: Any) -> Object:
    """A customer, kept but not announced."""
    customer: Object = {
        "id": make_id("cus", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": store.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": make_id("", 8).strip("_").upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    } | given
    return store.put(customer)


def _fill(call: Call, customer: Object) -> None:
    for name in ("email", "name", "phone", "description"):
        if name in call.params:
            customer[name] = call.params[name] or None
    if customer["email"] and "@" not in customer["email"]:
        raise invalid(f"Invalid email address: {customer['email']}", param="email", code="email_invalid")
    if isinstance(call.params.get("address"), dict):
        customer["address"] = NO_ADDRESS | call.params["address"]
    settings = call.params.get("invoice_settings")
    if isinstance(settings, dict) and "default_payment_method" in settings:
        method = call.store.find("payment_method", settings["default_payment_method"], param="invoice_settings")
        if method["customer"] != customer["id"]:
            raise invalid("The customer does not have a payment method with that ID.", code="resource_missing")
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    customer["metadata"] = forms.metadata(customer["metadata"], call.params)


@endpoint("GET", "customers", accepts="email")
def index(call: Call) -> Object:
    """GET /v1/customers."""
    wanted = call.params.get("email")
    return page(call, [one for one in call.store.all("customer") if wanted is None or one["email"] == wanted])


@endpoint("GET", "customers/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/customers/:id; of a deleted one only that it is deleted."""
    found = call.store.objects.get(id_, {})
    if found.get("object") == DELETED:
        return {"id": id_, "object": "customer", "deleted": True}
    return call.store.find("customer", id_)


@endpoint("POST", "customers/:id", accepts=_FIELDS)
def update(call: Call, id_: str) -> Object:
    """POST /v1/customers/:id."""
    with call.store.changing(call.store.find("customer", id_), "customer.updated") as customer:
        _fill(call, customer)
    return customer


@endpoint("DELETE", "customers/:id")
def delete(call: Call, id_: str) -> Object:
    """DELETE /v1/customers/:id."""
    customer = call.store.find("customer", id_)
    call.store.remove(id_)
    call.store.put({"id": id_, "object": DELETED})
    call.store.record_event("customer.deleted", customer)
    return {"id": id_, "object": "customer", "deleted": True}


@endpoint("GET", "customers/:id/payment_methods", accepts="type")
def index_of_customer(call: Call, id_: str) -> Object:
    """GET /v1/customers/:id/payment_methods."""
    call.store.find("customer", id_)
    return page(call, [one for one in call.store.all("payment_method") if one["customer"] == id_])


@endpoint("POST", "payment_methods", accepts="card billing_details metadata", requires="type")
def create_method(call: Call) -> Object:
    """POST /v1/payment_methods, with a test card number or a `tok_…` token."""
    card = call.params.get("card")
    if not isinstance(card, dict):
        raise required("card")
    number = card.get("number") or TOKENS.get("pm_card_" + card.get("token", "").removeprefix("tok_"), "")
    year = forms.integer(card, "exp_year", datetime.now(UTC).year + 3) or 0
    method = new_method(call.store, number, forms.integer(card, "exp_month", 12) or 0, year, card.get("cvc", "123"))
    method["metadata"] = forms.metadata({}, call.params)
    return method


def new_method(store: Store, number: str, month: int, year: int, cvc: str, **billing: Any) -> Object:
    """A card as a payment method.

    Raises:
        StripeError: `incorrect_number`, `invalid_expiry_month`, `invalid_expiry_year`, `invalid_cvc`.
    """
    number = number.replace(" ", "").replace("-", "")
    if not luhn_is_valid(number):
        raise declined("incorrect_number", None, "Your card number is incorrect.", param="number")
    if not 1 <= month <= 12:
        raise declined("invalid_expiry_month", None, "Your card's expiration month is invalid.", param="exp_month")
    today = datetime.fromtimestamp(store.now(), UTC)
    year += 2000 if year < 100 else 0
    if (year, month) < (today.year, today.month) or year > today.year + 50:
        raise declined("invalid_expiry_year", None, "Your card's expiration year is invalid.", param="exp_year")
    if not (cvc.isdigit() and len(cvc) in (3, 4)):
        raise declined("invalid_cvc", None, "Your card's security code is invalid.", param="cvc")
    card = CARDS.get(number) or TestCard(brand=_CODES.get(number[0], "unknown"))
    method: Object = {
        "id": make_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
        | billing,
        "card": {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": make_id("", 16).strip("_"),
            "funding": card.funding,
            "generated_from": None,
            "last4": number[-4:],
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": store.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    return store.put(method, number=number if number in CARDS else "4242424242424242")


def payment_method(store: Store, id_: str, param: str) -> Object:
    """The payment method of this id; a test token such as `pm_card_visa` makes a new one."""
    if id_ in TOKENS:
        return new_method(store, TOKENS[id_], 12, datetime.now(UTC).year + 3, "123")
    return store.find("payment_method", id_, param=param)


def card_of(store: Store, method: Object) -> TestCard:
    """How the payment method's card behaves."""
    return CARDS[store.secret(method["id"])["number"]]


def attach(store: Store, method: Object, customer: Object) -> Object:
    """Save the card to the customer.

    Raises:
        StripeError: a card_error, when the bank refuses even that.
    """
    reason = card_of(store, method).on_attach
    if reason:
        raise declined(reason.code, reason.decline_code, reason.message)
    if method["customer"] not in (None, customer["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.")
    if method["customer"] is None:
        method["customer"] = customer["id"]
        store.put(method)
        store.record_event("payment_method.attached", method)
    return method


@endpoint("GET", "payment_methods/:id")
def retrieve_method(call: Call, id_: str) -> Object:
    """GET /v1/payment_methods/:id."""
    return call.store.find("payment_method", id_)


@endpoint("GET", "payment_methods", accepts="customer type")
def index_methods(call: Call) -> Object:
    """GET /v1/payment_methods?customer=…."""
    wanted = call.params.get("customer")
    return page(call, [one for one in call.store.all("payment_method") if one["customer"] == wanted])


@endpoint("POST", "payment_methods/:id/attach", requires="customer")
def attach_method(call: Call, id_: str) -> Object:
    """POST /v1/payment_methods/:id/attach."""
    customer = call.store.find("customer", call.params["customer"], param="customer")
    return attach(call.store, payment_method(call.store, id_, "id"), customer)


@endpoint("POST", "payment_methods/:id/detach")
def detach_method(call: Call, id_: str) -> Object:
    """POST /v1/payment_methods/:id/detach."""
    method = call.store.find("payment_method", id_)
    if method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    method["customer"] = None
    call.store.record_event("payment_method.detached", call.store.put(method))
    return method


def _subscriptions_of(store: Store, customer: Object) -> Object:
    mine = [one for one in store.all("subscription") if one["customer"] == customer["id"] and one["ended_at"] is None]
    return listed(mine[::-1], f"/v1/customers/{customer['id']}/subscriptions")


EXPANDED_LISTS["customer", "subscriptions"] = _subscriptions_of
