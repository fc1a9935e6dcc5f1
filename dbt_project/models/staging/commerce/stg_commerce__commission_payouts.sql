{{ config(materialized='ephemeral') }}
select
    id as payout_id,
    statement_id,
    coach_id,
    currency,
    amount_minor,
    paid_on,
    reverses_id as reversed_payout_id,
    recorded_at
from {{ latest_rows('commerce__commission_payouts') }} as latest
