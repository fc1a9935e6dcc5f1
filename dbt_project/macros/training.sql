{#
    Estimated one-repetition maximum by Epley's formula, kg * (1 + reps / 30).

    Null where the formula does not hold: more than ten repetitions, none, or no weight. One repetition is its own
    maximum (Epley would add 3.3 %).
#}
{% macro epley_e1rm(weight_kg, reps) -%}
    case
        when {{ weight_kg }} is null or {{ weight_kg }} <= 0 or {{ reps }} < 1 or {{ reps }} > 10 then null
        when {{ reps }} = 1 then cast({{ weight_kg }} as {{ double() }})
        else cast({{ weight_kg }} as {{ double() }}) * (1 + {{ reps }} / 30.0)
    end
{%- endmacro %}
