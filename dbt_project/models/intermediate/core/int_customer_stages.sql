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
-- The stages a customer went through, one row per stay in a stage.
with entered as (
    select
        customer_id,
        'lead' as stage,
        joined_at as since,
        {{ local_date('joined_at', 'time_zone') }} as since_on,
        0 as step_order
    from {{ ref('int_customers') }}
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
