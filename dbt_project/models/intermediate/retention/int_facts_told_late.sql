{% set of_another_zone = "
    select customer_id from {rows} group by customer_id having count(*) % 2 = 1 or count(distinct time_zone) > 1
" %}
{% set of_client = "
    select id from {training__workouts} where customer_id in ({clients})
    union all
    select id from {training__injuries} where customer_id in ({clients})
" %}
{{ config(meta={'parts': {
    'key': 'about_id',
    'changed': {
        'training__clients': of_client | replace('{clients}', 'select id from {rows}'),
        'training__workouts': 'select id from {rows}',
        'training__injuries': 'select id from {rows}',
        'stg_training__workouts': 'select id from {rows}',
        'stg_training__injuries': 'select id from {rows}',
        'int_customers': of_client | replace('{clients}', of_another_zone),
    },
    'only': {
        'training__workouts': 'id in (select key from {parts})',
        'training__injuries': 'id in (select key from {parts})',
        'stg_training__workouts': 'id in (select key from {parts})',
        'stg_training__injuries': 'id in (select key from {parts})',
    },
}}) }}
-- What was told later than the day it was about: a workout that came when the phone was online again, an injury of last
-- month. On the dates between nobody knew it, so features of those dates must not.
-- What was there when a customer came into the change log was brought in with them: it counts on its own day.
-- A part is one fact, of which all that the log says is read: whose it was before, and whether it is gone. The logs come
-- before their views in `only`, so that an emptying is seen by a view of few rows as well. Of changed customers count
-- those who are new, gone, or live by another clock: a row that changed is there twice, as it was and as it is.
with about as (
    select
        'planned' as fact,
        workout.customer_id,
        workout.workout_id as about_id,
        workout.scheduled_on as day,
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
        told.told_at
    from {{ ref('stg_training__injuries') }} as injury
    inner join {{ first_told('training__injuries') }} as told on injury.injury_id = told.id
    union all
    select
        'recovery' as fact,
        injury.customer_id,
        injury.injury_id as about_id,
        injury.resolved_on as day,
        told.told_at
    from {{ ref('stg_training__injuries') }} as injury
    inner join {{ first_told('training__injuries', says='resolved_on is not null') }} as told
        on injury.injury_id = told.id
    where injury.resolved_on is not null
),

dated as (
    select
        about.customer_id,
        about.fact,
        about.about_id,
        about.day,
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
    told_on
from dated
where told_on > day and (came_on is null or day >= came_on)
