select
    id as change_id,
    subscription_id,
    customer_id,
    plan_id,
    kind,
    mrr_before_minor,
    mrr_after_minor,
    currency,
    changed_at
from {{ latest_rows('commerce__subscription_changes') }} as latest
