"""Refunds of charges, and disputes of them."""

from tests.fakes.stripe import forms, payments
from tests.fakes.stripe.api import Call, endpoint, page
from tests.fakes.stripe.errors import invalid, required
from tests.fakes.stripe.store import Object, Store, make_id

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
DISPUTE_FEE = 1_500
_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


@endpoint("POST", "refunds", accepts="charge payment_intent amount reason metadata")
def create(call: Call) -> Object:
    """POST /v1/refunds, of a charge or of a payment intent's charge; the whole remainder unless `amount` is given."""
    store = call.store
    charge = _charge_of(call)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["refunded"]:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if any(not one["is_charge_refundable"] for one in call.store.all("dispute") if one["charge"] == charge["id"]):
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    amount = forms.integer(call.params, "amount", left, at_least=1) or left
    if amount > left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
    reason = call.params.get("reason") or None
    if reason not in (None, *_REASONS):
        raise invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", param="reason")
    refund: Object = {
        "id": make_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": forms.metadata({}, call.params),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    movement = payments.balance_transaction(
        store,
        amount=-amount,
        fee=0,
        currency=charge["currency"],
        source=refund["id"],
        type_="refund",
        category="refund",
        description="REFUND FOR PAYMENT",
    )
    refund["balance_transaction"] = movement["id"]
    store.put(refund)
    with store.changing(charge, "charge.refunded"):
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    store.record_event("refund.created", refund)
    return refund


def _charge_of(call: Call) -> Object:
    if call.params.get("charge"):
        charge = call.store.find("charge", call.params["charge"], param="charge")
    elif call.params.get("payment_intent"):
        intent = call.store.find("payment_intent", call.params["payment_intent"], param="payment_intent")
        if intent["status"] != "succeeded":
            raise invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        charge = call.store.objects[intent["latest_charge"]]
    else:
        raise required("payment_intent")
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not succeeded; cannot be refunded.", param="charge")
    return charge


@endpoint("GET", "refunds/:id")
def retrieve(call: Call, id_: str) -> Object:
    """GET /v1/refunds/:id."""
    return call.store.find("refund", id_)


@endpoint("GET", "refunds", accepts="charge payment_intent")
def index(call: Call) -> Object:
    """GET /v1/refunds."""
    wanted = {name: call.params[name] for name in ("charge", "payment_intent") if name in call.params}
    return page(call, [one for one in call.store.all("refund") if all(one[key] == wanted[key] for key in wanted)])


def open_dispute(
    store: Store, charge: Object, reason: str = "fraudulent", amount: int | None = None, *, is_inquiry: bool = False
) -> Object:
    """What happens when a cardholder contests a charge, or a part: the money leaves at once, with a fee. For the bank's
    mere inquiry none does."""
    if charge["disputed"] or charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} cannot be disputed.", param="charge")
    dispute: Object = {
        "id": make_id("dp"),
        "object": "dispute",
        "amount": amount or charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": store.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": store.now() + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "chargeback",
                "network": charge["payment_method_details"]["card"]["brand"],
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
    }
    if not is_inquiry:
        _move(store, dispute, -dispute["amount"], DISPUTE_FEE)
    with store.changing(charge, "charge.updated"):
        charge["disputed"] = True
    store.put(dispute)
    store.record_event("charge.dispute.created", dispute)
    if not is_inquiry:
        store.record_event("charge.dispute.funds_withdrawn", dispute)
    return dispute


def escalate(store: Store, dispute: Object) -> Object:
    """The bank's inquiry becomes a dispute: now the money leaves."""
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    _move(store, dispute, -dispute["amount"], DISPUTE_FEE)
    store.record_event("charge.dispute.funds_withdrawn", store.put(dispute))
    store.record_event("charge.dispute.updated", dispute)
    return dispute


def close_dispute(store: Store, dispute: Object, status: str) -> Object:
    """The bank decides: `won` gives the amount back (not the fee), `lost` and an inquiry's `warning_closed` do not."""
    if dispute["status"] in ("won", "lost", "warning_closed"):
        raise invalid("This dispute is already closed.")
    dispute["status"] = status
    if status == "won":
        reinstate(store, dispute)
    store.record_event("charge.dispute.closed", store.put(dispute))
    return dispute


def reinstate(
    store: Store, dispute: Object, fee_back: int = 0, amount: int | None = None, status: str = "won"
) -> Object:  # fmt: skip
    """A dispute is won and its money is back, or the part that was won, and so much of the fee; one that was lost is
    won by this, or stays `lost` where a part alone is back."""
    dispute["status"] = status
    _move(store, dispute, dispute["amount"] if amount is None else amount, -fee_back)
    store.record_event("charge.dispute.funds_reinstated", store.put(dispute))
    return dispute


def _move(store: Store, dispute: Object, amount: int, fee: int) -> None:
    movement = payments.balance_transaction(
        store,
        amount=amount,
        fee=fee,
        currency=dispute["currency"],
        source=dispute["id"],
        type_="adjustment",
        category="dispute" if amount < 0 else "dispute_reversal",
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], dict(movement)]


@endpoint("GET", "disputes/:id")
def retrieve_dispute(call: Call, id_: str) -> Object:
    """GET /v1/disputes/:id."""
    return call.store.find("dispute", id_)


@endpoint("GET", "disputes", accepts="charge payment_intent")
def index_disputes(call: Call) -> Object:
    """GET /v1/disputes."""
    wanted = {name: call.params[name] for name in ("charge", "payment_intent") if name in call.params}
    return page(call, [one for one in call.store.all("dispute") if all(one[key] == wanted[key] for key in wanted)])


@endpoint("POST", "disputes/:id", accepts="evidence submit metadata")
def answer_dispute(call: Call, id_: str) -> Object:
    """POST /v1/disputes/:id; `evidence[uncategorized_text]` winning_evidence or losing_evidence decides it."""
    dispute = call.store.find("dispute", id_)
    evidence = call.params.get("evidence") or {}
    dispute["evidence"] = dispute["evidence"] | evidence
    dispute["metadata"] = forms.metadata(dispute["metadata"], call.params)
    if evidence and forms.boolean(call.params, "submit", True):
        dispute["evidence_details"] |= {
            "has_evidence": True, "submission_count": dispute["evidence_details"]["submission_count"] + 1,
        }  # fmt: skip
        if dispute["status"] == "needs_response":
            dispute["status"] = "under_review"
    call.store.record_event("charge.dispute.updated", call.store.put(dispute))
    verdict = {"winning_evidence": "won", "losing_evidence": "lost"}.get(evidence.get("uncategorized_text", ""))
    if verdict and forms.boolean(call.params, "submit", True):
        close_dispute(call.store, dispute, verdict)
    return dispute


@endpoint("POST", "disputes/:id/close")
def accept_dispute(call: Call, id_: str) -> Object:
    """POST /v1/disputes/:id/close: the merchant accepts the loss."""
    return close_dispute(call.store, call.store.find("dispute", id_), "lost")
