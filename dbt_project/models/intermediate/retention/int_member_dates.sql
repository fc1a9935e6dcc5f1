{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {
        'int_customers': 'select customer_id from {rows}',
        'int_memberships': 'select customer_id from {rows}',
        'int_membership_changes': 'select customer_id from {rows}',
    },
    'only': {
        'int_customers': 'customer_id in (select key from {parts})',
        'int_membership_changes': 'customer_id in (select key from {parts})',
    },
    'clock': "
        select customer_id from {int_customers}
        where
            cast({then} at time zone time_zone as date) <> cast({now} at time zone time_zone as date)
            or cast({then} at time zone 'UTC' as date) <> cast({now} at time zone 'UTC' as date)
    ",
}}) }}
-- Each member who was active (not on trial, not paused) before a date: every Monday, and today.
-- Today is UTC's for everybody: of the newest date there is, each active member has a row, wherever midnight is now.
-- `cutoff_on` is the first day that features must not see: the date itself, or the customer's tomorrow where it is today.
with mondays as (
    select series.day
    from {{ dates(
        "(select " ~ monday('min(started_on)') ~ " from " ~ ref('int_memberships') ~ ")", today(), '7 days'
    ) }} as series
),

dated as (
    select
        customer.customer_id,
        mondays.day as as_of,
        mondays.day as cutoff_on
    from {{ ref('int_customers') }} as customer
    inner join mondays on mondays.day < least({{ today('customer.time_zone') }}, {{ today() }})
    union all
    select
        customer_id,
        {{ today() }} as as_of,
        {{ add_days(today('time_zone'), 1) }} as cutoff_on
    from {{ ref('int_customers') }}
)

select
    dated.customer_id,
    dated.as_of,
    dated.cutoff_on,
    step.subscription_id,
    step.plan_id,
    step.currency,
    step.mrr_after_minor as mrr_minor,
    membership.started_on,
    membership.ended_on
from dated
inner join {{ ref('int_membership_changes') }} as step
    on
        dated.customer_id = step.customer_id
        and step.changed_on < dated.cutoff_on
        and (step.next_changed_on is null or step.next_changed_on >= dated.cutoff_on)
        and step.state_after = 'active'
inner join {{ ref('int_memberships') }} as membership on step.subscription_id = membership.subscription_id
