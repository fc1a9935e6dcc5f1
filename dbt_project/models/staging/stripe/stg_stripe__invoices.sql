select
    id as stripe_invoice_id,
    {{ doc_text('customer') }} as stripe_customer_id,
    coalesce(
        {{ doc_text('parent.subscription_details.subscription') }},
        {{ doc_text('subscription') }}
    ) as stripe_subscription_id,
    {{ doc_text('number') }} as invoice_number,
    {{ doc_text('status') }} as status,
    {{ doc_text('billing_reason') }} as billing_reason,
    {{ doc_integer('subtotal') }} as subtotal_minor,
    {{ doc_integer('total') }} as total_minor,
    {{ doc_integer('amount_due') }} as amount_due_minor,
    {{ doc_integer('amount_paid') }} as amount_paid_minor,
    {{ doc_integer('amount_remaining') }} as amount_remaining_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_integer('attempt_count') }} as attempt_count,
    {{ doc_epoch('period_start') }} as period_start_at,
    {{ doc_epoch('period_end') }} as period_end_at,
    {{ doc_epoch('due_date') }} as due_at,
    {{ doc_epoch('status_transitions.finalized_at') }} as finalized_at,
    {{ doc_epoch('status_transitions.paid_at') }} as paid_at,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'invoices') }} as newest
