select
    id as exercise_id,
    name as exercise_name,
    pattern,
    primary_muscle,
    equipment,
    is_loaded
from {{ latest_rows('training__exercises') }} as latest
