select
    id as dispute_id,
    {{ doc_text('charge') }} as charge_id,
    {{ doc_text('payment_intent') }} as payment_intent_id,
    {{ doc_text('status') }} as status,
    {{ doc_text('reason') }} as reason,
    {{ doc_integer('amount') }} as amount_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_epoch('evidence_details.due_by') }} as evidence_due_at,
    {{ doc_epoch('created') }} as disputed_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'disputes') }} as newest
