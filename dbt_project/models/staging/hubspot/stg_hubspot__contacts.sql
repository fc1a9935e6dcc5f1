select
    newest.id as contact_id,
    merged.surviving_id as merged_into_id,
    {{ doc_text('properties.hubspot_owner_id') }} as hubspot_owner_id,
    {{ doc_text('properties.email') }} as email,
    {{ doc_text('properties.firstname') }} as first_name,
    {{ doc_text('properties.lastname') }} as last_name,
    {{ doc_text('properties.phone') }} as phone,
    {{ doc_text('properties.lifecyclestage') }} as lifecycle_stage,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    newest.is_deleted or merged.surviving_id is not null as is_deleted,
    newest.loaded_at
from {{ newest_documents('hubspot', 'contacts') }} as newest
left join {{ ref('stg_hubspot__merged_objects') }} as merged
    on newest.id = merged.old_id and merged.object_type = 'contacts'
