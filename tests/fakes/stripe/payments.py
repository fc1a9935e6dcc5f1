"""Payment intents, the charges they make, and the balance those charges fill."""

from typing import Any

from tests.fakes.stripe import customers, forms
from tests.fakes.stripe.api import EXPANDED_LISTS, Call, endpoint, listed, page
from tests.fakes.stripe.cards import Decline
from tests.fakes.stripe.errors import StripeError, declined, invalid
from tests.fakes.stripe.store import Object, Store, make_id

_FEES = {"usd": (290, 30), "eur": (150, 25), "gbp": (150, 20), "vnd": (290, 0)}
"""Fee of a charge: basis points, and a fixed part in minor units."""
AUTHENTICATION = Decline(
    "authentication_required", "authentication_required", "Your card was declined. This transaction requires "
    "authentication.",
)  # fmt: skip
_MINIMUM = 1
_LEAST = {"eur": 50, "usd": 50, "chf": 50, "gbp": 30, "jpy": 50}
"""What a card can be charged at least, by currency; of those that Stripe names none for there is no limit here."""


def fee_of(amount: int, currency: str) -> int:
    """Stripe's fee for a charge, rounded half up to the minor unit."""
    points, fixed = _FEES.get(currency, (290, 0))
    return (amount * points + 5_000) // 10_000 + fixed


def balance_transaction(
    store: Store, *, amount: int, fee: int, currency: str, source: str, type_: str, category: str, description: str
) -> Object:
    """A movement of the balance: `net = amount - fee`."""
    transaction: Object = {
        "id": make_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": store.now() + 2 * 86_400,
        "balance_type": "payments",
        "created": store.now(),
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Dispute fee" if category == "dispute" else "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": type_,
    }
    return store.put(transaction)


def new_intent(store: Store, *, amount: int, currency: str, customer: str | None, **given: Any) -> Object:
    """A payment intent that waits for a payment method, kept and announced."""
    id_ = make_id("pi")
    intent: Object = {
        "id": id_,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id_}_secret_{make_id('', 25).strip('_')}",
        "confirmation_method": "automatic",
        "created": store.now(),
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    } | given
    store.put(intent)
    store.record_event("payment_intent.created", intent)
    return intent


def collect(store: Store, intent: Object, method: Object, *, is_authenticated: bool = False) -> Object:
    """Charge the payment method for the intent.

    Returns:
        The charge that succeeded.

    Raises:
        StripeError: a card_error; the failed charge and the intent's `last_payment_error` stay on record.
    """
    card = customers.card_of(store, method)
    reason = card.on_charge
    if is_authenticated:
        store.put(method, is_authenticated=True)  # from now on it may be charged off-session
    if card.needs_authentication and not store.secret(method["id"]).get("is_authenticated"):
        reason = AUTHENTICATION
    charge = _new_charge(store, intent, method, reason)
    if reason:
        error = declined(
            reason.code, reason.decline_code, reason.message, charge=charge["id"], payment_method=dict(method)
        )
        intent["last_payment_error"] = error.members | {"type": error.type}
        intent["payment_method"] = None
        intent["status"] = "requires_payment_method"
        intent["latest_charge"] = charge["id"]
        store.put(intent)
        store.record_event("charge.failed", charge)
        store.record_event("payment_intent.payment_failed", intent)
        error.members["payment_intent"] = dict(intent)
        raise error
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "payment_method": method["id"],
        "last_payment_error": None,
        "next_action": None,
    }
    store.put(intent)
    store.record_event("charge.succeeded", charge)
    store.record_event("payment_intent.succeeded", intent)
    return charge


def _new_charge(store: Store, intent: Object, method: Object, reason: Decline | None) -> Object:
    card = method["card"]
    charge: Object = {
        "id": make_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if reason else intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "PLYO",
        "captured": not reason,
        "created": store.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": reason.code if reason else None,
        "failure_message": reason.message if reason else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": {
            "advice_code": "try_again_later" if reason else None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "declined_by_network" if reason else "approved_by_network",
            "reason": reason.decline_code if reason else None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": reason.message if reason else "Payment complete.",
            "type": "issuer_declined" if reason else "authorized",
        },
        "paid": not reason,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "card": {name: card[name] for name in _CHARGED_CARD} | {"network": card["brand"], "mandate": None},
            "type": "card",
        },
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if reason else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }
    if not reason:
        movement = balance_transaction(
            store,
            amount=charge["amount"],
            fee=fee_of(charge["amount"], charge["currency"]),
            currency=charge["currency"],
            source=charge["id"],
            type_="charge",
            category="charge",
            description=charge["description"] or "Payment",
        )
        charge["balance_transaction"] = movement["id"]
    return store.put(charge)


_CHARGED_CARD = (
    "brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "regulated_status",
    "wallet",
)  # fmt: skip


@endpoint(
    "POST",
    "payment_intents",
    accepts="customer payment_method confirm off_session description metadata receipt_email automatic_payment_methods"
    " payment_method_types setup_future_usage",
    requires="amount currency",
)
def create(call: Call) -> Object:
    """POST /v1/payment_intents."""
    amount = forms.integer(call.params, "amount", at_least=_MINIMUM) or 0
    if amount < _LEAST.get(call.params["currency"].lower(), 1):
        raise invalid("The amount is less than can be charged.", param="amount", code="amount_too_small")
    customer = call.params.get("customer")
    if customer:
        call.store.find("customer", customer, param="customer")
    intent = new_intent(
        call.store,
        amount=amount,
        currency=call.params["currency"].lower(),
        customer=customer,
        description=call.params.get("description"),
        metadata=forms.metadata({}, call.params),
        receipt_email=call.params.get("receipt_email"),
        setup_future_usage=call.params.get("setup_future_usage"),
    )
    if call.params.get("payment_method"):
        method = customers.payment_method(call.store, call.params["payment_method"], "payment_method")
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        call.store.put(intent)
    if forms.boolean(call.params, "confirm"):
        confirm_intent(call, intent)
    return intent


def confirm_intent(call: Call, intent: Object) -> Object:
    """Try to collect with the intent's payment method; an on-session card may ask for authentication."""
    if intent["payment_method"] is None:
        raise StripeError(
            400,
            "invalid_request_error",
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            payment_intent=dict(intent),
        )
    method = call.store.find("payment_method", intent["payment_method"])
    off_session = forms.boolean(call.params, "off_session")
    if customers.card_of(call.store, method).needs_authentication and not off_session:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        call.store.record_event("payment_intent.requires_action", call.store.put(intent))
        return intent
    collect(call.store, intent, method)
    return intent


@endpoint("POST", "payment_intents/:id/confirm", accepts="payment_method off_session return_url")
def confirm(call: Call, id_: str) -> Object:
    """POST /v1/payment_intents/:id/confirm."""
    intent = call.store.find("payment_intent", id_)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise _unexpected(intent, "confirm")
    if call.params.get("payment_method"):
        intent["payment_method"] = customers.payment_method(
            call.store, call.params["payment_method"], "payment_method"
        )["id"]
    return confirm_intent(call, intent)


@endpoint("POST", "payment_intents/:id/cancel", accepts="cancellation_reason")
def cancel(call: Call, id_: str) -> Object:
    """POST /v1/payment_intents/:id/cancel."""
    intent = call.store.find("payment_intent", id_)
    if intent["status"] in ("succeeded", "canceled"):
        raise _unexpected(intent, "cancel")
    intent |= {
        "status": "canceled",
        "canceled_at": call.now,
        "cancellation_reason": call.params.get("cancellation_reason"),
    }
    call.store.record_event("payment_intent.canceled", call.store.put(intent))
    return intent


def _unexpected(intent: Object, verb: str) -> StripeError:
    return StripeError(
        400,
        "invalid_request_error",
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=dict(intent),
    )


@endpoint("GET", "payment_intents/:id", accepts="client_secret")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/payment_intents/:id."""
    return call.store.find("payment_intent", id_)


@endpoint("GET", "payment_intents", accepts="customer")
def index(call: Call) -> Object:
    """GET /v1/payment_intents."""
    return page(call, _of(call, "payment_intent", "customer"))


@endpoint("GET", "charges", accepts="customer payment_intent")
def index_charges(call: Call) -> Object:
    """GET /v1/charges."""
    return page(call, _of(call, "charge", "customer", "payment_intent"))


@endpoint("GET", "charges/:id")
def retrieve_charge(call: Call, id_: str) -> Object:
    """GET /v1/charges/:id."""
    return call.store.find("charge", id_)


@endpoint("GET", "balance_transactions", accepts="currency payout source type")
def index_movements(call: Call) -> Object:
    """GET /v1/balance_transactions; `payout` is for automatic ones, which know what they took along."""
    found = _of(call, "balance_transaction", "currency", "source", "type")
    if "payout" in call.params:
        found = [one for one in found if call.store.secret(one["id"]).get("payout") == call.params["payout"]]
    return page(call, found)


@endpoint("GET", "balance_transactions/:id")
def retrieve_movement(call: Call, id_: str) -> Object:
    """GET /v1/balance_transactions/:id."""
    return call.store.find("balance_transaction", id_)


def _of(call: Call, kind: str, *filters: str) -> list[Object]:
    wanted = {name: call.params[name] for name in filters if name in call.params}
    return [one for one in call.store.all(kind) if all(one[name] == value for name, value in wanted.items())]


def refunds_of(store: Store, charge: Object) -> Object:
    """The list that `charge.refunds` expands to."""
    mine = [one for one in store.all("refund") if one["charge"] == charge["id"]]
    return listed(mine[::-1], f"/v1/charges/{charge['id']}/refunds")


EXPANDED_LISTS["charge", "refunds"] = refunds_of
