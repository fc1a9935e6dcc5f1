with stages as (
    select
        newest.id as pipeline_id,
        newest.is_deleted,
        newest.loaded_at,
        element.value as document
    from {{ newest_documents('hubspot', 'pipelines') }} as newest
    cross join {{ json_elements('newest.document', 'stages') }}
)

select
    {{ doc_text('id') }} as stage_id,
    pipeline_id,
    {{ doc_text('label') }} as stage_name,
    {{ doc_integer('displayOrder') }} as position,
    {{ doc_boolean('metadata.isClosed') }} as is_closed,
    {{ doc_boolean('metadata.isClosed') }}
    and cast({{ doc_text('metadata.probability') }} as decimal(5, 4)) = 1 as is_won,
    cast({{ doc_text('metadata.probability') }} as decimal(5, 4)) as win_probability,
    is_deleted or coalesce({{ doc_boolean('archived') }}, false) as is_deleted,
    loaded_at
from stages
