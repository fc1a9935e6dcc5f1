select
    workout_id,
    cast(position as integer) as position,
    exercise_id,
    cast(reps as integer) as reps,
    cast(weight_kg as {{ double() }}) as weight_kg,
    cast(rpe as {{ double() }}) as rpe,
    superset,
    cast(distance_m as {{ double() }}) as distance_m,
    cast(duration_seconds as integer) as duration_seconds
from {{ latest_rows('training__workout_sets', key=['workout_id', 'position']) }} as latest
