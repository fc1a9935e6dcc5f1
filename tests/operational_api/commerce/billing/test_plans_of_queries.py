"""What billing's hot questions cost on full tables: none reads one from end to end, and pages ask as often for many
invoices as for one."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from operational_api.commerce.billing.service import (
    collection,
    decisions,
    earnings,
    invoicing,
    memberships,
    parking,
    plan_changes,
    renewals,
    waiting,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.service import invoices, packs, settling, subscriptions
from tests.factories import make_account
from tests.operational_api.commerce.billing.conftest import NOON, Studio
from tests.operational_api.conftest import SignIn
from tests.operational_api.statements import Explained, heard

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
BIG = {
    "customers", "subscriptions", "invoices", "invoice_lines", "payments", "collections", "billing_items",
    "ledger_journals", "ledger_lines", "session_packs", "checkout_sessions", "plan_changes", "refunds",
}  # fmt: skip
FILL = """
set local session_replication_role = replica;
insert into commerce.plans (id, code, name, description, kind) values (uuidv7(), 'full', 'Full', '', 'membership');
insert into commerce.plan_prices (id, plan_id, currency, amount_minor, valid_from)
    select uuidv7(), id, 'EUR', 5000, '2020-01-01' from commerce.plans where code = 'full';
create temporary table payer on commit drop as
    select ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid as id, n from generate_series(1, 3000) n;
insert into commerce.customers (id, currency) select id, 'EUR' from payer;
insert into commerce.subscriptions (id, customer_id, plan_id, price_id, status, amount_minor, currency, interval_months,
        billed_by, next_step_at, cancel_at)
    select payer.id, payer.id, p.plan_id, p.id, 'active', 5000, 'EUR', 1,
        case when n % 3 = 0 then 'provider' else 'plyo' end, '2026-06-01 12:00+00'::timestamptz + n * interval '1 hour',
        case when n % 30 = 0 then '2027-01-01'::timestamptz end
    from payer, commerce.plan_prices p where p.valid_from = '2020-01-01';
create temporary table demand on commit drop as
    select uuidv7() as id, payer.id as customer_id, month, n from payer, generate_series(1, 4) month;
insert into commerce.invoices (id, number, customer_id, payer_id, subscription_id, status, currency, subtotal_minor,
        tax_minor, total_minor, issued_at, due_at)
    select id, 'F-' || n || '-' || month, customer_id, case when n % 50 = 0 then customer_id end, customer_id, 'paid',
        'EUR', 4202, 798, 5000, '2026-01-01'::timestamptz + month * interval '30 days', '2026-02-01' from demand;
insert into commerce.payments (id, invoice_id, customer_id, provider, provider_payment_id, status, amount_minor,
        currency, attempted_at, captured_at)
    select uuidv7(), id, customer_id, 'stripe', 'pi_' || id, 'captured', 5000, 'EUR', '2026-02-01', '2026-02-01'
    from demand;
insert into commerce.collections (invoice_id, customer_id, payer_id, status, next_attempt_at, started_at)
    select id, customer_id, customer_id, case when n % 100 = 0 and month = 4 then 'retrying' else 'paid' end,
        case when n % 100 = 0 and month = 4 then '2026-06-02'::timestamptz end, '2026-02-01' from demand;
insert into commerce.billing_items (id, origin_id, customer_id, kind, description, amount_minor, tax_minor, tax_rate_bp,
        currency, made_at, invoice_id)
    select uuidv7(), id, customer_id, 'membership', 'x', 5000, 798, 1900, 'EUR', '2026-02-01', id from demand;
insert into commerce.session_packs (id, customer_id, plan_id, sessions_total, purchased_at, expires_at, net_minor,
        currency, recognised_minor)
    select uuidv7(), payer.id, p.plan_id, 10, '2026-01-01', '2026-09-01', 1000, 'EUR',
        case when n % 9 = 0 then 0 else 1000 end
    from payer, commerce.plan_prices p where p.valid_from = '2020-01-01';
insert into commerce.plan_changes (id, subscription_id, customer_id, from_price_id, to_price_id, mode, status, asked_on,
        asked_at, invoice_id, decided_at)
    select uuidv7(), customer_id, customer_id, customer_id, customer_id, 'invoice', 'held', '2026-02-01', '2026-02-01',
        id, '2026-02-01' from demand;
insert into commerce.refunds (id, payment_id, customer_id, amount_minor, currency, reason, status, refunded_at)
    select uuidv7(), id, customer_id, 100, 'EUR', 'x', 'succeeded', '2026-02-01' from demand;
insert into commerce.checkout_sessions (id, customer_id, plan_id, price_id, status, provider, created_at)
    select uuidv7(), customer_id, customer_id, customer_id, 'complete', 'stripe', '2026-02-01' from demand;
insert into commerce.invoice_lines (id, invoice_id, position, kind, description, amount_minor, tax_minor, tax_rate_bp,
        currency)
    select uuidv7(), id, 1, 'membership', 'x', 5000, 798, 1900, 'EUR' from demand;
insert into commerce.ledger_journals (id, kind, source_type, source_id, posted_at)
    select id, 'payment_captured', 'payment', id, '2026-02-01' from demand;
insert into commerce.ledger_lines (id, journal_id, account, customer_id, amount_minor, currency)
    select uuidv7(), id, account, customer_id, amount, 'EUR'
    from demand, (values ('stripe_balance', 5000), ('receivable', -5000)) as one(account, amount);
set local session_replication_role = origin;
analyze commerce.customers, commerce.subscriptions, commerce.invoices, commerce.payments, commerce.collections,
    commerce.billing_items, commerce.session_packs, commerce.plan_changes, commerce.refunds,
    commerce.checkout_sessions, commerce.invoice_lines, commerce.ledger_journals, commerce.ledger_lines;
"""
WHO = UUID("00000000-0000-0000-0001-000000000077")
QUESTIONS: dict[str, Callable[[Session], object]] = {
    "memberships that are due": lambda s: memberships.advance_due(s, NOW),
    "memberships brought over that end": lambda s: subscriptions.end_due(s, now=NOW),
    "invoices to collect": lambda s: collection.collect_due(s, None, NOW),  # type: ignore[arg-type] - none is due
    "collections of everybody": lambda s: collection.page(s, status=None, limit=50, cursor=None),
    "collections of a payer": lambda s: collection.open_of(s, WHO),
    "a card that changed": lambda s: collection.card_changed(s, payer_id=WHO, given_at=NOW, now=NOW),
    "invoices of a customer": lambda s: invoices.invoices_of(s, customer_id=WHO, limit=12),
    "what waits for an invoice": lambda s: invoicing.waiting(s, customer_id=WHO, payer_id=None, currency="EUR"),
    "years that renew soon": lambda s: renewals.remind_due(s, NOW),
    "what waits for a person": lambda s: waiting.count(s, NOW),
    "what was settled": lambda s: waiting.settled(s, NOW),
    "charges that are too small": lambda s: waiting.write_off_small(s, NOW),
    "invoices that are parked": lambda s: decisions.parked_invoices(s),
    "customers that are parked": lambda s: decisions.parked_customers(s),
    "whether somebody's books add up": lambda s: parking.off_minor(s, [WHO]),
    "a customer's membership": lambda s: subscriptions.live_membership(s, WHO),
    "a customer's change of plan": lambda s: plan_changes.newest(s, WHO),
    "a customer's packs": lambda s: packs.usable_packs(s, customer_id=WHO, now=NOW),
    "packs that ran out": lambda s: earnings.earn_expired(s, NOW),
    "pages and refunds to ask about": lambda s: settling.settle_due(s, Providers({}), now=NOW),
    "what a payment did to the ledger": lambda s: s.execute(
        text(
            "select l.account, l.amount_minor from commerce.ledger_journals j"
            " join commerce.ledger_lines l on l.journal_id = j.id"
            " where j.source_type = 'payment' and j.source_id = :id and j.kind = 'payment_captured'"
        ),
        {"id": WHO},
    ).all(),
}


def test_no_hot_question_reads_a_full_table(session: Session) -> None:
    session.execute(text(FILL))
    explained = Explained(session.connection().engine, BIG)
    for name, ask in QUESTIONS.items():
        with explained.of(name):
            ask(session)
    assert explained.whole() == []


class TestMembershipPage:
    def test_asks_as_often_for_many_invoices_as_for_one(self, studio: Studio, sign_in: SignIn) -> None:
        studio.start(studio.plan("Small", 5000))
        studio.collect("insufficient_funds")
        person = studio.session.get_one(type(make_account(studio.session)), studio.customer_id)
        client = sign_in(person)

        def statements() -> int:
            studio.session.expire_all()
            with heard(studio.session.connection().engine) as said:
                assert client.get("/membership").status_code == 200
            return len(said)

        statements()
        one = statements()
        studio.wait(until=NOON.date().replace(month=10))
        studio.collect(*["insufficient_funds"] * 9)
        assert len(studio.invoices) == 7
        assert statements() < one + 3  # what a request does now and then, such as noting when one was seen
