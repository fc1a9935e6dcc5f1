select
    id as line_id,
    invoice_id,
    kind,
    amount_minor,
    tax_minor,
    currency,
    starts_on,
    ends_on
from {{ latest_rows('commerce__invoice_lines') }} as latest
