select
    id as rule_id,
    coach_id,
    cast(weekday as integer) as weekday,
    starts_at,
    ends_at,
    valid_from,
    valid_to
from {{ latest_rows('scheduling__availability_rules') }} as latest
