{#
    When sources were last heard of, for `dbt source freshness`, in the lake. What each may take is said beside the source,
    the same as the analytics service says to readers (a test compares them).
#}

{#
    Of a change log: everything committed until then is in it. The stream notes a quiet source every half minute, so a
    table without changes is fresh while the stream lives; one whose changes wait or are put aside is as old as that.
#}
{% macro change_log_heard_at(table) -%}
    {%- set notes = api.Relation.create(database=table.database, schema=table.schema, identifier='_cdc_tables') -%}
    {%- set marks = api.Relation.create(database=table.database, schema=table.schema, identifier='_cdc_watermarks') -%}
    select coalesce(
        (
            select min(note.noted_at)
            from {{ notes }} as note
            where note.raw_table = '{{ table.identifier }}' and note.state <> 'live' and not exists (
                select 1 from {{ notes }} as later
                where later.raw_table = note.raw_table and later.state = 'live' and later.noted_at >= note.noted_at
            )
        ),
        (select max(committed_at) from {{ marks }})
    )
{%- endmacro %}

{# Of a connector: its last pull, whether or not it brought anything. #}
{% macro connector_heard_at(table, connector) -%}
    {%- set cursors = api.Relation.create(
        database=table.database, schema=table.schema, identifier='_ingestion_cursors'
    ) -%}
    select max(landed_at) from {{ cursors }} where connector = '{{ connector }}'
{%- endmacro %}
