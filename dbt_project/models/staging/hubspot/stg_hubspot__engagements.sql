with engagements as (
    {% for kind in ['call', 'email', 'meeting', 'note', 'task', 'communication'] %}
    select
        *,
        '{{ kind }}' as engagement_kind
    from {{ newest_documents('hubspot', kind ~ 's') }} as newest
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    id as engagement_id,
    engagement_kind,
    {{ doc_text('properties.hubspot_owner_id') }} as hubspot_owner_id,
    coalesce(
        {{ doc_text('properties.hs_call_title') }},
        {{ doc_text('properties.hs_email_subject') }},
        {{ doc_text('properties.hs_meeting_title') }},
        {{ doc_text('properties.hs_task_subject') }}
    ) as subject,
    {{ doc_time('properties.hs_timestamp') }} as happened_at,
    {{ doc_time('createdAt') }} as created_at,
    {{ doc_time('updatedAt') }} as updated_at,
    is_deleted,
    loaded_at
from engagements
