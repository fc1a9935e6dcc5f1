{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'week_starts_on',
    'changed': {
        'fct_workouts': "select customer_id, cast(date_trunc('week', scheduled_on) as date) from {rows}",
        'int_customers': 'select customer_id, {ever} from {rows}',
    },
    'only': {
        'fct_workouts': "
            select workout.* from {fct_workouts} as workout
            inner join {parts} as part on workout.customer_id = part.key and workout.scheduled_on >= part.since - 90
            where workout.scheduled_on >= {earliest} - 90
        ",
    },
    'instead': {'windowed': "
        select weeks.customer_id, weeks.week_starts_on,
            count(case when due.day > weeks.day - 30 then 1 end) as planned_30d,
            sum(case when due.day > weeks.day - 30 then due.is_done else 0 end) as completed_30d,
            count(*) as planned_90d, sum(due.is_done) as completed_90d
        from weeks
        inner join {parts} as part on weeks.customer_id = part.key and weeks.week_starts_on >= part.since
        inner join due
            on weeks.customer_id = due.customer_id and due.day <= weeks.day and due.day > weeks.day - 90
        group by weeks.customer_id, weeks.week_starts_on
    "},
    'clock': "
        select customer_id, cast(date_trunc('week', {then} at time zone time_zone) as date) from {int_customers}
        where cast({then} at time zone time_zone as date) <> cast({now} at time zone time_zone as date)
    ",
}}) }}
-- Workouts due and ends of weeks lie in one sequence, so the longer windows are frames that end with the week's last day,
-- or today.
{% set until_then = "partition by customer_id order by " ~ day_number("day") %}
with customers as (
    select
        customer_id,
        {{ today('time_zone') }} as today
    from {{ ref('int_customers') }}
),

due as (
    select
        workout.customer_id,
        workout.scheduled_on as day,
        {{ monday('workout.scheduled_on') }} as week_starts_on,
        customer.today,
        case when workout.status = 'completed' then 1 else 0 end as is_done
    from {{ ref('fct_workouts') }} as workout
    inner join customers as customer on workout.customer_id = customer.customer_id
    where workout.programme_id is not null and workout.scheduled_on <= customer.today
),

weeks as (
    select
        customer_id,
        week_starts_on,
        least({{ add_days('week_starts_on', 6) }}, max(today)) as day,
        count(*) as planned,
        sum(is_done) as completed
    from due
    group by customer_id, week_starts_on
),

sequence as (
    select
        customer_id,
        day,
        null as week_starts_on,
        1 as planned,
        is_done as completed
    from due
    union all
    select
        customer_id,
        day,
        week_starts_on,
        0 as planned,
        0 as completed
    from weeks
),

windowed as (
    -- whole: windowed
    select
        customer_id,
        week_starts_on,
        {% for days in [30, 90] -%}
            sum(planned) over (
                {{ until_then }} range between {{ days - 1 }} preceding and current row
            ) as planned_{{ days }}d,
            sum(completed) over (
                {{ until_then }} range between {{ days - 1 }} preceding and current row
            ) as completed_{{ days }}d{{ ',' if not loop.last }}
        {% endfor %}
    from sequence
    -- end: windowed
)

select
    weeks.customer_id,
    weeks.week_starts_on,
    cast(weeks.planned as integer) as planned,
    cast(weeks.completed as integer) as completed,
    cast(cast(weeks.completed as {{ double() }}) / weeks.planned as {{ double() }}) as adherence,
    cast(windowed.planned_30d as integer) as planned_30d,
    cast(windowed.completed_30d as integer) as completed_30d,
    cast(windowed.planned_90d as integer) as planned_90d,
    cast(windowed.completed_90d as integer) as completed_90d
from weeks
inner join windowed on weeks.customer_id = windowed.customer_id and weeks.week_starts_on = windowed.week_starts_on
