select
    id as time_off_id,
    coach_id,
    starts_on,
    ends_on,
    kind
from {{ latest_rows('scheduling__time_off') }} as latest
