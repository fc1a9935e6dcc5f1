"""Payouts of the balance to a bank account. Simpler than Stripe: the money arrives at once and may be pending."""

from typing import Any

from tests.fakes.stripe import forms, payments
from tests.fakes.stripe.api import Call, endpoint, page
from tests.fakes.stripe.errors import invalid
from tests.fakes.stripe.store import Object, Store, make_id

_BANK_ACCOUNT = "ba_1PlyoBankAccount0000000"


@endpoint("POST", "payouts", accepts="description metadata method statement_descriptor", requires="amount currency")
def create(call: Call) -> Object:
    """POST /v1/payouts, at most what the balance of the currency holds."""
    store = call.store
    amount = forms.integer(call.params, "amount", at_least=1) or 0
    currency = str(call.params["currency"]).lower()
    if amount > sum(one["net"] for one in store.all("balance_transaction") if one["currency"] == currency):
        raise invalid(
            "You have insufficient funds in your Stripe account for this transfer.", code="balance_insufficient"
        )
    return _send(store, amount, currency, call.params)


def automatic(store: Store, currency: str) -> Object:
    """Pay out all that the balance of a currency holds, as Stripe does by itself: the payout knows its lines."""
    lines = [
        one
        for one in store.all("balance_transaction")
        if one["currency"] == currency and "payout" not in store.secret(one["id"])
    ]
    payout = _send(store, sum(one["net"] for one in lines), currency, {}, is_automatic=True)
    for one in (*lines, store.find("balance_transaction", payout["balance_transaction"])):
        store.put(one, payout=payout["id"])
    return payout


def _send(store: Store, amount: int, currency: str, given: dict[str, Any], *, is_automatic: bool = False) -> Object:
    payout: Object = {
        "id": make_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": store.now(),
        "automatic": is_automatic,
        "balance_transaction": None,
        "created": store.now(),
        "currency": currency,
        "description": given.get("description"),
        "destination": _BANK_ACCOUNT,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": forms.metadata({}, given),
        "method": given.get("method", "standard"),
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": given.get("statement_descriptor"),
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }
    movement = payments.balance_transaction(
        store,
        amount=-amount,
        fee=0,
        currency=currency,
        source=payout["id"],
        type_="payout",
        category="payout",
        description="STRIPE PAYOUT",
    )
    payout["balance_transaction"] = movement["id"]
    store.record_event("payout.created", store.put(payout))
    with store.changing(payout, "payout.paid"):
        payout["status"] = "paid"
    return payout


@endpoint("GET", "payouts", accepts="arrival_date destination status")
def index(call: Call) -> Object:
    """GET /v1/payouts."""
    wanted = {name: call.params[name] for name in ("destination", "status") if name in call.params}
    return page(call, [one for one in call.store.all("payout") if all(one[key] == wanted[key] for key in wanted)])


@endpoint("GET", "payouts/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/payouts/:id."""
    return call.store.find("payout", id_)


@endpoint("GET", "balance")
def balance(call: Call) -> Object:
    """GET /v1/balance: what is there in each currency; all of it is available at once."""
    sums: dict[str, int] = {}
    for one in call.store.all("balance_transaction"):
        sums[one["currency"]] = sums.get(one["currency"], 0) + one["net"]
    held = sorted(sums.items()) or [("usd", 0)]
    return {
        "available": [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}} for currency, amount in held
        ],
        "connect_reserved": [{"amount": 0, "currency": currency} for currency, _ in held],
        "livemode": False,
        "object": "balance",
        "pending": [{"amount": 0, "currency": currency, "source_types": {"card": 0}} for currency, _ in held],
    }
