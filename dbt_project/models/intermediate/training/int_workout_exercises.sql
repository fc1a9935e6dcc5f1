{{ config(meta={'parts': {
    'key': 'workout_id',
    'changed': {'stg_training__workout_sets': 'select workout_id from {rows}'},
    'only': {'stg_training__workout_sets': 'workout_id in (select key from {parts})'},
}}) }}
-- What one exercise amounted to in one workout. The only model that reads all sets.
select
    workout_id,
    exercise_id,
    cast(count(*) as integer) as sets,
    cast(sum(reps) as integer) as reps,
    cast(count(superset) as integer) as superset_sets,
    sum(coalesce(weight_kg, 0) * reps) as volume_kg,
    max(weight_kg) as top_weight_kg,
    max({{ epley_e1rm('weight_kg', 'reps') }}) as best_e1rm_kg,
    sum(distance_m) as distance_m,
    sum(case when distance_m is null then duration_seconds end) as held_seconds
from {{ ref('stg_training__workout_sets') }}
group by workout_id, exercise_id
