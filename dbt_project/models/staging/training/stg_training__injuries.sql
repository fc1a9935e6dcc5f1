select
    id as injury_id,
    customer_id,
    body_part,
    cast(severity as integer) as severity,
    occurred_on,
    resolved_on
from {{ latest_rows('training__injuries') }} as latest
