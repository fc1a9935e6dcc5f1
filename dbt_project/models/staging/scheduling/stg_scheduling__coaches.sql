select
    id as coach_id,
    display_name,
    location_id,
    cast(client_capacity as integer) as client_capacity,
    hired_on,
    left_on
from {{ latest_rows('scheduling__coaches') }} as latest
