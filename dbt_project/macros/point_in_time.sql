{#
    What is told of a customer as of a date, from the days before it: name, aggregate, what of a day's row, how many
    days back it begins (none: with the first) and ends.
#}
{% macro activity_features() %}
    {%- set told = [] -%}
    {%- for days in [7, 28, 90] -%}
        {%- do told.append(('sessions_booked_' ~ days ~ 'd', 'sum', 'booked', days, 1)) -%}
        {%- do told.append(('sessions_attended_' ~ days ~ 'd', 'sum', 'attended', days, 1)) -%}
    {%- endfor -%}
    {%- do told.extend([
        ('attended_before', 'sum', 'attended', 56, 29),
        ('no_shows_90d', 'sum', 'no_show', 90, 1),
        ('late_cancels_90d', 'sum', 'late_cancelled', 90, 1),
        ('last_attended_on', 'max', 'case when attended > 0 then day end', none, 1),
        ('seats_ahead', 'sum', 'seats_ahead', none, 1),
        ('planned_28d', 'sum', 'planned', 28, 1),
        ('planned_done_28d', 'sum', 'planned_done', 28, 1),
        ('planned_before', 'sum', 'planned', 84, 29),
        ('planned_done_before', 'sum', 'planned_done', 84, 29),
        ('workouts_28d', 'sum', 'workouts', 28, 1),
        ('last_workout_on', 'max', 'case when workouts > 0 then day end', none, 1),
        ('volume_28d_kg', 'sum', 'volume_kg', 28, 1),
        ('volume_before_kg', 'sum', 'volume_kg', 56, 29),
        ('rpe_28d', 'sum', 'session_rpe', 28, 1),
        ('rpes_told_28d', 'sum', 'rpes_told', 28, 1),
        ('coach_changes_90d', 'sum', 'coach_changes', 90, 1),
        ('price_increase_90d', 'max', 'price_increase', 90, 1),
        ('failed_payments_90d', 'sum', 'failed_payments', 90, 1),
        ('messages_sent_28d', 'sum', 'messages_sent', 28, 1),
        ('messages_received_28d', 'sum', 'messages_received', 28, 1),
        ('last_message_on', 'max', 'case when messages_sent + messages_received > 0 then day end', none, 1),
        ('open_injuries', 'sum', 'open_injuries', none, 1),
        ('sleep_7d', 'avg', 'sleep_minutes', 7, 1),
        ('sleep_28d', 'avg', 'sleep_minutes', 28, 1),
        ('hrv_7d', 'avg', 'hrv_rmssd_ms', 7, 1),
        ('hrv_28d', 'avg', 'hrv_rmssd_ms', 28, 1),
    ]) -%}
    {%- set features = [] -%}
    {%- for name, aggregate, what, days, until in told -%}
        {%- do features.append({'name': name, 'aggregate': aggregate, 'what': what, 'days': days, 'until': until}) -%}
    {%- endfor -%}
    {{ return(features) }}
{% endmacro %}

{#
    The features as windows over rows with a `customer_id` and a `day_number`. Frames over whole numbers cost DuckDB two
    thirds of what frames over intervals cost. Snowflake names no windows, so they are written out.
#}
{% macro activity_features_in_windows() -%}
    {%- for feature in activity_features() -%}
        {{ feature.aggregate }}({{ feature.what }}) over (
            partition by customer_id order by day_number
            range between {{ feature.days or 'unbounded' }} preceding and {{ feature.until }} preceding) as {{ feature.name }}
        {{- ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    The same features as aggregates over a customer's days (`day`) before a date (`cutoff_on`), for few dates: DuckDB
    works a window out for every row, also for those that nobody asks for.
#}
{% macro activity_features_in_groups() -%}
    {%- set columns = [] -%}
    {%- for feature in activity_features() -%}
        {%- set frame = "cutoff_on - day >= " ~ feature.until
            ~ (" and cutoff_on - day <= " ~ feature.days if feature.days else "") -%}
        {%- do columns.append(
            feature.aggregate ~ "(case when " ~ frame ~ " then " ~ feature.what ~ " end) as " ~ feature.name
        ) -%}
    {%- endfor -%}
    {{ return(columns | join(', ')) }}
{%- endmacro %}

{# A date as a whole number, one more each day. #}
{% macro day_number(day) -%} {{ days_between("cast('2000-01-01' as date)", day) }} {%- endmacro %}
