{{ config(materialized='ephemeral') }}
select
    id as statement_id,
    coach_id,
    first_on,
    last_on,
    currency,
    cast(sessions as integer) as sessions,
    pack_revenue_minor,
    session_pay_minor,
    pack_pay_minor,
    -- Statements closed before there were corrections had none.
    cast(coalesce(corrections, 0) as integer) as corrections,
    coalesce(corrected_minor, 0) as corrected_minor,
    total_minor,
    closed_at
from {{ latest_rows('commerce__commission_statements') }} as latest
