select
    id as stripe_price_id,
    {{ doc_text('product') }} as stripe_product_id,
    {{ doc_text('lookup_key') }} as lookup_key,
    {{ doc_text('type') }} as price_kind,
    {{ doc_text('recurring.interval') }} as interval_unit,
    {{ doc_integer('recurring.interval_count') }} as interval_count,
    {{ doc_integer('unit_amount') }} as amount_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_boolean('active') }} as is_active,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'prices') }} as newest
