with bonds as (
    {% for to_type in ['contacts', 'companies', 'deals'] %}
    select
        {{ doc_text('from_type') }} as from_type,
        {{ doc_text('from_id') }} as from_id,
        '{{ to_type }}' as to_type,
        loaded_at,
        element.value as document
    from {{ newest_documents('hubspot', 'associations') }} as newest
    cross join {{ json_elements('newest.document', 'to.' ~ to_type) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

kinds as (
    select
        bonds.from_type,
        bonds.from_id,
        bonds.to_type,
        bonds.loaded_at,
        {{ json_text('bonds.document', 'toObjectId') }} as to_id,
        element.value as document
    from bonds
    cross join {{ json_elements('bonds.document', 'associationTypes') }}
),

ids_after_merges as (
    select
        kinds.from_type,
        coalesce(from_merged.surviving_id, kinds.from_id) as from_id,
        kinds.to_type,
        coalesce(to_merged.surviving_id, kinds.to_id) as to_id,
        cast({{ json_text('kinds.document', 'typeId') }} as integer) as association_type_id,
        {{ json_text('kinds.document', 'category') }} as association_category,
        {{ json_text('kinds.document', 'label') }} as association_label,
        kinds.loaded_at
    from kinds
    left join {{ ref('stg_hubspot__merged_objects') }} as from_merged
        on kinds.from_type = from_merged.object_type and kinds.from_id = from_merged.old_id
    left join {{ ref('stg_hubspot__merged_objects') }} as to_merged
        on kinds.to_type = to_merged.object_type and kinds.to_id = to_merged.old_id
)

-- Two objects that were merged may have had the same bond.
select
    from_type,
    from_id,
    to_type,
    to_id,
    association_type_id,
    association_category,
    max(association_label) as association_label,
    max(loaded_at) as loaded_at
from ids_after_merges
group by from_type, from_id, to_type, to_id, association_type_id, association_category
