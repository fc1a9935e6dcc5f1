-- Acute and chronic load as rolling averages. Shown as a load spike, not as a risk: see docs/metrics.md.
with rolled as (
    select
        customer_id,
        day,
        load,
        workouts,
        avg(load) over (so_far rows between 6 preceding and current row) as acute,
        avg(load) over (so_far rows between 27 preceding and current row) as chronic,
        avg(load) over (so_far rows between 27 preceding and 7 preceding) as chronic_before,
        count(*) over (so_far rows between 27 preceding and current row) as days_known
    from {{ ref('int_training_loads') }}
    window so_far as (partition by customer_id order by day)
)

select
    customer_id,
    day,
    cast(load as double precision) as load,
    cast(acute as double precision) as acute_load_7d,
    cast(case when days_known = 28 then chronic end as double precision) as chronic_load_28d,
    cast(case when days_known = 28 then acute / nullif(chronic, 0) end as double precision) as acwr,
    cast(case when days_known = 28 then acute / nullif(chronic_before, 0) end as double precision) as acwr_uncoupled,
    workouts
from rolled
