{{ config(materialized='ephemeral') }}
select
    id as session_pack_id,
    customer_id,
    plan_id,
    cast(sessions_total as integer) as sessions_total,
    cast(sessions_used as integer) as sessions_used,
    -- Packs of before sessions could be given back had none.
    cast(coalesce(sessions_refunded, 0) as integer) as sessions_refunded,
    net_minor,
    recognised_minor,
    currency,
    purchased_at,
    expires_at
from {{ latest_rows('commerce__session_packs') }} as latest
