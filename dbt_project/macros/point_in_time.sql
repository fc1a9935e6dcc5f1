{#
    Aggregates over a customer's days before the row's own. The rows have a `customer_id` and a `day_number`: frames over
    whole numbers cost DuckDB two thirds of what frames over intervals cost. Snowflake names no windows, so they are
    written out.
#}

{# From `days` before the row's own day to `until` days before it. #}
{% macro seen(expression, days, until=1) -%}
    {{ expression }} over (partition by customer_id order by day_number range between {{ days }} preceding and {{ until }} preceding)
{%- endmacro %}

{# All days before the row's own. #}
{% macro ever(expression) -%}
    {{ expression }} over (partition by customer_id order by day_number range between unbounded preceding and 1 preceding)
{%- endmacro %}

{# A date as a whole number, one more each day. #}
{% macro day_number(day) -%} {{ days_between("cast('2000-01-01' as date)", day) }} {%- endmacro %}
