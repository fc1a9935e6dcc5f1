{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {
        'int_customers': 'select customer_id from {rows}',
        'int_customer_stages': 'select customer_id from {rows}',
        'int_memberships': 'select customer_id from {rows}',
        'int_membership_changes': 'select customer_id from {rows}',
        'fct_bookings': 'select customer_id from {rows}',
        'fct_workouts': 'select customer_id from {rows}',
        'fct_messages': 'select customer_id from {rows}',
        'stg_commerce__subscriptions': "
            select customer_id from {commerce__subscriptions} where id in (select id from {rows})
        ",
        'stg_training__injuries': "
            select customer_id from {training__injuries} where id in (select id from {rows})
        ",
    },
    'only': {
        'fct_bookings': 'customer_id in (select key from {parts})',
        'fct_workouts': 'customer_id in (select key from {parts})',
        'fct_messages': 'customer_id in (select key from {parts})',
    },
    'clock': "
        select customer_id from {int_customers}
        where cast({then} at time zone time_zone as date) <> cast({now} at time zone time_zone as date)
        union all
        select customer_id from {fct_bookings} where starts_at > {then} and starts_at <= {now}
    ",
}}) }}
-- Today is asked for once a customer: in a join it would be asked for every row.
with customers as (
    select
        *,
        {{ today('time_zone') }} as today
    from {{ ref('int_customers') }}
),

stage as (
    select
        customer_id,
        stage,
        since
    from {{ ref('int_customer_stages') }}
    where until_on is null
),

membership as (
    select
        subscription.customer_id,
        plan.plan_code,
        plan.plan_name,
        paid.started_at as member_since,
        subscription.cancel_at
    from {{ ref('stg_commerce__subscriptions') }} as subscription
    inner join {{ ref('stg_commerce__plans') }} as plan on subscription.plan_id = plan.plan_id
    left join {{ ref('int_memberships') }} as paid on subscription.subscription_id = paid.subscription_id
    where subscription.status in ('trialing', 'active', 'past_due', 'paused')
),

revenue as (
    select
        customer_id,
        sum(mrr_after_minor) as mrr_minor
    from {{ ref('int_membership_changes') }}
    where next_changed_on is null and state_after in ('active', 'paused')
    group by customer_id
),

sessions as (
    select
        booking.customer_id,
        max(case when booking.status = 'attended' then booking.starts_at end) as last_session_at,
        min(
            case when booking.status = 'booked' and booking.starts_at > {{ now() }} then booking.starts_at end
        ) as next_session_at,
        count(
            case
                when booking.status = 'attended'
                    and booking.local_day > {{ add_days('customer.today', -30) }} then 1
            end
        ) as sessions_last_30d,
        count(
            case
                when booking.status = 'no_show'
                    and booking.local_day > {{ add_days('customer.today', -90) }} then 1
            end
        ) as no_shows_last_90d
    from {{ ref('fct_bookings') }} as booking
    inner join customers as customer on booking.customer_id = customer.customer_id
    group by booking.customer_id
),

training as (
    select
        workout.customer_id,
        max(workout.completed_at) as last_workout_at,
        count(
            case when workout.completed_on > {{ add_days('customer.today', -30) }} then 1 end
        ) as workouts_last_30d,
        avg(
            case
                when workout.programme_id is not null
                    and workout.scheduled_on > {{ add_days('customer.today', -30) }}
                    and workout.scheduled_on <= customer.today
                    then case when workout.status = 'completed' then cast(1 as {{ double() }}) else 0 end
            end
        ) as adherence_30d
    from {{ ref('fct_workouts') }} as workout
    inner join customers as customer on workout.customer_id = customer.customer_id
    group by workout.customer_id
),

injuries as (
    select distinct customer_id
    from {{ ref('stg_training__injuries') }}
    where resolved_on is null
),

messages as (
    select
        customer_id,
        max(sent_at) as last_message_at
    from {{ ref('fct_messages') }}
    where kind <> 'system'
    group by customer_id
)

select
    customer.customer_id,
    customer.display_name,
    customer.coach_id,
    coach.display_name as coach_name,
    customer.location_id,
    customer.location_name,
    customer.city,
    customer.time_zone,
    customer.currency,
    customer.goal,
    customer.level,
    customer.joined_at,
    stage.stage,
    stage.since as stage_since,
    membership.member_since,
    membership.plan_code,
    membership.plan_name,
    cast(coalesce(revenue.mrr_minor, 0) as bigint) as mrr_minor,
    membership.cancel_at,
    customer.home_distance_km,
    sessions.last_session_at,
    sessions.next_session_at,
    cast(coalesce(sessions.sessions_last_30d, 0) as integer) as sessions_last_30d,
    cast(coalesce(sessions.no_shows_last_90d, 0) as integer) as no_shows_last_90d,
    cast(training.adherence_30d as {{ double() }}) as adherence_30d,
    training.last_workout_at,
    cast(coalesce(training.workouts_last_30d, 0) as integer) as workouts_last_30d,
    injuries.customer_id is not null as has_open_injury,
    messages.last_message_at
from customers as customer
left join {{ ref('stg_scheduling__coaches') }} as coach on customer.coach_id = coach.coach_id
left join stage on customer.customer_id = stage.customer_id
left join membership on customer.customer_id = membership.customer_id
left join revenue on customer.customer_id = revenue.customer_id
left join sessions on customer.customer_id = sessions.customer_id
left join training on customer.customer_id = training.customer_id
left join injuries on customer.customer_id = injuries.customer_id
left join messages on customer.customer_id = messages.customer_id
