"""What the tables say of memberships and money can be told from the events alone, whatever happened to them."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events import billing
from contracts.events import commerce as told
from contracts.events.envelope import Event
from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api.commerce import lifecycle, retelling
from operational_api.commerce.billing.models import ParkedInvoice
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import credit_notes, crediting, memberships, plan_changes
from operational_api.commerce.models import Customer, Invoice, LedgerJournal, LedgerLine, Payment, Subscription
from operational_api.core.errors import DomainError
from operational_api.core.models import OutboxEvent
from tests.factories import make_account
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.commerce.billing.test_memberships import NO_PROVIDER

LIVES = int(os.environ.get("PLYO_LIVES", "25"))


@dataclass
class Retold:
    """A customer's memberships, invoices and payments as their events have them, read in order."""

    members: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    open: dict[UUID, int] = field(default_factory=dict)
    billed: dict[UUID, UUID | None] = field(default_factory=dict)
    overdue: set[UUID] = field(default_factory=set)
    invoices: dict[UUID, str] = field(default_factory=dict)
    payments: dict[UUID, tuple[str, int]] = field(default_factory=dict)

    def read(self, event: Event) -> None:
        match event:
            case told.SubscriptionStarted():
                status = lifecycle.TRIALING if event.is_trial else lifecycle.ACTIVE
                self.members[event.subscription_id] = {
                    "plan": event.plan_id, "status": status, "earns": event.mrr_minor, "ends": False,
                }  # fmt: skip
            case told.SubscriptionChanged():
                one = self.members[event.subscription_id]
                one |= {"plan": event.plan_id, "earns": event.mrr_minor}
                if event.kind == "cancellation_withdrawn":
                    one["ends"] = False
                elif event.kind in ("started", "paused", "resumed"):
                    one["status"] = lifecycle.PAUSED if event.kind == "paused" else lifecycle.ACTIVE
            case told.SubscriptionCancelled():
                one = self.members[event.subscription_id]
                one["ends"] = True
                if event.ends_now:
                    one |= {"status": lifecycle.CANCELLED, "earns": 0}
            case billing.InvoiceIssued():
                self.open[event.invoice_id], self.billed[event.invoice_id] = event.total_minor, event.subscription_id
                self._close(event.invoice_id, "paid")
            case billing.CreditNoteIssued(settlement="open"):
                self.open[event.invoice_id] -= event.amount_minor
                self._close(event.invoice_id, "void")
            case told.PaymentCaptured() | told.PaymentFailed():
                status = "captured" if isinstance(event, told.PaymentCaptured) else "failed"
                self.payments[event.payment_id] = (status, event.amount_minor)
                if isinstance(event, told.PaymentCaptured) and event.invoice_id:
                    self.open[event.invoice_id] -= event.amount_minor
                    self._close(event.invoice_id, "paid")
            case billing.CollectionScheduled():
                self.overdue.add(event.invoice_id)
            case billing.CollectionEnded(outcome="given_up"):
                self.open[event.invoice_id] = 0
                self._close(event.invoice_id, "uncollectible")

    def _close(self, invoice_id: UUID, how: str) -> None:
        left = self.open[invoice_id]
        self.invoices[invoice_id] = "open" if left else how
        if not left:
            self.overdue.discard(invoice_id)

    def status(self, subscription_id: UUID) -> str:
        """With an invoice of it that could not be collected, an active membership is overdue."""
        found: str = self.members[subscription_id]["status"]
        is_overdue = subscription_id in {self.billed[one] for one in self.overdue}
        return lifecycle.PAST_DUE if found == lifecycle.ACTIVE and is_overdue else found


def retell(session: Session, customer_id: UUID) -> Retold:
    session.flush()
    found = Retold()
    rows = select(OutboxEvent).where(OutboxEvent.type.startswith("commerce.")).order_by(OutboxEvent.position)
    for row in session.scalars(rows.where(OutboxEvent.payload["customer_id"].astext == str(customer_id))):
        found.read(
            parse(
                event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
                payload=row.payload,
            )
        )  # fmt: skip
    return found


def _steps(studio: Studio, codes: list[str]) -> dict[str, Callable[[int], object]]:
    session, who = studio.session, {"customer_id": studio.customer_id}

    def credit(number: int) -> None:
        """Half or all of the newest open invoice is not owed."""
        row = next((one for one in reversed(studio.invoices) if one.status == "open"), None)
        if row is not None:
            amount = credit_notes.left_to_pay(session, row) // 2 if number % 2 else None
            crediting.credit_open(
                session, invoice_id=row.id, amount_minor=amount or None, reason="x", actor_id=None, now=studio.now
            )

    return {
        "start": lambda number: studio.start(codes[number % 3]),
        "collect": lambda number: studio.collect(*[("insufficient_funds", "lost_card", None, None)[number % 4]] * 3),
        "wait": lambda number: studio.wait(days=number),
        "pause": lambda number: memberships.pause(
            session, **who, resumes_on=studio.now.date() + timedelta(days=number), now=studio.now
        ),
        "resume": lambda _: memberships.resume(session, **who, now=studio.now),
        "change": lambda number: plan_changes.change_plan(
            session, **who, plan_code=codes[number % 3], mode=[*Mode, None][number % 5], now=studio.now
        ),
        "cancel": lambda number: memberships.cancel(
            session, NO_PROVIDER, **who, reason="x", at_once=number % 3 == 0, now=studio.now
        ),
        "keep": lambda _: memberships.keep(session, NO_PROVIDER, **who, now=studio.now),
        "credit": credit,
    }


NAMES = ("start", "collect", "collect", "wait", "wait", "pause", "resume", "change", "cancel", "keep", "credit")


@settings(max_examples=LIVES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 40)), min_size=4, max_size=14))
def test_tables_are_what_the_events_tell(session: Session, steps: list[tuple[str, int]]) -> None:
    account = make_account(session)
    session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=f"cus_{new_id().hex}"))
    studio = Studio(session, account.id)
    codes = [studio.plan(f"{name} {new_id().hex}", amount) for name, amount in (("S", 4900), ("L", 9900), ("0", 0))]
    do = _steps(studio, codes)
    do["start"](steps[0][1])
    for name, number in steps:
        with suppress(DomainError), session.begin_nested():
            do[name](number)
    session.expire_all()
    found, who = retell(session, account.id), account.id
    rows = session.scalars(select(Subscription).where(Subscription.customer_id == who)).all()
    assert {row.id: (row.plan_id, row.status, row.cancel_at is not None) for row in rows} == {
        id_: (one["plan"], found.status(id_), one["ends"]) for id_, one in found.members.items()
    }
    earned = studio.history()[-1][-1]
    assert found.members[max(found.members)]["earns"] == earned
    assert found.invoices == {one.id: one.status for one in studio.invoices}
    assert found.payments == {
        one.id: (one.status, one.amount_minor) for one in studio.all(Payment) if one.status in ("captured", "failed")
    }
    receivable = session.scalar(
        select(func.coalesce(func.sum(LedgerLine.amount_minor), 0))
        .join(LedgerJournal, LedgerJournal.id == LedgerLine.journal_id)
        .where(LedgerLine.account == "receivable", LedgerLine.customer_id == who)
    )
    assert sum(found.open.values()) == receivable
    assert [one for one in retelling.retell(session).differences if one.id in known_ids(studio)] == []
    assert studio.all(ParkedInvoice) == [], "no life is absurd"
    assert session.get_one(Customer, who).parked_at is None, "and books add up in all of them"


def known_ids(studio: Studio) -> set[str]:
    return {str(one.id) for kind in (Subscription, Invoice, Payment) for one in studio.all(kind)}
