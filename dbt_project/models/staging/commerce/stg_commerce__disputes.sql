select
    id as dispute_id,
    payment_id,
    customer_id,
    amount_minor,
    case when status = 'won' then coalesce(returned_minor, amount_minor) else 0 end as returned_minor,
    currency,
    status,
    opened_at,
    closed_at
from {{ latest_rows('commerce__disputes') }} as latest
