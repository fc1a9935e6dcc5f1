select
    id as run_id,
    rule_id,
    customer_id,
    coach_id,
    score_id,
    arm,
    status,
    message_id,
    started_at,
    decided_at,
    dismiss_reason
from {{ latest_rows('automation__runs') }} as latest
