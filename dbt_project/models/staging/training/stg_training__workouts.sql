select
    id as workout_id,
    customer_id,
    programme_id,
    booking_id,
    nullif(title, '') as title,
    scheduled_on,
    status,
    started_at,
    completed_at,
    cast(duration_minutes as integer) as duration_minutes,
    cast(session_rpe as {{ double() }}) as session_rpe
from {{ latest_rows('training__workouts') }} as latest
