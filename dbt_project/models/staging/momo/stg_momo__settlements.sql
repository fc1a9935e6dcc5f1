-- A corrected file repeats transactions of the one it corrects: the line landed last counts.
select
    partner_code,
    trans_id as momo_transaction_id,
    order_id as momo_order_id,
    request_id as momo_request_id,
    original_trans_id as original_transaction_id,
    kind as transaction_kind,
    status,
    amount_minor,
    fee_minor,
    currency,
    paid_at,
    file_name,
    line_number,
    _landed_at as loaded_at
from (
    select
        *,
        row_number() over (
            partition by partner_code, trans_id, kind order by _batch_id desc, line_number desc
        ) as _newest
    from {{ source('momo', 'settlements') }}
) as ranked
where _newest = 1
