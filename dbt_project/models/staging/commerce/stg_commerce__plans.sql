select
    id as plan_id,
    code as plan_code,
    name as plan_name,
    kind,
    cast(interval_months as integer) as interval_months,
    cast(sessions_included as integer) as sessions_included,
    cast(trial_days as integer) as trial_days,
    is_active,
    created_at
from {{ latest_rows('commerce__plans') }} as latest
