select
    id as charge_id,
    {{ doc_text('customer') }} as stripe_customer_id,
    {{ doc_text('payment_intent') }} as payment_intent_id,
    {{ doc_text('balance_transaction') }} as balance_transaction_id,
    {{ doc_text('status') }} as status,
    {{ doc_text('failure_code') }} as failure_code,
    {{ doc_integer('amount') }} as amount_minor,
    {{ doc_integer('amount_captured') }} as amount_captured_minor,
    {{ doc_integer('amount_refunded') }} as amount_refunded_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_boolean('captured') }} as is_captured,
    {{ doc_boolean('refunded') }} as is_refunded,
    {{ doc_boolean('disputed') }} as is_disputed,
    {{ doc_epoch('created') }} as charged_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'charges') }} as newest
