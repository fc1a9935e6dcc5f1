{{ config(materialized='ephemeral') }}
select
    id as decision_id,
    customer_id,
    data_kind,
    purpose,
    is_given,
    policy_version,
    decided_at
from {{ latest_rows('compliance__consents') }} as latest
