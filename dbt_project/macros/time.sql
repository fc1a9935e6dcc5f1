{# The instant the build speaks of: the clock's, or the variable `now` (a timestamp with time zone) in a back-run. #}
{% macro now() -%}
    {%- if var('now') -%} cast('{{ var("now") }}' as timestamp with time zone) {%- else -%} current_timestamp {%- endif -%}
{%- endmacro %}

{#
    After every instant: stands for an end that is not set. `x < coalesce(ended_at, never())` can be a hash join's
    condition; `ended_at is null or x < ended_at` makes DuckDB compare every row of one side with every row of the other.
#}
{% macro never() -%} cast('9999-12-31 00:00:00+00' as timestamp with time zone) {%- endmacro %}

{# After every date, for the same reason. #}
{% macro no_date() -%} cast('9999-12-31' as date) {%- endmacro %}

{# The date that an instant falls on in a time zone. #}
{% macro local_date(instant, time_zone) -%}
    {{ return(adapter.dispatch('local_date')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__local_date(instant, time_zone) -%}
    cast({{ instant }} at time zone {{ time_zone }} as date)
{%- endmacro %}

{# The hour, 0-23, that an instant falls on in a time zone. #}
{% macro local_hour(instant, time_zone) -%}
    {{ return(adapter.dispatch('local_hour')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__local_hour(instant, time_zone) -%}
    cast(extract(hour from {{ instant }} at time zone {{ time_zone }}) as integer)
{%- endmacro %}

{# Today's date in a time zone. #}
{% macro today(time_zone="'UTC'") -%}
    {{ local_date(now(), time_zone) }}
{%- endmacro %}

{# The Monday of a date's week. #}
{% macro monday(day) -%}
    cast({{ dbt.date_trunc('week', day) }} as date)
{%- endmacro %}

{# The first of a date's month. #}
{% macro first_of_month(day) -%}
    cast({{ dbt.date_trunc('month', day) }} as date)
{%- endmacro %}

{# Whole days from one date to another; negative where the second is earlier. #}
{% macro days_between(first, second) -%}
    {{ return(adapter.dispatch('days_between')(first, second)) }}
{%- endmacro %}

{% macro default__days_between(first, second) -%}
    cast({{ second }} - {{ first }} as integer)
{%- endmacro %}

{# Hours from one instant to another, with a fraction. #}
{% macro hours_between(first, second) -%}
    {{ return(adapter.dispatch('hours_between')(first, second)) }}
{%- endmacro %}

{% macro default__hours_between(first, second) -%}
    (extract(epoch from {{ second }}) - extract(epoch from {{ first }})) / 3600.0
{%- endmacro %}

{# A date some months later: the last day of a shorter month where the day does not exist. #}
{% macro add_months(day, months) -%}
    cast({{ dbt.dateadd('month', months, day) }} as date)
{%- endmacro %}

{# Months from one date's month to another's. #}
{% macro months_between(first, second) -%}
    {{ dbt.datediff(first, second, 'month') }}
{%- endmacro %}

{# An instant some whole days of 24 hours later. #}
{% macro days_after(instant, days) -%}
    {{ dbt.dateadd('day', days, instant) }}
{%- endmacro %}

{# A date some days later (or earlier). #}
{% macro add_days(day, days) -%}
    cast({{ day }} + {{ days }} as date)
{%- endmacro %}

{# All dates from one to another, both included, as rows: a table expression with the column `day`. #}
{% macro dates(first, last, every='1 day') -%}
    {{ return(adapter.dispatch('dates')(first, last, every)) }}
{%- endmacro %}

{% macro default__dates(first, last, every) -%}
    (select cast(at as date) as day from generate_series({{ first }}, {{ last }}, interval '{{ every }}') as series (at))
{%- endmacro %}

{% macro duckdb__dates(first, last, every) -%}
    (select cast(unnest(generate_series(
        cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '{{ every }}'
    )) as date) as day)
{%- endmacro %}
