"""Suites of the raw tables that connectors fill, for what dbt reads from them and would get wrong in silence.

Only what the source's own documentation promises is expected: a new status of a provider is a row to look at, not one
to lose, so it is put aside with its reason and can be driven in again once the suite knows it.
"""

from collections.abc import Mapping

from ingestion.quality.suite import Expectation, Suite, among, between, matching, plausible, told

_PRESENT = "not _deleted"
_CURRENCY = "^[a-z]{3}$"


def _text(path: str) -> str:
    return f"document->>'$.{path}'"


def _number(path: str) -> str:
    return f"try_cast(document->>'$.{path}' as double)"


def _whole(path: str) -> str:
    """A whole number; anything else, `12.5` and `"a"` among it, reads as missing."""
    text = _text(path)
    return f"case when regexp_full_match({text}, '-?[0-9]{{1,18}}') then ({text})::bigint end"


def _stripe(kind: str, fields: Mapping[str, str], *expectations: Expectation) -> Suite:
    common: dict[str, str] = {"id": "id", "object": _text("object"), "created": _whole("created")}
    return Suite(
        {**common, **fields},
        (told("id"), told("object"), among("object", kind), told("created"), plausible("created"), *expectations),
        where=_PRESENT,
    )


def _money(kind: str, *more: Expectation, amount: str = "amount", is_signed: bool = False, **fields: str) -> Suite:
    return _stripe(
        kind,
        {amount: _whole(amount), "currency": _text("currency")} | fields,
        told(amount), *(() if is_signed else (between(amount, 0, None),)), told("currency"),
        matching("currency", _CURRENCY, "currency of three letters"), *more,
    )  # fmt: skip


def _hubspot(*expectations: Expectation, **fields: str) -> Suite:
    common = {"id": "id", "version": "epoch(_version)"}
    return Suite(
        {**common, **fields},
        (told("id"), matching("id", "^[0-9A-Za-z:/_-]{1,100}$", "id of HubSpot"), plausible("version"), *expectations),
        where=_PRESENT,
    )


_CHARGE = ("succeeded", "pending", "failed")
_REFUND = ("succeeded", "pending", "failed", "requires_action", "canceled")
_INTENT = (
    "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture", "canceled",
    "succeeded",
)  # fmt: skip
_SUBSCRIPTION = (
    "incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused",
)  # fmt: skip
_DISPUTE = (
    "warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review", "won", "lost",
    "prevented",
)  # fmt: skip
_STATUS = _text("status")

SUITES: Mapping[str, Suite] = {
    "stripe__events": _stripe(
        "event", {"type": _text("type"), "subject": _text("data.object")}, told("type"), told("subject")
    ),
    "stripe__customers": _stripe("customer", {}),
    "stripe__products": _stripe("product", {"name": _text("name")}, told("name")),
    "stripe__prices": _stripe(
        "price",
        {"currency": _text("currency"), "type": _text("type"), "product": _text("product")},
        told("currency"),
        matching("currency", _CURRENCY, "currency of three letters"),
        told("type"),
        among("type", "one_time", "recurring"),
        told("product"),
    ),
    "stripe__subscriptions": _stripe(
        "subscription",
        {"status": _STATUS, "customer": _text("customer")},
        told("status"),
        among("status", *_SUBSCRIPTION),
        told("customer"),
    ),
    "stripe__invoices": _money(
        "invoice",
        among("status", "draft", "open", "paid", "uncollectible", "void"),
        amount="total",
        is_signed=True,
        status=_STATUS,
    ),
    "stripe__payment_intents": _money("payment_intent", told("status"), among("status", *_INTENT), status=_STATUS),
    "stripe__charges": _money(
        "charge",
        told("status"),
        among("status", *_CHARGE),
        between("amount_refunded", 0, None),
        status=_STATUS,
        amount_refunded=_whole("amount_refunded"),
    ),
    "stripe__refunds": _money("refund", among("status", *_REFUND), status=_STATUS),
    "stripe__disputes": _money("dispute", told("status"), among("status", *_DISPUTE), status=_STATUS),
    "stripe__balance_transactions": _money(
        "balance_transaction",
        told("net"),
        told("fee"),
        told("type"),
        Expectation(
            "expect_column_values_to_be_in_set",
            {"column": "unexplained", "value_set": [0]},
            "net is not amount less fee",
        ),
        is_signed=True,
        net=_whole("net"),
        fee=_whole("fee"),
        type=_text("type"),
        unexplained=f"({_whole('amount')}) - ({_whole('fee')}) - ({_whole('net')})",
    ),
    "stripe__payouts": _money(
        "payout",
        told("status"),
        among("status", "paid", "pending", "in_transit", "canceled", "failed"),
        is_signed=True,
        status=_STATUS,
    ),
    "momo__settlements": Suite(
        {"file_hash": "file_hash", "line_number": "line_number"}, (told("file_hash"), between("line_number", 1, None))
    ),
    "hubspot__contacts": _hubspot(
        matching("email", r"^[^@\s]+@[^@\s]+$", "address"),
        email=_text("properties.email"),
    ),
    "hubspot__companies": _hubspot(),
    "hubspot__deals": _hubspot(between("amount", 0, None), amount=_number("properties.amount")),
    "hubspot__owners": _hubspot(),
    "hubspot__pipelines": _hubspot(),
    "hubspot__associations": _hubspot(told("from_type"), from_type=_text("from_type")),
    **{f"hubspot__{kind}": _hubspot() for kind in ("calls", "emails", "meetings", "notes", "tasks", "communications")},
}
"""By raw table. A test holds that every table of every connector has one, or is itself what was refused."""
