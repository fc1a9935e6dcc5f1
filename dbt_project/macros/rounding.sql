{#
    A quotient of numbers of at least nothing, to the next whole one; a half goes up. The rule of `commerce.prices`, and
    the same in every warehouse: PostgreSQL's own `round` takes a half of a floating number to the even one.
#}
{% macro half_up(numerator, denominator=1) -%}
    cast(floor(
        (2 * cast({{ numerator }} as {{ double() }}) + {{ denominator }}) / (2 * {{ denominator }})
    ) as bigint)
{%- endmacro %}

{# The tax inside a price that includes it, in minor units; the rate in basis points of the price without it. #}
{% macro included_tax(amount_minor, tax_rate_bp) -%}
    {{ half_up(amount_minor ~ ' * ' ~ tax_rate_bp, '(10000 + ' ~ tax_rate_bp ~ ')') }}
{%- endmacro %}
