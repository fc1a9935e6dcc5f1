select
    id as lead_id,
    source,
    location_id,
    customer_id,
    created_at,
    converted_at,
    lost_at
from {{ latest_rows('engagement__leads') }} as latest
