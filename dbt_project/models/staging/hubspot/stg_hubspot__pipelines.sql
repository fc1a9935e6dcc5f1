select
    id as pipeline_id,
    {{ doc_text('label') }} as pipeline_name,
    {{ doc_integer('displayOrder') }} as position,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    is_deleted,
    loaded_at
from {{ newest_documents('hubspot', 'pipelines') }} as newest
