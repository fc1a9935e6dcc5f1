-- Every captured payment took exactly its amount off what its customer owed, and nothing else did.
with posted as (
    select
        journal.source_id as payment_id,
        -sum(case when line.account = 'receivable' then line.amount_minor else 0 end) as amount_minor
    from {{ ref('stg_commerce__ledger_journals') }} as journal
    inner join {{ ref('stg_commerce__ledger_lines') }} as line on journal.journal_id = line.journal_id
    where journal.kind = 'payment_captured'
    group by journal.source_id
),

captured as (
    select
        payment_id,
        amount_minor
    from {{ ref('fct_payments') }}
    where status = 'captured'
)

select
    coalesce(captured.payment_id, posted.payment_id) as payment_id,
    captured.amount_minor as captured_minor,
    posted.amount_minor as posted_minor
from captured
full outer join posted on captured.payment_id = posted.payment_id
where captured.amount_minor is distinct from posted.amount_minor
