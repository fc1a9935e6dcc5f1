select
    id as payment_id,
    invoice_id,
    customer_id,
    provider,
    cast(attempt as integer) as attempt,
    status,
    amount_minor,
    fee_minor,
    currency,
    failure_code,
    attempted_at,
    captured_at
from {{ latest_rows('commerce__payments') }} as latest
