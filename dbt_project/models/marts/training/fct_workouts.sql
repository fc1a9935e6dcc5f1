{{ config(meta={'parts': {
    'key': 'workout_id',
    'changed': {
        'stg_training__workouts': 'select id from {rows}',
        'int_workout_exercises': 'select workout_id from {rows}',
        'int_customers': 'select workout_id from {this} where customer_id in (select customer_id from {rows})',
        'stg_training__coach_assignments': "
            select workout_id from {this} where customer_id in (
                select customer_id from {training__coach_assignments} where id in (select id from {rows})
            )
        ",
    },
    'only': {
        'stg_training__workouts': 'id in (select key from {parts})',
        'int_workout_exercises': 'workout_id in (select key from {parts})',
    },
}}) }}
with sets as (
    select
        workout_id,
        sum(sets) as set_count,
        count(*) as exercise_count,
        sum(superset_sets) as superset_set_count,
        sum(volume_kg) as volume_kg,
        sum(distance_m) as distance_m,
        sum(held_seconds) as held_seconds
    from {{ ref('int_workout_exercises') }}
    group by workout_id
)

select
    workout.workout_id,
    workout.customer_id,
    assignment.coach_id,
    workout.programme_id,
    workout.booking_id,
    workout.scheduled_on,
    workout.started_at,
    workout.completed_at,
    {{ local_date('workout.completed_at', "coalesce(customer.time_zone, 'UTC')") }} as completed_on,
    workout.status,
    workout.title,
    workout.duration_minutes,
    workout.session_rpe,
    workout.session_rpe * workout.duration_minutes as session_load,
    cast(coalesce(sets.set_count, 0) as integer) as set_count,
    cast(coalesce(sets.exercise_count, 0) as integer) as exercise_count,
    cast(coalesce(sets.superset_set_count, 0) as integer) as superset_set_count,
    cast(coalesce(sets.volume_kg, 0) as {{ double() }}) as volume_kg,
    cast(sets.distance_m as {{ double() }}) as distance_m,
    cast(sets.held_seconds as integer) as held_seconds
from {{ ref('stg_training__workouts') }} as workout
left join {{ ref('int_customers') }} as customer on workout.customer_id = customer.customer_id
left join {{ ref('stg_training__coach_assignments') }} as assignment
    on
        workout.customer_id = assignment.customer_id
        and coalesce(workout.completed_at, {{ utc_midnight('workout.scheduled_on') }})
        >= assignment.assigned_at
        and coalesce(workout.completed_at, {{ utc_midnight('workout.scheduled_on') }})
        < coalesce(assignment.ended_at, {{ never() }})
left join sets on workout.workout_id = sets.workout_id
