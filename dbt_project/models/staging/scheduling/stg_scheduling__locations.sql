select
    id as location_id,
    name as location_name,
    city,
    country_code,
    time_zone,
    currency
from {{ latest_rows('scheduling__locations') }} as latest
