{{ config(materialized='ephemeral') }}
select
    id as announcement_id,
    author_id,
    segment,
    subject,
    cast(recipients as integer) as recipients,
    created_at
from {{ latest_rows('engagement__announcements') }} as latest
