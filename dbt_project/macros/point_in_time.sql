{# An aggregate over a customer's days, from `days` before the row's own day to `until` days before it. #}
{% macro seen(expression, days, until=1) -%}
    {{ expression }} over (
        of_customer range between interval '{{ days }}' day preceding and interval '{{ until }}' day preceding
    )
{%- endmacro %}

{# An aggregate over all of a customer's days before the row's own. The query names the window `of_customer`. #}
{% macro ever(expression) -%}
    {{ expression }} over (of_customer range between unbounded preceding and interval '1' day preceding)
{%- endmacro %}
