{{ config(materialized='view') }}
-- Load of every day from a client's first workout to today; a day of rest is a day with load 0.
with done as (
    select
        customer_id,
        completed_on as day,
        sum(coalesce(session_load, 0)) as load,
        count(*) as workouts
    from {{ ref('fct_workouts') }}
    where status = 'completed'
    group by customer_id, completed_on
),

trained as (
    select
        done.customer_id,
        min(done.day) as first_day,
        greatest(max(done.day), {{ today('max(customer.time_zone)') }}) as last_day
    from done
    inner join {{ ref('int_customers') }} as customer on done.customer_id = customer.customer_id
    group by done.customer_id
),

spine as (
    select
        trained.customer_id,
        series.day
    from {{ dates('(select min(first_day) from trained)', '(select max(last_day) from trained)') }} as series
    inner join trained on series.day between trained.first_day and trained.last_day
)

select
    spine.customer_id,
    spine.day,
    coalesce(done.load, 0) as load,
    cast(coalesce(done.workouts, 0) as integer) as workouts,
    cast(null as {{ double() }}) as acute_before,
    cast(null as {{ double() }}) as chronic_before
from spine
left join done on spine.customer_id = done.customer_id and spine.day = done.day
