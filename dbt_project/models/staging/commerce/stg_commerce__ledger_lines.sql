select
    id as line_id,
    journal_id,
    account,
    customer_id,
    amount_minor,
    currency
from {{ latest_rows('commerce__ledger_lines') }} as latest
