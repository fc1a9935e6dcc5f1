select
    workout.customer_id,
    {{ monday('workout.scheduled_on') }} as week_starts_on,
    cast(count(*) as integer) as planned,
    cast(count(case when workout.status = 'completed' then 1 end) as integer) as completed,
    cast(avg(case when workout.status = 'completed' then 1.0 else 0.0 end) as double precision) as adherence
from {{ ref('fct_workouts') }} as workout
inner join {{ ref('int_customers') }} as customer on workout.customer_id = customer.customer_id
where workout.programme_id is not null and workout.scheduled_on <= {{ today('customer.time_zone') }}
group by workout.customer_id, {{ monday('workout.scheduled_on') }}
