-- The movements of a currency, summed since the beginning, are the recurring revenue its memberships have now.
with moved as (
    select
        currency,
        sum(amount_minor) as mrr_minor
    from {{ ref('fct_mrr_movements') }}
    group by currency
),

running as (
    select
        currency,
        sum(mrr_after_minor) as mrr_minor
    from {{ ref('int_membership_changes') }}
    where next_changed_on is null
    group by currency
)

select
    running.currency,
    moved.mrr_minor as moved_minor,
    running.mrr_minor as running_minor
from running
left join moved on running.currency = moved.currency
where coalesce(moved.mrr_minor, 0) <> running.mrr_minor
