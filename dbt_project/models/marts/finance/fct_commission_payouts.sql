select
    payouts.payout_id,
    payouts.statement_id,
    payouts.coach_id,
    payouts.currency,
    payouts.amount_minor,
    payouts.paid_on,
    payouts.recorded_at,
    reversals.recorded_at as reversed_at
from {{ ref('stg_commerce__commission_payouts') }} as payouts
left join {{ ref('stg_commerce__commission_payouts') }} as reversals
    on payouts.payout_id = reversals.reversed_payout_id
where payouts.reversed_payout_id is null
