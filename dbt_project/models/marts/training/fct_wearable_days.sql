{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {'int_wearable_days_chosen': 'select customer_id, day from {rows}'},
    'only': {
        'int_wearable_days_chosen': "
            day >= {earliest} - 28 and exists (
                select 1 from {parts} as part
                where part.key = row_of_input.customer_id and row_of_input.day >= part.since - 28
            )
        ",
    },
}}) }}
-- Readiness: today's ln RMSSD against the client's own last 28 days; 50 is usual, 25 points are one deviation.
{% set before_today = 
    "partition by customer_id order by " ~ day_number("day") ~ " range between 28 preceding and 1 preceding"
 %}
with compared as (
    select
        *,
        avg(ln(hrv_rmssd_ms)) over ({{ before_today }}) as usual,
        stddev_samp(ln(hrv_rmssd_ms)) over ({{ before_today }}) as deviation,
        count(hrv_rmssd_ms) over ({{ before_today }}) as days_known
    from {{ ref('int_wearable_days_chosen') }}
)

select
    customer_id,
    day,
    device,
    devices_seen,
    sleep_minutes,
    hrv_rmssd_ms,
    resting_heart_rate_bpm,
    steps,
    case when days_known >= 7 then exp(usual) end as hrv_baseline_ms,
    case
        when days_known >= 7 and hrv_rmssd_ms is not null and deviation > 1e-9
            then least(100.0, greatest(0.0, 50 + 25 * (ln(hrv_rmssd_ms) - usual) / deviation))
    end as readiness,
    cast(
        case
            when in_bed_minutes >= sleep_minutes then cast(sleep_minutes as {{ double() }}) / nullif(in_bed_minutes, 0)
        end as {{ double() }}
    ) as sleep_efficiency
from compared
