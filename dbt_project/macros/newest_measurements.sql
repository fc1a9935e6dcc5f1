{#
    What wearables measured, each thing once: the newest word on it, out of all payloads that spoke of it.

    A later payload is a superset of an earlier one, but for scores: one that lacks a score does not take it back.
    An account that was connected anew has another id and the same things, so whose account it was is not asked.

    Args:
        plural: Name of the raw table without its source, such as `sleeps`.
        scores: Columns that an older payload may fill in.
#}
{% macro newest_measurements(plural, scores=[]) -%}
    {%- set same = "partition by customer_id, source, provider, kind, identity" -%}
    {%- set newest = "ordering_at desc, normaliser_version desc, received_at desc, position" -%}
    (
        select *
        from (
            select
                told.*,
                {% for score in scores -%}
                    first_value(told.{{ score }}) over (
                        {{ same }} order by case when told.{{ score }} is null then 1 else 0 end, {{ newest }}
                    ) as newest_{{ score }},
                {% endfor -%}
                min(told.received_at) over ({{ same }}) as first_received_at,
                row_number() over ({{ same }} order by {{ newest }}) as _newest
            from {{ source('wearables', 'wearables__' ~ plural) }} as told
        ) as ranked
        where _newest = 1
    )
{%- endmacro %}
