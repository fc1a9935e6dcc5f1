{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {'int_training_loads': 'select customer_id from {rows}'},
    'only': {
        'int_training_loads': '
            select * from {int_training_loads} where customer_id in (select key from {parts})
        ',
    },
    'clock': "
        select customer_id from {int_customers}
        where cast({then} at time zone time_zone as date) <> cast({now} at time zone time_zone as date)
    ",
}}) }}
-- Acute and chronic load as rolling averages. Shown as a load spike, not as a risk: see docs/metrics.md. Of an exponential
-- mean (lambda 2 / (N + 1)) these parts of yesterday are kept. Each load is weighed by its distance to the newest day,
-- summed up, and brought back to the day it is told for; 2,400 days back the weights leave what a double can hold.
{% set kept_of = {"acute": "cast(0.75 as " ~ double() ~ ")", "chronic": "(cast(27 as " ~ double() ~ ") / 29)"} %}
{% set so_far = "partition by customer_id order by day" %}
{% set last_7_days = so_far ~ " rows between 6 preceding and current row" %}
with bounds as (
    select
        customer_id,
        min(day) as first_day,
        max(day) as last_day
    from {{ ref('int_training_loads') }}
    group by customer_id
),

numbered as (
    select
        loads.customer_id,
        loads.day,
        loads.load,
        loads.workouts,
        case
            when {{ days_between('loads.day', 'bounds.last_day') }} <= 2400
                then {{ days_between('loads.day', 'bounds.last_day') }}
        end as days_ago,
        case when loads.day = bounds.first_day then 1 else 0 end as is_first
    from {{ ref('int_training_loads') }} as loads
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
            sum(load * (1 - {{ kept }} * (1 - is_first)) * power({{ kept }}, days_ago)) over ({{ so_far }})
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
