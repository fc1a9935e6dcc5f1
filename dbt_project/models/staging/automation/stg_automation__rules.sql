select
    id as rule_id,
    code as rule_code,
    name as rule_name,
    {{ reserved('trigger') }},
    action,
    cast(outcome_days as integer) as outcome_days,
    cast(holdout_percent as integer) as holdout_percent,
    is_active
from {{ latest_rows('automation__rules') }} as latest
