{#
    A table of raw that is made by whoever writes into it first: before that, no rows of the same columns. Where a copy of
    raw is built on (Snowflake, BigQuery) it is there.

    Args:
        table: Its source.
        columns: Column to type, of those that the model reads.
#}
{% macro raw_if_there(table, columns) -%}
    {#- The rows that a unit test gives stand in no database. -#}
    {%- if execute and target.type in ('duckdb', 'postgres') and table.database
        and adapter.get_relation(table.database, table.schema, table.identifier) is none -%}
        (
            select
                {% for column, type in columns.items() -%}
                    cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
                {% endfor -%}
            where 1 = 0
        )
    {%- else -%}
        {{ table }}
    {%- endif -%}
{%- endmacro %}
