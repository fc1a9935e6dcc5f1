select
    id as payout_id,
    {{ doc_text('balance_transaction') }} as balance_transaction_id,
    {{ doc_text('status') }} as status,
    {{ doc_text('method') }} as method,
    {{ doc_text('failure_code') }} as failure_code,
    {{ doc_boolean('automatic') }} as is_automatic,
    {{ doc_integer('amount') }} as amount_minor,
    upper({{ doc_text('currency') }}) as currency,
    cast({{ doc_epoch('arrival_date') }} as date) as arrives_on,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'payouts') }} as newest
