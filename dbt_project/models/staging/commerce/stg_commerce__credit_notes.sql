{{ config(materialized='ephemeral') }}
select
    id as credit_note_id,
    invoice_id,
    customer_id,
    settlement,
    amount_minor,
    tax_minor,
    currency,
    issued_at
from {{ latest_rows('commerce__credit_notes') }} as latest
