select
    id as account_id,
    display_name,
    role,
    time_zone,
    created_at,
    disabled_at
from {{ latest_rows('identity__accounts') }} as latest
