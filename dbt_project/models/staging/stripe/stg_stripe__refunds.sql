select
    id as refund_id,
    {{ doc_text('charge') }} as charge_id,
    {{ doc_text('payment_intent') }} as payment_intent_id,
    {{ doc_text('balance_transaction') }} as balance_transaction_id,
    {{ doc_text('status') }} as status,
    {{ doc_text('reason') }} as reason,
    {{ doc_integer('amount') }} as amount_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_epoch('created') }} as refunded_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'refunds') }} as newest
