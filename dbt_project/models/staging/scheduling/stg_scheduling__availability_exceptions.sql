{{ config(materialized='ephemeral') }}
select
    id as exception_id,
    coach_id,
    exception_on,
    starts_at,
    ends_at
from {{ latest_rows('scheduling__availability_exceptions') }} as latest
