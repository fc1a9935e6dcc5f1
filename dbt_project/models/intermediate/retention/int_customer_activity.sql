{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {
        'fct_bookings': "
            select customer_id, cast(
                least(local_day, cast(booked_at as date), cast(cancelled_at as date), cast(outcome_at as date)) as date
            ) - 1 from {rows}
        ",
        'fct_workouts': 'select customer_id, least(scheduled_on, completed_on) from {rows}',
        'fct_payments': 'select customer_id, attempted_on from {rows}',
        'fct_messages': 'select customer_id, sent_on from {rows}',
        'int_wearable_days_chosen': 'select customer_id, day from {rows}',
        'int_facts_told_late': 'select customer_id, day from {rows}',
        'int_readings_told_late': 'select customer_id, day from {rows}',
        'int_membership_changes': 'select customer_id, changed_on from {rows}',
        'int_customers': 'select customer_id, {ever} from {rows}',
        'int_health_consents': 'select customer_id, {ever} from {rows}',
        'stg_training__injuries': "
            select customer_id, {ever} from {training__injuries} where id in (select id from {rows})
        ",
        'stg_training__coach_assignments': "
            select customer_id, {ever} from {training__coach_assignments}
            where id in (select id from {rows})
        ",
    },
    'clock': 'select customer_id, local_day - 1 from {fct_bookings} where starts_at > {then} and starts_at <= {now}',
    'only': {
        'fct_bookings': "
            select booking.* from (
                -- A cast of an instant to a date is dear: not for bookings that were over days before.
                select * from {fct_bookings}
                where greatest(starts_at, booked_at, cancelled_at, outcome_at) >= (select min(since) - 3 from {parts})
            ) as booking
            inner join {parts} as part
                on
                    booking.customer_id = part.key
                    and cast(greatest(
                        booking.local_day, cast(booking.booked_at as date), cast(booking.cancelled_at as date),
                        cast(booking.outcome_at as date)
                    ) as date) + 1 >= part.since
        ",
        'fct_workouts': "
            with recent as (
                -- By one date at a time, of which DuckDB knows what rows need not be read.
                select * from {fct_workouts} where completed_on >= {earliest}
                union all
                select * from {fct_workouts}
                where scheduled_on >= {earliest} and (completed_on is null or completed_on < {earliest})
            )

            select workout.* from recent as workout
            inner join {parts} as part
                on
                    workout.customer_id = part.key
                    and greatest(workout.scheduled_on, workout.completed_on) >= part.since
            union
            select workout.* from {fct_workouts} as workout
            inner join (
                select late.about_id from {int_facts_told_late} as late
                inner join {parts} as part on late.customer_id = part.key and late.told_on >= part.since
                where late.told_on >= {earliest}
            ) as late on workout.workout_id = late.about_id
        ",
        'fct_payments': "
            select payment.* from {fct_payments} as payment
            inner join {parts} as part on payment.customer_id = part.key and payment.attempted_on >= part.since
            where payment.attempted_on >= {earliest}
        ",
        'fct_messages': "
            select message.* from {fct_messages} as message
            inner join {parts} as part on message.customer_id = part.key and message.sent_on >= part.since
            where message.sent_on >= {earliest}
        ",
        'int_wearable_days_chosen': "
            select reading.* from {int_wearable_days_chosen} as reading
            inner join {parts} as part on reading.customer_id = part.key and reading.day >= part.since
            where reading.day >= {earliest}
            union
            select reading.* from {int_wearable_days_chosen} as reading
            inner join (
                select late.customer_id, late.day from {int_readings_told_late} as late
                inner join {parts} as part on late.customer_id = part.key and late.told_on >= part.since
                where late.told_on >= {earliest}
            ) as late on reading.customer_id = late.customer_id and reading.day = late.day
        ",
        'int_facts_told_late': 'customer_id in (select key from {parts})',
        'int_readings_told_late': 'customer_id in (select key from {parts})',
    },
}}) }}
-- What became known about a customer on a day, from every domain: the sparse material of point-in-time features.
-- A fact counts on the day it was known, not on the day it was about: an outcome when marked, a workout when done, and
-- what was told late when it was told.
with bookings as (
    select
        booking.*,
        {{ local_date('booking.booked_at', 'customer.time_zone') }} as booked_on,
        {{ local_date('booking.cancelled_at', 'customer.time_zone') }} as cancelled_on,
        {{ local_date('coalesce(booking.outcome_at, booking.starts_at)', 'customer.time_zone') }} as outcome_on,
        -- One that is still to come today is ahead of what is known today.
        case
            when booking.cancelled_at is null and booking.starts_at > {{ now() }}
                then {{ add_days('booking.local_day', 1) }}
            else booking.local_day
        end as over_on
    from {{ ref('fct_bookings') }} as booking
    inner join {{ ref('int_customers') }} as customer on booking.customer_id = customer.customer_id
),

workouts as (
    select
        workout.customer_id,
        workout.programme_id,
        coalesce(planned.told_on, workout.scheduled_on) as scheduled_on,
        coalesce(done.told_on, workout.completed_on) as completed_on,
        workout.status,
        workout.session_rpe,
        workout.volume_kg
    from {{ ref('fct_workouts') }} as workout
    left join {{ ref('int_facts_told_late') }} as planned
        on workout.workout_id = planned.about_id and planned.fact = 'planned'
    left join {{ ref('int_facts_told_late') }} as done on workout.workout_id = done.about_id and done.fact = 'done'
),

injuries as (
    select
        injury.customer_id,
        coalesce(told.told_on, injury.occurred_on) as occurred_on,
        -- Who is well again when they tell of it had nothing open.
        case
            when injury.resolved_on is not null
                then greatest(
                    coalesce(told.told_on, injury.occurred_on), coalesce(recovered.told_on, injury.resolved_on)
                )
        end as resolved_on
    from {{ ref('stg_training__injuries') }} as injury
    left join {{ ref('int_facts_told_late') }} as told on injury.injury_id = told.about_id and told.fact = 'injury'
    left join {{ ref('int_facts_told_late') }} as recovered
        on injury.injury_id = recovered.about_id and recovered.fact = 'recovery'
),

readings as (
    select
        reading.customer_id,
        coalesce(late.told_on, reading.day) as day,
        -- Several nights that came at once are one thing known that day: their mean.
        avg(case when consent.models_sleep then reading.sleep_minutes end) as sleep_minutes,
        avg(case when consent.models_daily then reading.hrv_rmssd_ms end) as hrv_rmssd_ms
    from {{ ref('int_wearable_days_chosen') }} as reading
    inner join {{ ref('int_health_consents') }} as consent on reading.customer_id = consent.customer_id
    left join {{ ref('int_readings_told_late') }} as late
        on
            reading.customer_id = late.customer_id
            and reading.day = late.day
            and reading.device = late.device
    group by reading.customer_id, coalesce(late.told_on, reading.day)
),

assignments as (
    select
        assignment.customer_id,
        assignment.assigned_at,
        customer.time_zone,
        row_number() over (partition by assignment.customer_id order by assignment.assigned_at) as place
    from {{ ref('stg_training__coach_assignments') }} as assignment
    inner join {{ ref('int_customers') }} as customer on assignment.customer_id = customer.customer_id
),

facts as (
    select
        customer_id,
        greatest(local_day, booked_on) as day,
        'booked' as fact,
        1.0 as amount
    from bookings
    where status <> 'cancelled' and starts_at <= {{ now() }}
    union all
    select
        customer_id,
        outcome_on as day,
        status as fact,
        1.0 as amount
    from bookings
    where status in ('attended', 'no_show')
    union all
    select
        customer_id,
        cancelled_on as day,
        'late_cancelled' as fact,
        1.0 as amount
    from bookings
    where status = 'late_cancelled'
    union all
    select
        customer_id,
        booked_on as day,
        'seats_ahead' as fact,
        1.0 as amount
    from bookings
    union all
    select
        customer_id,
        greatest(booked_on, case when cancelled_on < local_day then cancelled_on else over_on end) as day,
        'seats_ahead' as fact,
        -1.0 as amount
    from bookings
    union all
    select
        customer_id,
        scheduled_on as day,
        'planned' as fact,
        1.0 as amount
    from workouts
    where programme_id is not null
    union all
    select
        customer_id,
        completed_on as day,
        'planned_done' as fact,
        1.0 as amount
    from workouts
    where programme_id is not null and status = 'completed'
    union all
    select
        customer_id,
        completed_on as day,
        'workouts' as fact,
        1.0 as amount
    from workouts
    where status = 'completed'
    union all
    select
        customer_id,
        completed_on as day,
        'volume_kg' as fact,
        volume_kg as amount
    from workouts
    where status = 'completed'
    union all
    select
        customer_id,
        completed_on as day,
        'session_rpe' as fact,
        session_rpe as amount
    from workouts
    where status = 'completed' and session_rpe is not null
    union all
    select
        customer_id,
        attempted_on as day,
        'failed_payments' as fact,
        1.0 as amount
    from {{ ref('fct_payments') }}
    where status = 'failed'
    union all
    select
        customer_id,
        sent_on as day,
        case when is_from_customer then 'messages_sent' else 'messages_received' end as fact,
        1.0 as amount
    from {{ ref('fct_messages') }}
    where kind <> 'system'
    union all
    select
        customer_id,
        -- Asked only of those that count: DuckDB looks at the day of all first.
        case when place > 1 then {{ local_date('assigned_at', 'time_zone') }} end as day,
        'coach_changes' as fact,
        1.0 as amount
    from assignments
    where place > 1
    union all
    select
        customer_id,
        changed_on as day,
        'price_increase' as fact,
        cast(amount_minor as {{ double() }}) / nullif(mrr_after_minor - amount_minor, 0) as amount
    from {{ ref('int_membership_changes') }}
    where step = 'price_changed' and movement = 'expansion'
    union all
    select
        customer_id,
        occurred_on as day,
        'open_injuries' as fact,
        1.0 as amount
    from injuries
    union all
    select
        customer_id,
        resolved_on as day,
        'open_injuries' as fact,
        -1.0 as amount
    from injuries
    where resolved_on is not null
    union all
    select
        customer_id,
        day,
        'sleep_minutes' as fact,
        sleep_minutes as amount
    from readings
    where sleep_minutes is not null
    union all
    select
        customer_id,
        day,
        'hrv_rmssd_ms' as fact,
        hrv_rmssd_ms as amount
    from readings
    where hrv_rmssd_ms is not null
)

select
    customer_id,
    day,
    {% for fact in [
        'booked', 'attended', 'no_show', 'late_cancelled', 'seats_ahead', 'planned', 'planned_done', 'workouts',
        'failed_payments', 'messages_sent', 'messages_received', 'coach_changes', 'open_injuries'
    ] -%}
        cast(sum(case when fact = '{{ fact }}' then amount else 0 end) as integer) as {{ fact }},
    {% endfor -%}
    {% for fact in ['volume_kg', 'price_increase', 'session_rpe', 'sleep_minutes', 'hrv_rmssd_ms'] -%}
        cast(sum(case when fact = '{{ fact }}' then amount end) as {{ double() }}) as {{ fact }},
    {% endfor -%}
    cast(count(case when fact = 'session_rpe' then 1 end) as integer) as rpes_told
from facts
group by customer_id, day
