select
    id as invoice_id,
    number,
    customer_id,
    subscription_id,
    session_pack_id,
    status,
    currency,
    subtotal_minor,
    tax_minor,
    total_minor,
    period_start,
    period_end,
    issued_at,
    due_at,
    paid_at
from {{ latest_rows('commerce__invoices') }} as latest
