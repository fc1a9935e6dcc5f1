{{ config(materialized='ephemeral') }}
-- Whether an answer held training back and when that ended. The answers stay where row-level security guards them.
select
    id as screening_id,
    customer_id,
    is_red,
    answered_at,
    cleared_at
from {{ latest_rows('training__screenings') }} as latest
