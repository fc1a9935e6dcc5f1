select
    id as balance_transaction_id,
    {{ doc_text('source') }} as source_id,
    {{ doc_text('type') }} as movement_kind,
    {{ doc_text('reporting_category') }} as reporting_category,
    {{ doc_text('status') }} as status,
    {{ doc_integer('amount') }} as amount_minor,
    {{ doc_integer('fee') }} as fee_minor,
    {{ doc_integer('net') }} as net_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_epoch('available_on') }} as available_at,
    {{ doc_epoch('created') }} as moved_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'balance_transactions') }} as newest
