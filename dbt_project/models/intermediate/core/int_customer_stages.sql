{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {
        'int_customers': 'select customer_id from {rows}',
        'int_membership_changes': 'select customer_id from {rows}',
    },
    'only': {
        'int_customers': 'customer_id in (select key from {parts})',
        'int_membership_changes': 'customer_id in (select key from {parts})',
    },
}}) }}
-- The stages a customer went through, one row per stay in a stage. Whoever is heard of only after their first step, of
-- whom a booking or another system told, was a lead until that step.
with firsts as (
    select
        customer_id,
        min(changed_at) as changed_at
    from {{ ref('int_membership_changes') }}
    where stage is not null
    group by customer_id
),

joined as (
    select
        customer.customer_id,
        customer.time_zone,
        case when firsts.changed_at < customer.joined_at then firsts.changed_at else customer.joined_at end as since
    from {{ ref('int_customers') }} as customer
    left join firsts on customer.customer_id = firsts.customer_id
),

entered as (
    select
        customer_id,
        'lead' as stage,
        since,
        {{ local_date('since', 'time_zone') }} as since_on,
        0 as step_order
    from joined
    union all
    select
        customer_id,
        stage,
        changed_at as since,
        changed_on as since_on,
        row_number() over (partition by customer_id order by changed_at, change_id) as step_order
    from {{ ref('int_membership_changes') }}
    where stage is not null
),

changed as (
    select
        *,
        lag(stage) over (partition by customer_id order by step_order) as stage_before
    from entered
),

stays as (
    select *
    from changed
    where stage_before is null or stage_before <> stage
)

select
    customer_id,
    stage,
    since,
    since_on,
    lead(since) over (partition by customer_id order by step_order) as until,
    lead(since_on) over (partition by customer_id order by step_order) as until_on
from stays
