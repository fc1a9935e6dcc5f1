{#
    Aggregates over a customer's days before the row's own. The query names the window `of_customer`, ordered by
    `day_number`: frames over whole numbers cost DuckDB two thirds of what frames over intervals cost.
#}

{# From `days` before the row's own day to `until` days before it. #}
{% macro seen(expression, days, until=1) -%}
    {{ expression }} over (of_customer range between {{ days }} preceding and {{ until }} preceding)
{%- endmacro %}

{# All days before the row's own. #}
{% macro ever(expression) -%}
    {{ expression }} over (of_customer range between unbounded preceding and 1 preceding)
{%- endmacro %}

{# A date as a whole number, one more each day. #}
{% macro day_number(day) -%} {{ days_between("cast('2000-01-01' as date)", day) }} {%- endmacro %}
