with recursive mergers as (
    {% for kind in ['contacts', 'companies', 'deals'] %}
    select
        '{{ kind }}' as object_type,
        trim({{ as_text('element.value') }}) as old_id,
        newest.id as surviving_id
    from {{ newest_documents('hubspot', kind) }} as newest
    cross join {{ text_pieces(doc_text('properties.hs_merged_object_ids'), ';') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- The survivor of one merge may have been merged away by the next.
chains as (
    select
        object_type,
        old_id,
        surviving_id,
        1 as links
    from mergers
    where old_id <> '' and old_id <> surviving_id
    union all
    select
        chains.object_type,
        chains.old_id,
        mergers.surviving_id,
        chains.links + 1 as links
    from chains
    inner join mergers
        on chains.object_type = mergers.object_type and chains.surviving_id = mergers.old_id
    where chains.links < 20 and mergers.surviving_id <> chains.old_id
)

select
    object_type,
    old_id,
    surviving_id
from (
    select
        object_type,
        old_id,
        surviving_id,
        row_number() over (partition by object_type, old_id order by links desc, surviving_id desc) as _longest
    from chains
) as ranked
where _longest = 1
