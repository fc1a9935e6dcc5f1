select
    id as customer_id,
    display_name,
    coach_id,
    location_id,
    goal,
    level,
    cast(home_distance_km as {{ double() }}) as home_distance_km,
    time_zone,
    joined_at
from {{ latest_rows('training__clients') }} as latest
