select
    id as subscription_id,
    customer_id,
    plan_id,
    status,
    amount_minor,
    currency,
    cast(interval_months as integer) as interval_months,
    started_at,
    trial_ends_at,
    paused_at,
    cancel_requested_at,
    cancel_at,
    cancel_kind,
    cancel_reason,
    ended_at,
    created_at
from {{ latest_rows('commerce__subscriptions') }} as latest
