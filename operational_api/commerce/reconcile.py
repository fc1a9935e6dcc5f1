"""What a provider's books and ours say differently: three questions to PostgreSQL, each about all rows at once.

Looks and writes nothing. Where the provider's lines come from and what becomes of a difference is
`service.reconciliation`. Both sides of a span count: what lies in it on one side is looked for on the other whenever
it was. One cause is told once: of two lines in different currencies the amounts are not compared too.

| about | kinds |
|---|---|
| payments | missing_at_us missing_at_provider duplicate_at_us duplicate_at_provider wrong_amount rounding late |
| | wrong_currency wrong_fee fx_difference wrong_customer status_differs invoice_not_paid wrong_in_ledger |
| | test_mode_object |
| refunds | refund_not_booked partial_refund_not_booked refund_not_at_provider refund_wrong_amount |
| | refund_status_differs |
| disputes | dispute_not_booked dispute_not_at_provider dispute_wrong_amount dispute_win_not_booked |
| payouts | payout_missing payout_short payout_wrong_amount payout_duplicate payout_not_arrived payout_not_in_balance |
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from contracts.money import EXPONENTS
from operational_api.commerce import ledger
from operational_api.commerce.service.findings import Difference

LATE = timedelta(days=3)
ARRIVES_WITHIN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Span:
    """What is compared.

    Attributes:
        is_live: Whether the provider's account is no test account.
        tells_fees: Whether the provider tells its fee with the payment, and not only with the settlement.
    """

    provider: str
    since: datetime
    until: datetime
    is_live: bool
    tells_fees: bool


_PAYMENTS = """
with keys as (
    select provider_payment_id as source_id from commerce.payments
    where provider = :provider and captured_at >= :since and captured_at < :until and provider_payment_id is not null
    union
    select source_id from commerce.provider_movements
    where provider = :provider and kind = 'payment' and occurred_at >= :since and occurred_at < :until
),
ours as (
    select distinct on (p.provider_payment_id)
        p.provider_payment_id as source_id, p.id, p.status, p.amount_minor, p.fee_minor, p.currency, p.captured_at,
        p.customer_id, i.status as invoice_status, c.stripe_customer_id,
        count(*) filter (where p.status = 'captured') over (partition by p.provider_payment_id) as times
    from commerce.payments p
    join commerce.invoices i on i.id = p.invoice_id
    join commerce.customers c on c.id = p.customer_id
    where p.provider = :provider and p.provider_payment_id in (select source_id from keys)
    order by p.provider_payment_id, (p.status = 'captured') desc, p.attempt
),
booked as (
    select j.source_id as payment_id, coalesce(sum(l.amount_minor) filter (where l.account = :account), 0) as minor
    from commerce.ledger_journals j join commerce.ledger_lines l on l.journal_id = j.id
    where j.source_type = 'payment' and j.kind in ('payment_captured', 'settlement_fee')
        and j.source_id in (select id from ours)
    group by j.source_id
),
theirs as (
    select distinct on (source_id)
        source_id, amount_minor, currency, settled_minor, settled_currency, fee_minor, exchange_rate,
        provider_customer_id, is_live, occurred_at, count(*) over (partition by source_id) as times
    from commerce.provider_movements
    where provider = :provider and kind = 'payment' and source_id in (select source_id from keys)
    order by source_id, occurred_at, id
),
pairs as (
    select
        source_id, o.id as payment_id, o.customer_id,
        o.amount_minor as ours, t.amount_minor as theirs, o.fee_minor as our_fee, t.fee_minor as their_fee,
        o.status, o.currency as our_currency, t.currency as their_currency, o.invoice_status, o.captured_at,
        t.occurred_at, t.settled_minor, t.settled_currency, o.times as our_times, t.times as their_times,
        b.minor as in_ledger, o.id is not null as is_ours, t.source_id is not null as is_theirs,
        coalesce(t.is_live, :is_live) <> :is_live as is_test,
        o.status = 'captured' as is_captured,
        t.provider_customer_id is not null and t.provider_customer_id is distinct from o.stripe_customer_id
            as is_anothers,
        t.amount_minor * t.exchange_rate::numeric * power(10::numeric,
            coalesce((cast(:exponents as jsonb) ->> t.settled_currency)::int, 2)
            - coalesce((cast(:exponents as jsonb) ->> t.currency)::int, 2)) as exchanged
    from ours o full join theirs t using (source_id)
    left join booked b on b.payment_id = o.id
)
select
    f.kind, pairs.source_id as subject, f.ours, f.theirs, pairs.customer_id, pairs.payment_id,
    case when f.kind = 'fx_difference' then settled_currency else coalesce(our_currency, their_currency) end
        as currency,
    case when f.kind not in ('fx_difference', 'wrong_in_ledger') then nullif(their_currency, our_currency) end
        as theirs_currency
from pairs cross join lateral (values
    ('test_mode_object', is_test, ours, theirs),
    ('missing_at_us', not is_test and is_theirs and not is_ours, null, theirs),
    ('missing_at_provider', is_captured and not is_theirs, ours, null),
    ('status_differs', not is_test and is_ours and is_theirs and not is_captured, ours, theirs),
    ('duplicate_at_us', our_times > 1, our_times * ours, theirs),
    ('duplicate_at_provider', not is_test and their_times > 1, ours, their_times * theirs),
    ('wrong_currency', not is_test and is_captured and our_currency <> their_currency, ours, theirs),
    ('rounding', not is_test and is_captured and our_currency = their_currency and abs(ours - theirs) = 1,
        ours, theirs),
    ('wrong_amount', not is_test and is_captured and our_currency = their_currency and abs(ours - theirs) > 1,
        ours, theirs),
    ('wrong_fee', not is_test and :tells_fees and is_captured and our_currency = settled_currency
        and our_fee <> their_fee, our_fee, their_fee),
    ('fx_difference', not is_test and settled_currency <> their_currency
        and coalesce(abs(round(exchanged) - settled_minor) > 1, true), round(exchanged)::bigint, settled_minor),
    ('late', not is_test and is_captured and is_theirs and (occurred_at > captured_at + cast(:late as interval)
        or occurred_at < captured_at - cast(:late as interval)), ours, theirs),
    ('wrong_customer', not is_test and is_ours and is_theirs and is_anothers, ours, theirs),
    ('invoice_not_paid', is_captured and invoice_status <> 'paid', ours, theirs),
    ('wrong_in_ledger', is_captured and in_ledger is distinct from ours - our_fee,
        in_ledger, ours - our_fee)
) as f (kind, is_one, ours, theirs)
where f.is_one
"""

_GIVEN_BACK = """
with keys as (
    select provider_refund_id as id from commerce.refunds r join commerce.payments p on p.id = r.payment_id
    where p.provider = :provider and r.status = 'succeeded' and refunded_at >= :since and refunded_at < :until
    union
    select d.provider_dispute_id from commerce.disputes d join commerce.payments p on p.id = d.payment_id
    where p.provider = :provider and opened_at >= :since and opened_at < :until
    union
    select object_id from commerce.provider_movements
    where provider = :provider and kind in ('refund', 'dispute', 'dispute_reversal')
        and occurred_at >= :since and occurred_at < :until
),
ours as (
    select
        'refund' as what, provider_refund_id as id, amount_minor, currency, status, customer_id, payment_id,
        null::bigint as returned
    from commerce.refunds where provider_refund_id in (select id from keys)
    union all
    select
        'dispute', provider_dispute_id, amount_minor, currency, status, customer_id, payment_id,
        case when status = 'won' then coalesce(returned_minor, amount_minor) end
    from commerce.disputes where provider_dispute_id in (select id from keys)
),
theirs as (
    select
        case kind when 'refund' then 'refund' else 'dispute' end as what, object_id as id, max(currency) as currency,
        min(source_id) as source_id, -sum(amount_minor) filter (where kind <> 'dispute_reversal') as amount_minor,
        bool_or(kind = 'dispute_reversal') as is_won,
        sum(amount_minor) filter (where kind = 'dispute_reversal') as back
    from commerce.provider_movements
    where provider = :provider and kind in ('refund', 'dispute', 'dispute_reversal')
        and object_id in (select id from keys) and is_live = :is_live
    group by 1, 2
    having bool_or(kind <> 'refund') or sum(amount_minor) <> 0  -- a refund that no bank took came back, and is none
),
paid as (
    select provider_payment_id as source_id, max(amount_minor) as minor from commerce.payments
    where provider = :provider and status = 'captured' and provider_payment_id in (select source_id from theirs)
    group by 1
),
pairs as (
    select
        coalesce(o.what, t.what) as what, coalesce(o.id, t.id) as id, coalesce(o.currency, t.currency) as currency,
        nullif(t.currency, o.currency) as theirs_currency,
        o.amount_minor as ours, t.amount_minor as theirs, o.status, t.is_won, o.customer_id, o.payment_id, o.returned,
        t.back,
        o.id is not null as is_ours, t.id is not null as is_theirs, paid.minor as paid
    from ours o full join theirs t on t.id = o.id and t.what = o.what
    left join paid on paid.source_id = t.source_id
)
select
    f.kind, pairs.id as subject, pairs.currency, case when is_other_win then returned else ours end as ours,
    case when is_other_win then back else theirs end as theirs, pairs.theirs_currency, pairs.customer_id,
    pairs.payment_id
from pairs cross join lateral (select coalesce(ours = theirs and back <> returned, false) as is_other_win) as w
cross join lateral (values
    ('refund_not_booked', what = 'refund' and not is_ours and theirs >= coalesce(paid, 0)),
    ('partial_refund_not_booked', what = 'refund' and not is_ours and theirs < paid),
    ('refund_not_at_provider', what = 'refund' and not is_theirs and status = 'succeeded'),
    ('refund_wrong_amount', what = 'refund' and is_ours and ours <> theirs),
    ('refund_status_differs', what = 'refund' and is_theirs and status <> 'succeeded'),
    ('dispute_not_booked', what = 'dispute' and is_theirs and not is_ours),
    ('dispute_not_at_provider', what = 'dispute' and is_ours and not is_theirs),
    ('dispute_wrong_amount', what = 'dispute' and is_ours and ours <> theirs),
    ('dispute_win_not_booked', what = 'dispute' and is_ours and is_won and (status <> 'won' or is_other_win))
) as f (kind, is_one)
where f.is_one
"""

_PAYOUTS = """
with keys as (
    select id from commerce.provider_payouts
    where provider = :provider and sent_at >= :since and sent_at < :until
    union
    select coalesce(payout_id, source_id) from commerce.provider_movements
    where provider = :provider and occurred_at >= :since and occurred_at < :until
        and (payout_id is not null or kind = 'payout')
),
moved as (
    select
        coalesce(payout_id, source_id) as id, count(*) filter (where kind = 'payout') as times,
        -min(settled_minor) filter (where kind = 'payout') as taken, count(*) filter (where kind <> 'payout') as lines,
        sum(settled_minor - fee_minor) filter (where kind <> 'payout') as earned, max(settled_currency) as currency
    from commerce.provider_movements
    where provider = :provider
        and (payout_id in (select id from keys) or (kind = 'payout' and source_id in (select id from keys)))
    group by 1
),
pairs as (
    select
        id, p.amount_minor as sent, coalesce(p.currency, m.currency) as currency, p.status, p.arrives_at, m.earned,
        m.taken, coalesce(m.times, 0) as times, coalesce(m.lines, 0) as lines, p.id is not null as is_sent
    from (select * from commerce.provider_payouts where provider = :provider and id in (select id from keys)) p
    full join moved m using (id)
)
select f.kind, pairs.id as subject, pairs.currency, f.ours, f.theirs, cast(null as uuid) as customer_id,
    cast(null as uuid) as payment_id, cast(null as text) as theirs_currency
from pairs cross join lateral (values
    ('payout_missing', not is_sent, coalesce(earned, taken), null),
    ('payout_short', is_sent and lines > 0 and earned <> sent, earned, sent),
    ('payout_duplicate', is_sent and times > 1, sent, times * taken),
    ('payout_wrong_amount', is_sent and times = 1 and taken <> sent, taken, sent),
    ('payout_not_in_balance', is_sent and times = 0 and status = 'paid', null, sent),
    ('payout_not_arrived', is_sent and status <> 'paid' and arrives_at < :until - cast(:arrives as interval), sent, 0)
) as f (kind, is_one, ours, theirs)
where f.is_one
"""


def differences(session: Session, span: Span) -> list[Difference]:
    """Every difference in a span, by kind and subject. Clean books have none."""
    values = {
        "provider": span.provider, "since": span.since, "until": span.until, "is_live": span.is_live,
        "tells_fees": span.tells_fees, "account": ledger.balance_at(span.provider), "late": LATE,
        "arrives": ARRIVES_WITHIN, "exponents": json.dumps(EXPONENTS),
    }  # fmt: skip
    # Lines that were stored a moment ago have no statistics, and the planner would pair them one by one.
    session.execute(text("set local enable_nestloop = off; set local jit = off"))
    found = [
        Difference(
            span.provider, row.kind, row.subject, currency=row.currency, ours_minor=_whole(row.ours),
            theirs_minor=_whole(row.theirs), theirs_currency=_another(row), customer_id=row.customer_id,
            payment_id=row.payment_id,
        )
        for question in (_PAYMENTS, _GIVEN_BACK, _PAYOUTS)
        for row in session.execute(text(question), values)
    ]  # fmt: skip
    session.execute(text("set local enable_nestloop to default; set local jit to default"))
    return sorted(found, key=lambda one: (one.kind, one.subject))


def _another(row: Any) -> str | None:
    """The currency of the provider's amount where that is another than ours."""
    return row.theirs_currency if row.theirs is not None and row.theirs_currency != row.currency else None


def _whole(amount: object) -> int | None:
    return None if amount is None else int(amount)  # type: ignore[call-overload]
