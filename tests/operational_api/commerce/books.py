"""A month of business whose books agree, and thirty faults to plant in it. What finds them is `test_reconcile`."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.models import (
    Customer,
    Dispute,
    Invoice,
    LedgerJournal,
    LedgerLine,
    Payment,
    ProviderMovement,
    ProviderPayout,
    Refund,
)
from operational_api.commerce.reconcile import Span

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
MARCH = Span("stripe", START, END, is_live=True, tells_fees=True)
Row = dict[str, Any]


@dataclass
class Month:
    """A month of business as rows of both sides, agreeing; faults change rows before `save` writes them."""

    rng: random.Random
    provider: str = "stripe"
    customers: list[Row] = field(default_factory=list)
    invoices: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    disputes: list[Row] = field(default_factory=list)
    movements: list[Row] = field(default_factory=list)
    payouts: list[Row] = field(default_factory=list)
    unbooked: set[UUID] = field(default_factory=set)

    @classmethod
    def clean(cls, rng: random.Random, sales: int = 12, provider: str = "stripe") -> "Month":
        month = cls(rng, provider)
        for number in range(sales):
            month.sell(number)
        month.pay_out()
        return month

    def sell(self, number: int) -> None:
        """One sale: paid at once, after a failure, or never; then perhaps given back in parts or disputed."""
        rng = self.rng
        currency = rng.choice(["EUR", "EUR", "USD", "VND"])
        total = rng.randint(1_000, 50_000) * (100 if currency == "VND" else 1)
        at = START + timedelta(seconds=rng.randint(3_600, 30 * 86_400))
        customer = {"id": new_id(), "currency": currency, "stripe_customer_id": f"cus_{new_id().hex}"}
        invoice = {
            "id": new_id(), "number": new_id().hex, "customer_id": customer["id"], "status": "paid",
            "currency": currency, "subtotal_minor": total, "tax_minor": 0, "total_minor": total, "issued_at": at,
            "due_at": at, "paid_at": at,
        }  # fmt: skip
        payment = {
            "id": new_id(), "invoice_id": invoice["id"], "customer_id": customer["id"], "provider": self.provider,
            "provider_payment_id": f"pi_{new_id().hex}", "attempt": 1, "status": "captured", "amount_minor": total,
            "fee_minor": total // 70 + 25, "currency": currency, "attempted_at": at, "captured_at": at,
        }  # fmt: skip
        self.customers.append(customer)
        self.invoices.append(invoice)
        if number % 5 == 4:
            failed = payment | {"id": new_id(), "status": "failed", "fee_minor": 0, "captured_at": None}
            payment["attempt"] = 2
            self.payments.append(failed)
        self.payments.append(payment)
        if number % 7 == 6:
            payment |= {"status": "failed", "captured_at": None, "fee_minor": 0}
            invoice |= {"status": "open", "paid_at": None}
            return
        self.movement(payment, "payment", total, fee=payment["fee_minor"], occurred_at=at + self.soon())
        if number % 3 == 1:
            for part in (total // 3, total - total // 3) if number % 2 else (total // 4,):
                self.give_back(payment, part, at)
        elif number % 3 == 2:
            self.contest(payment, at, rng.choice(["needs_response", "won", "lost"]))

    def soon(self) -> timedelta:
        return timedelta(seconds=self.rng.randint(0, 2 * 86_400))

    def movement(self, payment: Row, kind: str, amount: int, **given: Any) -> Row:
        row = {
            "provider": self.provider, "id": f"txn_{new_id().hex}", "kind": kind,
            "source_id": payment["provider_payment_id"], "object_id": given.pop("object_id", f"ch_{new_id().hex}"),
            "amount_minor": amount, "currency": payment["currency"], "settled_minor": amount,
            "settled_currency": payment["currency"], "fee_minor": given.pop("fee", 0), "exchange_rate": None,
            "provider_customer_id": self.customer_of(payment)["stripe_customer_id"] if kind == "payment" else None,
            "payout_id": None, "is_live": True, **given,
        }  # fmt: skip
        self.movements.append(row)
        return row

    def customer_of(self, payment: Row) -> Row:
        return next(one for one in self.customers if one["id"] == payment["customer_id"])

    def give_back(self, payment: Row, amount: int, at: datetime) -> None:
        row = {
            "id": new_id(), "payment_id": payment["id"], "customer_id": payment["customer_id"],
            "amount_minor": amount, "currency": payment["currency"], "reason": "Ill", "status": "succeeded",
            "provider_refund_id": f"re_{new_id().hex}", "refunded_at": at + self.soon(),
        }  # fmt: skip
        self.refunds.append(row)
        at = row["refunded_at"]
        self.movement(payment, "refund", -amount, object_id=row["provider_refund_id"], occurred_at=at)

    def contest(self, payment: Row, at: datetime, status: str) -> None:
        row = {
            "id": new_id(), "payment_id": payment["id"], "customer_id": payment["customer_id"],
            "amount_minor": payment["amount_minor"], "currency": payment["currency"], "reason": "fraudulent",
            "status": status, "provider_dispute_id": f"dp_{new_id().hex}", "opened_at": at + self.soon(),
        }  # fmt: skip
        self.disputes.append(row)
        amount, when = payment["amount_minor"], row["opened_at"]
        self.movement(payment, "dispute", -amount, fee=1500, object_id=row["provider_dispute_id"], occurred_at=when)
        if status == "won":
            self.movement(
                payment,
                "dispute_reversal",
                amount,
                object_id=row["provider_dispute_id"],
                occurred_at=when + self.soon(),
            )

    def pay_out(self) -> None:
        """Each currency's payments of the first half of the month leave for the bank as one payout."""
        for currency in sorted({one["currency"] for one in self.movements}):
            mine = [
                one
                for one in self.movements
                if one["currency"] == currency and one["kind"] == "payment" and one["occurred_at"].day < 15
            ]
            if not mine:
                continue
            id_, total = f"po_{new_id().hex}", sum(one["settled_minor"] - one["fee_minor"] for one in mine)
            for one in mine:
                one["payout_id"] = id_
            at = START + timedelta(days=16)
            self.payouts.append(
                {
                    "provider": self.provider, "id": id_, "amount_minor": total, "currency": currency, "status": "paid",
                    "sent_at": at, "arrives_at": at + timedelta(days=2),
                }
            )  # fmt: skip
            self.movements.append(
                self.movements[0]
                | {
                    "id": f"txn_{new_id().hex}", "kind": "payout", "source_id": id_, "object_id": id_,
                    "amount_minor": -total, "settled_minor": -total, "fee_minor": 0, "payout_id": None,
                    "currency": currency, "settled_currency": currency, "occurred_at": at,
                    "provider_customer_id": None,
                }
            )  # fmt: skip

    def captured(self) -> Row:
        """A payment that went well, of which nothing was given back, and whose money has not left for the bank."""
        busy = {one["payment_id"] for one in (*self.refunds, *self.disputes)}
        sent = {one["source_id"] for one in self.movements if one["payout_id"]}
        return next(
            one
            for one in self.payments
            if one["status"] == "captured" and one["id"] not in busy and one["provider_payment_id"] not in sent
        )

    def line(self, payment: Row, kind: str = "payment") -> Row:
        return next(
            one for one in self.movements if one["kind"] == kind and one["source_id"] == payment["provider_payment_id"]
        )

    def save(self, session: Session) -> None:
        tables: tuple[tuple[Any, list[Row]], ...] = (
            (Customer, self.customers), (Invoice, self.invoices), (Payment, self.payments), (Refund, self.refunds),
            (Dispute, self.disputes), (ProviderMovement, self.movements), (ProviderPayout, self.payouts),
        )  # fmt: skip
        for model, rows in tables:
            if rows:
                session.execute(insert(model), rows)
        journals, lines = [], []
        for one in self.payments:
            if one["status"] != "captured" or one["id"] in self.unbooked:
                continue
            journal = {
                "id": new_id(), "kind": "payment_captured", "source_type": "payment", "source_id": one["id"],
                "posted_at": one["captured_at"],
            }  # fmt: skip
            journals.append(journal)
            lines += [
                {
                    "id": new_id(), "journal_id": journal["id"], "account": line.account,
                    "customer_id": one["customer_id"], "amount_minor": line.amount_minor, "currency": one["currency"],
                }
                for line in ledger.payment_captured(
                    amount_minor=one["amount_minor"], fee_minor=one["fee_minor"],
                    balance=ledger.balance_at(self.provider),
                )
            ]  # fmt: skip
        session.execute(insert(LedgerJournal), journals)
        session.execute(insert(LedgerLine).values(lines))


Plant = Callable[[Month], str]
PLANTS: dict[str, Plant] = {}


def plant(kind: str) -> Callable[[Plant], Plant]:
    """A fault: changes a clean month and says what it is about."""

    def keep(function: Plant) -> Plant:
        PLANTS[kind] = function
        return function

    return keep


def subject_of(payment: Row) -> str:
    return str(payment["provider_payment_id"])


@plant("missing_at_us")
def _(month: Month) -> str:
    payment = month.captured()
    month.payments.remove(payment)
    return subject_of(payment)


@plant("missing_at_provider")
def _(month: Month) -> str:
    payment = month.captured()
    month.movements.remove(month.line(payment))
    return subject_of(payment)


@plant("duplicate_at_us")
def _(month: Month) -> str:
    payment = month.captured()
    month.payments.append(payment | {"id": new_id(), "attempt": 9})
    return subject_of(payment)


@plant("duplicate_at_provider")
def _(month: Month) -> str:
    payment = month.captured()
    month.movements.append(month.line(payment) | {"id": f"txn_{new_id().hex}"})
    return subject_of(payment)


@plant("wrong_amount")
def _(month: Month) -> str:
    payment = month.captured()
    line = month.line(payment)
    line["amount_minor"] = line["settled_minor"] = line["amount_minor"] + 500
    return subject_of(payment)


@plant("rounding")
def _(month: Month) -> str:
    payment = month.captured()
    line = month.line(payment)
    line["amount_minor"] = line["settled_minor"] = line["amount_minor"] - 1
    return subject_of(payment)


@plant("wrong_fee")
def _(month: Month) -> str:
    payment = month.captured()
    month.line(payment)["fee_minor"] += 7
    return subject_of(payment)


@plant("wrong_currency")
def _(month: Month) -> str:
    payment = month.captured()
    line = month.line(payment)
    line["currency"] = line["settled_currency"] = "CHF"
    return subject_of(payment)


@plant("fx_difference")
def _(month: Month) -> str:
    payment = month.captured()
    month.line(payment).update(settled_currency="GBP", settled_minor=123, exchange_rate=0.9)
    return subject_of(payment)


@plant("late")
def _(month: Month) -> str:
    payment = month.captured()
    month.line(payment)["occurred_at"] = payment["captured_at"] + timedelta(days=3, seconds=1)
    return subject_of(payment)


@plant("wrong_customer")
def _(month: Month) -> str:
    payment = month.captured()
    month.line(payment)["provider_customer_id"] = "cus_somebody_else"
    return subject_of(payment)


@plant("status_differs")
def _(month: Month) -> str:
    payment = month.captured()
    payment.update(status="unknown", captured_at=None)
    return subject_of(payment)


@plant("invoice_not_paid")
def _(month: Month) -> str:
    payment = month.captured()
    invoice = next(one for one in month.invoices if one["id"] == payment["invoice_id"])
    invoice.update(status="open", paid_at=None)
    return subject_of(payment)


@plant("wrong_in_ledger")
def _(month: Month) -> str:
    payment = month.captured()
    month.unbooked.add(payment["id"])
    return subject_of(payment)


@plant("test_mode_object")
def _(month: Month) -> str:
    payment = month.captured()
    month.line(payment)["is_live"] = False
    return subject_of(payment)


@plant("refund_not_booked")
def _(month: Month) -> str:
    payment = month.captured()
    month.give_back(payment, payment["amount_minor"], payment["captured_at"])
    return str(month.refunds.pop()["provider_refund_id"])


@plant("partial_refund_not_booked")
def _(month: Month) -> str:
    payment = month.captured()
    month.give_back(payment, payment["amount_minor"] - 1, payment["captured_at"])
    return str(month.refunds.pop()["provider_refund_id"])


@plant("refund_not_at_provider")
def _(month: Month) -> str:
    payment = month.captured()
    month.give_back(payment, 500, payment["captured_at"])
    month.movements.pop()
    return str(month.refunds[-1]["provider_refund_id"])


@plant("refund_wrong_amount")
def _(month: Month) -> str:
    month.refunds[0]["amount_minor"] += 1
    return str(month.refunds[0]["provider_refund_id"])


@plant("refund_status_differs")
def _(month: Month) -> str:
    month.refunds[0]["status"] = "failed"
    return str(month.refunds[0]["provider_refund_id"])


@plant("dispute_not_booked")
def _(month: Month) -> str:
    payment = month.captured()
    month.contest(payment, payment["captured_at"], "lost")
    return str(month.disputes.pop()["provider_dispute_id"])


@plant("dispute_not_at_provider")
def _(month: Month) -> str:
    payment = month.captured()
    month.contest(payment, payment["captured_at"], "lost")
    month.movements.pop()
    return str(month.disputes[-1]["provider_dispute_id"])


@plant("dispute_wrong_amount")
def _(month: Month) -> str:
    month.disputes[0]["amount_minor"] -= 100
    return str(month.disputes[0]["provider_dispute_id"])


@plant("dispute_win_not_booked")
def _(month: Month) -> str:
    payment = month.captured()
    month.contest(payment, payment["captured_at"], "won")
    month.disputes[-1]["status"] = "lost"
    return str(month.disputes[-1]["provider_dispute_id"])


@plant("payout_missing")
def _(month: Month) -> str:
    return str(month.payouts.pop()["id"])


@plant("payout_short")
def _(month: Month) -> str:
    payout = month.payouts[0]
    payout["amount_minor"] -= 300
    line = next(one for one in month.movements if one["source_id"] == payout["id"])
    line["amount_minor"] = line["settled_minor"] = -payout["amount_minor"]
    return str(payout["id"])


@plant("payout_wrong_amount")
def _(month: Month) -> str:
    payout = month.payouts[0]
    line = next(one for one in month.movements if one["source_id"] == payout["id"])
    line["amount_minor"] = line["settled_minor"] = line["settled_minor"] - 300
    return str(payout["id"])


@plant("payout_duplicate")
def _(month: Month) -> str:
    payout = month.payouts[0]
    line = next(one for one in month.movements if one["source_id"] == payout["id"])
    month.movements.append(line | {"id": f"txn_{new_id().hex}"})
    return str(payout["id"])


@plant("payout_not_arrived")
def _(month: Month) -> str:
    month.payouts[0]["status"] = "failed"
    return str(month.payouts[0]["id"])


@plant("payout_not_in_balance")
def _(month: Month) -> str:
    payout = month.payouts[0]
    month.movements[:] = [one for one in month.movements if one["source_id"] != payout["id"]]
    return str(payout["id"])
