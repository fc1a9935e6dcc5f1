select
    id as customer_id,
    currency,
    created_at
from {{ latest_rows('commerce__customers') }} as latest
