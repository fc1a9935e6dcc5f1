{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'as_of',
    'changed': {
        'int_customer_activity': 'select customer_id, day - 1 from {rows}',
        'int_member_dates': 'select customer_id, as_of from {rows}',
        'int_customers': 'select customer_id, {ever} from {rows}',
        'stg_training__coach_assignments': "
            select customer_id, {ever} from {training__coach_assignments}
            where id in (select id from {rows})
        ",
        'stg_training__homes': 'select id, {ever} from {rows}',
    },
    'only': {
        'int_member_dates': "
            select dates.* from {int_member_dates} as dates
            inner join {parts} as part on dates.customer_id = part.key and dates.as_of >= part.since
            where dates.as_of >= {earliest}
        ",
        'int_customer_activity': "
            with wanted as (
                select part.* from {parts} as part
                where exists (
                    select 1 from {int_member_dates} as dates
                    where dates.customer_id = part.key and dates.as_of >= part.since and dates.as_of >= {earliest}
                )
            ),

            old as (
                select
                    activity.customer_id, max(activity.day) as day,
                    sum(activity.seats_ahead) as seats_ahead, sum(activity.open_injuries) as open_injuries,
                    max(case when activity.attended > 0 then activity.day end) as attended_on,
                    max(case when activity.workouts > 0 then activity.day end) as done_on,
                    max(case when activity.messages_sent + activity.messages_received > 0 then activity.day end)
                        as wrote_on
                from {int_customer_activity} as activity
                inner join wanted on activity.customer_id = wanted.key and activity.day < wanted.since - 92
                group by activity.customer_id
            )

            select activity.* from {int_customer_activity} as activity
            inner join wanted on activity.customer_id = wanted.key and activity.day >= wanted.since - 92
            where activity.day >= {earliest} - 92
            union all by name
            select customer_id, day, seats_ahead, open_injuries from old
            union all by name
            select customer_id, attended_on as day, 1 as attended from old where attended_on is not null
            union all by name
            select customer_id, done_on as day, 1 as workouts from old where done_on is not null
            union all by name
            select customer_id, wrote_on as day, 1 as messages_sent, 0 as messages_received
            from old where wrote_on is not null
        ",
    },
    'instead': {'windowed': "
        select dates.customer_id, dates.as_of, dates.cutoff_on, " ~ activity_features_in_groups() ~ "
        from {int_member_dates} as dates
        left join {int_customer_activity} as activity
            on dates.customer_id = activity.customer_id and activity.day < dates.cutoff_on
        group by all
    "},
}}) }}
-- Windows over the days before each date. Rows of activity and rows of dates lie in one sequence, so every feature is a
-- frame that ends on the day before the cutoff: nothing later can reach it.
with sequence as (
    select
        customer_id,
        cutoff_on as day,
        as_of,
        null as booked,
        null as attended,
        null as no_show,
        null as late_cancelled,
        null as seats_ahead,
        null as planned,
        null as planned_done,
        null as workouts,
        null as volume_kg,
        null as session_rpe,
        null as rpes_told,
        null as failed_payments,
        null as messages_sent,
        null as messages_received,
        null as coach_changes,
        null as price_increase,
        null as open_injuries,
        null as sleep_minutes,
        null as hrv_rmssd_ms
    from {{ ref('int_member_dates') }}
    union all
    select
        customer_id,
        day,
        null as as_of,
        booked,
        attended,
        no_show,
        late_cancelled,
        seats_ahead,
        planned,
        planned_done,
        workouts,
        volume_kg,
        session_rpe,
        rpes_told,
        failed_payments,
        messages_sent,
        messages_received,
        coach_changes,
        price_increase,
        open_injuries,
        sleep_minutes,
        hrv_rmssd_ms
    from {{ ref('int_customer_activity') }}
),

numbered as (
    select
        *,
        {{ day_number('day') }} as day_number
    from sequence
),

windowed as (
    -- In windows where everything is made, in groups where a few dates are: see `instead` in `lake_changes.sql`.
    -- whole: windowed
    select
        customer_id,
        as_of,
        day as cutoff_on,
        {{ activity_features_in_windows() }}
    from numbered
    -- end: windowed
),

dated as (
    select
        *,
        -- Null without a plan: who has none has not done all of it.
        cast(coalesce(planned_done_28d, 0) as {{ double() }}) / nullif(planned_28d, 0) as done_of_planned_28d,
        cast(coalesce(planned_done_before, 0) as {{ double() }}) / nullif(planned_before, 0) as done_of_planned_before
    from windowed
    where as_of is not null
),

assignments as (
    select
        assignment.customer_id,
        assignment.coach_id,
        {{ local_date('assignment.assigned_at', 'customer.time_zone') }} as assigned_on,
        coalesce({{ local_date('assignment.ended_at', 'customer.time_zone') }}, {{ no_date() }}) as ended_on
    from {{ ref('stg_training__coach_assignments') }} as assignment
    inner join {{ ref('int_customers') }} as customer on assignment.customer_id = customer.customer_id
),

homes as (
    select
        home.customer_id,
        home.home_distance_km,
        coalesce({{ local_date('home.since', 'customer.time_zone') }}, cast('0001-01-01' as date)) as since_on,
        coalesce({{ local_date('home.until', 'customer.time_zone') }}, {{ no_date() }}) as until_on
    from {{ ref('stg_training__homes') }} as home
    inner join {{ ref('int_customers') }} as customer on home.customer_id = customer.customer_id
)

select
    dated.customer_id,
    dated.as_of,
    assignment.coach_id,
    member.currency,
    plan.plan_code,
    plan.interval_months,
    member.mrr_minor,
    {{ days_between('member.started_on', 'dated.cutoff_on') }} as tenure_days,
    {% for days in [7, 28, 90] -%}
        cast(coalesce(dated.sessions_booked_{{ days }}d, 0) as integer) as sessions_booked_{{ days }}d,
    {% endfor -%}
    {% for days in [7, 28, 90] -%}
        cast(coalesce(dated.sessions_attended_{{ days }}d, 0) as integer) as sessions_attended_{{ days }}d,
    {% endfor -%}
    cast(
        cast(coalesce(dated.sessions_attended_28d, 0) as {{ double() }})
        / nullif(dated.attended_before, 0) as {{ double() }}
    ) as attendance_trend,
    cast(coalesce(dated.no_shows_90d, 0) as integer) as no_shows_90d,
    cast(coalesce(dated.late_cancels_90d, 0) as integer) as late_cancels_90d,
    {{ days_between('dated.last_attended_on', 'dated.cutoff_on') }} as days_since_last_session,
    coalesce(dated.seats_ahead, 0) > 0 as has_next_booking,
    cast({{ at_most('dated.done_of_planned_28d', '1.0') }} as {{ double() }}) as adherence_28d,
    cast(
        {{ at_most('dated.done_of_planned_before', '1.0') }}
        - {{ at_most('dated.done_of_planned_28d', '1.0') }} as {{ double() }}
    ) as adherence_drop,
    cast(coalesce(dated.workouts_28d, 0) as integer) as workouts_28d,
    {{ days_between('dated.last_workout_on', 'dated.cutoff_on') }} as days_since_last_workout,
    cast(coalesce(dated.volume_28d_kg, 0) as {{ double() }}) as volume_28d_kg,
    cast(
        coalesce(dated.volume_28d_kg, 0) / nullif(dated.volume_before_kg, 0) as {{ double() }}
    ) as volume_trend,
    cast(dated.rpe_28d / nullif(dated.rpes_told_28d, 0) as {{ double() }}) as session_rpe_28d,
    cast(coalesce(dated.coach_changes_90d, 0) as integer) as coach_changes_90d,
    cast(coalesce(dated.price_increase_90d, 0) as {{ double() }}) as price_increase_90d,
    cast(coalesce(dated.failed_payments_90d, 0) as integer) as failed_payments_90d,
    cast(coalesce(dated.messages_sent_28d, 0) as integer) as messages_sent_28d,
    cast(coalesce(dated.messages_received_28d, 0) as integer) as messages_received_28d,
    {{ days_between('dated.last_message_on', 'dated.cutoff_on') }} as days_since_last_message,
    coalesce(dated.open_injuries, 0) > 0 as has_open_injury,
    home.home_distance_km,
    cast(dated.sleep_7d / nullif(dated.sleep_28d, 0) as {{ double() }}) as sleep_trend,
    cast(dated.hrv_7d / nullif(dated.hrv_28d, 0) as {{ double() }}) as hrv_trend,
    cast(extract(month from dated.as_of) as integer) as month_of_year
from dated
inner join {{ ref('int_member_dates') }} as member
    on dated.customer_id = member.customer_id and dated.as_of = member.as_of
left join {{ ref('stg_commerce__plans') }} as plan on member.plan_id = plan.plan_id
left join assignments as assignment
    on
        dated.customer_id = assignment.customer_id
        and dated.cutoff_on > assignment.assigned_on
        and dated.cutoff_on <= assignment.ended_on
left join homes as home
    on
        dated.customer_id = home.customer_id
        and dated.cutoff_on > home.since_on
        and dated.cutoff_on <= home.until_on
