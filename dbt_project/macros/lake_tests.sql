{#
    Rows that a data test of uniqueness looks at. In a build after one of which all data tests passed, only a row that came
    since can repeat a key, so only rows with the keys of such rows are compared. Which snapshot of marts that was is told
    by the planner of builds (`orchestration/build.py`); dbt run by hand is told of none and compares all rows.
#}
{% macro duckdb__get_where_subquery(relation) -%}
    {%- set whole = dbt.default__get_where_subquery(relation) -%}
    {%- set passed_at = env_var('PLYO_LAKE_TESTED_SNAPSHOT', '') if execute else '' -%}
    {%- set test = model.get('test_metadata') or {} -%}
    {%- if not passed_at or test.get('name') not in ('unique', 'unique_together') or config.get('where') -%}
        {{ return(whole) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.attached_node] -%}
    {%- set table = {'name': node.name, 'lake': node.database, 'schema': node.schema, 'table': node.alias, 'view': none} -%}
    {%- if node.config.materialized != 'table' or plyo_moved([table], {'marts': passed_at | int}).get(node.name) == 'remade' -%}
        {{ return(whole) }}
    {%- endif -%}
    {%- set now = plyo_rows("select id from marts.current_snapshot()")[0][0] -%}
    {%- set came -%}
        (
            select * from {{ relation }} as row_of_model
            where exists (
                select 1
                from ducklake_table_insertions(
                    '{{ table.lake }}', '{{ table.schema }}', '{{ table.table }}', {{ passed_at | int + 1 }}, {{ now }}
                ) as came
                where
                    {%- for column in test.kwargs.get('columns') or [test.kwargs.column_name] %}
                    {{ 'and ' if not loop.first }}came.{{ column }} is not distinct from row_of_model.{{ column }}
                    {%- endfor %}
            )
        ) as rows_that_came
    {%- endset -%}
    {{ return(came) }}
{%- endmacro %}
