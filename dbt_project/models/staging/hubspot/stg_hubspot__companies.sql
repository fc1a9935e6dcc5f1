select
    newest.id as company_id,
    merged.surviving_id as merged_into_id,
    {{ doc_text('properties.name') }} as company_name,
    {{ doc_text('properties.domain') }} as domain,
    {{ doc_text('properties.industry') }} as industry,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    newest.is_deleted or merged.surviving_id is not null as is_deleted,
    newest.loaded_at
from {{ newest_documents('hubspot', 'companies') }} as newest
left join {{ ref('stg_hubspot__merged_objects') }} as merged
    on newest.id = merged.old_id and merged.object_type = 'companies'
