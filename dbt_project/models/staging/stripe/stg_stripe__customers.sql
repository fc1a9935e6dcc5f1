select
    id as stripe_customer_id,
    {{ doc_text('email') }} as email,
    {{ doc_text('name') }} as customer_name,
    coalesce({{ doc_integer('balance') }}, 0) as balance_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_boolean('delinquent') }} as is_delinquent,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'customers') }} as newest
