{{ config(materialized='ephemeral') }}
select
    id as holiday_id,
    location_id,
    holiday_on,
    name as holiday_name
from {{ latest_rows('scheduling__public_holidays') }} as latest
