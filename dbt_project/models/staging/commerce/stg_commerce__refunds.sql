select
    id as refund_id,
    payment_id,
    customer_id,
    amount_minor,
    currency,
    status,
    refunded_at
from {{ latest_rows('commerce__refunds') }} as latest
