{#
    A value, or a limit where it is above that; of nothing known, nothing.

    Not `least`, which answers for a null too: DuckDB and PostgreSQL leave nulls out (`least(1.0, null)` is 1.0), Snowflake
    and BigQuery do not. Models call `least` and `greatest` only of what is never null, and name what they call here.
#}
{% macro at_most(value, limit) -%}
    case when {{ value }} > {{ limit }} then {{ limit }} else {{ value }} end
{%- endmacro %}
