{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {
        'int_training_loads.fct_workouts': 'select customer_id, completed_on from {rows}',
        'int_training_loads.int_customers': 'select customer_id, {ever} from {rows}',
    },
    'only': {
        'int_training_loads': "
            with done as (
                select
                    workout.customer_id, part.since, workout.completed_on as day,
                    coalesce(workout.session_load, 0) as load
                from {fct_workouts} as workout
                inner join {parts} as part on workout.customer_id = part.key
                where workout.status = 'completed'
            ),

            spans as (
                select customer_id, max(since) as since, min(day) as first_day, max(day) as last_day
                from done group by customer_id
            ),

            days as (
                select customer_id, day, sum(load) as load, count(*) as workouts
                from done where day >= since - 27 group by customer_id, day
            ),

            ends as (
                select
                    spans.customer_id, spans.since, spans.first_day,
                    greatest(spans.last_day, cast({now} at time zone customer.time_zone as date)) as last_day
                from spans inner join {int_customers} as customer on spans.customer_id = customer.customer_id
            ),

            recent as (
                select customer_id, cast(unnest(generate_series(
                    cast(greatest(first_day, since - 27) as timestamp), cast(last_day as timestamp), interval 1 day
                )) as date) as day
                from ends
            )

            select
                recent.customer_id, recent.day, coalesce(days.load, 0) as load,
                cast(coalesce(days.workouts, 0) as integer) as workouts, null as acute_before, null as chronic_before
            from recent
            left join days on recent.customer_id = days.customer_id and recent.day = days.day
            union all by name
            select
                done.customer_id, max(done.since) - 28 as day, 0 as load, 0 as workouts,
                sum(load * (case when day = first_day then 1 else 0.25 end)
                    * power(cast(0.75 as double), done.since - 28 - day)) as acute_before,
                sum(load * (case when day = first_day then 1 else 1 - cast(27 as double) / 29 end)
                    * power(cast(27 as double) / 29, done.since - 28 - day)) as chronic_before
            from done inner join ends on done.customer_id = ends.customer_id
            where done.day < done.since - 27
            group by done.customer_id
        ",
    },
    'clock': "
        select customer_id, cast({then} at time zone time_zone as date) from {int_customers}
        where cast({then} at time zone time_zone as date) <> cast({now} at time zone time_zone as date)
    ",
}}) }}
-- Acute and chronic load as rolling averages. Shown as a load spike, not as a risk: see docs/metrics.md. Of an exponential
-- mean (lambda 2 / (N + 1)) these parts of yesterday are kept. Each load is weighed by its distance to the newest day,
-- summed up, and brought back to the day it is told for; 2,400 days back the weights leave what a double can hold.
-- Where only the last days are made anew, one row before them brings what the means had come to.
{% set kept_of = {"acute": "cast(0.75 as " ~ double() ~ ")", "chronic": "(cast(27 as " ~ double() ~ ") / 29)"} %}
{% set so_far = "partition by customer_id order by day" %}
{% set last_7_days = so_far ~ " rows between 6 preceding and current row" %}
with daily as (
    select *
    from {{ ref('int_training_loads') }}
),

bounds as (
    select
        customer_id,
        min(day) as first_day,
        max(day) as last_day
    from daily
    group by customer_id
),

numbered as (
    select
        loads.customer_id,
        loads.day,
        loads.load,
        loads.workouts,
        coalesce(loads.acute_before, loads.load) as acute_load,
        coalesce(loads.chronic_before, loads.load) as chronic_load,
        case
            when {{ days_between('loads.day', 'bounds.last_day') }} <= 2400
                then {{ days_between('loads.day', 'bounds.last_day') }}
        end as days_ago,
        case when loads.day = bounds.first_day then 1 else 0 end as is_first
    from daily as loads
    inner join bounds on loads.customer_id = bounds.customer_id
),

rolled as (
    select
        customer_id,
        day,
        load,
        workouts,
        avg(load) over ({{ last_7_days }}) as acute,
        avg(load) over ({{ so_far }} rows between 27 preceding and current row) as chronic,
        avg(load) over ({{ so_far }} rows between 27 preceding and 7 preceding) as chronic_before,
        count(*) over ({{ so_far }} rows between 27 preceding and current row) as days_known,
        sum(load) over ({{ last_7_days }}) as week_load,
        stddev_samp(load) over ({{ last_7_days }}) as deviation,
        {% for name, kept in kept_of.items() -%}
            sum({{ name }}_load * (1 - {{ kept }} * (1 - is_first)) * power({{ kept }}, days_ago)) over ({{ so_far }})
            / nullif(power({{ kept }}, days_ago), 0) as smoothed_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from numbered
)

select
    customer_id,
    day,
    cast(load as {{ double() }}) as load,
    cast(acute as {{ double() }}) as acute_load_7d,
    cast(case when days_known = 28 then chronic end as {{ double() }}) as chronic_load_28d,
    cast(case when days_known = 28 then acute / nullif(chronic, 0) end as {{ double() }}) as acwr,
    cast(case when days_known = 28 then acute / nullif(chronic_before, 0) end as {{ double() }}) as acwr_uncoupled,
    workouts,
    cast(
        case when days_known = 28 then smoothed_acute / nullif(smoothed_chronic, 0) end as {{ double() }}
    ) as acwr_smoothed,
    cast(case when days_known >= 7 and deviation > 1e-9 then acute / deviation end as {{ double() }}) as monotony_7d,
    cast(
        case when days_known >= 7 and deviation > 1e-9 then week_load * acute / deviation end as {{ double() }}
    ) as strain_7d
from rolled
