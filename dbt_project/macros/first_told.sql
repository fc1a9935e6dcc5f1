{#
    When rows of a raw change log were first told: a table expression of the key and `told_at`.

    Without those that a snapshot brought: who knows since when they were there.

    Args:
        raw: Name of the table in source `raw`, `<context>__<table>`.
        key: Primary key columns.
        says: SQL condition on what a change has to say to count.
#}
{% macro first_told(raw, key=['id'], says='1 = 1') -%}
    (
        select {{ key | join(', ') }}, min(_committed_at) as told_at
        from {{ source('raw', raw) }}
        where _op in ('r', 'i', 'u') and {{ says }}
        group by {{ key | join(', ') }}
        having min(_lsn) < coalesce(min(case when _op = 'r' then _lsn end), max(_lsn) + 1)
    )
{%- endmacro %}
