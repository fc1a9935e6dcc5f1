{#
    What is in a lake, asked of its catalog. DuckDB's information schema opens every table of every attached database,
    a tenth of a second for each schema that dbt asks for; and dbt-duckdb looks for a database by its quoted name,
    finds no schema, and makes all of them each time.
#}
{% macro duckdb__list_schemas(database) -%}
    {%- set lake = database | replace('"', '') -%}
    {{ return(run_query(
        "select schema_name from " ~ plyo_catalog(lake) ~ "ducklake_schema where end_snapshot is null"
    )) }}
{%- endmacro %}

{% macro duckdb__list_relations_without_caching(schema_relation) %}
    {%- set lake = schema_relation.database -%}
    {%- set catalog = plyo_catalog(lake) -%}
    {% call statement('list_relations_without_caching', fetch_result=True) -%}
        with things as (
            select schema_id, table_name as name, 'table' as type from {{ catalog }}ducklake_table where end_snapshot is null
            union all
            select schema_id, view_name, 'view' from {{ catalog }}ducklake_view where end_snapshot is null
        )
        select '{{ lake }}' as database, things.name, place.schema_name as schema, things.type
        from things inner join {{ catalog }}ducklake_schema as place on things.schema_id = place.schema_id
        where place.end_snapshot is null and lower(place.schema_name) = '{{ schema_relation.schema | lower }}'
    {%- endcall %}
    {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}
