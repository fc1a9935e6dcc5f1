select
    change_id,
    subscription_id,
    customer_id,
    plan_id,
    changed_at,
    changed_on,
    currency,
    movement as kind,
    cancel_kind,
    amount_minor,
    mrr_after_minor
from {{ ref('int_membership_changes') }}
where movement is not null
