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
    -- Statements closed before classes were paid had none, and before there were corrections, none of these.
    cast(coalesce(classes, 0) as integer) as classes,
    coalesce(class_pay_minor, 0) as class_pay_minor,
    pack_pay_minor,
    cast(coalesce(corrections, 0) as integer) as corrections,
    coalesce(corrected_minor, 0) as corrected_minor,
    total_minor,
    closed_at
from {{ latest_rows('commerce__commission_statements') }} as latest
