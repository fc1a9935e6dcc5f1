"""Seeds of Stripe's tables as the objects Stripe's API would have sent: only members that the staging models read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion.batch import Document
from ingestion.payments.stripe import document
from tests.dbt_project.seeds.rows import Row, epoch, number, read, text, truth

Body = dict[str, Any]


def charge(row: Row) -> Body:
    return {
        "amount": number(row["amount"]),
        "amount_refunded": number(row["amount_refunded"]),
        "balance_transaction": text(row["balance_transaction_id"]),
        "captured": truth(row["captured"]),
        "customer": text(row["customer_id"]),
        "failure_code": text(row["failure_code"]),
        "payment_intent": text(row["payment_intent_id"]),
        "refunded": truth(row["refunded"]),
        "status": row["status"],
    }


def customer(row: Row) -> Body:
    return {
        "balance": number(row["balance"]),
        "delinquent": truth(row["delinquent"]),
        "email": text(row["email"]),
        "name": text(row["name"]),
    }


def dispute(row: Row) -> Body:
    return {
        "amount": number(row["amount"]),
        "charge": text(row["charge_id"]),
        "evidence_details": {"due_by": epoch(row["evidence_details_due_by"])},
        "reason": row["reason"],
        "status": row["status"],
    }


def balance_transaction(row: Row) -> Body:
    amounts = {name: number(row[name]) for name in ("amount", "fee", "net")}
    return amounts | {
        "available_on": epoch(row["available_on"]),
        "source": text(row["source"]),
        "status": row["status"],
        "type": row["type"],
    }


def invoice(row: Row) -> Body:
    amounts = ("amount_due", "amount_paid", "amount_remaining", "subtotal", "total", "attempt_count")
    return {name: number(row[name]) for name in amounts} | {
        "billing_reason": text(row["billing_reason"]),
        "created": epoch(row["period_start"]),  # the seed has no time of creation
        "customer": text(row["customer_id"]),
        "number": text(row["number"]),
        "parent": {"subscription_details": {"subscription": text(row["subscription_id"])}},
        "period_end": epoch(row["period_end"]),
        "period_start": epoch(row["period_start"]),
        "status": row["status"],
    }


def payment_intent(row: Row) -> Body:
    return {
        "amount": number(row["amount"]),
        "amount_received": number(row["amount_received"]),
        "canceled_at": epoch(row["canceled_at"]),
        "customer": text(row["customer_id"]),
        "status": row["status"],
    }


def payout(row: Row) -> Body:
    return {
        "amount": number(row["amount"]),
        "arrival_date": epoch(row["arrival_date"]),
        "automatic": truth(row["automatic"]),
        "balance_transaction": text(row["balance_transaction_id"]),
        "method": row["method"],
        "status": row["status"],
    }


def price(row: Row) -> Body:
    interval = text(row["recurring_interval"])
    return {
        "active": truth(row["active"]),
        "product": row["product_id"],
        "recurring": interval and {"interval": interval, "interval_count": number(row["recurring_interval_count"])},
        "type": row["type"],
        "unit_amount": number(row["unit_amount"]),
    }


def product(row: Row) -> Body:
    return {"active": truth(row["active"]), "name": row["name"], "updated": epoch(row["updated"])}


def refund(row: Row) -> Body:
    return {
        "amount": number(row["amount"]),
        "balance_transaction": text(row["balance_transaction_id"]),
        "charge": text(row["charge_id"]),
        "reason": text(row["reason"]),
        "status": row["status"],
    }


def subscription(row: Row) -> Body:
    return {
        "cancel_at_period_end": truth(row["cancel_at_period_end"]),
        "canceled_at": epoch(row["canceled_at"]),
        "current_period_end": epoch(row["current_period_end"]),
        "current_period_start": epoch(row["current_period_start"]),
        "customer": text(row["customer_id"]),
        "ended_at": epoch(row["ended_at"]),
        "items": {"object": "list", "data": []},
        "start_date": epoch(row["start_date"]),
        "status": row["status"],
    }


KINDS: dict[str, Callable[[Row], Body]] = {
    "charges": charge,
    "customers": customer,
    "disputes": dispute,
    "balance_transactions": balance_transaction,
    "invoices": invoice,
    "payment_intents": payment_intent,
    "payouts": payout,
    "prices": price,
    "products": product,
    "refunds": refund,
    "subscriptions": subscription,
}


def rows(folder: Path, plural: str) -> list[Row]:
    """Rows of the seed of a kind of objects."""
    return read(folder / f"{plural.removesuffix('s')}_data.csv")


def documents(folder: Path, plural: str) -> list[Document]:
    """The same as objects of the API."""
    return [
        document(
            {"id": row["id"], "object": plural.removesuffix("s"), "created": epoch(row.get("created", ""))}
            | ({"currency": row["currency"]} if row.get("currency") else {})
            | KINDS[plural](row)
            | ({"deleted": True} if truth(row.get("is_deleted", "")) else {})
        )
        for row in rows(folder, plural)
    ]
