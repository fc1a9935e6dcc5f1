select
    newest.id as deal_id,
    merged.surviving_id as merged_into_id,
    {{ doc_text('properties.hubspot_owner_id') }} as hubspot_owner_id,
    {{ doc_text('properties.pipeline') }} as pipeline_id,
    {{ doc_text('properties.dealstage') }} as stage_id,
    {{ doc_text('properties.dealname') }} as deal_name,
    {{ minor_units(doc_text('properties.amount'), doc_text('properties.deal_currency_code')) }} as amount_minor,
    {{ doc_text('properties.deal_currency_code') }} as currency,
    {{ doc_time('properties.closedate') }} as closes_at,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    newest.is_deleted or merged.surviving_id is not null as is_deleted,
    newest.loaded_at
from {{ newest_documents('hubspot', 'deals') }} as newest
left join {{ ref('stg_hubspot__merged_objects') }} as merged
    on newest.id = merged.old_id and merged.object_type = 'deals'
