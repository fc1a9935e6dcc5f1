select
    id as payment_intent_id,
    {{ doc_text('customer') }} as stripe_customer_id,
    {{ doc_text('latest_charge') }} as latest_charge_id,
    {{ doc_text('status') }} as status,
    {{ doc_integer('amount') }} as amount_minor,
    {{ doc_integer('amount_received') }} as amount_received_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_text('cancellation_reason') }} as cancellation_reason,
    {{ doc_epoch('canceled_at') }} as cancelled_at,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'payment_intents') }} as newest
