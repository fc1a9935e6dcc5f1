{% set of_customer = "select customer_id from {rows}" %}
{% set of_workout = "select customer_id from {training__workouts} where id in (select id from {rows})" %}
{% set of_injury = "select customer_id from {training__injuries} where id in (select id from {rows})" %}
{% set told_again = "customer_id in (select key from {parts})" %}
{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {
        'training__clients': 'select id from {rows}',
        'training__workouts': of_workout,
        'training__injuries': of_injury,
        'training__wearable_days': of_customer,
        'stg_training__workouts': of_workout,
        'stg_training__injuries': of_injury,
        'stg_wearables__sleeps': of_customer,
        'stg_wearables__days': of_customer,
        'int_customers': of_customer,
    },
    'only': {
        'int_customers': told_again,
        'stg_training__workouts': told_again,
        'stg_training__injuries': told_again,
        'training__clients': 'id in (select key from {parts})',
        'training__workouts': told_again,
        'training__injuries': told_again,
        'training__wearable_days': told_again,
    },
}}) }}
-- What was told later than the day it was about: a workout that came when the phone was online again, an injury of last
-- month, nights that a watch had kept. On the dates between nobody knew it, so features of those dates must not.
-- What was there when a customer came into the change log was brought in with them: it counts on its own day.
with about as (
    select
        'planned' as fact,
        workout.customer_id,
        workout.workout_id as about_id,
        workout.scheduled_on as day,
        {{ as_text('null') }} as device,
        told.told_at
    from {{ ref('stg_training__workouts') }} as workout
    inner join {{ first_told('training__workouts') }} as told on workout.workout_id = told.id
    where workout.programme_id is not null
    union all
    select
        'done' as fact,
        workout.customer_id,
        workout.workout_id as about_id,
        {{ local_date('workout.completed_at', 'customer.time_zone') }} as day,
        {{ as_text('null') }} as device,
        told.told_at
    from {{ ref('stg_training__workouts') }} as workout
    inner join {{ ref('int_customers') }} as customer on workout.customer_id = customer.customer_id
    inner join {{ first_told('training__workouts', says="status = 'completed'") }} as told
        on workout.workout_id = told.id
    where workout.status = 'completed'
    union all
    select
        'injury' as fact,
        injury.customer_id,
        injury.injury_id as about_id,
        injury.occurred_on as day,
        {{ as_text('null') }} as device,
        told.told_at
    from {{ ref('stg_training__injuries') }} as injury
    inner join {{ first_told('training__injuries') }} as told on injury.injury_id = told.id
    union all
    select
        'recovery' as fact,
        injury.customer_id,
        injury.injury_id as about_id,
        injury.resolved_on as day,
        {{ as_text('null') }} as device,
        told.told_at
    from {{ ref('stg_training__injuries') }} as injury
    inner join {{ first_told('training__injuries', says='resolved_on is not null') }} as told
        on injury.injury_id = told.id
    where injury.resolved_on is not null
    union all
    select
        'reading' as fact,
        reading.customer_id,
        {{ as_id('null') }} as about_id,
        reading.day,
        reading.device,
        min(reading.told_at) as told_at
    from (
        select
            told.customer_id,
            told.day,
            told.device,
            told.told_at
        from {{ first_told('training__wearable_days', key=['customer_id', 'day', 'device']) }} as told
        union all
        select
            customer_id,
            day,
            lower(provider) as device,
            first_received_at as told_at
        from {{ ref('stg_wearables__sleeps') }}
        where not is_nap
        union all
        select
            customer_id,
            day,
            lower(provider) as device,
            first_received_at as told_at
        from {{ ref('stg_wearables__days') }}
    ) as reading
    group by reading.customer_id, reading.day, reading.device
),

dated as (
    select
        about.customer_id,
        about.fact,
        about.about_id,
        about.day,
        about.device,
        {{ local_date('about.told_at', 'customer.time_zone') }} as told_on,
        {{ local_date('client.told_at', 'customer.time_zone') }} as came_on
    from about
    inner join {{ ref('int_customers') }} as customer on about.customer_id = customer.customer_id
    left join {{ first_told('training__clients') }} as client on about.customer_id = client.id
)

select
    customer_id,
    fact,
    about_id,
    day,
    device,
    told_on
from dated
where told_on > day and (came_on is null or day >= came_on)
