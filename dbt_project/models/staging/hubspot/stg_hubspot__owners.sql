select
    id as hubspot_owner_id,
    {{ doc_text('email') }} as email,
    {{ doc_text('firstName') }} as first_name,
    {{ doc_text('lastName') }} as last_name,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    is_deleted,
    loaded_at
from {{ newest_documents('hubspot', 'owners') }} as newest
