select
    id as stripe_product_id,
    {{ doc_text('name') }} as product_name,
    {{ doc_boolean('active') }} as is_active,
    {{ doc_epoch('created') }} as created_at,
    {{ doc_epoch('updated') }} as updated_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'products') }} as newest
