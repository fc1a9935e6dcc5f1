{# The instant the build speaks of: the clock's, or the variable `now` (a timestamp with time zone) in a back-run. #}
{% macro now() -%}
    {%- if var('now') -%} {{ instant(var('now')) }} {%- else -%} current_timestamp {%- endif -%}
{%- endmacro %}

{# An instant written out, with its offset from UTC. #}
{% macro instant(text) -%} {{ return(adapter.dispatch('instant')(text)) }} {%- endmacro %}

{% macro default__instant(text) -%} cast('{{ text }}' as {{ instant_type() }}) {%- endmacro %}

{# Snowflake takes fewer ways of writing it. #}
{% macro snowflake__instant(text) -%}
    {{ default__instant(modules.datetime.datetime.fromisoformat(text).isoformat()) }}
{%- endmacro %}

{# An instant as a type. #}
{% macro instant_type() -%} {{ return(adapter.dispatch('instant_type')()) }} {%- endmacro %}

{% macro default__instant_type() -%} timestamp with time zone {%- endmacro %}

{% macro bigquery__instant_type() -%} timestamp {%- endmacro %}

{#
    After every instant: stands for an end that is not set. `x < coalesce(ended_at, never())` can be a hash join's
    condition; `ended_at is null or x < ended_at` makes DuckDB compare every row of one side with every row of the other.
#}
{% macro never() -%} {{ instant('9999-12-31 00:00:00+00') }} {%- endmacro %}

{# The instant a date begins in UTC. #}
{% macro utc_midnight(day) -%} {{ return(adapter.dispatch('utc_midnight')(day)) }} {%- endmacro %}

{% macro default__utc_midnight(day) -%} cast({{ day }} as timestamp with time zone) {%- endmacro %}

{# A cast would take the session's time zone. #}
{% macro snowflake__utc_midnight(day) -%}
    {{ snowflake__epoch("datediff('second', cast('1970-01-01' as date), " ~ day ~ ")") }}
{%- endmacro %}

{% macro bigquery__utc_midnight(day) -%} timestamp({{ day }}) {%- endmacro %}

{# After every date, for the same reason. #}
{% macro no_date() -%} cast('9999-12-31' as date) {%- endmacro %}

{# The date that an instant falls on in a time zone. #}
{% macro local_date(instant, time_zone) -%}
    {{ return(adapter.dispatch('local_date')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__local_date(instant, time_zone) -%}
    cast({{ instant }} at time zone {{ time_zone }} as date)
{%- endmacro %}

{% macro snowflake__local_date(instant, time_zone) -%}
    cast(convert_timezone({{ time_zone }}, {{ instant }}) as date)
{%- endmacro %}

{% macro bigquery__local_date(instant, time_zone) -%} date({{ instant }}, {{ time_zone }}) {%- endmacro %}

{# The hour, 0-23, that an instant falls on in a time zone. #}
{% macro local_hour(instant, time_zone) -%}
    {{ return(adapter.dispatch('local_hour')(instant, time_zone)) }}
{%- endmacro %}

{% macro default__local_hour(instant, time_zone) -%}
    cast(extract(hour from {{ instant }} at time zone {{ time_zone }}) as integer)
{%- endmacro %}

{% macro snowflake__local_hour(instant, time_zone) -%}
    cast(extract(hour from convert_timezone({{ time_zone }}, {{ instant }})) as integer)
{%- endmacro %}

{# Today's date in a time zone. #}
{% macro today(time_zone="'UTC'") -%}
    {{ local_date(now(), time_zone) }}
{%- endmacro %}

{# The Monday of a date's week. #}
{% macro monday(day) -%}
    {{ return(adapter.dispatch('monday')(day)) }}
{%- endmacro %}

{% macro default__monday(day) -%}
    cast({{ dbt.date_trunc('week', day) }} as date)
{%- endmacro %}

{# An account may have its weeks begin on another day. #}
{% macro snowflake__monday(day) -%} dateadd('day', 1 - dayofweekiso({{ day }}), {{ day }}) {%- endmacro %}

{% macro bigquery__monday(day) -%} date_trunc({{ day }}, week(monday)) {%- endmacro %}

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

{% macro snowflake__days_between(first, second) -%} datediff('day', {{ first }}, {{ second }}) {%- endmacro %}

{% macro bigquery__days_between(first, second) -%} date_diff({{ second }}, {{ first }}, day) {%- endmacro %}

{# Hours from one instant to another, with a fraction. #}
{% macro hours_between(first, second) -%}
    {{ return(adapter.dispatch('hours_between')(first, second)) }}
{%- endmacro %}

{% macro default__hours_between(first, second) -%}
    (extract(epoch from {{ second }}) - extract(epoch from {{ first }})) / 3600.0
{%- endmacro %}

{% macro snowflake__hours_between(first, second) -%}
    (cast(datediff('microsecond', {{ first }}, {{ second }}) as double precision) / 3600000000)
{%- endmacro %}

{% macro bigquery__hours_between(first, second) -%}
    (timestamp_diff({{ second }}, {{ first }}, microsecond) / 3600000000)
{%- endmacro %}

{# Hours from one time of day to another, with a fraction. #}
{% macro hours_of_day_between(first, second) -%}
    {{ return(adapter.dispatch('hours_of_day_between')(first, second)) }}
{%- endmacro %}

{% macro default__hours_of_day_between(first, second) -%} {{ hours_between(first, second) }} {%- endmacro %}

{% macro bigquery__hours_of_day_between(first, second) -%}
    (time_diff({{ second }}, {{ first }}, microsecond) / 3600000000)
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
    {{ return(adapter.dispatch('days_after')(instant, days)) }}
{%- endmacro %}

{% macro default__days_after(instant, days) -%} {{ dbt.dateadd('day', days, instant) }} {%- endmacro %}

{# Days of the session's time zone may have 23 or 25 hours. #}
{% macro snowflake__days_after(instant, days) -%} dateadd('hour', 24 * {{ days }}, {{ instant }}) {%- endmacro %}

{% macro bigquery__days_after(instant, days) -%} timestamp_add({{ instant }}, interval {{ days }} day) {%- endmacro %}

{# An instant some seconds later: a whole number or one with a fraction, down to microseconds. #}
{% macro seconds_after(instant, seconds) -%}
    {{ return(adapter.dispatch('seconds_after')(instant, seconds)) }}
{%- endmacro %}

{% macro default__seconds_after(instant, seconds) -%} ({{ instant }} + {{ seconds }} * interval '1' second) {%- endmacro %}

{% macro snowflake__seconds_after(instant, seconds) -%}
    (dateadd('microsecond', cast(round({{ seconds }} * 1000000) as bigint), {{ instant }}))
{%- endmacro %}

{% macro bigquery__seconds_after(instant, seconds) -%}
    timestamp_add({{ instant }}, interval cast(round({{ seconds }} * 1000000) as int64) microsecond)
{%- endmacro %}

{# A date some days later (or earlier). #}
{% macro add_days(day, days) -%}
    {{ return(adapter.dispatch('add_days')(day, days)) }}
{%- endmacro %}

{% macro default__add_days(day, days) -%}
    cast({{ day }} + {{ days }} as date)
{%- endmacro %}

{% macro snowflake__add_days(day, days) -%} cast(dateadd('day', {{ days }}, {{ day }}) as date) {%- endmacro %}

{% macro bigquery__add_days(day, days) -%} date_add({{ day }}, interval {{ days }} day) {%- endmacro %}

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

{# A generator needs to be told beforehand how many rows at most: here for a hundred years of days. #}
{% macro snowflake__dates(first, last, every) -%}
    {%- set step, unit = every.split(' ') -%}
    (
        select numbered.day
        from (
            select cast(dateadd(
                '{{ unit | replace("days", "day") }}', {{ step }} * (row_number() over (order by seq4()) - 1), {{ first }}
            ) as date) as day
            from table(generator(rowcount => 36600))
        ) as numbered
        where numbered.day <= {{ last }}
    )
{%- endmacro %}

{% macro bigquery__dates(first, last, every) -%}
    (
        select day
        from unnest(generate_date_array({{ first }}, {{ last }}, interval {{ every | replace("days", "day") }})) as day
    )
{%- endmacro %}
