"""What the tables of money say otherwise than the events tell: five questions to PostgreSQL, each about all at once.

Looks and writes nothing; when it is looked and what becomes of it is `service.retellings`. Events are read in their
order and tables as they are: a row that somebody changed by hand is found, and one that nobody told. Events of before a
field was told say nothing of it.

| about | how it is told |
|---|---|
| payments | captured or failed once, with its amount and currency, and in the ledger |
| refunds | given back once, with its amount |
| invoices of ours | issued once with number, amounts and customer; open, paid, void or given up by what followed |
| wallets | their balance, by the ledger, by what their credits have left and by what moved |
| payouts | what coaches were paid, told once, and taken back where that was told; in the ledger with their amount |
| memberships | state, plan, monthly worth and whether it will end, by the newest event that says so |
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a table says otherwise. `about`: payment, refund, invoice, membership, wallet or payout."""

    about: str
    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Retold:
    """How many things were compared, and what differs."""

    compared: int
    differences: Sequence[Difference]


_PAYMENTS = """
with told as (
    select
        (payload ->> 'payment_id')::uuid as id,
        count(*) filter (where type = 'commerce.payment_captured') as captured,
        count(*) filter (where type = 'commerce.payment_failed') as failed,
        max((payload ->> 'amount_minor')::bigint) filter (where type = 'commerce.payment_captured') as amount_minor,
        max(payload ->> 'currency') filter (where type = 'commerce.payment_captured') as currency
    from platform.outbox_events
    where type in ('commerce.payment_captured', 'commerce.payment_failed')
    group by 1
),
booked as (
    select j.source_id as id, sum(l.amount_minor) as minor
    from commerce.ledger_journals j join commerce.ledger_lines l on l.journal_id = j.id
    where j.source_type = 'payment' and j.kind = 'payment_captured' and l.account = 'receivable'
    group by 1
),
pairs as (
    select
        id, p.status, p.amount_minor, p.currency, coalesce(t.captured, 0) as captured, coalesce(t.failed, 0) as failed,
        t.amount_minor as told_minor, t.currency as told_currency, -coalesce(b.minor, 0) as booked_minor
    from commerce.payments p full join told t using (id) left join booked b using (id)
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('is captured, and no event told it', status = 'captured' and captured = 0),
    ('was told as captured more than once', captured > 1),
    ('was told as captured, and is not', captured > 0 and status is distinct from 'captured'),
    ('failed, and no event told it', status = 'failed' and failed = 0),
    ('was told as failed, and did not', failed > 0 and status is distinct from 'failed'),
    ('was told with another amount', status = 'captured' and captured = 1
        and (told_minor, told_currency) is distinct from (amount_minor, currency)),
    ('is not in the ledger with its amount', status = 'captured' and booked_minor <> amount_minor)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""

_REFUNDS = """
with told as (
    select (payload ->> 'refund_id')::uuid as id, count(*) as times, max((payload ->> 'amount_minor')::bigint) as minor
    from platform.outbox_events where type = 'commerce.payment_refunded'
    group by 1
),
pairs as (
    select id, r.amount_minor, t.minor as told_minor, t.times, r.status is not null as is_there,
        t.times is not null as is_told
    from (select * from commerce.refunds where status = 'succeeded') r full join told t using (id)
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('was given back, and no event told it', not is_told),
    ('was told as given back, and was not', not is_there),
    ('was told more than once', times > 1),
    ('was told with another amount', told_minor <> amount_minor)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""

_INVOICES_TOLD = """
issued as (
    select
        (payload ->> 'invoice_id')::uuid as id, count(*) as times, max(payload ->> 'number') as number,
        max((payload ->> 'total_minor')::bigint) as total_minor, max((payload ->> 'tax_minor')::bigint) as tax_minor,
        max(payload ->> 'currency') as currency, max(payload ->> 'customer_id') as customer_id,
        max(payload ->> 'subscription_id') as subscription_id
    from platform.outbox_events where type = 'commerce.invoice_issued'
    group by 1
),
credited as (
    select (payload ->> 'invoice_id')::uuid as id, sum((payload ->> 'amount_minor')::bigint) as minor
    from platform.outbox_events
    where type = 'commerce.credit_note_issued' and payload ->> 'settlement' = 'open'
    group by 1
),
captured as (
    select
        (payload ->> 'invoice_id')::uuid as id, sum((payload ->> 'amount_minor')::bigint) as minor,
        coalesce(bool_or(payload ->> 'provider' not in ('wallet', 'gift')), true) as is_by_card
    from platform.outbox_events
    where type = 'commerce.payment_captured' and payload ->> 'invoice_id' is not null
    group by 1
),
ended as (
    select
        (payload ->> 'invoice_id')::uuid as id, bool_or(payload ->> 'outcome' = 'given_up') as is_given_up,
        bool_or(payload ->> 'outcome' = 'credited') as is_credited
    from platform.outbox_events
    where type = 'commerce.collection_ended'
    group by 1
),
invoices as (
    select
        i.*, coalesce(c.minor, 0) as credited_minor, coalesce(p.minor, 0) as captured_minor,
        case
            when i.total_minor = 0 or (p.minor > 0 and p.is_by_card) then 'paid'
            when c.minor >= i.total_minor or e.is_credited then 'void'
            when e.is_given_up then 'uncollectible'
            when p.minor >= i.total_minor - coalesce(c.minor, 0) then 'paid'  -- a wallet may pay a part
            else 'open'
        end as status
    from issued i
    left join credited c using (id) left join captured p using (id) left join ended e using (id)
)
"""

_INVOICES = f"""
with {_INVOICES_TOLD},
pairs as (
    select
        coalesce(i.id, t.id) as id, i.id is not null as is_there, t.id is not null as is_told, t.times, i.status,
        t.status as told_status, i.total_minor - t.credited_minor as asked_minor, t.captured_minor,
        (t.number, t.total_minor, t.tax_minor, t.currency, t.customer_id) is distinct from
        (i.number, i.total_minor, i.tax_minor, i.currency::text, i.customer_id::text) as is_another
    from (select * from commerce.invoices where series is not null) i full join invoices t using (id)
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('was issued, and no event told it', not is_told),
    ('was told as issued, and is not there', not is_there),
    ('was told more than once', times > 1),
    ('was told otherwise than it is', is_told and is_there and is_another),
    ('is ' || status || ', and was told as ' || told_status, status <> told_status),
    ('was paid with another amount than it asked for', status = 'paid' and captured_minor > 0
        and captured_minor <> asked_minor)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""  # noqa: S608 - constants of this module

_MEMBERSHIPS = f"""
with {_INVOICES_TOLD},
overdue as (
    select distinct i.subscription_id::uuid as id
    from platform.outbox_events e join invoices i on i.id = (e.payload ->> 'invoice_id')::uuid
    where e.type = 'commerce.collection_scheduled' and i.status = 'open' and i.subscription_id is not null
),
said as (
    select
        (payload ->> 'subscription_id')::uuid as id, position, payload ->> 'plan_id' as plan_id,
        (payload ->> 'mrr_minor')::bigint as mrr_minor, type <> 'commerce.subscription_cancelled' as is_of_its_life,
        case
            when type = 'commerce.subscription_started'
                then case when (payload ->> 'is_trial')::boolean then 'trialing' else 'active' end
            when type = 'commerce.subscription_cancelled'
                then case when (payload ->> 'ends_now')::boolean then 'cancelled' end
            when payload ->> 'kind' = 'paused' then 'paused'
            when payload ->> 'kind' in ('started', 'resumed') then 'active'
        end as status,
        case
            when type = 'commerce.subscription_cancelled' then true
            when payload ->> 'kind' = 'cancellation_withdrawn' then false
        end as ends
    from platform.outbox_events
    where type in ('commerce.subscription_started', 'commerce.subscription_changed', 'commerce.subscription_cancelled')
),
told as (
    select
        id, (array_agg(status order by position desc) filter (where status is not null))[1] as status,
        (array_agg(plan_id order by position desc) filter (where is_of_its_life))[1]::uuid as plan_id,
        (array_agg(mrr_minor order by position desc) filter (where is_of_its_life))[1] as mrr_minor,
        coalesce((array_agg(ends order by position desc) filter (where ends is not null))[1], false) as ends
    from said group by id
),
worth as (  -- of changes of one moment nobody knows which came last
    select id, array_agg(mrr_after_minor) as mrr_minor
    from (
        select subscription_id as id, mrr_after_minor,
            rank() over (partition by subscription_id order by changed_at desc) as place
        from commerce.subscription_changes
    ) as changes
    where place = 1
    group by id
),
pairs as (
    select
        coalesce(s.id, t.id) as id, s.id is not null as is_there, t.id is not null as is_told, s.plan_id, w.mrr_minor,
        t.plan_id as told_plan_id, t.mrr_minor as told_mrr_minor, s.cancel_at is not null as ends, t.ends as told_ends,
        -- A provider that bills tells us of overdue months; we tell of ours.
        case when s.status = 'past_due' and s.billed_by <> 'plyo' then 'active' else s.status end as status,
        case when t.status = 'active' and o.id is not null then 'past_due' else t.status end as told_status
    from commerce.subscriptions s full join told t using (id)
    left join worth w on w.id = s.id left join overdue o on o.id = t.id
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('lives, and no event told it', is_there and not is_told and status not in ('incomplete', 'cancelled')),
    ('was told, and is not there', is_told and not is_there),
    ('is ' || status || ', and was told as ' || told_status, status <> told_status),
    ('is of another plan than was told', status <> 'cancelled' and plan_id <> told_plan_id),
    ('is worth something else a month than was told', status <> 'cancelled' and told_mrr_minor <> all(mrr_minor)),
    ('was told to end or to go on, and does not', status <> 'cancelled' and is_told and ends <> told_ends)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""  # noqa: S608
_WALLETS = """
with credits as (
    select c.wallet_id as id, sum(c.left_minor) as left_minor, sum(m.minor) as moved_minor
    from commerce.wallet_credits c
    left join (
        select credit_id, sum(amount_minor) as minor from commerce.wallet_movements group by 1
    ) m on m.credit_id = c.id
    group by 1
),
booked as (
    select customer_id, currency, -sum(amount_minor) as minor from commerce.ledger_lines where account = 'wallets'
    group by 1, 2
),
pairs as (
    select
        coalesce(w.id, customer_id) as id, coalesce(w.balance_minor, 0) as balance_minor,
        coalesce(c.left_minor, 0) as left_minor, coalesce(c.moved_minor, 0) as moved_minor,
        coalesce(b.minor, 0) as booked_minor
    from commerce.wallets w full join booked b using (customer_id, currency) left join credits c on c.id = w.id
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('is in the ledger with another balance', booked_minor <> balance_minor),
    ('has another balance than its credits have left', left_minor <> balance_minor),
    ('has another balance than what moved in it', moved_minor <> balance_minor)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""
_PAYOUTS = """
with told as (
    select
        (payload ->> 'payout_id')::uuid as id, count(*) filter (where type = 'commerce.commission_paid') as times,
        count(*) filter (where type = 'commerce.commission_payout_reversed') as reversed_times,
        array_agg(distinct (payload ->> 'statement_id', payload ->> 'coach_id', payload ->> 'amount_minor',
            payload ->> 'currency')::text) as said
    from platform.outbox_events
    where type in ('commerce.commission_paid', 'commerce.commission_payout_reversed')
    group by 1
),
booked as (
    select j.source_id as id, sum(l.amount_minor) as minor
    from commerce.ledger_journals j join commerce.ledger_lines l on l.journal_id = j.id
    where j.source_type = 'commission_payout' and l.account = 'commission_payable'
    group by 1
),
pairs as (
    select
        coalesce(p.id, t.id) as id, p.id is not null as is_there, t.id is not null as is_told, t.times,
        t.reversed_times, (r.id is not null)::integer as reversals,
        t.said <> array[(p.statement_id, p.coach_id, p.amount_minor, p.currency)::text] as is_another,
        coalesce(b.minor, 0) <> p.amount_minor or (r.id is not null and coalesce(back.minor, 0) <> r.amount_minor)
            as is_booked_otherwise
    from (select * from commerce.commission_payouts where reverses_id is null) p full join told t using (id)
    left join commerce.commission_payouts r on r.reverses_id = p.id
    left join booked b on b.id = p.id left join booked back on back.id = r.id
)
select pairs.id, f.what
from pairs cross join lateral (values
    ('was paid, and no event told it', not is_told),
    ('was told as paid, and was not', not is_there),
    ('was told more than once', times > 1),
    ('was taken back otherwise than was told', reversals <> reversed_times),
    ('was told otherwise than it is', is_another),
    ('is not in the ledger with its amount', is_booked_otherwise)
) as f (what, is_one)
where f.is_one
union all
select null, count(*)::text from pairs
"""
_ASKED = (
    ("payment", _PAYMENTS), ("refund", _REFUNDS), ("invoice", _INVOICES), ("membership", _MEMBERSHIPS),
    ("wallet", _WALLETS), ("payout", _PAYOUTS),
)  # fmt: skip


def retell(session: Session) -> Retold:
    """Compare all that money's tables and events know. What agrees has no difference."""
    compared, found = 0, list[Difference]()
    for about, question in _ASKED:
        for id_, said in session.execute(text(question)).tuples():
            if id_ is None:
                compared += int(said)
            else:
                found.append(Difference(about, str(id_), said))
    return Retold(compared, sorted(found, key=lambda one: (one.about, one.id, one.what)))
